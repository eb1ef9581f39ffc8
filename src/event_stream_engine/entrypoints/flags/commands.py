"""What `ese flags …` does. Changes are written to the database and every process is told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import typer

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database, Transaction
from event_stream_engine.entrypoints.backbone.people import named
from event_stream_engine.entrypoints.flags.keeping import facts_of
from event_stream_engine.entrypoints.flags.shapes import FlagChangeShape, change_shape
from event_stream_engine.entrypoints.typed import a_range
from event_stream_engine.errors import Invalid
from event_stream_engine.flags import actions, store
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.following import nudge
from event_stream_engine.flags.model import Change, Held
from event_stream_engine.flags.model.planning import Unknown
from event_stream_engine.flags.model.shares import in_percent, percent_of, steps_of
from event_stream_engine.flags.store import AuditRow
from event_stream_engine.settings import Settings, load_settings

T = TypeVar("T")
SHOWN = 200


@dataclass(frozen=True)
class Wanted:
    """What was typed after `ese flags set`."""

    assignments: list[str]
    percentage: float | None
    serve: str
    enable: bool | None
    restore: bool
    type: str | None


def list_flags(*, as_json: bool) -> None:
    for name, held in sorted(_in_transaction(store.load).flags.items()):
        if as_json:
            typer.echo(msgspec.json.encode(_shown(name, held)))
        else:
            typer.echo(_line(name, held))


def _line(name: str, held: Held) -> str:
    flag = held.flag
    state = "killed" if flag.killed else "on" if flag.enabled else "disabled"
    share = f", {percent_of(flag.rollout.percentage):g} %" if flag.rollout else ""
    return f"{name}: {state}, {flag.type} {_text(flag.in_force)}{share}, version {held.version}"


def show(name: str) -> None:
    held = _held(_in_transaction(store.load).flags, name)
    typer.echo(msgspec.json.format(msgspec.json.encode(_shown(name, held)), indent=2).decode())


def _shown(name: str, held: Held) -> dict[str, Any]:
    return {"name": name, "version": held.version, **in_percent(msgspec.to_builtins(held.flag))}


def set_flags(wanted: Wanted, *, reason: str, by: str) -> None:
    async def plan(tx: Transaction) -> list[Change]:
        kept = (await store.load(tx)).flags
        return [_change(kept, assignment, wanted) for assignment in wanted.assignments]

    _apply(plan, reason, by)


def kill(name: str, *, reason: str, by: str) -> None:
    async def plan(_: Transaction) -> list[Change]:
        return [actions.kill(name)]

    _apply(plan, reason, by)


def rollback(name: str, version: int, *, reason: str, by: str) -> None:
    async def plan(tx: Transaction) -> list[Change]:
        return [await actions.rollback(tx, name, version)]

    _apply(plan, reason, by)


def history(name: str, from_: str | None, to: str | None) -> None:
    since, until = a_range(from_, to)

    async def act(tx: Transaction) -> list[FlagChangeShape]:
        rows = await store.history(tx, name, None, SHOWN, since=since, until=until)
        return await named(tx, [change_shape(row) for row in rows])

    found = _in_transaction(act)
    for row in found:
        what = f"version {row.version_from} -> {row.version_to}  {row.action} by {row.by}: {row.reason}"
        typer.echo(f"{row.at:%Y-%m-%d %H:%M:%SZ}  {what}")
    if not found:
        when = " in this time" if since or until else ""
        typer.echo(f"Nobody has changed {name}{when}. `ese flags list` names the flags.")


def evaluate(name: str, attributes: list[str]) -> None:
    loaded = _in_transaction(store.load)
    _held(loaded.flags, name)
    flags = Flags(facts_of(load_settings()))
    if not flags.offer(loaded):
        raise Invalid(f"These flags do not go together: {' '.join(issue.message for issue in flags.issues())}")
    answer = flags.evaluate(name, dict(_pair(attribute) for attribute in attributes))
    typer.echo(f"{_text(answer.value)}  {answer.reason}" + (f" ({answer.detail})" if answer.detail else ""))


def verify_audit() -> int:
    found = _in_transaction(actions.verify_audit)
    if found.broken_id is None:
        typer.echo(f"All {found.rows} rows of the flags' audit are as they were written.")
        return 0
    typer.echo(f"Row {found.broken_id} of the flags' audit is not what was written, or rows before it are missing.")
    return 1


def _change(kept: dict[str, Held], assignment: str, wanted: Wanted) -> Change:
    name, given, value = assignment.partition("=")
    fields: dict[str, Any] = {}
    held = kept.get(name)
    kind = wanted.type or (held.flag.type if held else "string")
    if given:
        fields["value"] = _value(kind, value)
    if wanted.percentage is not None:
        share = {"percentage": _steps(wanted.percentage), "serve": {"value": _value(kind, wanted.serve)}}
        fields["rollout"] = share
    if wanted.enable is not None:
        fields["enabled"] = wanted.enable
    if wanted.restore:
        fields["killed"] = False
    if not fields:
        raise Invalid(f"{name}: say what to change, such as {name}=true or --percentage 25.")
    if wanted.type is not None:
        return Change(name, {"type": wanted.type, **fields}, "create", whole=True, expected=0)
    return Change(name, fields)


def _steps(percentage: float) -> int:
    try:
        return steps_of(percentage)
    except ValueError as error:
        raise Invalid(f"--percentage takes {error}") from None


def _value(kind: str, text: str) -> Any:
    """JSON where the flag's type is not text."""
    if kind == "string":
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise Invalid(f"{text} is no {kind}.") from None


def _pair(attribute: str) -> tuple[str, Any]:
    name, given, text = attribute.partition("=")
    if not given:
        raise Invalid(f"{attribute}: write NAME=VALUE.")
    try:
        return name, msgspec.json.decode(text)
    except msgspec.DecodeError:
        return name, text


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _held(flags: dict[str, Held], name: str) -> Held:
    if name not in flags:
        raise Unknown(f"There is no flag {name}. `ese flags list` names them.")
    return flags[name]


def _apply(planned: Callable[[Transaction], Awaitable[Sequence[Change]]], reason: str, by: str) -> None:
    settings = load_settings()

    async def act(tx: Transaction) -> list[AuditRow]:
        changes = await planned(tx)
        return await actions.change(tx, changes, actor=by, account_id=None, reason=reason, facts=facts_of(settings))

    written = asyncio.run(_connected(settings, act, tells=True))
    for row in written:
        typer.echo(f"{row.flag}: version {row.version_to}")
    if not written:
        typer.echo("Nothing to change.")


def _in_transaction(act: Callable[[Transaction], Awaitable[T]]) -> T:
    return asyncio.run(_connected(load_settings(), act, tells=False))


async def _connected(settings: Settings, act: Callable[[Transaction], Awaitable[T]], *, tells: bool) -> T:
    database = Database(settings.database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            found = await act(tx)
        if tells:
            async with connect(settings.redis_url) as redis:
                await nudge(redis)
        return found
    finally:
        await database.close()
