"""An upload on its way to the disk: multipart, as it arrives, never whole in memory."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from event_stream_engine.errors import BadRequest, Invalid, TooLarge
from event_stream_engine.messaging.model.imports import DiskFull

OVERHEAD_BYTES = 64 * 1024
"""What a request may have beside the file: boundaries, part headers, the name."""

_NAME_BYTES_MAX = 2000
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The file is larger than {limit / 2**20:g} MiB, the limit of this platform (ESE_MAX_UPLOAD_BYTES): "
        "split it and import the parts."
    )


class Upload:
    """Feeds a multipart body to `file`: the part `file` goes to the disk, the part `name` is kept.

    Raises `TooLarge`, `DiskFull`, `BadRequest` and `Invalid`.
    """

    def __init__(self, content_type: str, file: BinaryIO, limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary:
            raise BadRequest("Send the file as multipart/form-data, in a part called file.")
        self._parser = MultipartParser(boundary, self._callbacks())  # type: ignore[arg-type]
        self._file = file
        self._limit = limit
        self._part: str | None = None
        self._header = bytearray()
        self._value = bytearray()
        self._given_name = bytearray()
        self._file_name: str | None = None
        self.size = 0
        self.is_complete = False

    @property
    def name(self) -> str:
        """What to call the import: the part `name`, else the file's own name."""
        given = self._given_name.decode("utf-8", "replace").strip()
        own = (self._file_name or "").replace("\\", "/").rsplit("/", 1)[-1]
        return (given or own or "contacts").replace("\x00", "")[:200]

    def feed(self, block: bytes) -> None:
        """Blocks while the disk writes."""
        try:
            self._parser.write(block)
        except FormParserError as error:
            raise BadRequest("The multipart body is malformed.") from error

    def _callbacks(self) -> dict[str, Callable[..., None]]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._part = None
        self._header.clear()
        self._value.clear()

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._part = options.get(b"name", b"").decode("utf-8", "replace")
            if self._part == "file":
                if self._file_name is not None:
                    raise Invalid.field("file", "Send one file at a time.")
                self._file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        self._header.clear()
        self._value.clear()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self.size += end - start
            if self.size > self._limit:
                raise too_large(self._limit)
            self._file.write(data[start:end])
        elif self._part == "name":
            self._given_name.extend(data[start:end])
            if len(self._given_name) > _NAME_BYTES_MAX:
                raise Invalid.field("name", "At most 200 characters.")

    def _end(self) -> None:
        self.is_complete = True

    def finish(self) -> None:
        """The body is over. Raises `BadRequest` when it broke off and `Invalid` when it had no file."""
        if not self.is_complete:
            raise BadRequest("The upload broke off before its end: send it again.")
        if self._file_name is None:
            raise Invalid.field("file", "Choose a file: the request has no part called file.")


async def save_upload(stream: AsyncIterator[bytes], content_type: str, path: Path, limit: int) -> tuple[str, int]:
    """Write the file of a request to `path`; its name and size in bytes. Nothing is left where it fails.

    Raises `TooLarge`, `DiskFull`, `BadRequest` and `Invalid`.
    """
    with removed_unless_kept(path) as keep:
        saved = await _save(stream, content_type, path, limit)
        keep()
    return saved


@contextmanager
def removed_unless_kept(path: Path) -> Iterator[Callable[[], object]]:
    """Remove the file at the end of the block, unless what this gives was called."""
    with ExitStack() as stack:
        stack.callback(path.unlink, missing_ok=True)
        yield stack.pop_all


async def _save(stream: AsyncIterator[bytes], content_type: str, path: Path, limit: int) -> tuple[str, int]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with await asyncio.to_thread(open, path, "wb", 1 << 20) as file:
            upload = Upload(content_type, file, limit)
            async for block in stream:
                await asyncio.to_thread(upload.feed, block)
            upload.finish()
            await asyncio.to_thread(file.flush)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(
                "The disk of the platform has no room for this file: free some space, then upload it again."
            ) from error
        raise
    return upload.name, upload.size
