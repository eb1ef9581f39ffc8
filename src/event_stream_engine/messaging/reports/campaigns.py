"""A campaign's report, from its counters."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.compliance import REFUSALS, reason_title
from event_stream_engine.messaging.model.messages import OPEN, STATUSES
from event_stream_engine.messaging.model.outcomes import rates_of
from event_stream_engine.messaging.reports import waiting
from event_stream_engine.messaging.reports.timeline import span_of, timeline
from event_stream_engine.messaging.tables import campaign_causes, campaign_counts
from event_stream_engine.messaging.twilio.errors import describe

_REACHED = ("reached_accepted", "reached_sent", "reached_delivered", "reached_read")
RATE_WINDOW = timedelta(seconds=60)


_ONE_MOMENT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


async def at_one_moment(tx: Transaction) -> None:
    """All that this transaction reads is of one moment; it must not have read anything yet."""
    await tx.execute(text(_ONE_MOMENT))


async def counts(tx: Transaction, campaign_ids: list[UUID]) -> dict[UUID, dict[str, int]]:
    """Each campaign's counters by status, and `audience`."""
    rows = await tx.execute(select(campaign_counts).where(campaign_counts.c.campaign_id.in_(campaign_ids)))
    return {row.campaign_id: {name: row._mapping[name] for name in ("audience", *STATUSES)} for row in rows}


async def summary(tx: Transaction, campaign_id: UUID, status: str, rate_max: int | None) -> dict[str, Any]:
    """Everything of the report but the campaign itself and why it stands still. `rate_max`: what its sender and its
    own limit let through in a second."""
    row = (await tx.execute(select(campaign_counts).where(campaign_counts.c.campaign_id == campaign_id))).one()
    values: dict[str, Any] = dict(row._mapping)
    span = await span_of(tx, campaign_id, row.audience, is_retired=row.retired_at is not None)
    if span is not None and span.is_fine:
        found, causes = await _of_ledger(tx, campaign_id)
        values |= found
    else:
        causes = await _causes(tx, campaign_id)
    numbers = {name: values[name] for name in ("audience", *STATUSES)}
    width, points = await timeline(tx, campaign_id, span)
    remaining = sum(values[name] for name in OPEN)
    running = status == "running" and remaining > 0
    rate = await _rate(tx, campaign_id, rate_max, is_fine=span is not None and span.is_fine) if running else None
    return {
        "counts": numbers,
        "funnel": {
            "audience": values["audience"],
            **{name: values[f"reached_{name}"] for name in ("accepted", "sent", "delivered", "read")},
        },
        "rates": rates_of(values),
        "errors": _errors(causes),
        "refusals": _refusals(causes),
        **await _answers(tx, campaign_id),
        "timeline": points,
        "timeline_seconds": width,
        "seconds_to_deliver": values["seconds_to_deliver"]
        or await _seconds_to_deliver(tx, campaign_id, values, width, points),
        "retired_at": row.retired_at,
        "rate_per_second": rate,
        **(await _finish(tx, campaign_id, values, rate or rate_max) if running else _NO_FINISH),
    }


Causes = dict[tuple[str, str], int]
"""How many messages failed or were refused: by kind (`error` or `refusal`) and code."""

CAUSES_SHOWN = 50


_NEVER_LEFT = "It never left: include these people in another campaign."
_ADVICE = {"outcome_unclear": "Look in Twilio's log for messages to these people before you write to them again."}


def _errors(causes: Causes) -> list[dict[str, Any]]:
    errors = []
    for code, count in _most(causes, "error"):
        known = describe(int(code)) if code.isdigit() else None
        title = known.title if known else reason_title(code)
        advice = known.what_to_do if known else _ADVICE.get(code, _NEVER_LEFT)
        errors.append({"code": code, "title": title, "what_to_do": advice, "count": count})
    return errors


