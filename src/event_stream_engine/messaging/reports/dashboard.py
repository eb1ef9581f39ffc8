"""The overview: figures of the whole platform, each from a counter or a count made now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from event_stream_engine import clock
from event_stream_engine.backbone import groups
from event_stream_engine.database import Transaction
from event_stream_engine.live.circuits import Told
from event_stream_engine.live.heartbeats import Heard
from event_stream_engine.messaging.model.outcomes import delivery_rate
from event_stream_engine.messaging.reports.standstill import COMMANDS, standing_still
from event_stream_engine.messaging.store.inbound import count_open_reviews
from event_stream_engine.messaging.tables import (
    campaign_causes,
    campaigns,
    contacts,
    inbound_messages,
)
from event_stream_engine.messaging.twilio.errors import describe
from event_stream_engine.messaging.twilio.guarded import SENDING
from event_stream_engine.resilience import State

DAY = timedelta(hours=24)
MINUTES_SHOWN = 60


async def figures(tx: Transaction, heard: Heard | None, told: Sequence[Told] = ()) -> dict[str, Any]:
    """The dashboard but its running campaigns."""
    now = clock.now()
    by_consent = dict.fromkeys(("opted_in", "opted_out", "stopped", "unknown"), 0)
    grouped = select(contacts.c.consent, func.count()).group_by(contacts.c.consent)
    by_consent |= {row[0]: row[1] for row in await tx.execute(grouped)}
    by_status = dict.fromkeys(("running", "scheduled", "paused"), 0)
    states = select(campaigns.c.status, func.count()).group_by(campaigns.c.status)
    found = {row[0]: row[1] for row in await tx.execute(states)}
    messages_24h = await _last_day(tx, now)
    return {
        "contacts": {"total": sum(by_consent.values()), **by_consent},
        "campaigns": {name: found.get(name, 0) for name in by_status},
        "messages_24h": messages_24h,
        "inbound_24h": await _inbound(tx, now),
        "delivery_rate_24h": delivery_rate(
            messages_24h["delivered"], messages_24h["failed"] + messages_24h["undelivered"]
        ),
        "throughput": await _throughput(tx, now),
        "recent_errors": await _recent_errors(tx, now),
        "setup": await _setup(tx),
        "attention": await _attention(tx, heard, told),
        "generated_at": now,
    }


_SETUP = """
SELECT (SELECT count(*) FROM templates) AS templates, (SELECT count(*) FROM segments) AS segments,
    (SELECT count(*) FROM senders) AS senders, (SELECT count(*) FROM campaigns) AS campaigns,
    EXISTS (SELECT FROM campaigns WHERE status <> 'draft') AS launched
"""


async def _setup(tx: Transaction) -> dict[str, Any]:
    return dict((await tx.execute(text(_SETUP))).one()._mapping)


_LAST_DAY = """
SELECT coalesce(sum(accepted), 0)::bigint AS accepted, coalesce(sum(sent), 0)::bigint AS sent,
    coalesce(sum(delivered), 0)::bigint AS delivered, coalesce(sum(read), 0)::bigint AS read,
    coalesce(sum(failed), 0)::bigint AS failed, coalesce(sum(undelivered), 0)::bigint AS undelivered,
    coalesce(sum(refused), 0)::bigint AS refused
FROM campaign_minutes WHERE minute > :since
"""


async def _last_day(tx: Transaction, now: datetime) -> dict[str, int]:
    return dict((await tx.execute(text(_LAST_DAY), {"since": now - DAY})).one()._mapping)


async def _inbound(tx: Transaction, now: datetime) -> int:
    query = select(func.count()).select_from(inbound_messages).where(inbound_messages.c.received_at > now - DAY)
    return (await tx.execute(query)).scalar_one()


_THROUGHPUT = """
SELECT minutes.minute, coalesce(sum(m.accepted), 0)::bigint AS accepted,
    coalesce(sum(m.delivered), 0)::bigint AS delivered,
    coalesce(sum(m.failed + m.undelivered), 0)::bigint AS failed
