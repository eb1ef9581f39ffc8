"""Rules and their conditions: one description that Prometheus and the evaluator both follow."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

from event_stream_engine.errors import Conflict, Invalid, NotFound

Severity = Literal["page", "ticket", "none"]
State = Literal["firing", "acknowledged", "silenced", "inhibited", "resolved"]
Op = Literal[">", ">=", "<", "=="]
Labels = tuple[tuple[str, str], ...]
"""Sorted pairs."""

SILENCE_MAX = timedelta(days=30)


class Sample(NamedTuple):
    """One figure of one moment."""

    name: str
    labels: Labels
    value: float


class AlertNotFound(NotFound):
    code = "alert_not_found"


class AlertResolved(Conflict):
    code = "alert_resolved"
    title = "This alert is over"


@dataclass(frozen=True)
class Selector:
    """The series of a metric whose labels are as `where` says, and none as `but` says."""

    metric: str
    where: Labels = ()
    but: Labels = ()

    @property
    def promql(self) -> str:
        wanted = [f'{name}="{value}"' for name, value in self.where]
        inside = ",".join([*wanted, *(f'{name}!="{value}"' for name, value in self.but)])
        return f"{self.metric}{{{inside}}}" if inside else self.metric

    def takes(self, sample: Sample) -> bool:
        labels = set(sample.labels)
        return sample.name == self.metric and labels >= set(self.where) and labels.isdisjoint(self.but)


@dataclass(frozen=True)
class Level:
    """The largest (or smallest) value per group of labels stands on the wrong side of a bound."""

    of: Selector
    op: Op
    bound: float
    by: tuple[str, ...] = ()
    pick: Literal["max", "min"] = "max"

    @property
    def promql(self) -> str:
        return f"{self.pick}{_by(self.by)} ({self.of.promql}) {self.op} {self.bound:g}"


@dataclass(frozen=True)
class Grown:
    """A counter grew by more than `bound` within `over` seconds. A series that is new counts from 0, unless another
    program counts (`is_foreign`), which may have done so for long before it was looked at."""

    of: Selector
    over: int
    bound: float = 0
    by: tuple[str, ...] = ()
    is_foreign: bool = False

    @property
    def promql(self) -> str:
        chosen, window, by = self.of.promql, duration(self.over), _by(self.by)
        grown = f"sum{by} (increase({chosen}[{window}])) > {self.bound:g}"
        if self.is_foreign:
            return grown
        return f"{grown}\nor sum{by} ({chosen} unless {chosen} offset {window}) > {self.bound:g}"


@dataclass(frozen=True)
class Burn:
    """The error budget is used `factor` times too fast, over a long window and still over a short one."""

    factor: float
    long: int
    short: int

    @property
    def promql(self) -> str:
        bound = f"{self.factor:g} * {BUDGET:g}"
        return (
            f"ese:http_errors:ratio_rate{duration(self.long)} > {bound}\n"
            f"and ese:http_errors:ratio_rate{duration(self.short)} > {bound}\n"
            f"and ese:http_errors:increase{duration(self.long)} >= {ERRORS_MIN}"
        )


@dataclass(frozen=True)
class Query:
    """What only Prometheus can know."""

    promql: str


Condition = Level | Grown | Burn | Query

OBJECTIVE = 0.999
"""Of requests to the API and the webhooks, this share is answered without a 5xx, over 30 days."""
BUDGET = round(1 - OBJECTIVE, 6)
ERRORS_MIN = 10
"""Fewer failed requests in the long window never burn a budget: on a quiet platform one error is a large share."""
REQUESTS = Selector("ese_http_requests_total")
ERRORS = Selector("ese_http_requests_total", (("status", "5xx"),))
WINDOWS = (300, 1800, 3600, 21_600, 259_200)


@dataclass(frozen=True)
class Rule:
    """`summary` may name labels in braces, and `{value}`. `hold`: seconds that the condition lasts before it fires."""

    name: str
    severity: Severity
    condition: Condition
    summary: str
    meaning: str
    hold: int = 0
    silenced_by: tuple[str, ...] = ()
    """While one of these fires, this one is only a consequence."""

    @property
    def runbook(self) -> str:
        """Its page, from the root of the checkout."""
        return f"docs/runbooks/{self.name}.md"

    @property
    def is_judged_here(self) -> bool:
        return not isinstance(self.condition, Query)

    def told(self, labels: Mapping[str, str], value: float) -> str:
        text = self.summary.replace("{value}", figure(value))
        for name, said in labels.items():
            text = text.replace("{" + name + "}", said)
        return text


@dataclass(frozen=True)
class Judged:
    """A rule that fires now, for one set of labels."""

    rule: Rule
    labels: Labels
    value: float

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.rule.name, self.labels)

    @property
    def summary(self) -> str:
        return self.rule.told(dict(self.labels), self.value)


@dataclass(frozen=True)
class Silence:
    """Nobody is told of an alert (`fingerprint`), or of any alert of a rule (`rule`), until `ends_at`."""

    id: UUID
    fingerprint: str | None
    reason: str
    created_by: UUID | None
    created_at: datetime
    ends_at: datetime
    rule: str | None = None


@dataclass(frozen=True)
class Alert:
    """One firing, from its start to its end."""

    id: UUID
    rule: str
    fingerprint: str
    labels: dict[str, str]
    severity: Severity
    summary: str
    value: float
    started_at: datetime
    seen_at: datetime
    resolved_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: UUID | None = None
    inhibited_by: str | None = None
    notified_at: datetime | None = None
    silence: Silence | None = field(default=None)

    @property
    def state(self) -> State:
        """What it is called; a person's word goes before a consequence's."""
        if self.resolved_at is not None:
            return "resolved"
        if self.silence is not None:
            return "silenced"
        if self.inhibited_by is not None:
            return "inhibited"
        return "acknowledged" if self.acknowledged_at is not None else "firing"


def fingerprint(rule: str, labels: Labels) -> str:
    """The same for each firing of a rule with these labels."""
    return hashlib.sha256(repr((rule, labels)).encode()).hexdigest()[:32]


def check_silence(reason: str, ends_at: datetime, now: datetime) -> str:
    """The reason without blanks around it. Raises `Invalid`."""
    if not reason.strip():
        raise Invalid.field("reason", "Say why; it is shown to everybody who looks at the alert.")
    if ends_at <= now:
        raise Invalid.field("ends_at", "Choose a time that is to come.")
    if ends_at > now + SILENCE_MAX:
        raise Invalid.field("ends_at", f"At most {SILENCE_MAX.days} days: what is silent longer is forgotten.")
    return reason.strip()


def duration(seconds: int) -> str:
    """As Prometheus writes it: `5m`, `6h`, `3d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def figure(value: float) -> str:
    """For a person: no more digits than help."""
    return f"{value:,.0f}" if abs(value) >= 10 or value == int(value) else f"{value:.2g}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
