import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from event_stream_engine.embedded import Place, Postgres, Valkey, choose_place, ports


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the servers' account can reach (pytest's own tmp_path is closed to others)."""
    path = Path(tempfile.mkdtemp(prefix="ese-home-"))
    if os.geteuid() == 0:
        path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def place(home: Path) -> Place:
    return choose_place(home)


@pytest.fixture
async def new_postgres(place: Place) -> AsyncIterator[Callable[..., Postgres]]:
    """Makes servers over one data folder, as successive starts of the platform do; all are stopped at the
    end."""
    made: list[Postgres] = []
    passwords = secrets.token_urlsafe(12), secrets.token_urlsafe(12)

    def make(**choices: object) -> Postgres:
        made.append(Postgres(place, *passwords, **{"port": ports.any_free(), **choices}))
        return made[-1]

    yield make
    for server in made:
        await server.stop()


@pytest.fixture
async def new_valkey(place: Place) -> AsyncIterator[Callable[..., Valkey]]:
    made: list[Valkey] = []
    password = secrets.token_urlsafe(12)

    def make(**choices: object) -> Valkey:
        made.append(Valkey(place, password, **{"port": ports.any_free(), **choices}))
        return made[-1]

    yield make
    for server in made:
        await server.stop()
