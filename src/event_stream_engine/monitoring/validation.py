"""Rules that events are held to, and how often they are kept.

A rule is structural (the shape), business (what it means) or quality (how useful it is). An `error` blocks the event
in strict mode and is only told otherwise; a `warning` and an `info` never block. Rules may be added and removed while
events flow. Bounds: 100 rules; figures of at most 50 event types, the others are counted together as `other`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from prometheus_client import Counter

from event_stream_engine.errors import Conflict, NotFound
from event_stream_engine.monitoring.model import (
    DATA_BYTES_MAX,
    EVENT_TYPE_LENGTH_MAX,
    METADATA_BYTES_MAX,
    SOURCE_LENGTH_MAX,
    UnifiedMonitoringEvent,
)
from event_stream_engine.telemetry import Bounded

CHECKED = Counter("ese_monitoring_validated_total", "Events validated", ["result"])
FAULTS = Counter("ese_monitoring_faults_total", "Rules that an event broke", ["rule", "level"])

RULES_MAX = 100


class Kind(StrEnum):
    STRUCTURAL = "structural"
    BUSINESS = "business"
    QUALITY = "quality"


class Level(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


Check = Callable[[UnifiedMonitoringEvent], str | None]
"""What is wrong with the event and what to do about it; None when nothing is."""


@dataclass(frozen=True)
class Rule:
    """`event_types` empty: it holds for all of them."""

    name: str
    kind: Kind
    level: Level
    check: Check
    event_types: frozenset[str] = frozenset()

    def concerns(self, event: UnifiedMonitoringEvent) -> bool:
        return not self.event_types or event.event_type in self.event_types


@dataclass(frozen=True)
class Fault:
    rule: str
    kind: Kind
    level: Level
    message: str


@dataclass(frozen=True)
class Report:
    """What validation says of one event; `is_blocked` only in strict mode."""

    faults: tuple[Fault, ...] = ()
    is_blocked: bool = False

    @property
    def is_valid(self) -> bool:
        """No rule of level `error` is broken."""
        return not any(fault.level is Level.ERROR for fault in self.faults)


@dataclass
class Tally:
    """How often a rule, or the events of a type, passed."""

    checked: int = 0
    passed: int = 0

    def count(self, passed: bool) -> None:
        self.checked += 1
        self.passed += passed

    def as_dict(self) -> dict[str, float | int | None]:
        rate = self.passed / self.checked if self.checked else None
        return {"checked": self.checked, "passed": self.passed, "failed": self.checked - self.passed, "pass_rate": rate}


@dataclass
class Validation:
    """The rules in force. `strict`: an error blocks."""

    strict: bool = False
    rules: dict[str, Rule] = field(default_factory=lambda: {rule.name: rule for rule in BUILT_IN})
    _by_rule: dict[str, Tally] = field(default_factory=dict)
    by_type: dict[str, Tally] = field(default_factory=dict)
    _types: Bounded = field(default_factory=lambda: Bounded("validated_event_type"))

    def add_rule(self, rule: Rule) -> None:
        """Raises `Conflict` when the name is taken, or when there are too many."""
        if rule.name in self.rules:
            raise Conflict(f"A rule is called {rule.name} already: remove it first, or choose another name.")
        if len(self.rules) >= RULES_MAX:
            raise Conflict(f"There are {RULES_MAX} rules already: remove one first.")
        self.rules[rule.name] = rule

    def remove_rule(self, name: str) -> None:
        """Raises `NotFound`."""
        if self.rules.pop(name, None) is None:
            raise NotFound(f"No rule is called {name}; there are: {', '.join(self.rules) or 'none'}.")
        self._by_rule.pop(name, None)

    def validate(self, event: UnifiedMonitoringEvent) -> Report:
        faults = tuple(fault for rule in list(self.rules.values()) if (fault := self._broken(rule, event)))
        report = Report(faults)
        self._tally_of(event.event_type).count(report.is_valid)
        CHECKED.labels("valid" if report.is_valid else "invalid").inc()
        return Report(faults, is_blocked=True) if self.strict and not report.is_valid else report

    def validate_batch(self, events: Iterable[UnifiedMonitoringEvent]) -> list[Report]:
        """One report per event, in their order."""
        return [self.validate(event) for event in events]

    def metrics(self) -> dict[str, object]:
        """Pass rates (0 to 1; None before the first event): in all, per rule and per event type."""
        total = Tally()
        for tally in self.by_type.values():
            total.checked += tally.checked
            total.passed += tally.passed
        return {
            "strict": self.strict,
            **total.as_dict(),
            "by_rule": _as_dicts(self._by_rule),
            "by_event_type": _as_dicts(self.by_type),
        }

    def _broken(self, rule: Rule, event: UnifiedMonitoringEvent) -> Fault | None:
        if not rule.concerns(event):
            return None
        message = rule.check(event)
        self._by_rule.setdefault(rule.name, Tally()).count(message is None)
        if message is None:
            return None
        FAULTS.labels(rule.name, rule.level).inc()
        return Fault(rule.name, rule.kind, rule.level, message)

    def _tally_of(self, event_type: str) -> Tally:
        return self.by_type.setdefault(self._types.value(event_type), Tally())


def _as_dicts(tallies: Mapping[str, Tally]) -> dict[str, dict[str, float | int | None]]:
    return {name: tally.as_dict() for name, tally in tallies.items()}


def _event_type(event: UnifiedMonitoringEvent) -> str | None:
    if not event.event_type.strip():
        return "event_type is empty: name what happened."
    if len(event.event_type) > EVENT_TYPE_LENGTH_MAX:
        return f"event_type has {len(event.event_type)} characters; at most {EVENT_TYPE_LENGTH_MAX}."
    return None


def _source(event: UnifiedMonitoringEvent) -> str | None:
    if not event.source.strip():
        return "source is empty: name the process or feature that says it."
    if len(event.source) > SOURCE_LENGTH_MAX:
        return f"source has {len(event.source)} characters; at most {SOURCE_LENGTH_MAX}."
    return None


def _names(event: UnifiedMonitoringEvent) -> str | None:
    wrong = [name for part in (event.data, event.metadata) for name in part if not isinstance(name, str)]
    return f"names must be text: {wrong[0]!r} is not." if wrong else None


def _sizes(event: UnifiedMonitoringEvent) -> str | None:
    try:
        sizes = len(msgspec.json.encode(event.data)), len(msgspec.json.encode(event.metadata))
    except (TypeError, ValueError, RecursionError) as error:
        return f"data and metadata must be JSON values: {error}."
    if sizes[0] > DATA_BYTES_MAX:
        return f"data takes {sizes[0]} bytes as JSON; at most {DATA_BYTES_MAX}."
    return (
        f"metadata takes {sizes[1]} bytes as JSON; at most {METADATA_BYTES_MAX}."
        if sizes[1] > METADATA_BYTES_MAX
        else None
    )


BUILT_IN: tuple[Rule, ...] = (
    Rule("event_type_named", Kind.STRUCTURAL, Level.ERROR, _event_type),
    Rule("source_named", Kind.STRUCTURAL, Level.ERROR, _source),
    Rule("names_are_text", Kind.STRUCTURAL, Level.ERROR, _names),
    Rule("json_within_bounds", Kind.STRUCTURAL, Level.ERROR, _sizes),
)
"""Required fields and their types are the event's own: without them there is no event to validate."""
