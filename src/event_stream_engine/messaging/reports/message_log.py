"""The log of all messages, and their sums. It is as long as all campaigns together, so nothing here looks at all rows:
a campaign's messages are created in one transaction, and its counters say how many it has of each status."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, text

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.messages import STATUSES
from event_stream_engine.messaging.reports.messages import recipients_query
from event_stream_engine.messaging.tables import messages

Cursor = tuple[datetime | None, UUID | None, datetime, UUID]
"""The launch and the campaign of the last message shown (None: a test message), its last change, and its id."""


@dataclass(frozen=True)
class Filter:
    """`start` inclusive, `end` exclusive, by creation (aware)."""

    campaign_id: UUID | None
    statuses: Sequence[str]
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class _Group:
    """The messages of one campaign; the test messages are one without a campaign."""

    launched_at: datetime | None
    campaign_id: UUID | None
    counts: dict[str, int]
    is_counted: bool

    def may_have(self, statuses: Sequence[str]) -> bool:
        return not self.is_counted or any(self.counts[status] for status in statuses or STATUSES)


# Retired campaigns have no messages any more.
_GROUPS = f"""
SELECT c.id, c.launched_at, n.is_frozen AND c.status NOT IN ('running', 'paused') AS is_counted,
    {", ".join(f"n.{status}" for status in STATUSES)}
FROM campaigns c JOIN campaign_counts n ON n.campaign_id = c.id
CROSS JOIN LATERAL (SELECT m.created_at FROM messages m WHERE m.campaign_id = c.id LIMIT 1) AS one
WHERE c.launched_at IS NOT NULL AND n.retired_at IS NULL
  AND (CAST(:campaign_id AS uuid) IS NULL OR c.id = :campaign_id)
  AND (CAST(:start AS timestamptz) IS NULL OR one.created_at >= :start)
  AND (CAST(:end AS timestamptz) IS NULL OR one.created_at < :end)
ORDER BY c.launched_at DESC, c.id DESC
"""  # noqa: S608


async def page(
    tx: Transaction, chosen: Filter, after: Cursor | None, limit: int
) -> tuple[list[Any], Cursor | None, dict[str, int]]:
    """Messages, the cursor of the next page, and how many match by status: test messages first, then campaign by
    campaign, the newest first, and of each the most recently changed first."""
    groups = await _groups(tx, chosen)
    found: list[tuple[_Group, Any]] = []
    for group in groups:
        rest = None
        if after is not None:
            if _is_before(group, after):
                continue
            rest = after[2:] if group.campaign_id == after[1] else None
        if group.may_have(chosen.statuses):
            query = recipients_query(_where(chosen, group), chosen.statuses, rest, limit + 1 - len(found))
            rows = (await tx.execute(query)).all()
            found += [(group, row) for row in rows]
        if len(found) > limit:
            break
    following = _cursor(*found[limit - 1]) if len(found) > limit else None
    return [row for _, row in found[:limit]], following, await _sums(tx, chosen, groups)


async def _groups(tx: Transaction, chosen: Filter) -> list[_Group]:
    values = {"campaign_id": chosen.campaign_id, "start": chosen.start, "end": chosen.end}
    groups = [] if chosen.campaign_id else [_Group(None, None, {}, is_counted=False)]
    for row in await tx.execute(text(_GROUPS), values):
        counts: dict[str, int] = {status: row._mapping[status] for status in STATUSES}
        groups.append(_Group(row.launched_at, row.id, counts, row.is_counted))
    return groups


def _is_before(group: _Group, after: Cursor) -> bool:
    """Whether the pages before the cursor showed all of this group."""
    launched_at, campaign_id, *_ = after
    if launched_at is None or campaign_id is None:
        return False
    if group.launched_at is None or group.campaign_id is None:
        return True
    return (group.launched_at, group.campaign_id) > (launched_at, campaign_id)


def _cursor(group: _Group, row: Any) -> Cursor:
    return group.launched_at, group.campaign_id, row.updated_at, row.id


def _where(chosen: Filter, group: _Group) -> ColumnElement[bool]:
    columns = messages.c
    if group.campaign_id is not None:
        return columns.campaign_id == group.campaign_id
    clauses: list[ColumnElement[bool]] = [columns.campaign_id.is_(None)]
    if chosen.start:
        clauses.append(columns.created_at >= chosen.start)
    if chosen.end:
        clauses.append(columns.created_at < chosen.end)
    return and_(*clauses)


async def _sums(tx: Transaction, chosen: Filter, groups: Sequence[_Group]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for group in groups:
        if group.campaign_id is None:
            by_status = select(messages.c.status, func.count()).where(_where(chosen, group)).group_by(messages.c.status)
            sums.update({row[0]: row[1] for row in await tx.execute(by_status)})
        else:
            sums.update(group.counts)
    return {status: count for status, count in sums.items() if not chosen.statuses or status in chosen.statuses}
