"""CSV: any delimiter, quoted line ends, and rows that are not what their neighbours are."""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterator

from event_stream_engine.messaging.files.records import (
    COLUMNS_MAX,
    RECORD_CHARACTERS_MAX,
    FileUnreadable,
    Record,
    damage,
    position,
    read_as_windows_1252,
)

csv.field_size_limit(RECORD_CHARACTERS_MAX)

_TOO_LONG = (
    "row_too_long",
    f"The row has more than {RECORD_CHARACTERS_MAX:,} characters: a quotation mark or a line end is missing.",
)
_BAD_QUOTES = (
    "bad_quotes",
    "A quotation mark opens a cell and is not closed before the delimiter, or stands inside a cell: "
    'write "" for a quotation mark in a quoted cell.',
)


class RecordTooLong(Exception):
    """The current record passed the bound; `physical` when a single line did."""

    def __init__(self, *, physical: bool) -> None:
        super().__init__()
        self.physical = physical


class Lines:
    """Physical lines with their line ends, one at a time, that can be taken back while a record is open."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self.text = text
        self.number = 0
        self.open: list[str] = []
        self._length = 0
        self._back: deque[str] = deque()

    def __iter__(self) -> "Lines":
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else self.text.readline(RECORD_CHARACTERS_MAX + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._length += len(line)
        if self._length <= RECORD_CHARACTERS_MAX:
            self.open.append(line)
            return line
        physical = not self.open
        self.open.append(line)
        if physical:
            self._drain(line)
        raise RecordTooLong(physical=physical)

    def _drain(self, line: str) -> None:
        """Pass over the rest of a line that is too long to be held."""
        while line and not line.endswith(("\n", "\r")):
            line = self.text.readline(RECORD_CHARACTERS_MAX)

    def begin(self) -> None:
        """A new record starts at the next line."""
        self.open = []
        self._length = 0

    def keep_only_the_first(self) -> None:
        """Give back every line of the open record but its first: they may well be rows of their own."""
        rest = self.open[1:]
        self._back.extendleft(reversed(rest))
        self.number -= len(rest)
        self.open = self.open[:1]


class DelimitedRows:
    """The rows below the header. Blank lines are no rows. Raises `FileUnreadable` for a header that cannot serve."""

    unmapped: dict[str, int]

    def __init__(self, text: io.TextIOWrapper, delimiter: str) -> None:
        self._text = text
        self._lines = Lines(text)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.unmapped = {}
        self.columns = _columns(self._header())

    def _header(self) -> list[str]:
        while True:
            self._lines.begin()
            try:
                cells = next(self._reader, None)
            except (csv.Error, RecordTooLong) as error:
                raise FileUnreadable(
                    "The first line, which names the columns, cannot be read: check its quotation marks."
                ) from error
            if cells is None:
                raise FileUnreadable("The file is empty: it has no line that names the columns.")
            if any(cell.strip() for cell in cells) and not excel_hint("".join(self._lines.open)):
                return cells

    def bytes_read(self) -> int:
        return position(self._text)

    def close(self) -> None:
        self._text.close()

    def skip(self, count: int) -> None:
        for _, _ in zip(range(count), self, strict=False):
            pass

    def __iter__(self) -> Iterator[Record]:
        lines, reader, width = self._lines, self._reader, len(self.columns)
        while True:
            lines.begin()
            line = lines.number + 1
            try:
                cells = next(reader, None)
            except RecordTooLong as error:
                yield self._refused(line, _TOO_LONG if error.physical else _BAD_QUOTES, physical=error.physical)
                continue
            except csv.Error:
                yield self._refused(line, _BAD_QUOTES, physical=False)
                continue
            if cells is None:
                return
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue  # a blank line
            raw = lines.open[0] if len(lines.open) == 1 else "".join(lines.open)
            yield _record(line, raw, cells, width)

    def _refused(self, line: int, problem: tuple[str, str], *, physical: bool) -> Record:
        if not physical:
            self._lines.keep_only_the_first()
        return Record(line, self._lines.open[0][:10_000], [], problem)


def _record(line: int, raw: str, cells: list[str], width: int) -> Record:
    """The cells brought to the file's width: tools leave out empty cells at the end of a row, or add some."""
    warnings = []
    if (repaired := read_as_windows_1252(raw)) is not None:
        cells = [read_as_windows_1252(cell) or cell for cell in cells]
        warnings.append(("read_as_windows_1252", repaired.strip()[:60]))
        raw = repaired
    if len(cells) < width:
        warnings.append(("row_padded", f"line {line}"))
        cells += [""] * (width - len(cells))
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    return Record(line, raw, cells, damage(raw) or _width_problem(len(cells), width), warnings)  # type: ignore[arg-type]


def _width_problem(found: int, expected: int) -> tuple[str, str] | None:
    if found == expected:
        return None
    return (
        "too_many_columns",
        f"The row has {found} cells where the first line names {expected} columns: "
        "quote cells that hold the delimiter.",
    )


_EXCEL_HINT = re.compile(r'\ufeff?"?sep=([,;|\t:])"?\s*', re.IGNORECASE)


def excel_hint(line: str) -> str | None:
    """The delimiter that a line such as `sep=;` tells Excel; such a line is no header."""
    found = _EXCEL_HINT.fullmatch(line)
    return found[1] if found else None


def _columns(header: list[str]) -> list[str]:
    if len(header) > COLUMNS_MAX:
        raise FileUnreadable(f"The file has {len(header)} columns; at most {COLUMNS_MAX} can be imported.")
    cells = [read_as_windows_1252(cell) or cell for cell in header]
    names = _numbered([cell.strip() or f"column_{number}" for number, cell in enumerate(cells, 1)])
    if any("\x00" in name for name in names) or damage("".join(names)):
        raise FileUnreadable("The names of the columns are not text: save the file as UTF-8.")
    return names


def _numbered(names: list[str]) -> list[str]:
    """Headings that are there twice get a number: `Email`, `Email_2`."""
    originals = {name.casefold() for name in names}
    used: set[str] = set()
    numbers: Counter[str] = Counter()
    found: list[str] = []
    for name in names:
        unique = name
        while unique.casefold() in used or (unique != name and unique.casefold() in originals):
            numbers[name.casefold()] += 1
            unique = f"{name}_{numbers[name.casefold()] + 1}"
        used.add(unique.casefold())
        found.append(unique)
    return found
