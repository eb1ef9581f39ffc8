"""Which account the servers run as, and which folder holds their data.

PostgreSQL refuses to run as root. Where we are root, the servers run as an unprivileged account, and
everything they need must be reachable for it: a checkout under a 0700 home is not. Then the data (and a copy
of the binaries) goes to the first of `OUTSIDE` that is reachable, and `place.json` in the home says so.
Folders that are not ours are never changed."""

import hashlib
import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from event_stream_engine.embedded.processes import group_of
from event_stream_engine.errors import Unavailable

OUTSIDE = (Path("/var/lib/event-stream-engine"), Path("/var/tmp/event-stream-engine"))  # noqa: S108  (named by home, owned, 0700)
UNPRIVILEGED = ("nobody", "daemon")
RECORD = "place.json"


@dataclass(frozen=True)
class Place:
    """`data` holds one folder per server; `account` is the user id the servers run as, None for our own."""

    data: Path
    account: int | None
    note: str | None = None

    def folder(self, name: str) -> Path:
        """A folder of that name in `data`, owned by the account, 0700."""
        path = self.data / name
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Hand a file or folder to the account."""
        if self.account is not None:
            os.chown(path, self.account, group_of(self.account))

    def executable(self, root: Path, relative: str, *, beside: tuple[Path, ...] = ()) -> Path:
        """`root/relative` if the account can run it, else its copy inside `data`.

        `root` is copied whole, together with the folders in `beside` that it links to (they stay siblings of
        the folder above `root`, as their run path expects)."""
        if self._can_run(root / relative):
            return root / relative
        site = root.parent.parent
        target = self.data / "programs"
        for source in (root, *beside):
            copy = target / source.relative_to(site)
            if not copy.exists():
                _copy_whole(source, copy)
        copied = target / root.relative_to(site) / relative
        if not self._can_run(copied):
            raise Unavailable(f"{copied} cannot be executed by user id {self.account}: is its file system `noexec`?")
        return copied

    def _can_run(self, program: Path) -> bool:
        return self.account is None or _succeeds_as(self.account, ["test", "-x", str(program)])


def choose_place(home: Path, *, outside: Sequence[Path] = OUTSIDE) -> Place:
    """Decide once per home and remember. Raises `Unavailable` where no folder can be used."""
    if os.geteuid() != 0:
        return _as_ourselves(home)
    place = _remembered(home) or _new_place(home, outside)
    _remember(home, place)
    return place


def _as_ourselves(home: Path) -> Place:
    remembered = _remembered(home)
    if remembered is not None and remembered.account not in (None, os.geteuid()):
        raise Unavailable(
            f"{home} was made as root and its servers run as another account: start as root again, "
            f"or choose a new home with ESE_HOME."
        )
    return Place(remembered.data if remembered else home, None)


def _new_place(home: Path, outside: Sequence[Path]) -> Place:
    account = _account_for(home)
    named = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    for candidate in (home, *(folder / named for folder in outside)):
        if _usable(candidate, account):
            moved = None if candidate == home else (
                f"the account `{_name(account)}` cannot reach {home} (a parent folder is closed to it), "
                f"so the data is in {candidate}"
            )  # fmt: skip
            return Place(candidate, account, moved)
    raise Unavailable(
        f"No folder is reachable for the account `{_name(account)}`: set ESE_HOME to a folder whose parents "
        "others may enter, run as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def _account_for(home: Path) -> int:
    """Whoever owns an existing cluster; whoever owns the checkout (`sudo make up`); an unprivileged
    account."""
    for owned in (home / "postgres", home.parent):
        if owned.exists() and _is_person(owned.stat().st_uid):
            return owned.stat().st_uid
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise Unavailable("PostgreSQL refuses to run as root, and there is no unprivileged account: run as a user.")


def _usable(folder: Path, account: int) -> bool:
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError:
        return False
    return _succeeds_as(account, ["test", "-x", str(folder)])


def _succeeds_as(account: int, command: list[str]) -> bool:
    """Ask the system rather than compute: access lists and mounts count too."""
    done = subprocess.run(  # noqa: S603
        command,
        user=account,
        group=group_of(account),
        extra_groups=[],
        cwd="/",
        capture_output=True,
        check=False,
        start_new_session=True,  # a Ctrl-C must not pass for "not reachable"
    )
    return done.returncode == 0


def _copy_whole(source: Path, target: Path) -> None:
    unfinished = target.with_name(target.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, unfinished, symlinks=True)
    unfinished.rename(target)


def _is_person(account: int) -> bool:
    """Not root, and known to the user database: initdb insists on a name."""
    return account != 0 and _name(account) != str(account)


def _name(account: int) -> str:
    try:
        return pwd.getpwuid(account).pw_name
    except KeyError:
        return str(account)


def _remembered(home: Path) -> Place | None:
    try:
        record = json.loads((home / RECORD).read_text())
        return Place(Path(record["data"]), record["account"], record.get("note"))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{home / RECORD} cannot be read ({error}): repair it or remove it.") from error


def _remember(home: Path, place: Place) -> None:
    place.data.mkdir(mode=0o755, parents=True, exist_ok=True)
    record = {"data": str(place.data), "account": place.account, "note": place.note}
    (home / RECORD).write_text(json.dumps(record, indent=2) + "\n")