def _refusals(causes: Causes) -> list[dict[str, Any]]:
    return [
        {"reason": code, "title": REFUSALS.get(code, code), "count": count} for code, count in _most(causes, "refusal")
    ]


def _most(causes: Causes, kind: str) -> list[tuple[str, int]]:
    found = [(code, count) for (of, code), count in causes.items() if of == kind]
    return sorted(found, key=lambda item: (-item[1], item[0]))[:CAUSES_SHOWN]


async def _causes(tx: Transaction, campaign_id: UUID) -> Causes:
    columns = campaign_causes.c
    query = select(columns.kind, columns.code, columns.count).where(columns.campaign_id == campaign_id)
    return {(row[0], row[1]): row[2] for row in await tx.execute(query)}


_LEDGER = """
SELECT status, CASE WHEN status IN ('undelivered', 'failed', 'refused')
        THEN coalesce(CAST(error_code AS text), reason, 'unknown') END AS code,
    count(*) AS people, count(accepted_at) AS reached_accepted, count(sent_at) AS reached_sent,
    count(delivered_at) AS reached_delivered, count(read_at) AS reached_read
FROM messages WHERE campaign_id = :campaign_id GROUP BY 1, 2
"""


async def _of_ledger(tx: Transaction, campaign_id: UUID) -> tuple[dict[str, int], Causes]:
    """The same figures as the counters', from the messages: those that the chart of a short campaign is drawn from,
    so that all of one report is one moment. The counters follow a moment later."""
    values: Counter[str] = Counter(dict.fromkeys(("audience", *STATUSES, *_REACHED), 0))
    causes: Counter[tuple[str, str]] = Counter()
    for row in await tx.execute(text(_LEDGER), {"campaign_id": campaign_id}):
        values.update({"audience": row.people, row.status: row.people})
        values.update({name: row._mapping[name] for name in _REACHED})
        if row.code is not None:
            causes["refusal" if row.status == "refused" else "error", row.code] += row.people
    return dict(values), dict(causes)


SAMPLE_FROM = 10_000
"""Of more delivered messages, a sample tells how long delivery took."""
SAMPLE_MOMENTS, SAMPLE_AT_ONCE = 200, 25

_DELIVERY = """
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM delivered_at - accepted_at))
FROM messages
WHERE campaign_id = :campaign_id AND status IN ('delivered', 'read') AND delivered_at IS NOT NULL
"""
_DELIVERY_SAMPLED = f"""
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM delivered_at - accepted_at))
FROM unnest(CAST(:statuses AS text[]), CAST(:moments AS timestamptz[])) AS start (status, at)
CROSS JOIN LATERAL (SELECT m.delivered_at, m.accepted_at FROM messages m
                    WHERE m.campaign_id = :campaign_id AND m.status = start.status AND m.updated_at >= start.at
                      AND m.delivered_at IS NOT NULL ORDER BY m.updated_at LIMIT {SAMPLE_AT_ONCE}) AS sampled
"""  # noqa: S608


async def _seconds_to_deliver(
    tx: Transaction, campaign_id: UUID, values: Mapping[str, Any], width: int, points: Sequence[Mapping[str, Any]]
) -> dict[str, float] | None:
    """Of all delivered messages, or of about 5,000 of them, at moments as dense as the deliveries were."""
    if values["delivered"] + values["read"] <= SAMPLE_FROM:
        query, given = _DELIVERY, {}
    else:
        starts = _moments(values, width, points)
        query = _DELIVERY_SAMPLED
        given = {"statuses": [status for status, _ in starts], "moments": [at for _, at in starts]}
    found = (await tx.execute(text(query), {"campaign_id": campaign_id, **given})).scalar_one()
    if not found:
        return None
    return {name: round(value, 2) for name, value in zip(("p50", "p90", "p95"), found, strict=True)}


