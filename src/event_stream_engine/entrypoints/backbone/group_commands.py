"""`ese groups …`, `ese dead-letters …` and `ese replay …`."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import typer

from event_stream_engine import audit
from event_stream_engine.backbone import dead_letters, groups, replay
from event_stream_engine.backbone.dead_letters import Chosen
from event_stream_engine.backbone.replay import Range
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.commands import run
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.entrypoints.typed import an_id
from event_stream_engine.errors import Invalid

T = TypeVar("T")
SHOWN = 200
_TIME = "%Y-%m-%d %H:%M:%SZ"


def list_groups() -> None:
    found = _in_transaction(groups.reports)
    if not found:
        typer.echo("There is no group: nothing of this release reacts to events.")
    for row in found:
        typer.echo(
            f"{row['group']}: {row['state']}, {row['lag_events']} behind ({row['lag_seconds']:.1f} s), "
            f"{row['parked_events']} parked in {row['parked_keys']} keys, {row['dead_letters']} dead letters"
        )


def pause(group: str, by: str, reason: str) -> None:
    async def act(tx: Transaction) -> None:
        await groups.pause(tx, group, by=by, reason=reason)
        await audit.record(tx, None, "consumer_group.pause", group, {"by": by, "reason": reason})

    _in_transaction(act)
    typer.echo(f"{group} stands still within a second.")


def resume(group: str) -> None:
    async def act(tx: Transaction) -> None:
        await groups.resume(tx, group)
        await audit.record(tx, None, "consumer_group.resume", group)

    _in_transaction(act)
    typer.echo(f"{group} goes on.")


def retry(group: str) -> None:
    typer.echo(f"{_in_transaction(lambda tx: groups.retry_now(tx, group))} keys are tried now.")


def list_letters(group: str | None, type_: str | None, key: str | None, cause: str | None, status: str) -> None:
    if group is not None:
        _in_transaction(lambda tx: groups.report(tx, group))
    chosen = Chosen(None, group, type_, key, status, cause=cause)
    found = _in_transaction(lambda tx: dead_letters.page(tx, chosen, None, SHOWN))
    if not found:
        typer.echo(f"No dead letter is {status}." if status else "There is no dead letter.")
    for row in found:
        error = f"{row['error_class']}: {row['error'][:120]}"
        typer.echo(f"{row['id']}  {row['group']}  {row['type']} {row['key']}  {error}")


def list_causes(group: str | None, type_: str | None, key: str | None) -> None:
    if group is not None:
        _in_transaction(lambda tx: groups.report(tx, group))
    found = _in_transaction(lambda tx: dead_letters.causes(tx, Chosen(None, group, type_, key, "open")))
    if not found:
        typer.echo("No dead letter is open.")
    for cause in found:
        seen = f"{cause.first_at:{_TIME}} to {cause.last_at:{_TIME}}"
        letters = "1 letter" if cause.count == 1 else f"{cause.count} letters"
        typer.echo(f"{cause.id}  {letters} of {cause.keys} keys, {seen}  {cause.group}  {cause.type}")
        typer.echo(f"  {cause.error_class}: {cause.error[:200]}")
        typer.echo(f"  in {cause.handler or 'no function of this release'}")


def show_letter(letter_id: str) -> None:
    found = _in_transaction(lambda tx: dead_letters.one(tx, _letter(letter_id)))
    stack = found.pop("stack")
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    typer.echo(stack)


def redrive(
    ids: list[str] | None,
    group: str | None,
    type_: str | None,
    key: str | None,
    cause: str | None,
    *,
    dry_run: bool,
    per_second: int | None,
    by: str,
) -> None:
    chosen = _chosen(ids, group, type_, key, cause)

    async def act(tx: Transaction) -> dead_letters.Redriven:
        done = await dead_letters.redrive(tx, chosen, by=by, dry_run=dry_run, per_second=per_second)
        if done.redriven:
            await audit.record(tx, None, "dead_letter.redrive", "many", {"by": by, "count": done.redriven})
        return done

    done = _in_transaction(act)
    typer.echo(f"{done.matched} match" if dry_run else f"{done.redriven} of {done.matched} are given back")


def discard(
    ids: list[str] | None,
    group: str | None,
    type_: str | None,
    key: str | None,
    cause: str | None,
    *,
    dry_run: bool,
    by: str,
    reason: str,
) -> None:
    chosen = _chosen(ids, group, type_, key, cause)

    async def act(tx: Transaction) -> tuple[int, int]:
        matched, done = await dead_letters.discard(tx, chosen, by=by, reason=reason, dry_run=dry_run)
        if done:
            await audit.record(tx, None, "dead_letter.discard", "many", {"by": by, "count": done, "reason": reason})
        return matched, done

    matched, done = _in_transaction(act)
    typer.echo(f"{matched} match" if dry_run else f"{done} of {matched} are discarded")


def start_replay(
    group: str,
    stream: str | None,
    types: list[str] | None,
    key: str | None,
    from_: str | None,
    to: str | None,
    *,
    dry_run: bool,
    per_second: int | None,
    by: str,
) -> None:
    (from_time, from_entry), (to_time, to_entry) = _bound("--from", from_), _bound("--to", to)
    wanted = Range(group, stream, types or None, key, from_time, to_time, from_entry, to_entry, per_second=per_second)
    if dry_run:
        typer.echo(f"{_in_transaction(lambda tx: replay.matching(tx, wanted))} events match")
        return

    async def act(tx: Transaction) -> dict[str, Any]:
        replay_id = await replay.request(tx, wanted, by=by)
        await audit.record(tx, None, "replay.request", replay_id, {"by": by, "group": group})
        return await replay.one(tx, replay_id)

    found = _in_transaction(act)
    typer.echo(f"{found['id']}: {found['matched']} events; `ese replay list` shows how far it is")


def list_replays() -> None:
    found = _in_transaction(lambda tx: replay.page(tx, None, SHOWN))
    if not found:
        typer.echo("There is no replay. `ese replay start` requests one.")
    for row in found:
        typer.echo(
            f"{row['id']}  {row['group']}  {row['status']}  {row['done']} of {row['matched']}, "
            f"{row['failed']} dead letters"
        )


def cancel_replay(replay_id: str) -> None:
    wanted = an_id(replay_id, "a replay", "ese replay list")

    async def act(tx: Transaction) -> None:
        await replay.cancel(tx, wanted)
        await audit.record(tx, None, "replay.cancel", replay_id)

    _in_transaction(act)
    typer.echo("It is canceled; what it has applied stays applied.")


def _in_transaction(act: Callable[[Transaction], Awaitable[T]]) -> T:
    import_reactions()

    async def work(database: Any, _: object) -> T:
        async with database.transaction() as tx:
            return await act(tx)

    return run(work)


def _chosen(ids: list[str] | None, group: str | None, type_: str | None, key: str | None, cause: str | None) -> Chosen:
    if not ids and not (group or type_ or key or cause):
        raise Invalid("Name ids, or choose by --group, --type, --key or --cause.")
    return Chosen(tuple(_letter(i) for i in ids) if ids else None, group, type_, key, cause=cause)


def _letter(text: str) -> UUID:
    return an_id(text, "a dead letter", "ese dead-letters list")


def _bound(name: str, text: str | None) -> tuple[datetime | None, str | None]:
    """A time or an entry id."""
    if text is None:
        return None, None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None, text
    if at.tzinfo is None:
        raise Invalid(f"{name} needs a time zone, such as {text}Z.")
    return at, None
