"""`ese events tail` and `ese events trace`."""

import asyncio
from collections import defaultdict
from uuid import UUID

import msgspec
import typer

from event_stream_engine.backbone import tracing
from event_stream_engine.backbone.fates import Fate, fates
from event_stream_engine.backbone.streams.opening import open_transport
from event_stream_engine.backbone.tracing import TracedEvent
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import import_reactions
from event_stream_engine.errors import Invalid, NotFound
from event_stream_engine.events.base import Envelope, stream_names
from event_stream_engine.settings import Settings, load_settings


def tail(streams: list[str], *, from_start: bool, as_json: bool) -> None:
    """Print events until interrupted. Raises `Invalid` for a stream that no event has."""
    settings = load_settings()
    import_reactions()
    known = stream_names()
    unknown = [name for name in streams if name not in known]
    if unknown:
        raise Invalid(f"There is no stream {', '.join(unknown)}. There are: {', '.join(known)}.")
    asyncio.run(_tail(settings, streams or known, from_start=from_start, as_json=as_json))


async def _tail(settings: Settings, streams: list[str], *, from_start: bool, as_json: bool) -> None:
    async with open_transport(settings) as transport:
        async for entry in tracing.tail(transport, streams, from_start=from_start):
            typer.echo(_as_json(entry) if as_json else _line(entry))


def _line(entry: Envelope) -> str:
    return f"{entry.time[:23]}  {entry.stream:24}  {entry.type:24}  {entry.subject}  {entry.id}"


def _as_json(entry: Envelope) -> str:
    return msgspec.json.encode(entry).decode()


def trace(event_id: str, *, as_json: bool) -> None:
    """Print one correlation as a tree of causes. Raises `Invalid` or `NotFound`."""
    try:
        wanted = UUID(event_id)
    except ValueError:
        raise Invalid("An event id is a UUID, such as `ese events tail` prints at the end of a line.") from None
    import_reactions()
    found, fate = asyncio.run(_trace(load_settings(), wanted))
    if not found:
        raise NotFound("The outbox holds no event with this id or correlation (any more).")
    if as_json:
        for event in found:
            groups = [{"group": name, "state": state} for name, state in fate.get(event.event_id, Fate()).groups]
            typer.echo(msgspec.json.encode({**vars(event), "groups": groups}).decode())
        return
    children: dict[UUID | None, list[TracedEvent]] = defaultdict(list)
    ids = {event.event_id for event in found}
    for event in found:
        children[event.causation_id if event.causation_id in ids else None].append(event)
    _print(children, fate, None, 0)
    if len(found) == tracing.TRACE_LIMIT:
        typer.echo(f"These are the first {tracing.TRACE_LIMIT:,}; there may be more.")


def _print(
    children: dict[UUID | None, list[TracedEvent]], fate: dict[UUID, Fate], parent: UUID | None, depth: int
) -> None:
    for event in children[parent]:
        became = _became(fate.get(event.event_id, Fate()))
        typer.echo(f"{event.time:%H:%M:%S.%f} {'  ' * depth}{event.type} {event.key}  [{became}]  {event.event_id}")
        _print(children, fate, event.event_id, depth + 1)


def _became(fate: Fate) -> str:
    """Each group with its state, where that is not plainly `applied`."""
    if fate.groups:
        return ", ".join(name if state == "applied" else f"{name}: {_STATES[state]}" for name, state in fate.groups)
    return "no group has it in charge" if fate.listeners else "no group reacts to it"


_STATES = {"parked": "parked", "dead": "dead letter", "waiting": "waiting"}


async def _trace(settings: Settings, wanted: UUID) -> tuple[list[TracedEvent], dict[UUID, Fate]]:
    database = Database(settings.database_url, pool_size=1, application="ese")
    try:
        async with database.transaction() as tx:
            found = await tracing.trace(tx, wanted)
            return found, await fates(tx, [event.event_id for event in found])
    finally:
        await database.close()