def _moments(values: Mapping[str, Any], width: int, points: Sequence[Mapping[str, Any]]) -> list[tuple[str, datetime]]:
    """Where the sample looks: statuses by their share of the messages, moments by the share of the chart's points."""
    moments: list[tuple[str, datetime]] = []
    delivered = values["delivered"] + values["read"]
    for status in ("delivered", "read"):
        wanted = round(SAMPLE_MOMENTS * values[status] / delivered)
        total = sum(point[status] for point in points)
        passed = 0
        for point in points:
            before, passed = passed, passed + point[status]
            first, last = (ceil(wanted * count / total) if total else 0 for count in (before, passed))
            for number in range(first, last):
                share = (number * total / wanted - before) / point[status]
                moments.append((status, point["at"] + timedelta(seconds=width * share)))
    return moments


# A young campaign is divided by its own age. Its first second may carry a burst (the bucket is full then), which no
# later second repeats: the limit is the rate that holds.
_ACCEPTED = """
SELECT count(*) AS messages, min(accepted_at) AS first_at FROM messages
WHERE campaign_id = :campaign_id AND accepted_at > :since
"""
_ACCEPTED_COARSE = """
SELECT sum(accepted) AS messages, (
    SELECT min(first.accepted_at) FROM unnest(ARRAY['accepted', 'sent', 'delivered', 'read']) AS s (status)
    CROSS JOIN LATERAL (SELECT m.accepted_at FROM messages m
                        WHERE m.campaign_id = :campaign_id AND m.status = s.status AND m.updated_at >= :since
                        ORDER BY m.updated_at LIMIT 1) AS first) AS first_at
FROM campaign_minutes WHERE campaign_id = :campaign_id AND minute >= :since
"""


async def _rate(tx: Transaction, campaign_id: UUID, rate_max: int | None, *, is_fine: bool) -> float | None:
    """Messages accepted in a second, over the last minute; of a large campaign by its counters, over up to two."""
    now = clock.now()
    since = now - RATE_WINDOW
    if not is_fine:
        since = since.replace(second=0, microsecond=0)
    query = _ACCEPTED if is_fine else _ACCEPTED_COARSE
    row = (await tx.execute(text(query), {"campaign_id": campaign_id, "since": since})).one()
    if not row.messages:
        return None
    span = (now - max(since, row.first_at or since)).total_seconds()
    rate = round(float(row.messages) / max(span, 1.0), 1)
    return rate if rate_max is None else min(rate, float(rate_max))


_ANSWERS = """
SELECT count(DISTINCT contact_id) FILTER (WHERE kind = 'stop') AS opt_outs,
    count(*) FILTER (WHERE kind NOT IN ('stop', 'start', 'help')) AS replies
FROM inbound_messages WHERE campaign_id = :campaign_id
"""


async def _answers(tx: Transaction, campaign_id: UUID) -> dict[str, int]:
    """How many people ended their consent, and how many other messages came: each belongs to the campaign whose message
    its writer had got last."""
    row = (await tx.execute(text(_ANSWERS), {"campaign_id": campaign_id})).one()
    return dict(row._mapping)


_NO_FINISH: dict[str, Any] = {"sending": 0, "eta_sending": None, "quiet": None, "eta": None}


async def _finish(tx: Transaction, campaign_id: UUID, values: Mapping[str, int], rate: float | None) -> dict[str, Any]:
    """When those are done who may be sent to now, and when all are, those who wait for quiet hours too."""
    sending = sum(values[name] for name in OPEN) - values["deferred"]
    ends = await waiting.quiet_ends(tx, campaign_id) if values["deferred"] else []
    now = clock.now()
    quiet = {"people": values["deferred"], "first_until": ends[0].first, "last_until": ends[-1].last} if ends else None
    return {
        "sending": sending,
        "eta_sending": waiting.sent_by(sending, [], rate, now) if sending else None,
        "quiet": quiet,
        "eta": waiting.sent_by(sending, ends, rate, now),
    }
