"""Servers for tests and benchmarks: in a temporary folder, on free ports, gone at the end of the block."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from event_stream_engine.embedded import ports
from event_stream_engine.embedded.places import choose_place
from event_stream_engine.embedded.postgres import Postgres
from event_stream_engine.embedded.valkey import Valkey

_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made in it is nobody else's
_MEMORY_BYTES = 4 * 2**30


@dataclass(frozen=True)
class Servers:
    """Both servers, running. The role may create databases: each test gets its own."""

    postgres: Postgres
    valkey: Valkey

    @property
    def database_url(self) -> str:
        return self.postgres.url

    @property
    def redis_url(self) -> str:
        return self.valkey.url


@asynccontextmanager
async def throwaway_servers(*, durable: bool = False, inside: Path | None = None) -> AsyncIterator[Servers]:
    """Start both (about a second). `durable` keeps fsync and the append-only file on: for benchmarks of truth. Their
    folder is made `inside` another; by default in the system's temporary one if `durable`, else in memory, where
    there is enough of it."""
    home = _temporary_home(inside or (None if durable else _memory()))
    place = choose_place(home)
    postgres = Postgres(
        place,
        password=secrets.token_urlsafe(16),
        superuser_password=secrets.token_urlsafe(16),
        port=ports.any_free(),
        durable=durable,
        may_create_databases=True,
    )
    valkey = Valkey(place, password=secrets.token_urlsafe(16), port=ports.any_free(), durable=durable)
    try:
        await asyncio.gather(postgres.start(), valkey.start())
        yield Servers(postgres, valkey)
    finally:
        await asyncio.gather(postgres.stop(), valkey.stop())
        shutil.rmtree(home, ignore_errors=True)
        if place.data != home:
            shutil.rmtree(place.data, ignore_errors=True)


def _memory() -> Path | None:
    """Files that no disk ever sees: making and dropping a database of 400 files for each test keeps a core busy with
    ext4, which looks for inodes that were not deleted a moment ago."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES:
        return _MEMORY
    return None


def _temporary_home(inside: Path | None) -> Path:
    home = Path(tempfile.mkdtemp(prefix="ese-throwaway-", dir=inside))
    if os.geteuid() == 0:
        home.chmod(0o711)  # the servers' account must pass
    return home
