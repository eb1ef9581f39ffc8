"""What a file is, told from its content: format, encoding, delimiter. Its name is not asked."""

import codecs
import csv
import json
from pathlib import Path

from event_stream_engine.messaging.files.delimited import excel_hint
from event_stream_engine.messaging.files.objects import ListObjects
from event_stream_engine.messaging.files.records import FileUnreadable, Format, Shape, open_text

SAMPLE_BYTES = 1 << 18
_BLOCK = 1 << 20

_FOREIGN = {
    b"%PDF": "a PDF: export the table behind it as CSV",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook: save the sheet as CSV (UTF-8), or unpack the archive",
    b"PK\x05\x06": "an empty ZIP archive: choose the file that was meant to be in it",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document: save the sheet as CSV (UTF-8)",
    b"\x89PNG": "a picture (PNG): choose the file with the contacts",
    b"\xff\xd8\xff": "a picture (JPEG): choose the file with the contacts",
    b"GIF8": "a picture (GIF): choose the file with the contacts",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive: unpack it first",
    b"SQLite format 3\x00": "a SQLite database: export the table as CSV",
    b"PAR1": "a Parquet file: export it as CSV or JSON lines",
    b"{\\rtf": "a formatted document (RTF): export the contacts as CSV",
    b"BEGIN:VCARD": "a vCard, the contacts of a phone or an address book: export them as CSV there (Google Contacts, "
    "iCloud and Outlook can), or convert the file",
    b"<": "HTML or XML: export the contacts as CSV or JSON",
}
_AFTER_BLANKS = (b"<", b"BEGIN:VCARD")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DELIMITERS = ",;\t|"
_ONE_BYTE = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "shift_jis", "gb18030", "euc_kr", "big5"]
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}


def inspect(path: str | Path) -> Shape:
    """How to read the file. Reads all of it once: its encoding, and for a JSON list its structure, are certain.

    Raises `FileUnreadable` saying what to do, and `OSError`.
    """
    with open(path, "rb") as file:
        head = file.read(SAMPLE_BYTES)
    _refuse_foreign(head)
    encoding, damaged = _encoding(Path(path), head)
    sample = _text(head, encoding)
    if not sample.strip():
        raise FileUnreadable("The file is empty: it has no contacts.")
    match sample.lstrip()[0]:
        case "[" | "{" as opening:
            shape = Shape(_json_kind(opening, sample, len(head) < SAMPLE_BYTES), encoding, damaged=damaged)
        case _:
            shape = Shape("csv", encoding, _delimiter(sample), damaged)
    if shape.format == "json":
        _read_whole(path, shape)
    return shape


def _refuse_foreign(head: bytes) -> None:
    if not head:
        raise FileUnreadable("The file is empty: it has no contacts.")
    start = head.lstrip()
    for magic, what in _FOREIGN.items():
        if head.startswith(magic) or (magic in _AFTER_BLANKS and start.upper().startswith(magic)):
            raise FileUnreadable(f"This is {what}.")


def _encoding(path: Path, head: bytes) -> tuple[str, bool]:
    """The name Python knows the encoding by, and whether some bytes do not fit it."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            if encoding == "utf-32":
                raise FileUnreadable("The file is in UTF-32: save it as UTF-8.")
            return encoding, encoding == "utf-8" and _first_error(path) is not None
    if wide := _wide_without_mark(head):
        return wide, False
    _refuse_binary(head)
    at = _first_error(path)
    if at is None:
        return "utf-8", False
    with open(path, "rb") as file:
        file.seek(max(0, at - SAMPLE_BYTES // 2))
        around = file.read(SAMPLE_BYTES)
    return ("utf-8", True) if _is_mostly_utf8(around) else (_one_byte(around), False)


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 shows as NUL in every second byte of ASCII text (delimiters and digits at least)."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(1, len(head) // 2)
    if odd > 0.3 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.3 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _refuse_binary(head: bytes) -> None:
    controls = sum(head.count(bytes([code])) for code in _CONTROL)
    if controls > 0.02 * len(head) + 8:
        raise FileUnreadable(
            "This is no text file. Export the contacts as CSV (UTF-8), JSON or JSON lines and choose that file."
        )


def _first_error(path: Path) -> int | None:
    """Where the file stops being UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read = 0
    with open(path, "rb") as file:
        while True:
            block = file.read(_BLOCK)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return max(0, read + error.start - 4)
            if not block:
                return None
            read += len(block)


def _is_mostly_utf8(around: bytes) -> bool:
    text = around.decode("utf-8", "surrogateescape")
    bad = sum(1 for character in text if "\udc80" <= character <= "\udcff")
    good = sum(1 for character in text if character > "\x7f") - bad
    return 4 * good >= bad  # by chance, bytes of another encoding are UTF-8 far less often


def _one_byte(around: bytes) -> str:
    from charset_normalizer import from_bytes  # few files need it, and every process would hold its tables

    lines = b"\n".join(line for line in around.splitlines() if not line.isascii())
    best = from_bytes(lines[:65_536], cp_isolation=_ONE_BYTE, steps=5, chunk_size=512).best()
    # Western text is by far the most common, and decodes as its neighbours, too: they need a better reason.
    found = str(best.encoding) if best else "cp1252"
    western = found in ("cp1250", "cp1254", "cp1252", "cp1253")
    return "cp1252" if western and _decodes(around, "cp1252") else "latin-1" if western else found


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _text(head: bytes, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    return decoder.decode(head).lstrip("\ufeff")


def _json_kind(opening: str, sample: str, is_whole: bool) -> Format:
    """A list, or an object a line; an object that wraps a list counts as a list."""
    if opening == "[":
        return "json"
    lines = [line.strip() for line in sample.splitlines() if line.strip()]
    if not is_whole:
        lines = lines[:-1] or lines
    parsed = [_object(line) for line in lines[:20]]
    if parsed[0] is not None and isinstance(parsed[0].get("contacts"), list):
        return "json"
    return "jsonl" if any(value is not None for value in parsed) else "json"


def _object(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_whole(path: str | Path, shape: Shape) -> None:
    """A list that is broken somewhere is refused before the first contact is written."""
    rows = ListObjects(open_text(path, shape), [])
    try:
        if next(iter(rows), None) is None:
            raise FileUnreadable("The list is empty: it has no contacts.")
        rows.skip(2**63)
    finally:
        rows.close()


def _delimiter(sample: str) -> str:
    """The one that cuts the most lines into as many cells as the first line has."""
    if hint := excel_hint(sample.lstrip("\ufeff").splitlines()[0]):
        return hint
    complete = sample.rpartition("\n")[0] or sample
    scores = {delimiter: _score(complete, delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: scores[delimiter])
    return best if scores[best] > (0, 0) else ","


def _score(text: str, delimiter: str) -> tuple[float, int]:
    """The share of rows as wide as the header, and the width; nothing for a single column."""
    widths = []
    try:
        for cells in csv.reader(text.splitlines(keepends=True), delimiter=delimiter):
            widths += [len(cells)] if cells else []
            if len(widths) == 500:
                break
    except csv.Error:
        pass  # what was read up to here must do
    if not widths or widths[0] < 2:
        return (0, 0)
    return (round(widths.count(widths[0]) / len(widths), 2), widths[0])
