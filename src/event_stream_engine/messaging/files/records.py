"""What every reader of a contact file gives: records with the line they start on."""

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from event_stream_engine.errors import Invalid

Format = Literal["csv", "json", "jsonl"]

RECORD_CHARACTERS_MAX = 1_048_576
"""One row has at most this many characters; what is longer is refused without being held in memory."""

COLUMNS_MAX = 500


_MARKED = "ese-marked"


def _mark(error: UnicodeError) -> tuple[str, int]:
    """Half a surrogate pair for bytes that are no text: it cannot be stored, so the row is refused later."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error(_MARKED, _mark)


class FileUnreadable(Invalid):
    """The file as a whole cannot be imported; `detail` says what to do with it."""

    code = "file_unreadable"


@dataclass(frozen=True)
class Shape:
    """How a file is to be read. `damaged`: text in UTF-8 with some bytes that are not."""

    format: Format
    encoding: str
    delimiter: str | None = None
    damaged: bool = False


@dataclass(slots=True)
class Record:
    """One row. `line` is the physical line it starts on, from 1; `raw` the row as it stands in the file.

    A row that could not be read has `problem` (a code and a sentence) instead of cells. `warnings`: a code and a sample
    for each thing that was odd.
    """

    line: int
    raw: str
    cells: list[object]
    problem: tuple[str, str] | None = None
    warnings: list[tuple[str, str]] = field(default_factory=list)


class Rows(Protocol):
    """The records of one file, read once, in order."""

    @property
    def columns(self) -> list[str]: ...
    @property
    def unmapped(self) -> dict[str, int]:
        """Members of JSON objects that nobody asked for, and in how many rows."""
        ...

    def bytes_read(self) -> int: ...
    def skip(self, count: int) -> None:
        """Pass over `count` records, which were read in an earlier life."""
        ...

    def close(self) -> None: ...
    def __iter__(self) -> Iterator[Record]: ...


def open_text(path: str | Path, shape: Shape) -> io.TextIOWrapper:
    """The file as text with its own line ends; bytes that are no text become lone surrogates."""
    binary = open(path, "rb", buffering=1 << 18)  # noqa: SIM115  # the reader closes it
    encoding = "utf-8-sig" if shape.encoding == "utf-8" else shape.encoding
    errors = "surrogateescape" if encoding == "utf-8-sig" else _MARKED
    text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")
    if shape.encoding in ("utf-16-le", "utf-16-be") and text.read(1) != "\ufeff":
        text.seek(0)
    return text


def position(text: io.TextIOWrapper) -> int:
    """Bytes read so far; a buffer ahead of what was parsed."""
    buffer: Any = text.buffer  # the stubs know less than io documents
    return int(buffer.tell())


_ESCAPED = re.compile("[\udc80-\udcff]")


def read_as_windows_1252(text: str) -> str | None:
    """A text whose bytes that are not UTF-8 are read as Windows-1252, the other encoding that most exports have; None
    when it has none, or some that are neither."""
    if text.isascii() or not _ESCAPED.search(text):
        return None
    try:
        return "".join(_windows_1252(c) if "\udc80" <= c <= "\udcff" else c for c in text)
    except UnicodeDecodeError:
        return None


def _windows_1252(escaped: str) -> str:
    return escaped.encode("utf-8", "surrogateescape").decode("cp1252")


def damage(raw: str) -> tuple[str, str] | None:
    """What makes a row's text unstorable, if anything."""
    if "\x00" in raw:
        return (
            "nul_character",
            "The row holds a NUL character, which no text has: remove it and import again.",
        )
    if not raw.isascii():
        try:
            raw.encode()
        except UnicodeEncodeError:
            return (
                "bad_encoding",
                "The row holds bytes that are no text: save the file as UTF-8 and import again.",
            )
    return None
