"""Changes and their audit: all or nothing, one at a time, and nothing can be taken back unseen."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from event_stream_engine.database import Database
from event_stream_engine.errors import Conflict, EseError, Invalid, NotFound, Stale
from event_stream_engine.flags import actions, store
from event_stream_engine.flags.model import Change, Facts, Held
from event_stream_engine.flags.store import AuditRow


async def change(database: Database, *changes: Change, reason: str = "because") -> list[AuditRow]:
    async with database.transaction() as tx:
        return await actions.change(tx, changes, actor="ana", account_id=None, reason=reason, facts=Facts())


def new(name: str, **given: Any) -> Change:
    return Change(name, {"type": "bool", "value": False, **given}, "create", whole=True)


async def kept(database: Database) -> dict[str, Held]:
    async with database.transaction() as tx:
        return (await store.load(tx)).flags


async def rows(database: Database, query: str) -> Sequence[Any]:
    async with database.transaction() as tx:
        return (await tx.execute(text(query))).all()


async def counts(database: Database) -> tuple[int, ...]:
    tables = ("feature_flags", "feature_flag_versions", "flag_audit", "audit_entries")
    return tuple([len(await rows(database, f"SELECT 1 FROM {table}")) for table in tables])


async def test_a_change_is_a_version_and_an_audit_row_that_says_everything(database: Database) -> None:
    await change(database, new("a"), reason="make it")
    (row,) = await change(database, Change("a", {"value": True}), reason="turn it on")
    assert (row.flag, row.actor, row.reason, row.action) == ("a", "ana", "turn it on", "change")
    assert (row.version_from, row.version_to) == (1, 2)
    assert '"value":false' in (row.before or "")
    assert '"value":true' in (row.after or "")
    assert (await kept(database))["a"].version == 2
    assert await counts(database) == (1, 2, 2, 2)


async def test_a_set_that_is_refused_leaves_nothing_behind(database: Database) -> None:
    bad: list[tuple[type[EseError], Change]] = [
        (Conflict, Change("MONITORING_DUAL_MODE", {"value": True})),
        (Invalid, Change("MONITORING_BATCH_SIZE", {"value": True})),
        (NotFound, Change("nothing", {"value": True})),
        (Stale, Change("MONITORING_BATCH_SIZE", {"value": 5}, expected=3)),
    ]
    for error, wrong in bad:
        with pytest.raises(error):
            await change(database, new("a"), wrong, new("b"))
    assert await counts(database) == (0, 0, 0, 0)


async def test_no_audit_row_no_change(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("ALTER TABLE flag_audit ADD CONSTRAINT never CHECK (reason <> 'x')"))
    with pytest.raises(DBAPIError):
        await change(database, new("a"), reason="x")
    assert await counts(database) == (0, 0, 0, 0)


async def test_a_rollback_is_a_new_version_with_the_old_definition(database: Database) -> None:
    await change(database, new("a", salt="s"))
    await change(database, Change("a", {"value": True, "salt": "t"}))
    await change(database, Change("MONITORING_BATCH_SIZE", {"value": 7}))
    async with database.transaction() as tx:
        back = [await actions.rollback(tx, "a", 1), await actions.rollback(tx, "MONITORING_BATCH_SIZE", 0)]
        with pytest.raises(NotFound):
            await actions.rollback(tx, "a", 9)
    await change(database, *back)
    found = await kept(database)
    assert (found["a"].version, found["a"].flag.value, found["a"].flag.salt) == (3, False, "s")
    assert (found["MONITORING_BATCH_SIZE"].version, found["MONITORING_BATCH_SIZE"].flag.value) == (2, 100)


async def test_a_removed_flag_keeps_its_history_and_its_count(database: Database) -> None:
    await change(database, new("a"))
    await change(database, Change("a", None, "remove"))
    assert "a" not in await kept(database)
    (row,) = await change(database, new("a"))
    assert (row.version_from, row.version_to) == (0, 3)
    async with database.transaction() as tx:
        history = await store.history(tx, "a", None, 10)
    assert [(row.action, row.version_to) for row in history] == [("create", 3), ("remove", 2), ("create", 1)]


async def test_of_edits_at_once_from_one_version_one_wins_and_all_are_accounted_for(database: Database) -> None:
    await change(database, new("a", type="int", value=0))
    edits = [change(database, Change("a", {"value": number}, expected=1)) for number in range(1, 9)]
    done = await asyncio.gather(*edits, return_exceptions=True)
    assert sum(isinstance(one, Stale) for one in done) == 7
    assert (await kept(database))["a"].version == 2
    await asyncio.gather(*(change(database, Change("a", {"value": n})) for n in range(10, 20)))
    assert (await kept(database))["a"].version == 12
    versions = [row.version_to for row in await rows(database, "SELECT version_to FROM flag_audit ORDER BY id")]
    assert versions == list(range(1, 13))


async def test_two_sets_that_would_only_together_break_a_rule_do_not_both_pass(database: Database) -> None:
    done = await asyncio.gather(
        change(database, Change("MONITORING_VALIDATION_STRICT", {"value": True})),
        change(database, Change("MONITORING_ENABLE_VALIDATION", {"value": False})),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Conflict) for one in done) == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE flag_audit SET reason = 'x'", "DELETE FROM flag_audit", "TRUNCATE flag_audit"]
)
async def test_the_audit_refuses_to_be_changed(database: Database, statement: str) -> None:
    await change(database, new("a"))
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.transaction() as tx:
            await tx.execute(text(statement))


async def verified(database: Database) -> tuple[int, int | None]:
    async with database.transaction() as tx:
        found = await actions.verify_audit(tx)
    return found.rows, found.broken_id


async def test_the_audit_is_verified_row_by_row(database: Database) -> None:
    assert await verified(database) == (0, None)
    await change(database, new("a"), new("f", type="float", value=1e22), reason="both ✓")
    await change(database, Change("a", {"value": True}))
    assert await verified(database) == (3, None)


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE flag_audit SET actor = 'bo' WHERE id = 2", 2),
        ("UPDATE flag_audit SET after = replace(after, 'true', 'false') WHERE id = 2", 2),
        ("UPDATE flag_audit SET at = at + interval '1 second' WHERE id = 3", 3),
        ("DELETE FROM flag_audit WHERE id = 2", 3),
    ],
)
async def test_tampering_behind_the_trigger_is_found(database: Database, tampering: str, broken: int) -> None:
    for value in (False, True, False):
        await change(database, Change("a", {"type": "bool", "value": value}, whole=True))
    async with database.transaction() as tx:
        await tx.execute(text("ALTER TABLE flag_audit DISABLE TRIGGER flag_audit_append_only"))
        await tx.execute(text(tampering))
    assert (await verified(database))[1] == broken


async def test_a_definition_that_cannot_be_read_is_named_and_not_loaded(database: Database) -> None:
    await change(database, new("a"))
    async with database.transaction() as tx:
        await tx.execute(text("""UPDATE feature_flags SET definition = '{"type": "colour"}'"""))
        loaded = await store.load(tx)
    assert loaded.damaged == ("a",)
