"""The time, in one place, so that a test can hold it still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime


def _system() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system


def now() -> datetime:
    """The current time, aware, in UTC."""
    return _source()


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Hold the clock at `at` (aware) for the length of a test."""
    global _source
    if at.tzinfo is None:
        raise ValueError("a frozen clock needs an aware time")
    previous, _source = _source, lambda: at.astimezone(UTC)
    try:
        yield
    finally:
        _source = previous
