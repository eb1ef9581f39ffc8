"""What a person does to groups: redrive, discard, replay, pause; each once, in order, and seen by one group only."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.backbone import dead_letters, groups, replay
from event_stream_engine.backbone.dead_letters import Chosen
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.replay import Range
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.backbone.verify import verify
from event_stream_engine.database import Database
from event_stream_engine.errors import Conflict, Invalid
from tests.backbone.conftest import SETTINGS, WAIT_SECONDS, Record, working
from tests.backbone.test_consumers import GROUP, Ledger, consumer_of, consuming, group_of, ledger, publish
from tests.backbone.test_failing_reactions import DEAD, ONE, PARKED, rows, wait_rows

__all__ = ["consumer_of", "ledger", "publish"]  # fixtures


@pytest.fixture(autouse=True)
def known_group(ledger: Ledger) -> Any:
    GROUPS[GROUP] = group_of(ledger)
    yield
    del GROUPS[GROUP]


async def with_dead_letters(ledger: Ledger, consumer_of: Any, publish: Any, *names: str) -> None:
    ledger.failing = {"bad", "worse"}
    await publish(*names)
    async with consuming(consumer_of(group_of(ledger), settings=ONE)):
        await wait_rows(ledger.database, DEAD, sum(name in ledger.failing for name in names))
    ledger.failing = set()


async def test_redriven_letters_are_applied_once_in_the_order_of_their_key(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await with_dead_letters(ledger, consumer_of, publish, "bad", "a", "worse", "bad", "bad")
    async with database.transaction() as tx:
        assert (await dead_letters.redrive(tx, Chosen(), by="ana", dry_run=True)).matched == 4
        assert (await dead_letters.redrive(tx, Chosen(key="bad"), by="ana")).redriven == 3
        assert (await dead_letters.redrive(tx, Chosen(key="bad"), by="ana")).matched == 0, "only open ones"
    async with consuming(consumer_of(group_of(ledger))):
        found = await ledger.wait_effects(4)
    assert found == [("a", 1), ("bad", 1), ("bad", 2), ("bad", 3)]
    (first, *_) = await rows(database, f"{DEAD} WHERE key = 'bad' ORDER BY tick, seq")
    assert (first["status"], first["resolved_by"]) == ("redriven", "ana")
    assert [line["kind"] for line in first["history"]] == ["failed", "redriven"]
    proof = await verify(database, streams, [group_of(ledger)])
    assert (proof.holds, proof.groups[0].applied, proof.groups[0].dead) == (True, 4, 1)


async def test_a_redriven_letter_that_fails_again_is_a_letter_again_with_its_whole_history(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await with_dead_letters(ledger, consumer_of, publish, "bad")
    async with database.transaction() as tx:
        await dead_letters.redrive(tx, Chosen(), by="ana")
    ledger.failing = {"bad"}
    async with consuming(consumer_of(group_of(ledger), settings=ONE)):
        await wait_rows(database, DEAD, 2)
    (newest,) = await rows(database, f"{DEAD} WHERE status = 'open'")
    assert [line["kind"] for line in newest["history"]] == ["failed", "redriven", "failed"]


async def test_a_discarded_letter_keeps_its_reason_and_is_never_applied(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await with_dead_letters(ledger, consumer_of, publish, "bad")
    async with database.transaction() as tx:
        assert await dead_letters.discard(tx, Chosen(), by="ana", reason="tested", dry_run=True) == (1, 0)
        assert await dead_letters.discard(tx, Chosen(), by="ana", reason="tested") == (1, 1)
        assert (await dead_letters.redrive(tx, Chosen(), by="ana")).matched == 0
    (letter,) = await rows(database, DEAD)
    assert (letter["status"], letter["reason"]) == ("discarded", "tested")


async def test_too_many_letters_at_once_are_refused(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text(_MANY), {"count": dead_letters.AT_ONCE_MAX + 1})
        with pytest.raises(Invalid, match="at most 10000"):
            await dead_letters.redrive(tx, Chosen(), by="ana")
        assert await dead_letters.count(tx, Chosen(status="open")) == dead_letters.AT_ONCE_MAX + 1


_MANY = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
                          taken_over, error_class, error, stack, history, release, first_failed_at)
SELECT gen_random_uuid(), 'g', gen_random_uuid(), 's', '1-1', 1, 1, 't', 'k', '{}', 1, 0, 0, 'E', 'e', '', '[]', '0',
       now()
FROM generate_series(1, :count)
"""


