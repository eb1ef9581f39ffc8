"""One process of whichever release is on the path: `python release_process.py relay|consumer|writer|migrate NAME`, with
the servers' addresses in the environment. It uses what both releases have, says which one it is, and works until
SIGTERM."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import ClassVar

from sqlalchemy import text

import event_stream_engine
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.database import Database, Transaction, migrate
from event_stream_engine.events.base import Event
from event_stream_engine.settings import BackboneSettings

SETTINGS = BackboneSettings(
    ESE_RELAY_BATCH_SIZE=7, ESE_RELAY_BUSY_POLL_MS=1, ESE_RELAY_IDLE_POLL_MS=2, ESE_RELAY_LEASE_SECONDS=1,
    ESE_CONSUME_BATCH=20, ESE_CONSUME_LEASE_SECONDS=1,
)  # fmt: skip
KEYS = 4


class ProofFact(Event, frozen=True, kw_only=True):
    stream: ClassVar[str] = "proof.fact.v1"
    entity: str
    version: int

    @property
    def key(self) -> str:
        return self.entity


async def apply(tx: Transaction, event: ProofFact) -> None:
    query = "INSERT INTO proof_effects (entity, version) VALUES (:entity, :version)"
    await tx.execute(text(query), {"entity": event.entity, "version": event.version})


async def write(database: Database, entity: str, stop: asyncio.Event) -> None:
    version = 0
    while not stop.is_set():
        version += 1
        async with database.transaction() as tx:
            await outbox.record(tx, ProofFact(entity=entity, version=version))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.01)


async def work(role: str, name: str) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(os.environ["DATABASE_URL"], pool_size=KEYS)
    streams = RedisStreams(connect(os.environ["REDIS_URL"], timeout_seconds=3))
    sys.stdout.write(f"{event_stream_engine.__file__}\n")
    sys.stdout.flush()
    if role == "relay":
        await Relay(database, streams, SETTINGS, stop, holder=name).run()
    elif role == "consumer":
        group = Group("proof.faults", {"ProofFact": Reaction(ProofFact, "single", apply)})
        await Consumer(group, database, streams, SETTINGS, stop, name=name).run()
    else:
        await asyncio.gather(*(write(database, f"{name} {key}", stop) for key in range(KEYS)))
    await database.close()


if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        asyncio.run(migrate(os.environ["DATABASE_URL"]))
    else:
        asyncio.run(work(*sys.argv[1:]))
