"""A campaign's report, from its counters."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
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
    values = dict(row._mapping)
    span = await span_of(tx, campaign_id, values["audience"])
    if span is not None and span.is_fine:
        values, causes = await _of_ledger(tx, campaign_id)
    else:
        causes = await _causes(tx, campaign_id)
    numbers = {name: values[name] for name in ("audience", *STATUSES)}
    pace = await _pace(tx, campaign_id, rate_max)
    width, points = await timeline(tx, campaign_id, span)
    remaining = sum(values[name] for name in OPEN)
    running = status == "running" and remaining > 0
    return {
        "counts": numbers,
        "funnel": {
            "audience": values["audience"],
            **{name: values[f"reached_{name}"] for name in ("accepted", "sent", "delivered", "read")},
        },
        "rates": rates_of(values),
        "errors": _errors(causes),
        "refusals": _refusals(causes),
        "opt_outs": pace["opt_outs"],
        "replies": pace["replies"],
        "timeline": points,
        "timeline_seconds": width,
        "seconds_to_deliver": await _seconds_to_deliver(tx, campaign_id),
        "rate_per_second": pace["rate"] if running else None,
        **(await _finish(tx, campaign_id, values, pace["rate"] or rate_max) if running else _NO_FINISH),
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


_DELIVERY = """
SELECT percentile_cont(ARRAY[0.5, 0.9, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM delivered_at - accepted_at))
FROM (SELECT delivered_at, accepted_at FROM messages
      WHERE campaign_id = :campaign_id AND delivered_at IS NOT NULL LIMIT 50000) AS delivered
"""


async def _seconds_to_deliver(tx: Transaction, campaign_id: UUID) -> dict[str, float] | None:
    found = (await tx.execute(text(_DELIVERY), {"campaign_id": campaign_id})).scalar_one()
    if not found:
        return None
    return {name: round(value, 2) for name, value in zip(("p50", "p90", "p95"), found, strict=True)}


# A STOP belongs to the last campaign its writer had got a message of.
# The rate counts what was accepted in the last minute; a young campaign is divided by its own age. Its first second may
# carry a burst (the bucket is full then), which no later second repeats: the limit is the rate that holds.
_PACE = """
SELECT count(*) FILTER (WHERE m.accepted_at > :since) AS accepted, min(m.accepted_at) AS first_at,
    (SELECT count(DISTINCT i.contact_id) FROM inbound_messages i JOIN messages s ON s.contact_id = i.contact_id
     WHERE s.campaign_id = :campaign_id AND i.kind = 'stop' AND i.received_at >= s.accepted_at
       AND NOT EXISTS (SELECT FROM messages later WHERE later.contact_id = s.contact_id
                       AND later.accepted_at > s.accepted_at AND later.accepted_at <= i.received_at)) AS opt_outs,
    (SELECT count(*) FROM inbound_messages i JOIN messages s ON s.contact_id = i.contact_id
     WHERE s.campaign_id = :campaign_id AND i.kind NOT IN ('stop', 'start', 'help')
       AND i.received_at >= s.accepted_at) AS replies
FROM messages m WHERE m.campaign_id = :campaign_id
"""


async def _pace(tx: Transaction, campaign_id: UUID, rate_max: int | None) -> dict[str, Any]:
    now = clock.now()
    since = now - RATE_WINDOW
    row = (await tx.execute(text(_PACE), {"campaign_id": campaign_id, "since": since})).one()
    span = (now - max(since, row.first_at)).total_seconds() if row.first_at else 0
    rate = round(row.accepted / max(span, 1.0), 1) if row.accepted else None
    if rate is not None and rate_max is not None:
        rate = min(rate, float(rate_max))
    return {"rate": rate, "opt_outs": row.opt_outs, "replies": row.replies}


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
