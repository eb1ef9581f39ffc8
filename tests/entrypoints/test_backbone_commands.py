"""The operator's commands, as ese: what they print, what they change, and their exit status."""

import asyncio
import re
from typing import get_args

import pytest
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.backbone.dead_letters import DeadLetter
from event_stream_engine.entrypoints.backbone.letters_cli import Status
from event_stream_engine.events.messaging import StatusCallbackReceived
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.ids import new_id
from event_stream_engine.telemetry import correlation
from tests.backbone.conftest import SETTINGS, WAIT_SECONDS, redis, streams, working
from tests.backbone.test_failing_reactions import rows, wait_rows
from tests.entrypoints.command_line import run_ese
from tests.web.test_backbone_api import GROUP, bury

__all__ = ["redis", "streams"]  # fixtures

REPORTED = "SELECT 1 FROM relay_status WHERE memory_used > 0 AND events_per_minute > 0"


@pytest.fixture
def ese(database: Database, database_url: str, redis_url: str):  # type: ignore[no-untyped-def]
    """Run `ese …` against this test's servers; its status and what it printed."""

    async def run(*words: str) -> tuple[int, str]:
        servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        done = await asyncio.to_thread(run_ese, *words, environment=servers)
        return done.returncode, done.stdout + done.stderr

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
    died = (await rows(database, "SELECT max(died_at) AS at FROM dead_letters"))[0]["at"]
    assert listed.count(f"  {died:%Y-%m-%d %H:%M:%SZ}  {GROUP}  ") == 3
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


AUDIT = "SELECT action, entity_id, detail FROM audit_entries ORDER BY id"


