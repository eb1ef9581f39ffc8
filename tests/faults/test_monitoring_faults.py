"""What breaks under monitoring events that are written: the database for a while, the process for good."""

import asyncio
import os

import pytest
from benchmarks.stage.kills import STOP_SECONDS, kills, stopped_without_database
from benchmarks.stage.outage import outage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OUTAGE_SECONDS = 15.0
"""`make outage` does the same for ten minutes."""
KILLS = 50 if os.environ.get("ESE_TEST_FAULTS") == "all" else 4


async def test_a_database_that_is_down_for_a_while_loses_nothing_and_is_left_alone() -> None:
    found = await outage(OUTAGE_SECONDS)
    assert (found.distinct, found.rows, found.dropped, found.imbalance) == (found.published, found.published, 0, 0)
    assert found.waited > OUTAGE_SECONDS * 500, "events went on coming"
    assert found.calls_to_open <= 5
    assert found.attempts <= 25


async def test_a_process_that_is_killed_while_it_writes_loses_only_what_was_under_way() -> None:
    found = await kills(KILLS)
    assert (found.rounds, found.in_flush) == (KILLS, KILLS // 2)
    assert (found.doubled, found.lost_committed, found.spooled_lost, found.holes) == (0, 0, 0, 0)


@pytest.mark.parametrize("hangs", [False, True], ids=["gone", "hanging"])
async def test_a_process_that_is_stopped_without_a_database_ends_in_time_and_its_rows_are_found(hangs: bool) -> None:
    async with asyncio.timeout(120):
        found = await stopped_without_database(hangs=hangs)
    assert (found.code, found.found, found.doubled) == (0, found.published, 0)
    assert found.seconds <= STOP_SECONDS, "the grace that a process is given"
