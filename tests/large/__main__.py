"""A platform that is a year old and large: built by SQL, asked every GET with every filter, page by page, and opened in
a browser, every page of the UI.

`make large` does that. SCALE is the share of the whole size (1: 1,000,000 contacts, 10,000,000 messages); ONLY=screens
leaves the GETs out. It ends with status 1 after a 5xx, after an error in the browser's console, and at the whole size
after an answer or a page that took more than a second twice."""

import asyncio
import contextlib
import os
import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from event_stream_engine import clock, jobs
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import ports, throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.entrypoints.api import create_app
from tests.large.aged import LARGE, Scale, build
from tests.large.asking import known_ids, pages, requests
from tests.large.visiting import CAMPAIGNS, visit
from tests.waiting import until
from tests.web.client import Client
from tests.web.owner import add_owner
from tests.web.settings import SECRET_KEY, settings_for

Took = dict[str, list[tuple[float, str]]]
SECONDS_MAX = 1.0
SLOWEST_SHOWN = 40
OFTEN = 20
BACKLOG_SECONDS_MAX = 900
EVALUATE = "/api/v1/segments/evaluate"
"""The one POST that is asked too: it counts the people of a segment while it is being written."""
EXPORTS = (".csv", ".json")
"""They come piece by piece, and are as long as what they hold."""


def scaled(share: float) -> Scale:
    return replace(
        LARGE,
        contacts=int(LARGE.contacts * share),
        small_audience=int(LARGE.small_audience * share),
        inbound=int(LARGE.inbound * share),
        monitoring_events=int(LARGE.monitoring_events * share),
        audit=int(LARGE.audit * share),
        events=int(LARGE.events * share),
    )


async def main() -> int:
    scale = scaled(float(os.environ.get("SCALE", "1")))
    took: Took = {}
    failed: list[str] = []
    async with aged_platform(scale) as platform:
        if os.environ.get("ONLY") != "screens":
            took, failed = await _ask(platform, ())
        drawn, complaints = await _visit(platform)
    took |= {address: [(seconds, f"page {address}")] for seconds, address in drawn}
    return _tell(took, failed + complaints, is_whole=scale == LARGE)


async def asked(scale: Scale, often: tuple[str, ...] = ()) -> tuple[Took, list[str]]:
    """Build the platform and ask it: the seconds and the address of each answer by operation, and what failed.
    Operations that end in one of `often` are asked `OFTEN` times."""
    async with aged_platform(scale) as platform:
        return await _ask(platform, often)


@dataclass(frozen=True)
class Platform:
    """`token` signs the first admin in."""

    servers: Servers
    home: Path
    database: Database
    token: str


@asynccontextmanager
async def aged_platform(scale: Scale) -> AsyncIterator[Platform]:
    """Built, and kept up by the relay and the consumers."""
    with tempfile.TemporaryDirectory(prefix="ese-large-") as home:
        async with throwaway_servers(durable=True) as servers:
            await migrate(servers.database_url)
            token = await add_owner(servers.database_url, servers.redis_url, Path(home))
            platform = Platform(servers, Path(home), Database(servers.database_url, pool_size=4), token)
            try:
                await _fill(platform.database, scale)
                async with _processes(platform, "relay", "consume"):
                    await _consumed(platform.database)
                    yield platform
            finally:
                await platform.database.close()


async def _fill(database: Database, scale: Scale) -> None:
    started = time.monotonic()
    await build(database, scale, clock.now())
    async with database.transaction() as tx:
        counts = [
            f"{(await tx.execute(text(f'SELECT count(*) FROM {table}'))).scalar_one():,} {table}"
            for table in ("contacts", "campaigns", "messages", "campaign_minutes", "delivery_receipts")
        ]
    _say(f"built in {time.monotonic() - started:.0f} s: {', '.join(counts)}")


