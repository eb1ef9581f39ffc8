"""Some thousand rows of a file at a time, read, checked and ready to be staged."""

import csv
import io
from collections.abc import Iterator

from event_stream_engine.messaging.files.records import Record, Rows
from event_stream_engine.messaging.model.import_rows import (
    Chunk,
    Refused,
    Row,
    RowReader,
    RowRefused,
    attributes_json,
    kept_cells,
    shown,
)

ROWS_MAX = 10_000
FIRST_ROWS_MAX = 2_000
"""The database begins on a small chunk while the next is read, and the page shows the first rows sooner."""
CHARACTERS_MAX = 8_000_000
"""A chunk ends with the row that passes either bound: what is in memory at once is a few of them."""


class ChunkReader:
    """Reads one file in chunks. `number` is how many rows came before."""

    def __init__(self, rows: Rows, reader: RowReader, number: int, rows_max: int = ROWS_MAX) -> None:
        self._rows = rows
        self._records: Iterator[Record] = iter(rows)
        self._reader = reader
        self._number = number
        self._rows_max = rows_max
        self._limit = min(FIRST_ROWS_MAX, rows_max)

    def next(self) -> tuple[Chunk, bytes]:
        """The next chunk and its rows as CSV for staging; without rows at the end of the file. Blocks.

        Raises `FileUnreadable` and `OSError`.
        """
        chunk = Chunk()
        characters = 0
        for record in self._records:
            self._number += 1
            chunk.rows_read += 1
            self._take(record, chunk)
            characters += len(record.raw)
            if chunk.rows_read >= self._limit or characters >= CHARACTERS_MAX:
                break
        self._limit = self._rows_max
        chunk.bytes_read = self._rows.bytes_read()
        for name, count in self._rows.unmapped.items():
            chunk.warn("unmapped_column", name, count)
        self._rows.unmapped.clear()
        return chunk, staged_rows(chunk)

    def close(self) -> None:
        self._rows.close()

    def _take(self, record: Record, chunk: Chunk) -> None:
        problem = record.problem
        for code, sample in record.warnings:
            chunk.warn(code, sample)
        if problem is None:
            try:
                chunk.add(self._reader.read(self._number, record.line, record.cells, chunk))
            except RowRefused as refused:
                problem = refused.code, refused.reason
        if problem is not None:
            cells = kept_cells(record.cells, len(self._rows.columns))
            chunk.refused.append(Refused(self._number, record.line, *problem, shown(record.raw), cells))


def staged_rows(chunk: Chunk) -> bytes:
    """One line for each contact: step, row number, line, and the values; what is absent is empty."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerows(_line(0, row) for row in chunk.whole.values())
    return written.getvalue().encode()


def _line(step: int, row: Row) -> tuple[object, ...]:
    return (
        step, row.number, row.line, row.phone, row.country, attributes_json(row.attributes), row.consent,
        _array(row.topics) if row.topics else "{}", row.timezone, row.locale,
        row.consent_at.isoformat() if row.consent_at else None,
    )  # fmt: skip


def _array(texts: list[str]) -> str:
    """PostgreSQL's array literal."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
