"""When a campaign's messages moved: points of one width, chosen from how long the campaign took.

A campaign of up to an hour is read from its messages, by the second if it is short; a longer or very large one from
its counters: per minute, per hour once it took weeks, per day once it is retired. Every point of the span is there,
also those in which nothing happened.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import campaign_minutes

POINTS_MAX = 360
"""A width is chosen so that at most this many points are shown; beyond 360 days, the newest of them."""

FINE_SPAN = timedelta(hours=1)
FINE_MESSAGES_MAX = 200_000
"""Above this many people even a short campaign is shown by the minute: its messages are not read for a chart."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WIDTHS = (
    1, 2, 5, 10, 15, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE,
    _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY,
)  # fmt: skip
HOURS_FROM = timedelta(seconds=POINTS_MAX * _HOUR)
"""A campaign that took so long has no point shorter than an hour."""
_NAMES = ("accepted", "sent", "delivered", "read", "undelivered", "failed", "refused")


def width_for(span: timedelta, *, least: int = 1) -> int:
    """Seconds of one point."""
    seconds = span.total_seconds()
    return next((w for w in _WIDTHS if w >= least and seconds / w < POINTS_MAX), _WIDTHS[-1])


@dataclass(frozen=True)
class Span:
    """When a campaign's messages first and last moved, by its counters. `least`: seconds of one counter. `is_fine`:
    short and small enough for its figures to be read from its messages."""

    first: datetime
    last: datetime
    least: int
    is_fine: bool


async def span_of(tx: Transaction, campaign_id: UUID, audience: int, *, is_retired: bool = False) -> Span | None:
    """None while nothing has moved."""
    columns = campaign_minutes.c
    ends = select(func.min(columns.minute), func.max(columns.minute)).where(columns.campaign_id == campaign_id)
    first, last = (await tx.execute(ends)).one()
    if first is None:
        return None
    is_fine = last - first <= FINE_SPAN and audience <= FINE_MESSAGES_MAX and not is_retired
    return Span(first, last, _DAY if is_retired else _MINUTE, is_fine)


async def timeline(tx: Transaction, campaign_id: UUID, span: Span | None) -> tuple[int, list[dict[str, Any]]]:
    """Seconds of one point, and the points, oldest first."""
    if span is None:
        return _WIDTHS[0], []
    if span.is_fine:
        return await _fine(tx, campaign_id)
    first, last = span.first, span.last
    width = width_for(last - first, least=span.least)
    since = last - timedelta(seconds=width * (POINTS_MAX - 1))
    rows = await tx.execute(text(_COARSE), {"campaign_id": campaign_id, "since": since, "width": width})
    return width, _filled([row._mapping for row in rows], width)


_FINE = """
SELECT CAST(floor(extract(epoch FROM moved.at)) AS bigint) AS at,
    count(*) FILTER (WHERE what = 'accepted') AS accepted, count(*) FILTER (WHERE what = 'sent') AS sent,
    count(*) FILTER (WHERE what = 'delivered') AS delivered, count(*) FILTER (WHERE what = 'read') AS read,
    count(*) FILTER (WHERE what = 'undelivered') AS undelivered, count(*) FILTER (WHERE what = 'failed') AS failed,
    count(*) FILTER (WHERE what = 'refused') AS refused
FROM messages m CROSS JOIN LATERAL (VALUES
    ('accepted', m.accepted_at), ('sent', m.sent_at), ('delivered', m.delivered_at), ('read', m.read_at),
    (m.status, CASE WHEN m.status IN ('undelivered', 'failed', 'refused') THEN m.updated_at END)
) AS moved (what, at)
WHERE m.campaign_id = :campaign_id AND moved.at IS NOT NULL GROUP BY 1 ORDER BY 1
"""

_COARSE = f"""
SELECT CAST(extract(epoch FROM minute) AS bigint) / CAST(:width AS bigint) * CAST(:width AS bigint) AS at,
    {", ".join(f"sum({name})::bigint AS {name}" for name in _NAMES)}
FROM campaign_minutes WHERE campaign_id = :campaign_id AND minute >= :since GROUP BY 1 ORDER BY 1
"""  # noqa: S608


async def _fine(tx: Transaction, campaign_id: UUID) -> tuple[int, list[dict[str, Any]]]:
    rows = [row._mapping for row in await tx.execute(text(_FINE), {"campaign_id": campaign_id})]
    if not rows:
        return _WIDTHS[0], []
    width = width_for(timedelta(seconds=rows[-1]["at"] - rows[0]["at"]))
    return width, _filled(rows, width)


def _filled(rows: list[Any], width: int) -> list[dict[str, Any]]:
    """The rows (by epoch second, oldest first) as points of `width` seconds without a gap: at most the newest
    `POINTS_MAX`."""
    if not rows:
        return []
    last = rows[-1]["at"] // width * width
    first = max(rows[0]["at"] // width * width, last - width * (POINTS_MAX - 1))
    points = {at: dict.fromkeys(_NAMES, 0) for at in range(first, last + 1, width)}
    for row in rows:
        point = points.get(row["at"] // width * width)
        if point is not None:
            for name in _NAMES:
                point[name] += row[name]
    return [{"at": datetime.fromtimestamp(at, UTC), **figures} for at, figures in points.items()]
