"""What an event is: a frozen, named, versioned fact with a key.

Within a stream's version fields are only ever added, with a default. A change that old events do not fit raises the
class's `schema_version` and adds an upcaster, which readers apply to what was recorded before.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

import msgspec

REGISTRY: dict[str, type["Event"]] = {}


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A fact in the past tense.

    `stream` is `<domain>.<entity>.v<N>`; within a version fields are only ever added, with a default. Events with
    the same `key` keep their order everywhere.
    """

    stream: ClassVar[str]
    for_the_record: ClassVar[bool] = False
    """True where no reaction is expected: the event is there to be traced."""
    schema_version: ClassVar[int] = 1
    upcasters: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
    """Per earlier version: its data as the next version has it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "stream" in cls.__dict__:
            if cls.__name__ in REGISTRY:
                raise TypeError(f"two events are called {cls.__name__}")
            lacking = [version for version in range(1, cls.schema_version) if version not in cls.upcasters]
            if lacking:
                raise TypeError(f"{cls.__name__} lacks an upcaster from version {lacking[0]}")
            REGISTRY[cls.__name__] = cls

    @property
    def key(self) -> str:
        """The entity this is about: the unit of order, CloudEvents' `subject`."""
        raise NotImplementedError(f"{type(self).__name__} must say what its key is")

    @property
    def belongs_to(self) -> UUID | None:
        """The correlation of what this is a part of, however it came about: a campaign's messages are told together.
        None: the correlation of the request, or of the event, that led to it."""
        return None


def stream_names() -> list[str]:
    """Every stream that an event of ours is published to."""
    return sorted({event.stream for event in REGISTRY.values()})


@cache
def _decoder(event: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(event)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event with its CloudEvents 1.0 attributes and our extensions, as it stands in a stream."""

    id: UUID
    type: str
    subject: str
    time: str
    """RFC 3339, UTC."""
    entry_id: str = ""
    """Position in the stream, `<tick>-<seq>`."""
    stream: str = ""
    partition: int = 0
    keyversion: int | None = None
    correlationid: UUID | None = None
    causationid: UUID | None = None
    traceparent: str | None = None
    schemaversion: int = 1
    data: msgspec.Raw

    def event(self) -> Event | None:
        """The typed event, or None when this release does not know the type."""
        known = REGISTRY.get(self.type)
        if known is None:
            return None
        if self.schemaversion >= known.schema_version:
            return _decoder(known).decode(self.data)
        data: dict[str, Any] = msgspec.json.decode(self.data)
        for version in range(self.schemaversion, known.schema_version):
            data = known.upcasters[version](data)
        return msgspec.convert(data, type=known)
