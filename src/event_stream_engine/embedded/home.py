"""The platform's home folder: its lock, its generated secrets, and the record of what runs."""

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from event_stream_engine.errors import Conflict, Unavailable
from event_stream_engine.settings import RUNTIME_FILE

SECRETS_FILE = "secrets.json"
LOCK_FILE = "lock"
SECRET_BYTES = 32


class HomeInUse(Conflict):
    """Another process holds the home. `running` is what it left in the runtime record, empty while it
    starts."""

    code = "home_in_use"

    def __init__(self, detail: str, running: dict[str, Any]) -> None:
        super().__init__(detail)
        self.running = running


@dataclass(frozen=True)
class Home:
    """A folder that one supervisor at a time may hold. Files with secrets in it are 0600."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> "Home":
        """Make the folder when it is missing. As root others may enter it: the servers run as another
        account."""
        absolute = path.expanduser().resolve()
        try:
            absolute.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{absolute} cannot be made ({error.strerror}): set ESE_HOME.") from error
        return cls(absolute)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only owner for the length of the block. Raises `HomeInUse`. The lock ends with the
        process."""
        with open(self.path / LOCK_FILE, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUse(f"{self.path} is in use by another `ese up`.", self.running()) from None
            yield

    def is_held(self) -> bool:
        """Whether some process holds the home now."""
        try:
            with self.hold():
                return False
        except HomeInUse:
            return True

    def secret(self, name: str) -> str:
        """The secret of that name, made on first use and kept."""
        known = self._read(SECRETS_FILE)
        if name not in known:
            known[name] = secrets.token_urlsafe(SECRET_BYTES)
            self._write(SECRETS_FILE, known)
        return str(known[name])

    def running(self) -> dict[str, Any]:
        """The runtime record: `pid`, `environment`, `processes`, … Empty when there is none."""
        return self._read(RUNTIME_FILE)

    def record_running(self, record: dict[str, Any]) -> None:
        self._write(RUNTIME_FILE, record)

    def forget_running(self) -> None:
        (self.path / RUNTIME_FILE).unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return {}
        except PermissionError as error:
            raise Unavailable(
                f"{self.path / name} belongs to another user: start as that user, or set ESE_HOME."
            ) from error
        except ValueError as error:
            raise Unavailable(f"{self.path / name} is damaged ({error}): repair it or move it away.") from error
        return dict(content)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        """Whole or not at all, readable by the owner only (mkstemp makes 0600)."""
        handle, unfinished = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, self.path / name)


@dataclass(frozen=True)
class Restarts:
    """How often `ese up` started a process again because it `ended`, or because it hung; `hung_at`: the last time."""

    ended: int
    hung: int
    hung_at: datetime | None


def restarts_of(path: Path) -> dict[str, Restarts]:
    """By process, as the `ese up` of that home counts since its own start. Empty where none runs."""
    try:
        found = Home(path).running().get("restarts", {})
    except (Unavailable, OSError):
        return {}
    return {
        name: Restarts(one["ended"], one["hung"], datetime.fromisoformat(one["hung_at"]) if one["hung_at"] else None)
        for name, one in found.items()
    }
