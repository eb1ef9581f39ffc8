"""Counting: each fact about messages adds to its campaign's counters once, whatever the order."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.messaging import (
    AudienceFrozen,
    MessagesCanceled,
    MessagesClaimed,
    MessageStatusChanged,
)
from event_stream_engine.events.monitoring import LiveUpdate
from event_stream_engine.messaging.actions.campaigns import complete_campaign
from event_stream_engine.messaging.model.messages import OPEN, STATUSES
from event_stream_engine.messaging.store import counting as store

Counted = AudienceFrozen | MessagesClaimed | MessagesCanceled | MessageStatusChanged


@dataclass
class Sum:
    """What a batch of facts adds to one campaign."""

    deltas: Counter[str] = field(default_factory=Counter)
    minutes: dict[datetime, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_at: datetime | None = None
    frozen: bool = False


async def count(tx: Transaction, events: Sequence[Counted]) -> None:
    """Add up the batch, write each campaign once, tell its screens, and complete what has nothing left to send."""
    sums: dict[str, Sum] = defaultdict(Sum)
    for event in events:
        if event.campaign_id is not None:
            _add(sums[event.campaign_id], event)
    for campaign_id in sorted(sums):
        await _write(tx, UUID(campaign_id), sums[campaign_id])


def _add(total: Sum, event: Counted) -> None:
    match event:
        case AudienceFrozen():
            _add_audience(total, event)
        case MessagesClaimed(queued=queued, deferred=deferred):
            total.deltas.update({"queued": -queued, "deferred": -deferred, "sending": queued + deferred})
        case MessagesCanceled(queued=queued, deferred=deferred):
            total.deltas.update({"queued": -queued, "deferred": -deferred, "canceled": queued + deferred})
        case MessageStatusChanged():
            _add_step(total, event)


def _add_audience(total: Sum, event: AudienceFrozen) -> None:
    refused = sum(event.refused.values())
    total.frozen = True
    total.deltas.update({"audience": event.audience, "queued": event.audience - refused, "refused": refused})
    if refused and event.at:
        total.minutes[event.at.replace(second=0, microsecond=0)]["refused"] += refused
        total.causes.update({("refusal", reason): count for reason, count in event.refused.items()})
        total.last_at = max(total.last_at or event.at, event.at)


def _add_step(total: Sum, event: MessageStatusChanged) -> None:
    total.deltas.update({event.status: 1})
    total.deltas.update({event.previous: -1})
    minute = total.minutes[event.at.replace(second=0, microsecond=0)]
    for name in event.reached:
        total.deltas[f"reached_{name}"] += 1
        minute[name] += 1
    if event.status in ("undelivered", "failed", "refused"):
        minute[event.status] += 1
        kind = "refusal" if event.status == "refused" else "error"
        code = event.reason if event.status == "refused" else event.error_code
        total.causes[(kind, str(code or event.reason or "unknown"))] += 1
        total.last_at = max(total.last_at or event.at, event.at)


async def _write(tx: Transaction, campaign_id: UUID, total: Sum) -> None:
    row = await store.add(tx, campaign_id, total.deltas, frozen=total.frozen)
    if row is None:
        return
    if total.minutes:
        await store.add_minutes(tx, campaign_id, total.minutes)
    if total.causes and total.last_at:
        causes = [(kind, code, n, total.last_at) for (kind, code), n in sorted(total.causes.items())]
        await store.add_causes(tx, campaign_id, causes)
    counts = {name: row[name] for name in ("audience", *STATUSES)}
    await outbox.record(
        tx,
        LiveUpdate(
            topic="campaigns", kind="campaign_counts", entity_id=str(campaign_id), version=row["version"],
            patch={"counts": counts},
        ),
    )  # fmt: skip
    if row["is_frozen"] and not any(row[name] for name in OPEN):
        await complete_campaign(tx, campaign_id)
