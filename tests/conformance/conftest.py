"""The same promises on every transport: Valkey (wheel), Redis, a Redis Cluster of three, Kafka."""

import asyncio
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone.streams import Entry, StreamBusy
from event_stream_engine.backbone.streams.kafka import KafkaStreams
from event_stream_engine.backbone.streams.opening import Transport, connect_cluster
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.embedded import ports
from event_stream_engine.embedded.binaries import valkey_binary
from tests.backbone.conftest import STREAM
from tests.conformance.kafka_broker import KafkaBroker, jars

TRANSPORTS = ("valkey", "redis", "cluster", "kafka", "kafka-3")
"""The number is of partitions."""
SLOTS = 16384
NODES = 3


@contextmanager
def server(program: str | Path, *options: str) -> Iterator[int]:
    """A server without persistence on a free port, for the length of the block."""
    port = ports.any_free()
    folder = tempfile.mkdtemp(prefix="ese-redis-")
    command = [str(program), "--port", str(port), "--bind", ports.LOOPBACK, "--dir", folder, "--save", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def arrived(streams: KafkaStreams, count: int, stream: str = STREAM) -> None:
    """Until it holds so many. While a topic is new, or its broker starts, a partition has no leader to ask."""
    async with asyncio.timeout(60):
        while True:
            with suppress(StreamBusy):
                if await streams.length(stream) >= count:
                    return
                await streams.tail(stream, await streams.last_id(stream), 1, 200)


async def answering(client: "Redis", what: str = "ping") -> None:
    """Until the server, or with `cluster` its cluster, is ready; only asking tells."""
    async with asyncio.timeout(30):
        while True:
            try:
                if what == "ping" and await client.ping():
                    return
                if what == "cluster" and (await client.execute_command("CLUSTER INFO"))["cluster_state"] == "ok":
                    return
            except (RedisError, OSError):
                pass
            await asyncio.sleep(0.05)


@asynccontextmanager
async def plain(port: int) -> AsyncIterator["Redis"]:
    client = connect(f"redis://{ports.LOOPBACK}:{port}/0")
    try:
        await answering(client)
        yield client
    finally:
        await client.aclose()


def redis_server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed (apt install redis-server)")
    return found


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    with server(redis_server()) as port:
        yield port


@pytest.fixture(scope="session")
def cluster_ports() -> Iterator[list[int]]:
    """Three masters, the slots in equal parts."""
    with contextmanager_stack(NODES) as found:
        asyncio.run(_join(found))
        yield found


@contextmanager
def contextmanager_stack(count: int) -> Iterator[list[int]]:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port")
    if count == 0:
        yield []
        return
    with server(valkey_binary(), *options, str(ports.any_free())) as port, contextmanager_stack(count - 1) as others:
        yield [port, *others]


async def _join(found: list[int]) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(plain(port)) for port in found]
        share = SLOTS // NODES
        for number, node in enumerate(nodes):
            last = SLOTS - 1 if number == NODES - 1 else (number + 1) * share - 1
            await node.execute_command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            await node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for other, port in zip(nodes[1:], found[1:], strict=True):
            info = await other.config_get("cluster-port")
            await nodes[0].execute_command("CLUSTER", "MEET", ports.LOOPBACK, port, info["cluster-port"])
        for node in nodes:
            await answering(node, "cluster")


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    broker = KafkaBroker(jars())
    try:
        broker.format()
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture(params=TRANSPORTS)
def place(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Which transport, and its address. Started outside any event loop: some starts run one of their own."""
    if request.param.startswith("kafka"):
        return request.param, request.getfixturevalue("kafka").address
    if request.param == "cluster":
        return "cluster", f"redis://{ports.LOOPBACK}:{request.getfixturevalue('cluster_ports')[0]}"
    if request.param == "redis":
        return "redis", f"redis://{ports.LOOPBACK}:{request.getfixturevalue('redis_port')}/0"
    return "valkey", request.getfixturevalue("servers").redis_url


@asynccontextmanager
async def opened(place: tuple[str, str]) -> AsyncIterator[Transport]:
    kind, address = place
    if kind.startswith("kafka"):
        streams = KafkaStreams({"bootstrap.servers": address}, partitions=3 if kind == "kafka-3" else 1)
        yield streams
        await streams.close()
        return
    client = connect_cluster(address) if kind == "cluster" else connect(address)
    await answering(client)
    yield RedisStreams(client)
    await client.aclose()


@pytest.fixture
async def transport(place: tuple[str, str]) -> AsyncIterator[Transport]:
    """Each transport; Kafka with one partition and with three."""
    async with opened(place) as found:
        yield found


@pytest.fixture
async def other(place: tuple[str, str]) -> AsyncIterator[Transport]:
    """The same servers, as another process has them."""
    async with opened(place) as found:
        yield found


@pytest.fixture
def stream() -> str:
    """A name nobody used; in a cluster names fall into different slots."""
    return f"proof.s{secrets.token_hex(6)}.v1"


def entries(first: int, last: int, keys: int = 5) -> list[Entry]:
    """Numbered entries with odd content; ids rise with the numbers."""
    return [
        Entry(
            f"{1_700_000_000_000 + number // 3}-{number}",
            {
                "id": str(uuid4()),
                "type": "Proven",
                "subject": f"key-{number % keys}",
                "time": "2026-01-01T00:00:00Z",
                "correlationid": str(uuid4()),
                "data": f'{{"number": {number}, "text": "é \\u0000 \U0001f600", "empty": ""}}',
            },
        )
        for number in range(first, last + 1)
    ]
