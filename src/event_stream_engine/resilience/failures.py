"""What an error says about the other side: is it down, did it answer, or did we go away?

PostgreSQL's errors are told by SQLSTATE (PostgreSQL documentation, appendix A): 22 and 23 are about the data we sent,
08, 53 and 57P about the server, 40001 and 40P01 about a conflict that passes.
"""

from enum import StrEnum

import asyncpg

_TRANSIENT = ("08", "53", "57P", "40001", "40P01")
_NO_LINE = ("08", "57P")
_ABOUT_THE_DATA = ("22", "23")
_LOST = (OSError, asyncpg.InterfaceError)  # TimeoutError is an OSError; the driver names no state when it has no line


class Verdict(StrEnum):
    """`REFUSED`: it works, but this input never will. `NEUTRAL`: nothing was learned."""

    SUCCESS = "success"
    FAILURE = "failure"
    REFUSED = "refused"
    NEUTRAL = "neutral"


def judge(error: BaseException | None) -> Verdict:
    """What a breaker learns from a call's end: what the error says of itself (`verdict`), else what it is. One that
    nobody foresaw counts as a failure: stop hammering."""
    if error is None:
        return Verdict.SUCCESS
    if not isinstance(error, Exception):  # cancellation, exit: our side went away
        return Verdict.NEUTRAL
    own = getattr(error, "verdict", None)
    if isinstance(own, Verdict):
        return own
    return Verdict.REFUSED if (sqlstate(error) or "").startswith(_ABOUT_THE_DATA) else Verdict.FAILURE


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith(_TRANSIENT)
    return isinstance(error, _LOST) or getattr(error, "connection_invalidated", False) is True


def is_unreachable(error: BaseException) -> bool:
    """Whether there was no line to the other side; False where it was reached or nobody can tell (a timeout)."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith(_NO_LINE)
    is_lost = isinstance(error, _LOST) or getattr(error, "connection_invalidated", False) is True
    return is_lost and not isinstance(error, TimeoutError)


def sqlstate(error: BaseException) -> str | None:
    """The five characters, from the driver's error or from SQLAlchemy's wrapping of it."""
    for candidate in (error, getattr(error, "orig", None), error.__cause__):
        state = getattr(candidate, "sqlstate", None)
        if isinstance(state, str):
            return state
    return None
