"""The append-only file behind the ledger, so that what was accepted outlives the sandbox's own death.

One JSON array per line. A line is handed to the operating system before the reply leaves, so killing the
process loses nothing; a power cut may. A torn last line is dropped when reading.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Any]).decode


class Journal:
    """`path` None writes nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None

    def read(self) -> Iterator[list[Any]]:
        """All whole lines, oldest first."""
        if self._path is None or not self._path.exists():
            return
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    return
                yield _decode(line)

    def open(self) -> None:
        """Open for appending, readable by the owner only: the file holds phone numbers and texts."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._drop_torn_line()

    def _drop_torn_line(self) -> None:
        if self._path is None or self._file is None:
            return
        content_end = os.fstat(self._file).st_size
        whole = content_end
        while whole and os.pread(self._file, 1, whole - 1) != b"\n":
            whole -= 1
        if whole != content_end:
            os.ftruncate(self._file, whole)

    def append(self, *values: object) -> None:
        if self._file is not None:
            os.write(self._file, _encode(values) + b"\n")

    def replace(self, lines: list[tuple[object, ...]]) -> None:
        """Rewrite the file with these lines, atomically."""
        if self._path is None:
            return
        self.close()
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            out.writelines(_encode(line) + b"\n" for line in lines)
        fresh.replace(self._path)
        self.open()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