async def finished(database: Database, replay_id: object, status: str = "completed") -> dict[str, Any]:
    (row,) = await wait_rows(database, f"SELECT * FROM replays WHERE id = '{replay_id}' AND status = '{status}'")
    return dict(row)


async def test_a_replay_reaches_one_group_in_order_while_live_events_flow(
    database: Database, streams: RedisStreams, ledger: Ledger, consumer_of: Any, record: Record
) -> None:
    other = Ledger(database)
    untouched = group_of(other)
    untouched.name = "proof.other"
    async with (
        working(Relay(database, streams, SETTINGS)),
        consuming(consumer_of(untouched)),
        consuming(consumer_of(group_of(ledger))),
    ):
        await record("a", "b", "a", "c")
        await ledger.wait_effects(8)
        async with database.transaction() as tx:
            assert await replay.matching(tx, Range(GROUP)) == 4
            replay_id = await replay.request(tx, Range(GROUP), by="ana")
        await record("d", "a")
        await finished(database, replay_id)
        await ledger.wait_effects(8 + 4 + 4)
    assert len(other.calls) == 6, "each event once, and nothing of the replay"
    assert sorted(ledger.calls) == sorted(2 * [("a", 1), ("b", 1), ("a", 2), ("c", 1)] + [("d", 1), ("a", 3)])
    replayed = ledger.calls[4:]
    assert [v for name, v in replayed if name == "a" and v < 3] == [1, 2], "the order of the key is kept"
    async with database.transaction() as tx:
        shown = await replay.one(tx, replay_id)
    assert (shown["matched"], shown["done"], shown["failed"]) == (4, 4, 0)


