"""What `ese dead-letters …` does."""

from uuid import UUID

import msgspec
import typer

from event_stream_engine import audit
from event_stream_engine.backbone import dead_letters, groups
from event_stream_engine.backbone.dead_letters import Chosen
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.asked import B, asked
from event_stream_engine.entrypoints.backbone.dead_letters import ChosenIn, DiscardIn, RedriveIn, audit_detail
from event_stream_engine.entrypoints.backbone.group_commands import SHOWN, TIME, with_groups
from event_stream_engine.entrypoints.typed import an_id
from event_stream_engine.errors import Invalid, NotFound


def list_letters(group: str | None, type_: str | None, key: str | None, cause: str | None, status: str) -> None:
    async def act(tx: Transaction) -> list[dict[str, object]]:
        await _check_names(tx, group, cause)
        return await dead_letters.page(tx, Chosen(None, group, type_, key, status, cause=cause), None, SHOWN)

    found = with_groups(act)
    if not found:
        typer.echo(f"No dead letter is {status}.")
    for row in found:
        error = f"{row['error_class']}: {str(row['error'])[:120]}"
        typer.echo(f"{row['id']}  {row['died_at']:{TIME}}  {row['group']}  {row['type']} {row['key']}  {error}")


def list_causes(group: str | None, type_: str | None, key: str | None) -> None:
    async def act(tx: Transaction) -> list[dead_letters.Cause]:
        await _check_names(tx, group, None)
        return await dead_letters.causes(tx, Chosen(None, group, type_, key, "open"))

    found = with_groups(act)
    if not found:
        typer.echo("No dead letter is open.")
    for cause in found:
        seen = f"{cause.first_at:{TIME}} to {cause.last_at:{TIME}}"
        letters = "1 letter" if cause.count == 1 else f"{cause.count} letters"
        typer.echo(f"{cause.id}  {letters} of {cause.keys} keys, {seen}  {cause.group}  {cause.type}")
        typer.echo(f"  {cause.error_class}: {cause.error[:200]}")
        typer.echo(f"  in {cause.handler or 'no function of this release'}")


def show_letter(letter_id: str) -> None:
    wanted = _letter(letter_id)
    found = with_groups(lambda tx: dead_letters.one(tx, wanted))
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
    body = _asked(RedriveIn, ids, group, type_, key, cause, dry_run=dry_run, per_second=per_second)

    async def act(tx: Transaction) -> dead_letters.Redriven:
        await _check_chosen(tx, body)
        done = await dead_letters.redrive(tx, body.chosen(), by=by, dry_run=dry_run, per_second=body.per_second)
        if done.redriven:
            await audit.record(tx, None, "dead_letter.redrive", "many", {"by": by, **audit_detail(body, done.redriven)})
        return done

    done = with_groups(act)
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
    body = _asked(DiscardIn, ids, group, type_, key, cause, dry_run=dry_run, reason=reason)

    async def act(tx: Transaction) -> tuple[int, int]:
        await _check_chosen(tx, body)
        matched, done = await dead_letters.discard(tx, body.chosen(), by=by, reason=reason, dry_run=dry_run)
        if done:
            detail = {"by": by, **audit_detail(body, done), "reason": reason}
            await audit.record(tx, None, "dead_letter.discard", "many", detail)
        return matched, done

    matched, done = with_groups(act)
    typer.echo(f"{matched} match" if dry_run else f"{done} of {matched} are discarded")


def _asked(
    model: type[B],
    ids: list[str] | None,
    group: str | None,
    type_: str | None,
    key: str | None,
    cause: str | None,
    **given: object,
) -> B:
    """The API's request: these letters, or all open ones that match. Raises `Invalid` for neither and for both."""
    by_what = {"group": group, "type": type_, "key": key, "cause": cause}
    chosen_by = {name: value for name, value in by_what.items() if value is not None}
    if not ids and not any(chosen_by.values()):
        raise Invalid("Name ids, or choose by --group, --type, --key or --cause.")
    if ids and chosen_by:
        raise Invalid("Name ids, or choose by --group, --type, --key or --cause: not both.")
    letters = [_letter(text) for text in ids] if ids else None
    return asked(model, {"ids": "IDS"}, ids=letters, filter=chosen_by or None, **given)


async def _check_chosen(tx: Transaction, body: ChosenIn) -> None:
    """Raises `NotFound` for a letter, a group or a cause that there is not: that none of it matches says nothing."""
    if body.filter is not None:
        await _check_names(tx, body.filter.group, body.filter.cause)
    if body.ids is not None:
        known = {row["id"] for row in await dead_letters.page(tx, Chosen(tuple(body.ids)), None, len(body.ids))}
        unknown = [letter for letter in body.ids if letter not in known]
        if unknown:
            raise NotFound(f"There is no dead letter {unknown[0]}. `ese dead-letters list` prints the ids.")


async def _check_names(tx: Transaction, group: str | None, cause: str | None) -> None:
    """Raises `NotFound`, saying where the names are. A cause is known by its letters, whatever became of them."""
    if group is not None:
        await groups.check(tx, group)
    if cause is not None and not await dead_letters.page(tx, Chosen(cause=cause), None, 1):
        raise NotFound(f"No dead letter has the cause {cause}. `ese dead-letters causes` prints the causes.")


def _letter(text: str) -> UUID:
    return an_id(text, "a dead letter", "ese dead-letters list")
