"""Dead letters: events that a group gave up, kept whole until a person redrives or discards them.

Redriving gives an event back to the one group that gave it up: it is parked there, due, in the order of its key. No
other group and no stream sees it again.

Letters of one cause are those of one group and type of event that died of the same error: the same class, and the same
first line but for what stands in it of one event (numbers, ids, quoted words).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.backbone.subscriptions import GROUPS
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid, NotFound

AT_ONCE_MAX = 10_000
SAMPLE = 10
CAUSES_MAX = 100
COUNTED_MAX = 10_000
"""Letters that are looked at to name causes: pages ask every few seconds."""


@dataclass(frozen=True)
class Chosen:
    """Which letters: by id, or by what they are. Only open ones are ever changed."""

    ids: tuple[UUID, ...] | None = None
    group: str | None = None
    type: str | None = None
    key: str | None = None
    status: str | None = None
    search: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Cause:
    """`count` letters that died of one error. `handler` is the function that reacts in this release, None where none
    does any more; `error` is the newest letter's."""

    id: str
    group: str
    type: str
    handler: str | None
    error_class: str
    error: str
    count: int
    keys: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True)
class Redriven:
    """`matched` open letters were chosen, `redriven` of them were given back; on a dry run none."""

    matched: int
    redriven: int
    sample: list[dict[str, Any]]