async def test_a_replay_says_the_moments_that_it_was_asked_for(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a")
    begin = datetime(2026, 1, 2, tzinfo=UTC)
    async with database.transaction() as tx:
        replay_id = await replay.request(tx, Range(GROUP, from_time=begin), by="ana")
        shown = await replay.one(tx, replay_id)
    assert (shown["from_time"], shown["from_entry_id"], shown["to_entry_id"]) == (begin, None, None)


@pytest.mark.parametrize("part", ["key", "entries", "types"])
async def test_a_replay_takes_the_part_that_was_asked_for(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, log: Any, part: str
) -> None:
    await publish("a", "b", "a", "c")
    ids = [entry_id for entry_id, _ in await log.published()]
    wanted = {
        "key": Range(GROUP, key="a"),
        "entries": Range(GROUP, from_entry_id=ids[1], to_entry_id=ids[2]),
        "types": Range(GROUP, types=["ProofFact"], to_entry_id=ids[1]),
    }[part]
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(4)
        async with database.transaction() as tx:
            replay_id = await replay.request(tx, wanted, by="ana")
        await finished(database, replay_id)
    expected = {"key": [("a", 1), ("a", 2)], "entries": [("b", 1), ("a", 2)], "types": [("a", 1), ("b", 1)]}[part]
    assert ledger.calls[4:] == expected
    async with database.transaction() as tx:
        shown = await replay.one(tx, replay_id)
    assert (shown["from_entry_id"], shown["to_entry_id"]) == (wanted.from_entry_id, wanted.to_entry_id)


async def test_a_replay_looks_through_a_long_range_in_portions_and_finds_the_little_that_matches(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, bound in (("CHUNK", 2), ("TICKS", 1), ("TICKS_MAX", 4)):
        monkeypatch.setattr(replay, name, bound)
    for names in ("a", *"bbbbbbbbb", "aaa"):
        await publish(*names)
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(13)
        async with database.transaction() as tx:
            replay_id = await replay.request(tx, Range(GROUP, key="a"), by="ana")
        await finished(database, replay_id)
    assert ledger.calls[13:] == [("a", version) for version in (1, 2, 3, 4)]


async def test_a_replay_survives_the_death_of_its_consumer_and_repeats_nothing(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CHUNK", 3)
    await publish(*"abcdefgh")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(8)
    async with database.transaction() as tx:
        replay_id = await replay.request(tx, Range(GROUP), by="ana")
    assert await replay.feed(database, GROUP) == 3
    for _ in range(3):
        async with consuming(consumer_of(group_of(ledger))):
            await asyncio.sleep(0)  # asked to stop as soon as it works
    async with consuming(consumer_of(group_of(ledger))):
        await finished(database, replay_id)
    assert sorted(ledger.calls) == sorted(2 * [(name, 1) for name in "abcdefgh"])


async def test_a_canceled_replay_takes_back_what_it_has_not_applied(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(2)
    async with database.transaction() as tx:
        replay_id = await replay.request(tx, Range(GROUP, per_second=1), by="ana")
    await replay.feed(database, GROUP)
    assert len(await rows(database, PARKED)) == 2
    async with database.transaction() as tx:
        await replay.cancel(tx, replay_id)
        with pytest.raises(Conflict, match="canceled already"):
            await replay.cancel(tx, replay_id)
        assert (await replay.one(tx, replay_id))["done"] == 0, "what was taken back was not applied"
    assert await rows(database, PARKED) == []


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Range("nobody"), "There is no group nobody"),
        (Range(GROUP, types=["Unknown"]), "does not hear Unknown"),
        (Range(GROUP, from_entry_id="9-1", to_entry_id="8-1"), "ends before it begins"),
        (Range(GROUP, from_entry_id="yesterday"), "An entry id is"),
        (Range(GROUP, from_entry_id="1-9999999999999999999"), "An entry id is"),
        (Range(GROUP), "No event matches"),
    ],
)
async def test_a_replay_that_cannot_be_is_refused(database: Database, wanted: Range, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        async with database.transaction() as tx:
            await replay.request(tx, wanted, by="ana")


async def test_the_report_of_a_group_says_what_is(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any
) -> None:
    async def report() -> dict[str, Any]:
        async with database.transaction() as tx:
            return await groups.report(tx, GROUP)

    assert (await report())["state"] == "no_consumer"
    ledger.failing = {"bad"}
    await publish("a", "bad", "bad")
    async with consuming(consumer_of(group_of(ledger))):
        await wait_rows(database, PARKED, 2)
        await wait_rows(database, "SELECT * FROM group_lag")
        found = await report()
    assert (found["parked_keys"], found["parked_events"], found["consumed_total"]) == (1, 2, 3)
    assert found["state"] == "running"
    async with database.transaction() as tx:
        await groups.pause(tx, GROUP, by="ana", reason="a look")
        assert await groups.retry_now(tx, GROUP) == 1
        waiting = await groups.parked(tx, GROUP, 10)
    found = await report()
    assert (found["state"], found["paused_by"], found["pause_reason"]) == ("paused", "ana", "a look")
    assert [row["next_attempt_at"] is None for row in waiting] == [False, True]


async def test_lag_counts_committed_events_that_the_group_has_not_taken_charge_of(
    database: Database, ledger: Ledger, consumer_of: Any, publish: Any, record: Record
) -> None:
    await publish("a", "b")
    async with consuming(consumer_of(group_of(ledger))):
        await ledger.wait_effects(2)
    await publish("a")
    await record("c", "d")  # committed, not published
    from event_stream_engine.backbone.consumers import lag

    await lag.sample(database, group_of(ledger))
    (sample,) = await rows(database, "SELECT * FROM group_lag ORDER BY at DESC LIMIT 1")
    assert sample["events"] == 3
    assert 0 < sample["seconds"] < WAIT_SECONDS
