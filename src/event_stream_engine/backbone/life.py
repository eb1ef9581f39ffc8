"""The fence on effects outside the platform: whether this database may send, and how many claims it has made.

`platform_life` is one row. Every claim whose effect leaves the platform (a message, a mail) ends with `claim`: it
requires the state `normal` and raises the mark by one, in the claim's own transaction. The row's lock is held until
the commit, so marks are in the order of the commits. The mark is written to a witness outside PostgreSQL before the
first request leaves (`effects.py`): a database that was restored from an earlier time has a smaller mark than the
witness, and must not send again what was sent since.

`life` is the generation of the log that an operator accepted last; marks of two lives do not compare.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from event_stream_engine.database import Transaction
from event_stream_engine.errors import Unavailable


class EffectsHeld(Unavailable):
    """Nothing is sent until an operator has released the hold; the detail says why."""

    code = "effects_held"
    title = "Sending is held"


class MarkRefused(Exception):
    """The database is not as the process knew it: it must compare with the witness again before it claims."""


class Mark(msgspec.Struct, frozen=True):
    """What is known outside of a database: how many claims it made in `life`, and its newest tick."""

    lineage: str
    life: int
    mark: int
    tick: int

    def newest(self, other: "Mark") -> "Mark":
        """Both in one: of one life the larger numbers, of two lives the later one."""
        if self.life != other.life:
            return max(self, other, key=lambda each: each.life)
        return Mark(self.lineage, self.life, max(self.mark, other.mark), max(self.tick, other.tick))


@dataclass(frozen=True)
class Life:
    """The row. While `held`: `reason`, `since`, and `known_until`, up to when the database knows what was sent."""

    lineage: UUID | None
    life: int
    is_new: bool
    witnessed: bool
    mark: int
    marked_at: datetime | None
    state: str
    reason: str | None
    since: datetime | None
    held_life: int | None
    known_until: datetime | None
    witness: dict[str, Any] | None
    released_at: datetime | None
    tick: int
    same_cluster: bool

    @property
    def is_held(self) -> bool:
        return self.state == "held"

    @property
    def stops_relay(self) -> bool:
        """Whether the log must not go on either: no generation was accepted since the hold began."""
        return self.is_held and self.held_life == self.life


async def read(tx: Transaction) -> Life:
    """The row, the newest tick, and whether this is the cluster that the row was written in."""
    row = (await tx.execute(text(_READ))).mappings().one()
    return Life(**row)


async def begin_lineage(tx: Transaction) -> None:
    """Give the database an identity of its own before its first witness is written; again changes nothing."""
    await tx.execute(text("UPDATE platform_life SET lineage = gen_random_uuid() WHERE lineage IS NULL"))


async def note_witnessed(tx: Transaction) -> None:
    """A witness exists from now on: where it is missing later, it was lost."""
    await tx.execute(text("UPDATE platform_life SET witnessed = true WHERE NOT witnessed"))


async def claim(tx: Transaction, seen: Mark) -> int:
    """Raise the mark by one; the last statement before the commit. Raises `MarkRefused` where the state is `held` or
    the database is behind what the process has `seen` of the witness."""
    mark = (await tx.execute(text(_CLAIM), _arguments(seen))).scalar_one_or_none()
    if mark is None:
        raise MarkRefused
    return int(mark)


async def require_normal(tx: Transaction, seen: Mark) -> None:
    """The fence without a mark, for an effect that nobody repeats: no hold begins before `tx` ends. Raises
    `MarkRefused`."""
    if (await tx.execute(text(_REQUIRE), _arguments(seen))).first() is None:
        raise MarkRefused


async def holds_marks(tx: Transaction, seen: Mark) -> bool:
    """Whether the database has made every claim that the witness knows of."""
    return (await tx.execute(text(_REACHED), _arguments(seen))).first() is not None


async def hold(tx: Transaction, reason: str, witness: Mark | None = None) -> bool:
    """Begin a hold; whether it is a new one. What the database knows ends with its newest tick or claim."""
    known = msgspec.json.encode(witness).decode() if witness else None
    begun = await tx.execute(text(_HOLD), {"reason": reason, "witness": known})
    return bool(begun.rowcount)


async def release(tx: Transaction) -> None:
    """End the hold. The caller has accepted a generation since it began: a first witness of the new life follows."""
    await tx.execute(text(_RELEASE))


def _arguments(seen: Mark) -> dict[str, Any]:
    return {"lineage": seen.lineage, "life": seen.life, "mark": seen.mark, "tick": seen.tick}


_TICK = "coalesce((SELECT max(id) FROM outbox_ticks), 0)"
_SAME_CLUSTER = "system_identifier = (SELECT system_identifier::text FROM pg_control_system())"

_READ = f"""
SELECT lineage, life, is_new, witnessed, mark, marked_at, state, reason, since, held_life, known_until, witness,
       released_at, {_TICK} AS tick, {_SAME_CLUSTER} AS same_cluster
FROM platform_life
"""  # noqa: S608

_FENCE = f"""
state = 'normal' AND lineage = CAST(:lineage AS uuid) AND life = :life AND mark >= :mark AND {_TICK} >= :tick
AND {_SAME_CLUSTER}
"""

_CLAIM = f"""
UPDATE platform_life SET mark = mark + 1, marked_at = clock_timestamp() WHERE {_FENCE} RETURNING mark
"""  # noqa: S608

_REQUIRE = f"SELECT 1 FROM platform_life WHERE {_FENCE} FOR SHARE"  # noqa: S608

_REACHED = """
SELECT 1 FROM platform_life
WHERE lineage = CAST(:lineage AS uuid) AND (life > :life OR (life = :life AND mark >= :mark))
  AND CAST(:tick AS bigint) IS NOT NULL
"""

_HOLD = f"""
UPDATE platform_life
SET state = 'held', reason = :reason, since = statement_timestamp(), held_life = life,
    witness = coalesce(CAST(:witness AS jsonb), witness),
    known_until = coalesce(
        CASE WHEN state = 'held' THEN known_until END,
        least(statement_timestamp(), greatest(marked_at, to_timestamp(nullif({_TICK}, 0) / 1000.0))),
        (SELECT min(created_at) FROM campaigns),
        statement_timestamp())
WHERE state = 'normal' OR held_life < life
"""  # noqa: S608

_RELEASE = """
UPDATE platform_life
SET state = 'normal', reason = NULL, since = NULL, held_life = NULL, known_until = NULL, witness = NULL,
    released_at = clock_timestamp(), witnessed = false, is_new = true
"""
