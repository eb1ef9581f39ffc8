"""Running a reaction: what is the event's fault, and what is not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from kombu.exceptions import OperationalError as BrokerUnreachable
from redis.exceptions import ConnectionError as RedisUnreachable
from sqlalchemy.exc import DBAPIError

from event_stream_engine.backbone.subscriptions import Group, Reaction
from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Envelope, Event
from event_stream_engine.telemetry import following

# SQLSTATE classes that tell of the server and not of the event: connection, rollback (deadlock, serialization),
# resources, operator intervention.
_OUTAGES = ("08", "40", "53", "57P", "58")


class HandlerTimedOut(Exception):
    """A reaction took longer than it may."""


class Interrupted(Exception):
    """A reaction was cut off; its transaction is lost, and whose fault it was is known."""

    def __init__(self, entry: Envelope, cause: Exception) -> None:
        super().__init__(str(cause))
        self.entry = entry
        self.cause = cause


@dataclass
class Learnt:
    """What the tries of one batch have shown so far."""

    condemned: dict[str, Exception] = field(default_factory=dict)
    """By event id: its reaction was cut off, and must not be called again."""
    one_by_one: bool = False
    some_taken: bool = False


async def run(reaction: Reaction, tx: Transaction | None, entries: Sequence[Envelope], seconds: float) -> None:
    """Call a reaction with one event, or with several where it takes batches. Raises `HandlerTimedOut`."""
    events = [typed(entry) for entry in entries]
    arguments: list[object] = [] if tx is None else [tx]
    arguments.append(events if reaction.kind == "batch" else events[0])
    with following(entries[0].correlationid, entries[0].id):
        try:
            async with asyncio.timeout(seconds):
                await reaction.function(*arguments)
        except TimeoutError as error:
            raise HandlerTimedOut(f"no end after {seconds} s") from error


def is_outage(error: BaseException) -> bool:
    """Whether a server failed, and the event is to be tried again without counting it."""
    if not isinstance(error, DBAPIError):
        return isinstance(error, ConnectionError | RedisUnreachable | BrokerUnreachable)
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return error.connection_invalidated or state.startswith(_OUTAGES)


def typed(entry: Envelope) -> Event:
    event = entry.event()
    if event is None:
        raise LookupError(f"no event is called {entry.type}")
    return event


def by_type(entries: Sequence[Envelope]) -> dict[str, Sequence[Envelope]]:
    """The entries of each type, in order; as a rule they are of one."""
    types = dict.fromkeys(entry.type for entry in entries)
    if len(types) == 1:
        return dict.fromkeys(types, entries)
    return {type_: [entry for entry in entries if entry.type == type_] for type_ in types}


def lanes_of(group: Group, entries: Sequence[Envelope]) -> list[list[Envelope]]:
    """Split by key, so that the events of one key stay together and in order."""
    if group.lanes == 1:
        return [list(entries)]
    lanes: list[list[Envelope]] = [[] for _ in range(group.lanes)]
    for entry in entries:
        lanes[hash((entry.stream, entry.subject)) % group.lanes].append(entry)
    return [lane for lane in lanes if lane]
