"""What an event is: a frozen, named, versioned fact with a key."""

from typing import Any, ClassVar
from uuid import UUID

import msgspec

REGISTRY: dict[str, type["Event"]] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact in the past tense.

    `stream` is `<domain>.<entity>.v<N>`; within a version fields are only ever added, with a default. Events with
    the same `key` keep their order everywhere.
    """

    stream: ClassVar[str]
    for_the_record: ClassVar[bool] = False
    """True where no reaction is expected: the event is there to be traced."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "stream" in cls.__dict__:
            if cls.__name__ in REGISTRY:
                raise TypeError(f"two events are called {cls.__name__}")
            REGISTRY[cls.__name__] = cls

    @property
    def key(self) -> str:
        """The entity this is about: the unit of order, CloudEvents' `subject`."""
        raise NotImplementedError(f"{type(self).__name__} must say what its key is")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its CloudEvents 1.0 attributes and our extensions, as it stands in a stream."""

    id: UUID
    type: str
    subject: str
    time: str
    """RFC 3339, UTC."""
    entry_id: str = ""
    """Position in the stream, `<tick>-<seq>`."""
    stream: str = ""
    keyversion: int | None = None
    correlationid: UUID | None = None
    causationid: UUID | None = None
    traceparent: str | None = None
    data: msgspec.Raw

    def event(self) -> Event | None:
        """The typed event, or None when this release does not know the type."""
        known = REGISTRY.get(self.type)
        return None if known is None else msgspec.json.decode(self.data, type=known)
