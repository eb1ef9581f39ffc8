"""The last good flags in a file of the platform's home, for a process that starts while the database is down.

The file's modification time is when its content was last confirmed. Written whole or not at all, readable by its owner
only; a damaged one is as good as none.
"""

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog

from event_stream_engine.flags.store import Loaded, decoded

log = structlog.get_logger()

FILE = "flags.json"


class _Kept(msgspec.Struct):
    revision: int
    flags: dict[str, Any]


class LastGood:
    """The file in `home`; without a home nothing is kept."""

    def __init__(self, home: Path | None) -> None:
        self._path = None if home is None else home / FILE
        self._revision: int | None = None

    def keep(self, loaded: Loaded) -> None:
        """Write the flags, or only confirm them when their revision stands in the file. Failing to is logged."""
        if self._path is None:
            return
        try:
            if self._revision == loaded.revision and self._path.exists():
                os.utime(self._path)
            else:
                self._write(self._path, loaded)
        except OSError as error:
            log.warning("flag file not written", path=str(self._path), error=str(error))

    def _write(self, path: Path, loaded: Loaded) -> None:
        kept = _Kept(loaded.revision, {name: held for name, held in loaded.flags.items() if held.version})
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{FILE}.")
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
        self._revision = loaded.revision

    def read(self) -> tuple[Loaded, datetime] | None:
        """What was kept and when it was last confirmed; None when there is nothing that can be used."""
        if self._path is None:
            return None
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            confirmed = datetime.fromtimestamp(self._path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("flag file not read", path=str(self._path), error=str(error))
            return None
        return decoded(kept.revision, kept.flags), confirmed
