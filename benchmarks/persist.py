"""Monitoring events into PostgreSQL with all indexes: rows a second, and how long a batch takes."""

import statistics
import time
from datetime import UTC, datetime

import msgspec

from benchmarks.stage.figures import record
from event_stream_engine.database import Database, migrate, raw
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.flags.api import Flags
from event_stream_engine.ids import new_id
from event_stream_engine.monitoring import store
from event_stream_engine.monitoring.api import UnifiedMonitoringEvent
from event_stream_engine.monitoring.model import Published
from event_stream_engine.monitoring.persisting import BATCH_MAX, Persister

ROWS = 150_000
AT_ONCE = 30_000
GOAL_PER_SECOND = 30_000
GOAL_MILLISECONDS = 100.0


async def measure() -> None:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=2, ping=False)
        limit = await copied(database)
        ours, p99 = await persisted(database)
        await database.close()
    record(
        "persist", ours, "events/s into the indexed, published table", beside="rows/s by COPY, no index",
        beside_value=limit, ratio=ours / limit, goal=f">= {GOAL_PER_SECOND:,}/s", met=ours >= GOAL_PER_SECOND,
    )  # fmt: skip
    bare = BATCH_MAX / limit * 1000
    record(
        "persist_batch", p99, f"ms p99 of a batch of {BATCH_MAX}", beside="ms for so many by COPY", beside_value=bare,
        ratio=p99 / bare, goal=f"p99 <= {GOAL_MILLISECONDS:.0f} ms", met=p99 <= GOAL_MILLISECONDS,
    )  # fmt: skip


async def copied(database: Database) -> float:
    rows = [
        (new_id(), "benchmark", "system", "benchmark", datetime.now(UTC), f'{{"number":{n}}}', "{}")
        for n in range(ROWS)
    ]
    async with database.transaction() as tx:
        connection = await raw(tx)
        await connection.execute(
            "CREATE TABLE bare (id uuid, a text, b text, c text, at timestamptz, data text, metadata text)"
        )
    begin = time.perf_counter()
    for start in range(0, ROWS, BATCH_MAX):
        async with database.transaction() as tx:
            await (await raw(tx)).copy_records_to_table("bare", records=rows[start : start + BATCH_MAX])
    return ROWS / (time.perf_counter() - begin)


async def persisted(database: Database) -> tuple[float, float]:
    """Rows a second, and the p99 of a batch to its commit in milliseconds."""
    persister = Timed(database, Flags(), "benchmark")
    took = 0.0
    for start in range(0, ROWS, AT_ONCE):
        for number in range(start, start + AT_ONCE):
            event = UnifiedMonitoringEvent(
                event_type="benchmark", timestamp=datetime.now(UTC), source="benchmark", data={"number": number}
            )
            persister.offer(Published(event, msgspec.json.encode(event.to_dict())))
        begin = time.perf_counter()
        done = await persister.flush()
        took += time.perf_counter() - begin
        assert done.is_complete, "the database took it all"
    async with database.transaction() as tx:
        count = await (await raw(tx)).fetchval("SELECT count(*) FROM monitoring_events")
    assert count == ROWS, f"{count} of {ROWS} rows"
    return ROWS / took, statistics.quantiles(persister.batches, n=100)[98] * 1000


class Timed(Persister):
    """Keeps how long each batch took."""

    batches: list[float]

    async def _commit(self, rows: "list[store.Row]") -> None:  # type: ignore[override]
        self.__dict__.setdefault("batches", [])
        begin = time.perf_counter()
        await super()._commit(rows)
        self.batches.append(time.perf_counter() - begin)