@asynccontextmanager
async def _processes(platform: Platform, *commands: str, **environment: str) -> AsyncIterator[None]:
    given = {
        **os.environ, "DATABASE_URL": platform.servers.database_url, "REDIS_URL": platform.servers.redis_url,
        "ESE_HOME": str(platform.home), "ESE_SECRET_KEY": SECRET_KEY, "ESE_LOG_LEVEL": "ERROR", **environment,
    }  # fmt: skip
    module = (sys.executable, "-m", "event_stream_engine.entrypoints.cli")
    processes = [await asyncio.create_subprocess_exec(*module, command, env=given) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
            await process.wait()


async def _consumed(database: Database) -> None:
    """Until the events that there were are relayed and consumed."""
    started = time.monotonic()

    async def is_done() -> bool:
        async with database.transaction() as tx:
            return bool((await tx.execute(text(_CONSUMED))).scalar_one())

    await until(is_done, seconds=BACKLOG_SECONDS_MAX)
    _say(f"events relayed and consumed in {time.monotonic() - started:.0f} s")


_CONSUMED = """
SELECT (SELECT count(*) FROM inbox WHERE group_name = 'messaging.count')
    >= (SELECT count(*) FROM outbox WHERE type = 'MessageStatusChanged')
"""


async def _visit(platform: Platform) -> tuple[list[tuple[float, str]], list[str]]:
    """Every page in a browser: seconds and addresses, and what it complained about."""
    port = ports.any_free()
    origin = f"http://127.0.0.1:{port}"
    known = {name: ids[0] for name, ids in (await known_ids(platform.database)).items() if ids}
    async with platform.database.transaction() as tx:
        known |= {row[0]: str(row[1]) for row in await tx.execute(text(CAMPAIGNS))}
    environment = {"ESE_HTTP_PORT": str(port), "ESE_PUBLIC_URL": origin, "ESE_ALERTS": "false"}
    async with _processes(platform, "serve", **environment):
        await until(lambda: _answers(port), seconds=60)
        return await asyncio.to_thread(visit, origin, platform.token, known)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def _ask(platform: Platform, often: tuple[str, ...]) -> tuple[Took, list[str]]:
    database, token = platform.database, platform.token
    settings = settings_for(platform.servers.database_url, platform.servers.redis_url, platform.home)
    jobs.configure(settings)
    app = create_app(settings)
    took: Took = defaultdict(list)
    failed: list[str] = []
    async with app.router.lifespan_context(app):
        client = Client(app, headers={"authorization": f"Bearer {token}"})

        async def ask(url: str, body: object = None) -> Any:
            for again in (True, False):
                started = time.perf_counter()
                answer = await (client.post(url, json=body) if body else client.get(url))
                seconds = time.perf_counter() - started
                if answer.status_code >= 500 and url not in ("/health", "/readyz"):
                    failed.append(f"{answer.status_code} {url}")
                if seconds <= SECONDS_MAX or not again:  # once may be the first to read it from the disk
                    break
            took[operation].append((seconds, url))
            return answer

        for request in requests(app.openapi(), await known_ids(database), clock.now()):
            operation = request.operation
            if operation.endswith(EXPORTS) and operation in took:  # as long as what it holds: once is enough
                continue
            for _ in range(OFTEN if often and operation.endswith(often) else 1):
                await pages(request, ask)
        operation = EVALUATE
        for segment in (await client.get("/api/v1/segments")).json()["items"]:
            await ask(EVALUATE, {"definition": segment["definition"], "sample": 5})
    return took, failed


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _tell(took: Took, failed: list[str], *, is_whole: bool) -> int:
    lists = [times for operation, times in took.items() if not operation.endswith(EXPORTS)]
    slow = sorted((max(times) for times in lists), reverse=True)
    for seconds, url in slow[:SLOWEST_SHOWN]:
        _say(f"{seconds * 1000:8.0f} ms  {url[:150]}")
    for line in failed:
        _say(line)
    late = [url for seconds, url in slow if seconds > SECONDS_MAX]
    _say(f"{sum(map(len, took.values())):,} requests; {len(failed)} failed, {len(late)} took over a second")
    return 1 if failed or (late and is_whole) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