async def page(tx: Transaction, chosen: Chosen, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Newest first."""
    values = {**_values(chosen), "before": before, "limit": limit}
    return [dict(row) for row in (await tx.execute(text(_PAGE), values)).mappings()]


async def count(tx: Transaction, chosen: Chosen) -> int:
    counted = await tx.execute(text(f"SELECT count(*) FROM dead_letters WHERE {_CHOSEN}"), _values(chosen))  # noqa: S608
    return int(counted.scalar_one())


async def causes(tx: Transaction, chosen: Chosen) -> list[Cause]:
    """The newest `COUNTED_MAX` letters by what they died of, the most frequent first: at most `CAUSES_MAX`."""
    rows = await tx.execute(text(_CAUSES), {**_values(chosen), "limit": CAUSES_MAX, "counted": COUNTED_MAX})
    return [Cause(**row, handler=_handler(row["group"], row["type"])) for row in rows.mappings()]


def _handler(group: str, type_: str) -> str | None:
    known = GROUPS.get(group)
    reaction = known.reactions.get(type_) if known else None
    return f"{reaction.function.__module__}.{reaction.function.__qualname__}" if reaction else None


async def one(tx: Transaction, letter_id: UUID) -> dict[str, Any]:
    """A letter with its event, its stack and its history. Raises `NotFound`."""
    row = (await tx.execute(text(_ONE), {"id": letter_id})).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such dead letter.")
    return dict(row)


async def redrive(
    tx: Transaction, chosen: Chosen, *, by: str, dry_run: bool = False, per_second: int | None = None
) -> Redriven:
    """Give open letters back to their groups; with `per_second` one after the other.

    One that its group holds already (an earlier redrive, a replay) is left as it is. Raises `Invalid` when more than
    `AT_ONCE_MAX` are chosen.
    """
    chosen = _open(chosen)
    matched = await _bounded(tx, chosen)
    sample = await page(tx, chosen, None, SAMPLE)
    if dry_run:
        return Redriven(matched, 0, sample)
    line = {"at": clock.now().isoformat(), "kind": "redriven", "error": None, "by": by}
    done = await tx.execute(text(_REDRIVE), {**_values(chosen), **_line(line), "by": by, "per_second": per_second})
    return Redriven(matched, done.rowcount, sample)


async def discard(tx: Transaction, chosen: Chosen, *, by: str, reason: str, dry_run: bool = False) -> tuple[int, int]:
    """Settle open letters without their effect, for a reason; how many were chosen and discarded."""
    chosen = _open(chosen)
    matched = await _bounded(tx, chosen)
    if dry_run:
        return matched, 0
    line = {"at": clock.now().isoformat(), "kind": "discarded", "error": reason, "by": by}
    done = await tx.execute(text(_DISCARD), {**_values(chosen), **_line(line), "by": by, "reason": reason})
    return matched, done.rowcount


async def _bounded(tx: Transaction, chosen: Chosen) -> int:
    matched = await count(tx, chosen)
    if matched > AT_ONCE_MAX:
        raise Invalid(f"{matched} dead letters match; at most {AT_ONCE_MAX} are changed at once. Filter further.")
    return matched


def _open(chosen: Chosen) -> Chosen:
    return Chosen(chosen.ids, chosen.group, chosen.type, chosen.key, "open", chosen.search, chosen.cause)


def _values(chosen: Chosen) -> dict[str, Any]:
    values: dict[str, Any] = dict(vars(chosen))
    values["ids"] = None if chosen.ids is None else list(chosen.ids)
    return values


def _line(line: dict[str, Any]) -> dict[str, str]:
    return {"line": msgspec.json.encode([line]).decode()}


_COLUMNS = """
id, group_name AS "group", stream, entry_id, event_id, type, key, status, error_class, error, failed, crashed,
taken_over, first_failed_at, died_at, release, resolved_at, resolved_by, reason
"""

# What differs from event to event is left out: quoted words, ids and numbers.
_CAUSE = """
md5(concat_ws(chr(10), group_name, type, error_class, regexp_replace(left(split_part(error, chr(10), 1), 500),
    '"[^"]*"|''[^'']*''|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9]+', '*', 'g')))
"""

_CHOSEN = f"""
(CAST(:ids AS uuid[]) IS NULL OR id = ANY (CAST(:ids AS uuid[])))
  AND (CAST(:group AS text) IS NULL OR group_name = :group) AND (CAST(:type AS text) IS NULL OR type = :type)
  AND (CAST(:key AS text) IS NULL OR key = :key) AND (CAST(:status AS text) IS NULL OR status = :status)
  AND (CAST(:search AS text) IS NULL OR strpos(lower(error), lower(:search)) > 0 OR event_id::text = :search
       OR strpos(lower(error_class), lower(:search)) > 0)
  AND (CAST(:cause AS text) IS NULL OR {_CAUSE} = :cause)
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM dead_letters WHERE {_CHOSEN} AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
"""  # noqa: S608

_CAUSES = f"""
SELECT {_CAUSE} AS id, group_name AS "group", type, error_class, (array_agg(error ORDER BY id DESC))[1] AS error,
       count(*) AS count, count(DISTINCT key) AS keys, min(died_at) AS first_at, max(died_at) AS last_at
FROM (
    SELECT id, group_name, type, key, error_class, error, died_at FROM dead_letters WHERE {_CHOSEN}
    ORDER BY id DESC LIMIT :counted
) AS newest GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, max(died_at) DESC LIMIT :limit
"""  # noqa: S608

_ONE = f"""
SELECT {_COLUMNS}, stack, history, envelope -> 'data' AS data, envelope ->> 'correlationid' AS correlation_id,
       envelope ->> 'causationid' AS causation_id, envelope ->> 'time' AS time
FROM dead_letters WHERE id = :id
"""  # noqa: S608

# The inbox row stays: it says that the group has taken charge, in whatever state.
_REDRIVE = f"""
WITH chosen AS (
    SELECT *, row_number() OVER (ORDER BY tick, seq) AS n FROM (
        SELECT * FROM dead_letters WHERE {_CHOSEN} ORDER BY tick, seq FOR UPDATE
    ) AS locked
), parked AS (
    INSERT INTO parked_events (group_name, event_id, stream, entry_id, tick, seq, type, key, envelope,
                               next_attempt_at, history)
    SELECT group_name, event_id, stream, entry_id, tick, seq, type, key, envelope,
           now() + CASE WHEN CAST(:per_second AS int) IS NULL THEN interval '0'
                        ELSE make_interval(secs => (n - 1)::float8 / :per_second) END,
           history || CAST(CAST(:line AS text) AS jsonb)
    FROM chosen
    ON CONFLICT DO NOTHING
    RETURNING group_name, event_id
)
UPDATE dead_letters d
SET status = 'redriven', resolved_at = now(), resolved_by = :by,
    history = d.history || CAST(CAST(:line AS text) AS jsonb)
FROM parked p
WHERE d.group_name = p.group_name AND d.event_id = p.event_id AND d.status = 'open'
"""  # noqa: S608

_DISCARD = f"""
UPDATE dead_letters
SET status = 'discarded', resolved_at = now(), resolved_by = :by, reason = :reason,
    history = history || CAST(CAST(:line AS text) AS jsonb)
WHERE {_CHOSEN}
"""  # noqa: S608
