"""Reactions: which function hears which event, in which consumer group.

    @subscribe(CampaignLaunched, group="messaging.expand_audience")
    async def expand_audience(tx: Transaction, event: CampaignLaunched) -> None: ...

A reaction changes state in `tx` or starts a task, never both. With `subscribe_batch` it gets the new events of a
batch at once, for set-based effects; with `subscribe_task` it gets no transaction and must be idempotent by event
id, because it may run again after a crash.

A reaction that raises has failed: its event and the later ones of the same key wait and are tried again. `raise
Retry(after=60)` sets the pause, `raise Reject("why")` gives the event up.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from event_stream_engine.database import Transaction
from event_stream_engine.events.base import Event

E = TypeVar("E", bound=Event)

Single = Callable[[Transaction, E], Awaitable[None]]
Batch = Callable[[Transaction, Sequence[E]], Awaitable[None]]
Task = Callable[[E], Awaitable[None]]
Kind = Literal["single", "batch", "task"]
Begins = Literal["start", "end"]
"""Where a group begins in a stream that it never read: with the oldest event of the outbox, or with what comes."""


@dataclass(frozen=True)
class Reaction:
    """One function in one group."""

    event: type[Event]
    kind: Kind
    function: Callable[..., Awaitable[None]]
    lanes: int = 1
    begins: Begins = "start"


class Reject(Exception):
    """A reaction's word that an event can never be applied: it becomes a dead letter at once."""


class Retry(Exception):
    """A reaction's word that an event cannot be applied yet; `after` seconds later it may."""

    def __init__(self, after: float, reason: str = "") -> None:
        super().__init__(reason or f"again after {after} s")
        self.after = after


@dataclass
class Group:
    """A consumer group: its name and its reaction to each type of event."""

    name: str
    reactions: dict[str, Reaction] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        return next(iter(self.reactions.values())).kind

    @property
    def lanes(self) -> int:
        """How many transactions a batch is split into, by key."""
        return max((reaction.lanes for reaction in self.reactions.values()), default=1)

    @property
    def streams(self) -> list[str]:
        return sorted({reaction.event.stream for reaction in self.reactions.values()})

    @property
    def begins(self) -> dict[str, Begins]:
        """Per stream."""
        return {reaction.event.stream: reaction.begins for reaction in self.reactions.values()}


GROUPS: dict[str, Group] = {}


def subscribe(
    event: type[E], *, group: str, lanes: int = 1, begins: Begins = "start"
) -> Callable[[Single[E]], Single[E]]:
    """Apply each event in the transaction of its batch. Where one of them fails, those before it are rolled back to a
    savepoint with it, and called again without it: what a reaction does elsewhere may happen twice (that is for a
    task). With `lanes`, the events of a batch are split by key into so many transactions that run at the same
    time."""
    return lambda function: _register(group, Reaction(event, "single", function, lanes, begins), function)


def subscribe_batch(event: type[E], *, group: str, begins: Begins = "start") -> Callable[[Batch[E]], Batch[E]]:
    """Apply all new events of a batch at once."""
    return lambda function: _register(group, Reaction(event, "batch", function, begins=begins), function)


def subscribe_task(event: type[E], *, group: str, begins: Begins = "start") -> Callable[[Task[E]], Task[E]]:
    """Start a task. It gets no transaction and runs before its inbox row is committed: after a crash it may run
    again."""
    return lambda function: _register(group, Reaction(event, "task", function, begins=begins), function)


F = TypeVar("F", bound=Callable[..., Any])


def _register(name: str, new: Reaction, function: F) -> F:
    group = GROUPS.setdefault(name, Group(name))
    if new.event.__name__ in group.reactions:
        raise TypeError(f"{name} reacts to {new.event.__name__} twice")
    if any(reaction.kind != new.kind for reaction in group.reactions.values()):
        raise TypeError(f"{name} mixes kinds of reactions: use one group per kind")
    if group.begins.get(new.event.stream, new.begins) != new.begins:
        raise TypeError(f"{name} begins at the start and at the end of {new.event.stream}: it has one place in it")
    group.reactions[new.event.__name__] = new
    return function
