"""Contact files as people send them: kept on disk, recognised by content, read row by row in bounded memory.

`inspect(path)` says what a file is or refuses it; `open_rows(path, shape)` reads it. Both block: call them in a
thread.
"""

from event_stream_engine.messaging.files.delimited import DelimitedRows
from event_stream_engine.messaging.files.inspecting import inspect
from event_stream_engine.messaging.files.objects import LineObjects, ListObjects
from event_stream_engine.messaging.files.records import FileUnreadable, Record, Rows, Shape, open_text

__all__ = ["FileUnreadable", "Record", "Rows", "Shape", "inspect", "open_rows"]


def open_rows(path: str, shape: Shape, columns: list[str] | None = None) -> Rows:
    """The rows of a file, from its beginning. `columns` says which members JSON objects are read for.

    Raises `FileUnreadable` and `OSError`.
    """
    text = open_text(path, shape)
    match shape.format:
        case "csv":
            return DelimitedRows(text, shape.delimiter or ",")
        case "jsonl":
            return LineObjects(text, columns)
        case "json":
            return ListObjects(text, columns)