async def test_what_the_api_refuses_is_refused_before_anything_is_changed(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    await bury(database, 2)
    redrive, replay = ("dead-letters", "redrive", "--group", GROUP), ("replay", "start", GROUP)
    discard, pause = ("dead-letters", "discard", "--group", GROUP), ("groups", "pause", GROUP)
    for words, option, why in (
        ((*redrive, "--per-second", "-5"), "--per-second", "greater than or equal to 1"),
        ((*redrive, "--per-second", "0"), "--per-second", "greater than or equal to 1"),
        ((*redrive, "--per-second", "99999999999999"), "--per-second", "less than or equal to 10000"),
        ((*replay, "--per-second", "-1"), "--per-second", "greater than or equal to 1"),
        ((*replay, "--dry-run", "--per-second", "10001"), "--per-second", "less than or equal to 10000"),
        ((*discard, "--reason", ""), "--reason", "Say why"),
        ((*discard, "--reason", "   "), "--reason", "Say why"),
        ((*discard, "--reason", "x" * 501), "--reason", "at most 500 characters"),
        ((*pause, "--reason", ""), "--reason", "Say why"),
        ((*pause, "--reason", " \t"), "--reason", "Say why"),
        (("dead-letters", "list", "--status", "foo"), "--status", "'open', 'redriven', 'discarded'"),
    ):
        status, output = await ese(*words)
        assert (status, option in output, why in output) == (2, True, True), (words, output)
    assert len(await rows(database, "SELECT 1 FROM dead_letters WHERE status = 'open'")) == 2
    assert not await rows(database, "SELECT 1 FROM consumer_groups WHERE paused_at IS NOT NULL")
    assert not await rows(database, AUDIT)


def test_the_statuses_are_those_of_the_api() -> None:
    assert get_args(DeadLetter.model_fields["status"].annotation) == tuple(Status)


async def test_a_range_begins_and_ends_at_a_day_a_time_or_an_entry(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    tick = 1772495999999  # the last millisecond of 2026-03-02
    seq = await call_back_at(database, tick)
    count = ("replay", "start", GROUP, "--dry-run")
    for words, matching in (
        (("--from", "2026-03-02"), 1),
        (("--from", "2026-03-03"), 0),
        (("--to", "2026-03-02"), 1),
        (("--to", "2026-03-01"), 0),
        (("--from", "2026-03-02T23:59:59+00:00", "--to", "2026-03-03T00:00Z"), 1),
        (("--from", f"{tick}-{seq}", "--to", f"{tick}-{seq}"), 1),
        (("--from", f"{tick}-{seq + 1}"), 0),
        (("--from", "1795123171202-17"), 0),  # as ISO 8601 without hyphens: a time in the year 1795
    ):
        assert await ese(*count, *words) == (0, f"{matching} events match\n"), words
    for wrong in ("5-", "tomorrow", "2026-03-02Z", "1-2-3", ""):
        told = f"ese: --from: {wrong} is not a time. Write 2026-03-01, or 2026-03-01T09:30Z, or an entry id such as "
        status, output = await ese(*count[:3], "--from", wrong)
        assert (status, output.startswith(told)) == (1, True), output
    assert (await ese("replay", "list"))[1].startswith("There is no replay.")


async def call_back_at(database: Database, tick: int) -> int:
    """Commit one event that the group hears, as of a tick (milliseconds); its number in the tick."""
    await call_back(database)
    async with database.transaction() as tx:
        return int((await tx.execute(text(_TICK), {"tick": tick})).scalar_one())


_TICK = """
INSERT INTO outbox_ticks (id, snapshot, generation) SELECT :tick, pg_current_snapshot(), generation FROM outbox
RETURNING (SELECT seq FROM outbox)
"""


async def test_names_that_nothing_has_are_told_apart_from_nothing_found(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    await bury(database, 1)
    nobody = str(new_id())
    why = ("--reason", "known")
    for words, told in (
        (("redrive", "--group", "no.such"), "There is no group no.such. There are: "),
        (("redrive", "--group", "no.such", "--dry-run"), "There is no group no.such. There are: "),
        (("discard", "--group", "no.such", *why), "There is no group no.such. There are: "),
        (("redrive", nobody), f"There is no dead letter {nobody}. `ese dead-letters list`"),
        (("discard", nobody, *why), f"There is no dead letter {nobody}. `ese dead-letters list`"),
        (("redrive", "--cause", "0123"), "No dead letter has the cause 0123. `ese dead-letters causes`"),
        (("discard", "--cause", "0123", *why), "No dead letter has the cause 0123. `ese dead-letters causes`"),
        (("list", "--cause", "0123"), "No dead letter has the cause 0123. `ese dead-letters causes`"),
        (("redrive", nobody, "--group", GROUP), "Name ids, or choose by --group, --type, --key or --cause: not both."),
    ):
        status, output = await ese("dead-letters", *words)
        assert (status, output.startswith(f"ese: {told}")) == (1, True), (words, output)
    cause = (await ese("dead-letters", "causes"))[1].split()[0]
    assert await ese("dead-letters", "redrive", "--cause", cause) == (0, "1 of 1 are given back\n")
    assert await ese("dead-letters", "redrive", "--cause", cause) == (0, "0 of 0 are given back\n"), "known, and done"


async def test_every_order_is_audited_with_who_gave_it_and_what_it_was(ese, database: Database) -> None:  # type: ignore[no-untyped-def]
    await bury(database, 2)
    await call_back_at(database, 1772495999999)
    first = str((await rows(database, "SELECT id FROM dead_letters ORDER BY id LIMIT 1"))[0]["id"])
    orders = (
        ("groups", "pause", GROUP, "--reason", "a look"), ("groups", "resume", GROUP), ("groups", "retry", GROUP),
        ("dead-letters", "redrive", first),
        ("dead-letters", "discard", "--group", GROUP, "--reason", "known"),
    )  # fmt: skip
    for words in orders:
        status, output = await ese(*words, "--by", "ana")
        assert status == 0, output
    started = await ese("replay", "start", GROUP, "--from", "2026-03-02", "--per-second", "5", "--by", "ana")
    replayed = started[1].split(":")[0]
    assert (await ese("replay", "cancel", replayed, "--by", "ana"))[0] == 0
    told = [(row["action"], row["entity_id"], row["detail"]) for row in await rows(database, AUDIT)]
    assert told == [
        ("consumer_group.pause", GROUP, {"by": "ana", "reason": "a look"}),
        ("consumer_group.resume", GROUP, {"by": "ana"}),
        ("consumer_group.retry", GROUP, {"by": "ana", "retried": 0}),
        ("dead_letter.redrive", "many", {"by": "ana", "count": 1, "ids": [first], "filter": None}),
        ("dead_letter.discard", "many", {"by": "ana", "count": 1, "ids": [], "filter": {"group": GROUP},
                                         "reason": "known"}),
        ("replay.request", replayed, {
            "by": "ana", "group": GROUP, "stream": None, "types": None, "key": None,
            "from_time": "2026-03-02T00:00:00Z", "to_time": None, "from_entry_id": None, "to_entry_id": None,
            "per_second": 5, "dry_run": False}),
        ("replay.cancel", replayed, {"by": "ana"}),
    ]  # fmt: skip


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


async def test_orders_to_the_relay_are_audited(ese, database: Database, streams: RedisStreams) -> None:  # type: ignore[no-untyped-def]
    async with working(Relay(database, streams, SETTINGS)):
        await call_back(database)
        await wait_rows(database, "SELECT * FROM relay_positions")
    stream = StatusCallbackReceived.stream
    for words in (("rebuild", stream), ("rebuild", "all"), ("accept-generation", "--reason", "the backup")):
        status, output = await ese("backbone", *words, "--by", "ana")
        assert status == 0, output
    told = await rows(database, "SELECT action, entity_id, detail FROM audit_entries ORDER BY id")
    assert [tuple(row.values()) for row in told] == [
        ("stream.rebuild", stream, {"by": "ana"}),
        ("stream.rebuild", "all", {"by": "ana"}),
        ("generation.accept", "2", {"by": "ana", "reason": "the backup"}),
    ]


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
