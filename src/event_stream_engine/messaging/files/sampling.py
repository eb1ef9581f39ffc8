"""The first rows of a file, for the person who decides where each column goes."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from event_stream_engine.messaging.files.records import FileUnreadable, Rows, Shape

ROWS_SAMPLED = 100
SAMPLES = 5
_SAMPLE_CHARACTERS = 100


@dataclass(frozen=True)
class Sample:
    """Columns in their order, and values found in each; `samples` are those worth showing."""

    columns: list[str]
    values: list[list[str]]
    rows_sampled: int

    @property
    def samples(self) -> list[list[str]]:
        """At most five different values of each column."""
        return [list(dict.fromkeys(values))[:SAMPLES] for values in self.values]


def sample(rows: Rows) -> Sample:
    """Reads at most a hundred rows. Raises `FileUnreadable` when there is none. Blocks."""
    try:
        found = list(islice(rows, ROWS_SAMPLED))
    finally:
        rows.close()
    if not found:
        raise FileUnreadable("The file has a line with column names and no contacts below it.")
    whole = [record.cells for record in found if record.problem is None]
    columns = list(rows.columns)
    return Sample(columns, [_values(whole, index) for index in range(len(columns))], len(found))


def _values(rows: list[list[object]], index: int) -> list[str]:
    texts = [str(cells[index])[:_SAMPLE_CHARACTERS] for cells in rows if len(cells) > index and cells[index]]
    return [text for text in texts if text.strip()]


def path_of(home: Path, import_id: object) -> Path:
    """Where the uploaded file of an import is kept."""
    return home / "uploads" / str(import_id)


def looks_like_data(shape: Shape, columns: list[str]) -> bool:
    """Whether a CSV starts with a contact where the names of its columns should be."""
    return shape.format == "csv" and any(sum(map(str.isdigit, name)) >= 7 for name in columns)
