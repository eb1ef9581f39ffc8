"""JSON: a list of objects, or one object a line. Numbers are kept as they are written: 1.10 stays 1.10."""

import io
import json
import re
from collections.abc import Iterator
from typing import NoReturn

from event_stream_engine.messaging.files.records import (
    RECORD_CHARACTERS_MAX,
    FileUnreadable,
    Record,
    damage,
    position,
)

_BLOCK = 1 << 18
_BAD = "bad_json"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_no_constant)


class _Objects:
    """What both kinds share: turning objects into cells in the order of the columns."""

    def __init__(self, text: io.TextIOWrapper, columns: list[str] | None) -> None:
        self._text = text
        self.columns = columns or []
        self._discover = columns is None
        self._known = set(self.columns)
        self.unmapped: dict[str, int] = {}

    def bytes_read(self) -> int:
        return position(self._text)

    def close(self) -> None:
        self._text.close()

    def record(self, line: int, raw: str, value: object) -> Record:
        if not isinstance(value, dict):
            return Record(line, raw, [], ("not_an_object", 'The row is not an object such as {"phone": "+46…"}.'))
        flat = _flat(value)
        if flat is None:
            return Record(line, raw, [], ("duplicate_name", "A name stands both in the object and in its attributes."))
        if not flat.keys() <= self._known:
            for name in flat:
                self._note(name)
        return Record(line, raw, [flat.get(name) for name in self.columns], _damage_of(flat, raw))

    def _note(self, name: str) -> None:
        if name in self._known:
            return
        if self._discover:
            self._known.add(name)
            self.columns.append(name)
        elif name in self.unmapped or len(self.unmapped) < 100:
            self.unmapped[name] = self.unmapped.get(name, 0) + 1


class LineObjects(_Objects):
    """JSONL: each line one object; blank lines are no rows."""

    def skip(self, count: int) -> None:
        for _, _ in zip(range(count), self._lines(), strict=False):
            pass

    def __iter__(self) -> Iterator[Record]:
        for line, raw, is_whole in self._lines():
            if not is_whole:
                yield Record(line, raw[:10_000], [], _TOO_LONG)
                continue
            try:
                value = _DECODER.decode(raw)
            except (ValueError, RecursionError) as error:
                yield Record(line, raw, [], damage(raw) or (_BAD, f"The line is not valid JSON: {_why(error)}."))
                continue
            yield self.record(line, raw, value)

    _number = 0

    def _lines(self) -> Iterator[tuple[int, str, bool]]:
        while True:
            raw = self._text.readline(RECORD_CHARACTERS_MAX + 1)
            if not raw:
                return
            self._number += 1
            is_whole = len(raw) <= RECORD_CHARACTERS_MAX
            if not is_whole:
                rest = raw
                while rest and not rest.endswith(("\n", "\r")):
                    rest = self._text.readline(RECORD_CHARACTERS_MAX)
            if raw.strip():
                yield self._number, raw, is_whole


class ListObjects(_Objects):
    """The elements of one JSON list, decoded one at a time from a window over the text."""

    def __init__(self, text: io.TextIOWrapper, columns: list[str] | None) -> None:
        super().__init__(text, columns)
        self._window = ""
        self._at = 0
        self._line = 1
        self._elements = self._decode()

    def skip(self, count: int) -> None:
        for _, _ in zip(range(count), self._elements, strict=False):
            pass

    def __iter__(self) -> Iterator[Record]:
        for line, raw, value in self._elements:
            yield self.record(line, raw, value)

    def _decode(self) -> Iterator[tuple[int, str, object]]:
        """Raises `FileUnreadable` with the line where the file stops being a JSON list."""
        self._enter()
        is_first = True
        while True:
            if not self._to_next(is_first=is_first):
                return
            is_first = False
            line = self._line
            value, end = self._element()
            raw = self._window[self._at : end]
            self._line += raw.count("\n")
            self._at = end
            yield line, raw, value

    def _enter(self) -> None:
        """Step into the list: the file's own, or the one under `contacts`."""
        self._skip_space()
        if self._char() == "{":
            found = re.compile(r'\{\s*"contacts"\s*:\s*').match(self._window)
            if not found:
                raise FileUnreadable(
                    'The file holds one JSON object. Write a list of contacts: [{"phone": "+46…"}, …], '
                    'or {"contacts": […]} with nothing before it.'
                )
            self._advance(found.end())
        if self._char() != "[":
            raise FileUnreadable("The file is JSON, but not a list of contacts.")
        self._advance(self._at + 1)

    def _to_next(self, *, is_first: bool) -> bool:
        """Go to the next element; False at the end of the list."""
        self._skip_space()
        found = self._char()
        if found == "]":
            self._advance(self._at + 1)
            self._end()
            return False
        if not is_first:
            if found != ",":
                self._broken("a comma or ] is missing")
            self._advance(self._at + 1)
            self._skip_space()
        if self._char() == "":
            self._broken("the file ends inside the list")
        return True

    def _end(self) -> None:
        """Nothing but the end of the wrapping object may follow."""
        self._skip_space()
        if self._char() == "}":
            self._advance(self._at + 1)
            self._skip_space()
        if self._char():
            self._broken("something follows the list of contacts")

    def _element(self) -> tuple[object, int]:
        while True:
            try:
                value, end = _DECODER.raw_decode(self._window, self._at)
            except RecursionError:
                self._broken("it is nested too deeply")
            except ValueError as error:
                if len(self._window) - self._at > RECORD_CHARACTERS_MAX or not self._refill():
                    self._broken(_why(error))
                continue
            if end < len(self._window) or not self._refill():
                return value, end

    def _skip_space(self) -> None:
        while True:
            end = _SPACE.match(self._window, self._at).end()  # type: ignore[union-attr]  # matches nothing, too
            self._advance(end)
            if self._at < len(self._window) or not self._refill():
                return

    def _char(self) -> str:
        return self._window[self._at : self._at + 1]

    def _advance(self, to: int) -> None:
        self._line += self._window.count("\n", self._at, to)
        self._at = to

    def _refill(self) -> bool:
        block = self._text.read(_BLOCK)
        if not block:
            return False
        self._window = self._window[self._at :] + block
        self._at = 0
        return True

    def _broken(self, why: str) -> NoReturn:
        raise FileUnreadable(f"Line {self._line}: the JSON cannot be read from here on: {why}.")


_SPACE = re.compile(r"[ \t\r\n]*")
_TOO_LONG = ("row_too_long", f"The line has more than {RECORD_CHARACTERS_MAX:,} characters.")


def _flat(value: dict[str, object]) -> dict[str, object] | None:
    """The members with those of `attributes` beside them; None when a name stands in both."""
    nested = value.get("attributes")
    if not isinstance(nested, dict):
        return value
    flat = {name: member for name, member in value.items() if name != "attributes"}
    if flat.keys() & nested.keys():
        return None
    return flat | nested


def _damage_of(flat: dict[str, object], raw: str) -> tuple[str, str] | None:
    """Escapes (`\\u0000`, half a surrogate pair) can hold what the raw text does not show."""
    found = damage(raw)
    if found is None and "\\u" in raw:
        return damage("".join(map(str, flat.values())))
    return found


def _why(error: Exception) -> str:
    return error.msg[0].lower() + error.msg[1:] if isinstance(error, json.JSONDecodeError) else str(error)
