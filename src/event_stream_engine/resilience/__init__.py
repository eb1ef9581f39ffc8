"""Every call to something outside that may be down: `retry(breaker(timeout(call)))`.

    guard = Guard(Breaker("postgresql"), timeout=5.0)
    rows = await guard.run(lambda: store.write(batch), deadline=5.0)

Guaranteed: a breaker that is open answers at once with `CircuitOpen`, which is not retried; while it is half open at
most one of the calls that need its leave is on its way; no wait is longer than the cap, no attempt begins or lasts
past the deadline; retries stay under a tenth of the calls of the last minute, plus three. Not promised: that the call
was without effect when it failed; what is retried must be idempotent. A breaker belongs to one event loop and one
process; `Circuits` names those of a process, so that they can be told of and ordered (`live.circuits`,
`monitoring.circuits`).
"""

from event_stream_engine.resilience.backoff import Backoff, RetryBudget
from event_stream_engine.resilience.breaker import Breaker, CircuitOpen, Permit, State, Thresholds, Transition
from event_stream_engine.resilience.circuits import CIRCUITS, Action, Circuits, Order, Pool, circuits_of
from event_stream_engine.resilience.failures import Verdict, is_transient, is_unreachable, judge, sqlstate
from event_stream_engine.resilience.guard import Guard

__all__ = [
    "CIRCUITS",
    "Action",
    "Backoff",
    "Breaker",
    "CircuitOpen",
    "Circuits",
    "Guard",
    "Order",
    "Permit",
    "Pool",
    "RetryBudget",
    "State",
    "Thresholds",
    "Transition",
    "Verdict",
    "circuits_of",
    "is_transient",
    "is_unreachable",
    "judge",
    "sqlstate",
]
