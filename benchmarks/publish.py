"""Publishing a monitoring event, while the database and Redis are dead: what the caller waits."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.stage.figures import record
from event_stream_engine.database import Database
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.model import unplanned
from event_stream_engine.flags.model.planning import Held
from event_stream_engine.flags.store import Loaded
from event_stream_engine.live import Hub
from event_stream_engine.live.messages import Message
from event_stream_engine.monitoring.adapters import Adapter, RealtimeAdapter, RedisAdapter
from event_stream_engine.monitoring.api import Broadcaster, UnifiedMonitoringEvent
from event_stream_engine.monitoring.persisting import Persister
from event_stream_engine.monitoring.spool import Spool

COUNT = 30_000
TOGETHER = 50
GOAL_MICROSECONDS = 200.0
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"


async def _refuse(_number: int, _messages: Sequence[Message]) -> None:
    raise ConnectionRefusedError("dead")


async def measure() -> None:
    with tempfile.TemporaryDirectory() as folder:
        flags = dual()
        database = Database(NOWHERE, pool_size=1)
        persister = Persister(database, flags, "benchmark", spool=Spool(Path(folder), "benchmark"))
        redis = RedisAdapter(_refuse)
        adapters: list[Adapter] = [redis, RealtimeAdapter(persister)]
        broadcaster = Broadcaster(flags, Hub(None), adapters=adapters, persister=persister)
        await persister.open()
        sending, running = asyncio.create_task(redis.run()), asyncio.create_task(persister.run())
        bare, ours = await times(lambda event: msgspec.json.encode(event.to_dict())), await times(broadcaster.publish)
        sending.cancel()
        await persister.close(1.0)
        await running
        await database.close()
    assert all(ledger.imbalance == 0 for ledger in broadcaster.ledgers()), "events are not accounted for"
    record(
        "publish", ours, f"µs p99 with both adapters dead ({COUNT:,} events)", beside="µs p99 of encoding the event",
        beside_value=bare, ratio=ours / bare, goal=f"p99 <= {GOAL_MICROSECONDS:.0f} µs", met=ours <= GOAL_MICROSECONDS,
    )  # fmt: skip


def dual() -> Flags:
    """Both adapters in use."""
    flags, held = Flags(), unplanned()
    for name, value in (("MONITORING_ADAPTER_TYPE", "dual"), ("MONITORING_DUAL_MODE", True)):
        held[name] = Held(msgspec.structs.replace(held[name].flag, value=value), 1)
    assert flags.offer(Loaded(1, held)), flags.issues()
    return flags


async def times(call: object) -> float:
    """p99 in microseconds; others run in between."""
    took = []
    for number in range(COUNT):
        event = UnifiedMonitoringEvent(
            event_type="benchmark", timestamp=datetime.now(UTC), source="benchmark", data={"number": number, "of": "x"}
        )
        begin = time.perf_counter_ns()
        call(event)  # type: ignore[operator]
        took.append(time.perf_counter_ns() - begin)
        if number % TOGETHER == 0:
            await asyncio.sleep(0)
    return statistics.quantiles(took, n=100)[98] / 1000
