"""Structured logs with the request and the correlation they belong to, and what the stages count.

The ids live in context variables: whatever is logged, or recorded in the outbox, below the edge that set them
carries them.
"""

import logging
import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator

correlation: ContextVar[UUID | None] = ContextVar("correlation", default=None)
causation: ContextVar[UUID | None] = ContextVar("causation", default=None)
acting_key: ContextVar[UUID | None] = ContextVar("acting_key", default=None)
"""The API key by which a request came, for the audit trail."""

_SECRET_NAMES = ("password", "token", "secret", "authorization", "cookie")


def _hide_secrets(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The last line of defence: a value under a secret's name is never written."""
    for name in event:
        if any(secret in name.lower() for secret in _SECRET_NAMES):
            event[name] = "***"
    return event


def _add_correlation(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    current = correlation.get()
    if current is not None:
        event.setdefault("correlation_id", str(current))
    return event


def configure_logging(process: str, *, level: str = "INFO", as_json: bool = False) -> None:
    """Log to standard error, as JSON lines or as text for a person, and name the process on each line."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_correlation,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _hide_secrets,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)


@contextmanager
def following(correlation_id: UUID | None, causation_id: UUID | None) -> "Iterator[None]":
    """Everything inside belongs to this correlation and was caused by this event."""
    first = correlation.set(correlation_id)
    second = causation.set(causation_id)
    try:
        yield
    finally:
        causation.reset(second)
        correlation.reset(first)


TRUNCATED = Counter(
    "ese_metrics_truncated_total", "Label values folded into `other` because there were too many", ["metric"]
)
STAGE_UNITS = Counter("ese_stage_units_total", "Units of work of a stage, by what became of them", ["stage", "result"])
STAGE_SECONDS = Histogram(
    "ese_stage_seconds", "Time of a stage for one call or batch", ["stage"], buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10)
)
VALUES_MAX = 50


class Bounded:
    """A label with at most `VALUES_MAX` values; further ones become `other`, and are counted."""

    def __init__(self, metric: str, most: int = VALUES_MAX) -> None:
        self._metric, self._most, self._known = metric, most, set[str]()

    def value(self, wanted: str) -> str:
        if wanted in self._known:
            return wanted
        if len(self._known) >= self._most:
            TRUNCATED.labels(self._metric).inc()
            return "other"
        self._known.add(wanted)
        return wanted


@contextmanager
def timed(stage: str) -> "Iterator[None]":
    """How long a call or batch of a stage takes, whatever comes of it."""
    started = time.perf_counter()
    try:
        yield
    finally:
        STAGE_SECONDS.labels(stage).observe(time.perf_counter() - started)


def worked(stage: str, result: str, units: int = 1) -> None:
    """Count what became of units: messages, events, rows, callbacks."""
    STAGE_UNITS.labels(stage, result).inc(units)


class Repeated:
    """Logs a recurring error at its first occurrence, when its cause changes, and then once a minute with the number of
    occurrences, and logs when it is over. Otherwise an outage would fill the log and hide everything else."""

    SECONDS = 60.0

    def __init__(self, failing: str, resumed: str = "") -> None:
        self._failing, self._resumed = failing, resumed
        self._cause: str | None = None
        self._logged_at = 0.0
        self._times = 0

    def failed(self, cause: str, **fields: object) -> None:
        """`cause` names the kind of error; `fields` are logged with it."""
        self._times += 1
        now = time.monotonic()
        if cause != self._cause or now - self._logged_at >= self.SECONDS:
            structlog.get_logger().warning(self._failing, error=cause, times=self._times, **fields)
            self._cause, self._logged_at = cause, now

    def worked(self, **fields: object) -> None:
        """Logs `resumed` if it failed before."""
        if self._cause is not None:
            structlog.get_logger().info(self._resumed, failed=self._times, **fields)
            self._cause, self._times = None, 0