FROM generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz), interval '1 minute') AS minutes (minute)
LEFT JOIN campaign_minutes m ON m.minute = minutes.minute
GROUP BY minutes.minute ORDER BY minutes.minute
"""


async def _throughput(tx: Transaction, now: datetime) -> list[dict[str, Any]]:
    last = now.replace(second=0, microsecond=0)
    span = {"first": last - timedelta(minutes=MINUTES_SHOWN - 1), "last": last}
    return [dict(row._mapping) for row in await tx.execute(text(_THROUGHPUT), span)]


async def _recent_errors(tx: Transaction, now: datetime) -> list[dict[str, Any]]:
    query = (
        select(campaign_causes, campaigns.c.name)
        .join(campaigns, campaigns.c.id == campaign_causes.c.campaign_id)
        .where(campaign_causes.c.kind == "error", campaign_causes.c.last_at > now - DAY)
        .order_by(campaign_causes.c.last_at.desc())
        .limit(10)
    )
    return [
        {
            "at": row.last_at,
            "campaign_id": row.campaign_id,
            "campaign_name": row.name,
            "code": row.code,
            "title": describe(int(row.code)).title if row.code.isdigit() else row.code.replace("_", " "),
            "count": row.count,
        }
        for row in await tx.execute(query)
    ]


async def _attention(tx: Transaction, heard: Heard | None, told: Sequence[Told]) -> list[dict[str, str]]:
    """What a person should look at, most urgent first."""
    silent = [
        {"level": "error", "message": f"No {COMMANDS[name]} is running.", "link": ""}
        for name in (heard.missing() if heard else [])
    ]
    query = (
        select(campaigns.c.id, campaigns.c.name, campaigns.c.pause_reason)
        .where(campaigns.c.status == "paused", campaigns.c.pause_reason.is_not(None))
        .order_by(campaigns.c.launched_at.desc())
        .limit(10)
    )
    paused = [
        {"level": "error", "message": f"{row.name} was paused: {row.pause_reason}", "link": f"/campaigns/{row.id}"}
        for row in await tx.execute(query)
    ]
    return await _held(tx, told) + silent + paused + await _reviews(tx) + await _standing(tx, heard, told)


async def _held(tx: Transaction, told: Sequence[Told]) -> list[dict[str, str]]:
    """What operators hold open or have paused: facts, so they are told before anything has come of them."""
    living = [breaker for each in told if each.is_alive for breaker in each.breakers]
    circuits = sorted({breaker.name for breaker in living if breaker.state is State.FORCED_OPEN})
    paused = [row["group_name"] for row in await groups.paused(tx)]
    messages = [
        *((_held_open(name), "/monitoring") for name in circuits),
        *((f"An operator has paused the consumer group {name}.", "/streams/groups") for name in paused),
    ]
    return [{"level": "error", "message": message, "link": link} for message, link in messages]


def _held_open(name: str) -> str:
    so = "no message leaves" if name == SENDING else "its calls are refused"
    return f"An operator holds the circuit {name} open: {so} until it is reset."


async def _reviews(tx: Transaction) -> list[dict[str, str]]:
    waiting = await count_open_reviews(tx)
    if not waiting:
        return []
    replies = "1 reply may be an opt-out" if waiting == 1 else f"{waiting:,} replies may be opt-outs"
    message = f"{replies} and should be reviewed. Their writers get no messages meanwhile."
    return [{"level": "warning", "message": message, "link": "/inbound?review=open"}]


async def _standing(tx: Transaction, heard: Heard | None, told: Sequence[Told]) -> list[dict[str, str]]:
    query = select(campaigns.c.id, campaigns.c.name).where(campaigns.c.status == "running")
    names = {row.id: row.name for row in await tx.execute(query.order_by(campaigns.c.launched_at.desc()).limit(20))}
    still = await standing_still(tx, list(names), heard, told)
    return [
        {
            "level": "info" if found.resumes_at and found.reason != "circuit_open" else "warning",
            "message": f"{names[campaign_id]} stands still. {found.message}",
            "link": f"/campaigns/{campaign_id}",
        }
        for campaign_id, found in still.items()
        if found.reason != "quiet_hours"  # ordered, and over at a known time: the campaign's state says so
    ]
