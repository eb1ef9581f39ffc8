"""What `ese groups …` and `ese replay …` do."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from event_stream_engine import audit
from event_stream_engine.backbone import groups, replay
from event_stream_engine.backbone.replay import Range
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.asked import asked
from event_stream_engine.entrypoints.backbone.groups import PauseIn
from event_stream_engine.entrypoints.backbone.replays import EntryId, ReplayIn
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.entrypoints.typed import an_id, in_transaction, is_day, moment

T = TypeVar("T")
SHOWN = 200
TIME = "%Y-%m-%d %H:%M:%SZ"


def list_groups() -> None:
    found = with_groups(groups.reports)
    if not found:
        typer.echo("There is no group: nothing of this release reacts to events.")
    for row in found:
        typer.echo(
            f"{row['group']}: {row['state']}, {row['lag_events']} behind ({row['lag_seconds']:.1f} s), "
            f"{row['parked_events']} parked in {row['parked_keys']} keys, {row['dead_letters']} dead letters"
        )


def pause(group: str, by: str, reason: str) -> None:
    asked(PauseIn, {}, reason=reason)

    async def act(tx: Transaction) -> None:
        await groups.pause(tx, group, by=by, reason=reason)
        await audit.record(tx, None, "consumer_group.pause", group, {"by": by, "reason": reason})

    with_groups(act)
    typer.echo(f"{group} stands still within a second.")


def resume(group: str, by: str) -> None:
    async def act(tx: Transaction) -> None:
        await groups.resume(tx, group)
        await audit.record(tx, None, "consumer_group.resume", group, {"by": by})

    with_groups(act)
    typer.echo(f"{group} goes on.")


def retry(group: str, by: str) -> None:
    async def act(tx: Transaction) -> int:
        retried = await groups.retry_now(tx, group)
        await audit.record(tx, None, "consumer_group.retry", group, {"by": by, "retried": retried})
        return retried

    typer.echo(f"{with_groups(act)} keys are tried now.")


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
    body = asked(
        ReplayIn, {"group": "GROUP", "types": "--type"}, group=group, stream=stream, types=types or None, key=key,
        from_time=from_time, to_time=to_time, from_entry_id=from_entry, to_entry_id=to_entry, per_second=per_second,
    )  # fmt: skip
    wanted = Range(group, stream, body.types, key, from_time, to_time, from_entry, to_entry, per_second=body.per_second)
    if dry_run:
        typer.echo(f"{with_groups(lambda tx: replay.matching(tx, wanted))} events match")
        return

    async def act(tx: Transaction) -> dict[str, Any]:
        replay_id = await replay.request(tx, wanted, by=by)
        await audit.record(tx, None, "replay.request", replay_id, {"by": by, **body.model_dump(mode="json")})
        return await replay.one(tx, replay_id)

    found = with_groups(act)
    typer.echo(f"{found['id']}: {found['matched']} events; `ese replay list` shows how far it is")


def list_replays() -> None:
    found = with_groups(lambda tx: replay.page(tx, None, SHOWN))
    if not found:
        typer.echo("There is no replay. `ese replay start` requests one.")
    for row in found:
        typer.echo(
            f"{row['id']}  {row['group']}  {row['status']}  {row['done']} of {row['matched']}, "
            f"{row['failed']} dead letters"
        )


def cancel_replay(replay_id: str, by: str) -> None:
    wanted = an_id(replay_id, "a replay", "ese replay list")

    async def act(tx: Transaction) -> None:
        await replay.cancel(tx, wanted)
        await audit.record(tx, None, "replay.cancel", wanted, {"by": by})

    with_groups(act)
    typer.echo("It is canceled; what it has applied stays applied.")


def with_groups(act: Callable[[Transaction], Awaitable[T]]) -> T:
    """Call `act` with a transaction, the groups of this release known."""
    import_reactions()
    return in_transaction(act)


_ENTRY_ID: TypeAdapter[str] = TypeAdapter(Annotated[str, EntryId])
_OR_ENTRY = ", or an entry id such as 1795231172902-17"


def _bound(option: str, text: str | None) -> tuple[datetime | None, str | None]:
    """A time or an entry id; a day as the end is meant whole. Raises `Invalid`."""
    if text is None:
        return None, None
    try:  # before a time: ISO 8601 without its hyphens takes some entry ids for times
        return None, _ENTRY_ID.validate_python(text)
    except ValidationError:
        at = moment(option, text, also=_OR_ENTRY)
    if option == "--to" and is_day(text):
        at = at.replace(hour=23, minute=59, second=59, microsecond=999_999)
    return at, None
