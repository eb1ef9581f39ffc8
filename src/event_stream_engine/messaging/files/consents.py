"""What the rows of a file say about consent, before anything is imported."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice

from event_stream_engine.messaging.files import open_rows
from event_stream_engine.messaging.files.records import Shape
from event_stream_engine.messaging.model.import_rows import Chunk, RowReader, RowRefused
from event_stream_engine.messaging.model.imports import Options

ROWS_MAX = 50_000


@dataclass(frozen=True)
class Consents:
    """Rows by what they say; `samples` are words that were not understood. `is_whole_file`: every row was read."""

    opted_in: int
    opted_out: int
    unknown: int
    not_understood: int
    samples: list[str]
    rows: int
    is_whole_file: bool


def count_consent(path: str, shape: Shape, options: Options) -> Consents:
    """Reads at most `ROWS_MAX` rows. Blocks. Raises `FileUnreadable` and `OSError`."""
    rows = open_rows(path, shape, [column.name for column in options.columns])
    try:
        reader = RowReader(options, list(rows.columns))
        said: Counter[str] = Counter()
        chunk = Chunk()
        records = iter(rows)
        for record in islice(records, ROWS_MAX):
            said[_said(reader, record.cells, chunk) if record.problem is None else "unknown"] += 1
        is_whole = next(records, None) is None
    finally:
        rows.close()
    return Consents(
        opted_in=said["opted_in"],
        opted_out=said["opted_out"] + said["stopped"],
        unknown=said["unknown"],
        not_understood=chunk.counts["consent_not_understood"],
        samples=chunk.samples["consent_not_understood"],
        rows=said.total(),
        is_whole_file=is_whole,
    )


def _said(reader: RowReader, cells: list[object], chunk: Chunk) -> str:
    try:
        return reader.read_consent(cells, chunk)
    except RowRefused:
        return "unknown"
