"""What a pool's transactions tell a circuit breaker of the server behind it.

A connection that cannot be had, or that breaks, is a failure. Everything else that may end a transaction (a constraint,
a conflict, an error of ours) came from a server that works. A call of the platform's own loops is made whatever the
breaker says, for they have their own waits; only who asks to `fail_fast` is refused while the circuit is open.
"""

from types import TracebackType

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from event_stream_engine.resilience import Breaker, Permit, Thresholds, Verdict, sqlstate

OWN_SERVER = Thresholds(slow_seconds=float("inf"), open_seconds=1.0, open_seconds_max=5.0)
"""For PostgreSQL and Redis: tried again soon, as nothing of the platform works without them; what takes long is work
that was asked for (an import's chunk, a read that waits for news), and says nothing of the server."""

_DOWN = ("08", "53", "57P")  # SQLSTATE: connection, resources, operator intervention


class Watched:
    """The block of one transaction; without a breaker nobody learns of it."""

    def __init__(self, breaker: Breaker | None, *, fail_fast: bool) -> None:
        self._breaker, self._fail_fast = breaker, fail_fast
        self._permit: Permit | None = None
        self._has_connection = False

    def __enter__(self) -> "Watched":
        if self._breaker is not None:
            self._permit = self._breaker.admit() if self._fail_fast else self._breaker.observe()
        return self

    def reached(self, *, answers: bool) -> None:
        """A connection was had. `answers`: it was asked just now; then a probe ends here, however long the transaction
        lasts."""
        self._has_connection = True
        if answers:
            self._report(Verdict.SUCCESS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        verdict = self._verdict(error)
        if self._permit is None and self._breaker is not None and verdict is Verdict.FAILURE:
            self._permit = self._breaker.observe()  # the connection answered first, and broke then
        self._report(verdict)

    def _report(self, verdict: Verdict) -> None:
        if self._breaker is not None and self._permit is not None:
            self._breaker.report(self._permit, verdict)
            self._permit = None

    def _verdict(self, error: BaseException | None) -> Verdict:
        if error is None:
            return Verdict.SUCCESS
        if not isinstance(error, Exception):  # canceled: our side went away
            return Verdict.NEUTRAL
        if isinstance(error, PoolTimeout):  # our own connections are all in use: the server was not asked
            return Verdict.NEUTRAL
        return Verdict.FAILURE if not self._has_connection or is_down(error) else Verdict.SUCCESS


def is_down(error: BaseException) -> bool:
    """Whether an error inside a transaction says that the server, or the way to it, is gone."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith(_DOWN)
    return isinstance(error, ConnectionError | asyncpg.InterfaceError | asyncpg.InternalClientError) or (
        getattr(error, "connection_invalidated", False) is True
    )
