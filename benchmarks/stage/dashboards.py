"""`ese serve` with browsers that follow monitoring events: what the benchmarks of the live view share."""

import asyncio
import re
import socket
import statistics
import sys
import time
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec
import psutil
from redis.asyncio import Redis

from benchmarks.stage.processes import started
from benchmarks.stage.swarm import Plan, Told
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.flags import actions
from event_stream_engine.flags.api import Facts, Flags
from event_stream_engine.flags.model import Change
from event_stream_engine.ids import new_id
from event_stream_engine.live import Hub, redis_channel
from event_stream_engine.monitoring.adapters import RedisAdapter
from event_stream_engine.monitoring.api import Broadcaster

PATIENCE_SECONDS = 90
FOLLOWED_SECONDS = 2.0
"""After a server answers, until it follows the shared channel: it looks at its flags once a second."""


@dataclass
class Serving:
    """One `ese serve`, and how to end it."""

    process: Process
    port: int

    def memory(self) -> int:
        """Resident bytes, of its workers too."""
        return sum(each.memory_info().rss for each in self._family())

    def kill(self) -> None:
        """SIGKILL to all of it at once: every connection breaks."""
        for each in self._family():
            with suppress(psutil.NoSuchProcess):
                each.kill()

    async def stop(self) -> None:
        with suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.wait()

    def _family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        return []


async def serve(servers: Servers, **environment: str) -> Serving:
    """Started and answering."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = Serving(await started("serve", servers, ESE_HTTP_PORT=str(port), **environment), port)
    try:
        await _ready(port)
    except BaseException:
        serving.kill()
        raise
    return serving


@asynccontextmanager
async def shared_channel() -> AsyncIterator[Servers]:
    """Servers with an empty platform in them, whose browsers follow the shared channel in Redis."""
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        await follow_redis(servers.database_url)
        yield servers


async def follow_redis(url: str) -> None:
    """The flag that sends events to the browsers by the shared channel in Redis."""
    database = Database(url, pool_size=1)
    async with database.transaction() as tx:
        change = Change("MONITORING_ADAPTER_TYPE", {"value": "websocket"}, "change")
        await actions.change(tx, [change], actor="benchmark", account_id=None, reason="benchmark", facts=Facts())
    await database.close()


async def _ready(port: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(OSError):
                await asyncio.to_thread(get, port, "/readyz")
                break
            await asyncio.sleep(0.1)


async def until(port: int, clients: int) -> None:
    """Once so many clients follow."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            with suppress(OSError):
                if await asyncio.to_thread(connected, port) == clients:
                    break
            await asyncio.sleep(0.2)


def connected(port: int) -> int:
    """How many clients follow, of all servers of the platform, as the metrics say. Raises `OSError`."""
    found = re.findall(r"^ese_live_clients\{[^}]*\} ([\d.]+)$", get(port, "/metrics"), re.MULTILINE)
    return int(sum(map(float, found)))


def get(port: int, path: str) -> str:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names
    with direct.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


async def publish(redis: "Redis", per_second: int, count: int, *, first: int = 0, fill: int = 60) -> int:
    """So many events at a steady rate, numbered from `first`; how long the last waited for its turn tells nothing:
    each says when it was really published. The number after the last."""
    sender = new_id().hex  # else what was published before under the same numbers would be taken for the same
    adapter = RedisAdapter(lambda number, messages: redis_channel.append(redis, sender, number, messages))
    broadcaster = Broadcaster(websocket(), Hub(None), adapters=[adapter])
    sending = asyncio.create_task(adapter.run())
    begin = time.perf_counter()
    for number in range(count):
        await asyncio.sleep(max(0.0, begin + number / per_second - time.perf_counter()))
        broadcaster.tell("benchmark", {"at": time.perf_counter(), "number": first + number, "fill": "x" * fill})
    await adapter.drain(30)
    sending.cancel()
    return first + count


def websocket() -> Flags:
    flags = Flags()
    flags.string = lambda _name, _fallback, _context=None: "websocket"  # type: ignore[method-assign, assignment]
    return flags


def signed_in(port: int) -> str:
    """The access token of the first account, which this makes."""
    person = {"email": "benchmark@example.com", "password": new_id().hex, "display_name": "Benchmark"}
    _post(port, "register", person)
    return str(_post(port, "login", {name: person[name] for name in ("email", "password")})["access_token"])


def _post(port: int, what: str, body: dict[str, str]) -> dict[str, str]:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(  # our own server
        f"http://127.0.0.1:{port}/api/v1/auth/{what}", msgspec.json.encode(body), headers
    )
    with direct.open(request, timeout=10) as answer:
        found: dict[str, str] = msgspec.json.decode(answer.read())
    return found


class Swarm:
    """The clients' process, from outside."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None, "given"
        assert process.stdout is not None, "given"
        self._process, self._to, self._from = process, process.stdin, process.stdout

    @classmethod
    async def begun(cls, plan: Plan, port: int) -> "Swarm":
        """All of its clients are there when this returns."""
        line = msgspec.json.encode(plan).decode()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.stage.swarm", line, stdin=PIPE, stdout=PIPE, limit=2**27
        )
        swarm = cls(process)
        try:
            swarm.go_to(port)
            await swarm.live()
        except BaseException:
            swarm.kill()
            raise
        return swarm

    def go_to(self, port: int) -> None:
        """Where clients connect from now on."""
        self._to.write(f"port {port}\n".encode())

    async def live(self) -> float:
        """Waits for all clients to be there; the moment by the monotonic clock."""
        return float(msgspec.json.decode(await self._line())["live"])

    async def stop(self, published: int) -> Told:
        """Ends it once everything that was published is there, or nothing comes any more."""
        self._to.write(f"stop {published}\n".encode())
        while "done" not in (said := msgspec.json.decode(await self._line())):
            pass
        await self._process.wait()
        return msgspec.convert(said["done"], Told, str_keys=True)

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _line(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._from.readline()
        if not line:
            raise ConnectionError("the clients' process ended: its own words are above")
        return line


def quantile(delays: list[float], percent: int) -> float:
    return statistics.quantiles(delays, n=100)[percent - 1]
