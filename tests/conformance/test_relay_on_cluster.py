"""The relay and a group on a cluster of Redis, whose slot moves to another node and back while they work."""

from contextlib import AsyncExitStack

from redis.asyncio import Redis

from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.opening import connect_cluster
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database
from event_stream_engine.embedded import ports
from tests.backbone.conftest import SETTINGS, STREAM, Record, facts, record, working  # noqa: F401  # fixtures
from tests.backbone.test_consumers import Ledger, consuming, group_of, ledger  # noqa: F401  # fixtures
from tests.conformance.conftest import plain

KEYS = [f"k{number}" for number in range(7)]
ROUNDS = 30


async def test_a_slot_that_moves_under_load_loses_doubles_and_reorders_nothing(
    database: Database,
    cluster_ports: list[int],
    record: Record,  # noqa: F811
    ledger: Ledger,  # noqa: F811
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(plain(port)) for port in cluster_ports]
        url = f"redis://{ports.LOOPBACK}:{cluster_ports[0]}"
        writing, reading = connect_cluster(url), connect_cluster(url)
        stack.push_async_callback(writing.aclose)
        stack.push_async_callback(reading.aclose)
        streams = RedisStreams(writing)
        await streams.clear(STREAM)
        consumer = Consumer(group_of(ledger), database, RedisStreams(reading), SETTINGS, name="one")
        async with working(Relay(database, streams, SETTINGS)), consuming(consumer):
            for round_ in range(1, ROUNDS + 1):
                await record(*KEYS)
                if round_ % 10 == 5:
                    await ledger.wait_effects(1)
                    await move(nodes, cluster_ports)
            await ledger.wait_effects(ROUNDS * len(KEYS))
        assert (await verify(database, streams, [group_of(ledger)])).holds
    effects = await ledger.effects()
    for key in KEYS:
        assert [version for entity, version in effects if entity == key] == list(range(1, ROUNDS + 1))


async def move(nodes: "list[Redis]", node_ports: list[int]) -> None:
    """The stream's slot, with all that lies in it, to the node after the one that serves it."""
    slot = await nodes[0].execute_command("CLUSTER KEYSLOT", STREAM)
    names = [str(await node.execute_command("CLUSTER MYID")) for node in nodes]
    here = await serving(nodes[0], slot, node_ports)
    there = (here + 1) % len(nodes)
    await nodes[there].execute_command("CLUSTER SETSLOT", slot, "IMPORTING", names[here])
    await nodes[here].execute_command("CLUSTER SETSLOT", slot, "MIGRATING", names[there])
    await nodes[here].execute_command("MIGRATE", ports.LOOPBACK, node_ports[there], STREAM, 0, 5000)
    for number in (there, here, *(n for n in range(len(nodes)) if n not in (here, there))):
        await nodes[number].execute_command("CLUSTER SETSLOT", slot, "NODE", names[there])
    assert await serving(nodes[there], slot, node_ports) == there


async def serving(node: "Redis", slot: int, node_ports: list[int]) -> int:
    for first, last, (_, port, *_), *_ in await node.execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return node_ports.index(port)
    raise LookupError(f"nobody serves slot {slot}")
