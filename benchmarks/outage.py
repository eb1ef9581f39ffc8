"""PostgreSQL dies under 1,000 monitoring events a second (ESE_BENCH_OUTAGE_MINUTES, else a quarter) and comes back."""

import os

from benchmarks.persist import copied
from benchmarks.stage.figures import record
from benchmarks.stage.outage import PER_SECOND, outage
from event_stream_engine.database import Database
from event_stream_engine.embedded import throwaway_servers

LONG_MINUTES = 10.0
MINUTES = float(os.environ.get("ESE_BENCH_OUTAGE_MINUTES", "0.25"))
GOAL_OPENS = 5
GOAL_ATTEMPTS = 25
GOAL_SECONDS = 60.0


async def measure() -> None:
    found = await outage(MINUTES * 60)
    limit = await _copied()
    name = "outage" if MINUTES >= LONG_MINUTES else "outage_short"
    lost, doubled = found.published - found.distinct, found.rows - found.distinct
    bare = found.waited / limit
    record(
        name, found.drained_seconds,
        f"s to write the {found.waited:,} events of {MINUTES:g} min at {PER_SECOND:,}/s ({found.spooled:,} from disk; "
        f"lost {lost}, doubled {doubled}, dropped {found.dropped})",
        beside="s by COPY, no index", beside_value=bare, ratio=found.drained_seconds / bare,
        goal=f"0 lost, 0 doubled, <= {GOAL_SECONDS:.0f} s",
        met=found.drained_seconds <= GOAL_SECONDS and not (lost or doubled or found.dropped or found.imbalance),
    )  # fmt: skip
    record(
        f"{name}_attempts", found.attempts,
        f"connections asked for in vain (the breaker opened after {found.calls_to_open})",
        beside="looks of the health check meanwhile", beside_value=found.looks, ratio=found.attempts / found.looks,
        goal=f"<= {GOAL_ATTEMPTS}, open after <= {GOAL_OPENS}",
        met=found.attempts <= GOAL_ATTEMPTS and found.calls_to_open <= GOAL_OPENS,
    )  # fmt: skip


async def _copied() -> float:
    async with throwaway_servers(durable=True) as servers:
        database = Database(servers.database_url, pool_size=1)
        rate = await copied(database)
        await database.close()
    return rate
