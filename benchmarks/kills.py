"""`kill -9` of a process that writes monitoring events, fifty times; and SIGTERM while its database is dead."""

from benchmarks.stage.figures import record
from benchmarks.stage.kills import PER_SECOND, STOP_SECONDS, Stopped, kills, stopped_without_database
from event_stream_engine.monitoring.persisting import LINGER_SECONDS

ROUNDS = 50
BATCH_SECONDS = 5.0
"""The longest that one batch is waited for (the guard's timeout)."""


async def measure() -> None:
    found = await kills(ROUNDS)
    wrong = found.doubled + found.lost_committed + found.spooled_lost + found.holes
    record(
        "kills", found.tail_seconds * 1000,
        f"ms of events lost, worst of {found.rounds} kills ({found.in_flush} within a transaction; {found.lost} of "
        f"{PER_SECOND:,}/s in all, at most {found.lost_most} by one; doubled {found.doubled}, "
        f"from disk {found.spooled_lost})",
        beside="ms that an event waits for others", beside_value=LINGER_SECONDS * 1000,
        ratio=found.tail_seconds / LINGER_SECONDS,
        goal=f"0 doubled, 0 of the committed, <= {LINGER_SECONDS} s and a batch",
        met=found.tail_seconds <= LINGER_SECONDS + BATCH_SECONDS and not wrong,
    )  # fmt: skip
    for name, hangs in (("stopped", False), ("stopped_hanging", True)):
        _record_stopped(name, await stopped_without_database(hangs=hangs))


def _record_stopped(name: str, stopped: Stopped) -> None:
    lost = stopped.published - stopped.found
    how = "that does not answer" if name == "stopped_hanging" else "that is gone"
    record(
        name, stopped.seconds,
        f"s from SIGTERM to the end with a database {how} (lost {lost} of {stopped.published:,}, "
        f"doubled {stopped.doubled})",
        beside="s of grace", beside_value=30.0, ratio=stopped.seconds / 30.0,
        goal=f"<= {STOP_SECONDS:.0f} s, 0 lost after a restart",
        met=stopped.seconds <= STOP_SECONDS and not (lost or stopped.doubled or stopped.code),
    )  # fmt: skip
