"""Releases side by side: an upgrade under load, and the step back."""

import asyncio
import io
import os
import random
import subprocess
import sys
import tarfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from tests.backbone.conftest import facts
from tests.faults.scene import EFFECTS, Scene, assert_oracles, execute, flowing

__all__ = ["facts"]  # fixture

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("release_process.py")
EARLIER = "27e6b5ae"
"""A commit eight migrations ago. The inbox has another primary key since, and relay and consumers go another way."""


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The sources of the earlier release."""
    packed = subprocess.run(["git", "-C", ROOT, "archive", EARLIER, "src"], capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"the history does not reach back to {EARLIER}: git fetch --unshallow")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "src"


@dataclass
class Release:
    """Processes of one release, on the scene's servers."""

    sources: Path
    servers: Servers
    running: dict[str, Process] = field(default_factory=dict)

    async def start(self, *roles: str) -> None:
        for role in roles:
            process = await self._program(role, f"{role} {self.sources.parent.name}")
            assert process.stdout is not None
            imported = (await process.stdout.readline()).decode()
            assert imported.startswith(str(self.sources)), f"{role} runs another release: {imported}"
            self.running[role] = process

    async def stop(self, *roles: str) -> None:
        for role in roles:
            process = self.running.pop(role)
            process.terminate()
            assert await process.wait() == 0, role

    async def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            await process.wait()
        self.running.clear()

    async def migrate(self) -> None:
        assert await (await self._program("migrate", "")).wait() == 0

    async def _program(self, role: str, name: str) -> Process:
        environment = {
            **os.environ, "PYTHONPATH": str(self.sources),
            "DATABASE_URL": self.servers.database_url, "REDIS_URL": self.servers.redis_url,
        }  # fmt: skip
        return await asyncio.create_subprocess_exec(sys.executable, PROGRAM, role, name, stdout=PIPE, env=environment)


async def test_an_upgrade_under_load_and_the_step_back_lose_double_and_reorder_nothing(earlier: Path) -> None:
    async with throwaway_servers(durable=True) as servers:
        before, after = Release(earlier, servers), Release(ROOT / "src", servers)
        await before.migrate()
        async with scene_on(servers) as scene:
            await execute(scene.database, EFFECTS)
            try:
                await before.start("relay", "consumer", "writer")
                await flowing(scene, 50)
                await migrate(servers.database_url)
                await flowing(scene, 50)  # the earlier release on the later schema
                await after.start("relay", "consumer", "writer")
                await flowing(scene, 50)
                await before.stop("relay")
                await flowing(scene, 50)  # the later relay, the earlier consumer
                await before.stop("consumer")
                await flowing(scene, 50)
                await before.start("relay", "consumer")
                await after.stop("relay", "consumer")
                await flowing(scene, 50)  # back, on what the later release left
                await before.kill()
                await after.start("relay", "consumer")
                await flowing(scene, 50)
                await after.stop("writer")
                await assert_oracles(scene)
            finally:
                await before.kill()
                await after.kill()


@asynccontextmanager
async def scene_on(servers: Servers) -> AsyncIterator[Scene]:
    database, client = Database(servers.database_url, pool_size=5), connect(servers.redis_url)
    try:
        yield Scene(database, servers.redis_url, client, random.Random(1), expected=350)
    finally:
        await client.aclose()
        await database.close()
