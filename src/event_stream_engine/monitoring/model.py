"""What is watched: one event, its category, and how much it is worth when something must go."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from prometheus_client import Counter

from event_stream_engine.events.monitoring import Category
from event_stream_engine.ids import new_id

NAIVE = Counter("ese_monitoring_naive_timestamps_total", "Times without a zone, taken as this machine's local time")

DATA_BYTES_MAX = 64 * 1024
METADATA_BYTES_MAX = 8 * 1024
EVENT_TYPE_LENGTH_MAX = 50
SOURCE_LENGTH_MAX = 100
CONFLATION_KEY = "conflation_key"
"""The metadata under which an event names what it is the latest state of; a newer one replaces it while it waits."""


_KNOWN = {
    "circuit_breaker_transition": Category.CRITICAL,
    "dead_letter": Category.CRITICAL,
    "health_changed": Category.CRITICAL,
    "process_died": Category.CRITICAL,
    "dashboard_snapshot": Category.PERFORMANCE,
    "metrics_update": Category.PERFORMANCE,
    "campaign_changed": Category.USER_ACTIVITY,
    "import_changed": Category.USER_ACTIVITY,
    "inbound_received": Category.USER_ACTIVITY,
    "flag_changed": Category.SYSTEM,
    "process_started": Category.SYSTEM,
    "process_stopped": Category.SYSTEM,
}
_WORDS = (
    (Category.CRITICAL, {"alert", "critical", "crash", "error", "failed", "failure", "fatal", "outage", "security"}),
    (Category.DEBUG, {"debug", "diagnostic", "trace", "verbose"}),
    (
        Category.PERFORMANCE,
        {"cache", "cpu", "duration", "latency", "memory", "metric", "metrics", "rate", "throughput"},
    ),
    (Category.USER_ACTIVITY, {"account", "click", "login", "logout", "session", "signin", "signout", "user", "view"}),
)


def classify(event_type: str) -> Category:
    """The known types by name, others by the words in theirs, the rest is `system`."""
    known = _KNOWN.get(event_type)
    if known is not None:
        return known
    words = set(re.split(r"[^a-z]+", event_type.lower()))
    return next((category for category, telling in _WORDS if words & telling), Category.SYSTEM)


@dataclass(frozen=True, kw_only=True)
class UnifiedMonitoringEvent:
    """Something worth watching. `timestamp` must be a `datetime`: a text, a number or nothing raises `TypeError`.

    A naive `timestamp` is this machine's local time; every one is kept in UTC. `category` is found from the type
    where it is not given (`ValueError` for an unknown one). `epoch` and `offset` are the broadcaster's.
    Lengths and sizes are the validation's business.
    """

    event_type: str
    timestamp: datetime
    source: str
    data: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    category: Category | None = None
    event_id: UUID = field(default_factory=new_id)
    epoch: str | None = None
    offset: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.timestamp, datetime):
            given = type(self.timestamp).__name__
            raise TypeError(f"timestamp must be a datetime, not {given}: give datetime.now(UTC), unformatted")
        for name, wanted in (("event_type", str), ("source", str), ("data", Mapping), ("metadata", Mapping)):
            if not isinstance(getattr(self, name), wanted):
                raise TypeError(f"{name} must be a {wanted.__name__}, not {type(getattr(self, name)).__name__}")
        if self.timestamp.utcoffset() is None:
            NAIVE.inc()
        object.__setattr__(self, "timestamp", self.timestamp.astimezone(UTC))
        category = classify(self.event_type) if self.category is None else Category(self.category)
        object.__setattr__(self, "category", category)

    @property
    def worth(self) -> Category:
        """The category, which is always known once the event exists."""
        assert self.category is not None
        return self.category

    def at(self, epoch: str, offset: int) -> "UnifiedMonitoringEvent":
        """The same event at its place in the stream."""
        return replace(self, epoch=epoch, offset=offset)

    def to_dict(self) -> dict[str, Any]:
        """Names and JSON values; times are ISO 8601 in UTC. `epoch` and `offset` only once they are given."""
        written: dict[str, Any] = {
            "event_id": str(self.event_id),
            "event_type": self.event_type,
            "timestamp": self.timestamp.isoformat(),
            "source": self.source,
            "category": self.worth.value,
            "data": dict(self.data),
            "metadata": dict(self.metadata),
        }
        if self.offset is not None:
            written |= {"epoch": self.epoch, "offset": self.offset}
        return written

    @classmethod
    def from_dict(cls, written: Mapping[str, Any]) -> Self:
        """What `to_dict` wrote. Here, and only here, a time is a text. Raises `TypeError` for an unknown or lacking
        name, `ValueError` for a time, id or category that cannot be read."""
        given = dict(written)
        if isinstance(given.get("timestamp"), str):
            given["timestamp"] = datetime.fromisoformat(given["timestamp"])
        if isinstance(given.get("event_id"), str):
            given["event_id"] = UUID(given["event_id"])
        return cls(**given)


_ALWAYS = frozenset({"event_type", "timestamp", "source", "data"})
_FIELDS = frozenset(each.name for each in fields(UnifiedMonitoringEvent))


def is_whole_event(data: Mapping[str, Any], event_type: str) -> bool:
    """Whether `data` is an event as `to_dict` writes it, of this type, and not the contents of one."""
    return _ALWAYS <= data.keys() <= _FIELDS and data["event_type"] == event_type


@dataclass(frozen=True, slots=True)
class Published:
    """An event on its way, encoded once for everybody; without its position, which each channel gives anew."""

    event: UnifiedMonitoringEvent
    json: bytes

    @property
    def category(self) -> Category:
        return self.event.worth

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.json)

    @property
    def key(self) -> str | None:
        """What it is the latest state of."""
        key = self.event.metadata.get(CONFLATION_KEY)
        return key if isinstance(key, str) else None
