"""The operator's commands, as typed: what they print, what they change, and their exit status."""

import asyncio
import os
import re
import sys

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.database import Database
from event_stream_engine.events.messaging import StatusCallbackReceived
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.telemetry import correlation
from tests.backbone.conftest import SETTINGS, WAIT_SECONDS, redis, streams, working
from tests.backbone.test_failing_reactions import rows
from tests.web.test_backbone_api import GROUP, bury

__all__ = ["redis", "streams"]  # fixtures

REPORTED = "SELECT 1 FROM relay_status WHERE memory_used > 0 AND events_per_minute > 0"


@pytest.fixture
def ese(database: Database, database_url: str, redis_url: str):  # type: ignore[no-untyped-def]
    """Run `ese …` against this test's servers; its status and what it printed."""

    async def run(*words: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "event_stream_engine.entrypoints.cli", *words,
            env={**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    return run


async def test_a_group_is_listed_paused_and_resumed(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    assert f"{GROUP}: no_consumer" in (await ese("groups", "list"))[1]
    assert (await ese("groups", "pause", GROUP, "--reason", "a look", "--by", "ana"))[0] == 0
    assert f"{GROUP}: paused" in (await ese("groups", "list"))[1]
    assert (await ese("groups", "resume", GROUP))[0] == 0
    status, output = await ese("groups", "pause", "nobody", "--reason", "a look")
    assert (status, "There is no group nobody" in output) == (1, True)
    assert len(await rows(database, "SELECT * FROM audit_entries WHERE entity = 'consumer_group'")) == 2


async def test_letters_are_listed_shown_redriven_and_discarded(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    await bury(database, 3)
    listed = (await ese("dead-letters", "list"))[1]
    assert listed.count("ValueError: no") == 3
    first = listed.split()[0]
    assert '"n": ' in (await ese("dead-letters", "show", first))[1]
    assert (await ese("dead-letters", "redrive", "--group", GROUP, "--dry-run"))[1] == "3 match\n"
    assert (await ese("dead-letters", "redrive", first))[1] == "1 of 1 are given back\n"
    assert (await ese("dead-letters", "discard", "--group", GROUP, "--reason", "known"))[1] == "2 of 2 are discarded\n"
    assert (await ese("dead-letters", "redrive"))[0] == 1, "all of them is never meant by saying nothing"


async def test_letters_are_grouped_by_cause_and_a_cause_is_settled_whole(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    assert (await ese("dead-letters", "causes"))[1] == "No dead letter is open.\n"
    await bury(database, 3)
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE dead_letters SET error = 'another' WHERE error = 'no 1'"))
    frequent, error, handler, other = (await ese("dead-letters", "causes"))[1].splitlines()[:4]
    assert "2 letters of 2 keys" in frequent
    assert error.startswith("  ValueError: no ")
    assert handler == "  in event_stream_engine.messaging.consumers.apply_receipts"
    assert "1 letter of 1 keys" in other
    cause = frequent.split()[0]
    assert (await ese("dead-letters", "redrive", "--cause", cause, "--dry-run"))[1] == "2 match\n"
    assert (await ese("dead-letters", "list", "--cause", cause))[1].count("ValueError: no ") == 2
    settled = await ese("dead-letters", "discard", "--cause", cause, "--reason", "known")
    assert settled[1] == "2 of 2 are discarded\n"
    assert (await ese("dead-letters", "list"))[1].count("ValueError") == 1


async def test_a_replay_of_nothing_is_refused_and_counted(ese) -> None:  # type: ignore[no-untyped-def]
    assert (await ese("replay", "start", GROUP, "--dry-run"))[1] == "0 events match\n"
    status, output = await ese("replay", "start", GROUP, "--from", "2026-01-01T00:00:00")
    assert (status, "needs a time zone" in output) == (1, True)
    assert (await ese("replay", "list"))[1] == "There is no replay. `ese replay start` requests one.\n"


async def test_a_mistyped_id_is_told_where_the_ids_are(ese) -> None:  # type: ignore[no-untyped-def]
    for words, what in ((("dead-letters", "show"), "a dead letter"), (("replay", "cancel"), "a replay")):
        status, output = await ese(*words, "12")
        assert status == 1
        assert output == f"ese: 12 is not the id of {what}. `ese {words[0]} list` prints the ids: copy one whole.\n"


async def test_a_trace_says_of_each_event_which_groups_wait_and_that_none_reacts(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    async with database.transaction() as tx:
        request = correlation.set(new_id())
        await outbox.record(tx, StatusCallbackReceived(sid="SM1", status="sent", received_at=clock.now(), form={}))
        await outbox.record(tx, LiveUpdate(topic="campaigns", kind="campaign", entity_id="1", version=1))
        traced = correlation.get()
        correlation.reset(request)
    status, output = await ese("events", "trace", str(traced))
    assert status == 0, output
    callback, update = output.splitlines()
    assert f"[{GROUP}: waiting]" in callback
    assert "[no group reacts to it]" in update


async def test_an_empty_log_is_proved_and_its_status_shown(ese) -> None:  # type: ignore[no-untyped-def]
    status, output = await ese("verify")
    assert (status, output.splitlines()[-1]) == (0, "verify: everything holds")
    assert "DOES NOT WORK" in (await ese("backbone", "status"))[1]
    status, output = await ese("backbone", "rebuild", "no.such.v1")
    assert (status, "There is no stream" in output) == (1, True)


async def test_the_status_names_ages_and_memory(ese, database: Database, streams: RedisStreams) -> None:  # type: ignore[no-untyped-def]
    async with working(Relay(database, streams, SETTINGS)):
        await call_back(database)
        async with asyncio.timeout(WAIT_SECONDS):
            while not await rows(database, REPORTED):  # noqa: ASYNC110  # written once a second
                await asyncio.sleep(0)
        shown = (await ese("backbone", "status"))[1]
    await call_back(database)
    waiting = (await ese("backbone", "status"))[1]
    stream = re.escape(StatusCallbackReceived.stream)
    assert re.search(r"^relay \S+ works, generation 1, epoch \d+$", shown, re.MULTILINE), shown
    assert re.search(r"^  last tick \d+ s ago, 1 events in the last minute$", shown, re.MULTILINE)
    assert re.search(r"^  memory of the streams: \d+ MiB (of \d+ MiB|without a limit)$", shown, re.MULTILINE)
    assert re.search(rf"^{stream}: ok, ends at \d+-\d+, 0 wait$", shown, re.MULTILINE)
    assert re.search(rf"^{stream}: .* 1 wait, the oldest was committed \d+ s ago$", waiting, re.MULTILINE), waiting


async def call_back(database: Database) -> None:
    async with database.transaction() as tx:
        await outbox.record(tx, StatusCallbackReceived(sid="SM1", status="sent", received_at=clock.now(), form={}))
