"""The end of a hold: STOPs first, then what may have been sent, then the log, all before the first claim."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import life
from event_stream_engine.backbone.effects import Effects
from event_stream_engine.backbone.life import Life
from event_stream_engine.backbone.relay import generation
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Conflict, Unavailable
from event_stream_engine.identity.actions import mails
from event_stream_engine.messaging.gateway import MessageGateway
from event_stream_engine.messaging.inbound_tasks import CaughtUp, catch_up_since
from event_stream_engine.messaging.reports import gap as reports
from event_stream_engine.messaging.store import campaigns

OVERLAP = timedelta(minutes=10)
"""Our clock against PostgreSQL's and Twilio's."""
_TRIES = 40
_PAUSE_SECONDS = 0.5


class NotHeld(Conflict):
    code = "not_held"
    title = "Sending is not held"


class StillHeld(Unavailable):
    """Something that must come first did not succeed: the hold stays as it is, and the release can be repeated."""

    code = "still_held"
    title = "Sending stays held"


@dataclass(frozen=True)
class Gap:
    """The hold, and what may have happened between `known_until` and `since`."""

    life: Life
    campaigns: list[reports.OpenCampaign]

    @property
    def known_until(self) -> datetime:
        return self.life.known_until or self.life.since or clock.now()


@dataclass(frozen=True)
class Released:
    """What the release did: inbound messages of the gap applied, campaigns whose messages are looked for at Twilio
    before they are sent, mails given up, and the log's generation."""

    inbound_listed: int
    inbound_applied: int
    campaigns: int
    mails: int
    generation: int


async def gap(tx: Transaction) -> Gap:
    """What to show; `life.is_held` says whether there is a hold at all."""
    row = await life.read(tx)
    return Gap(row, await reports.open_campaigns(tx) if row.is_held else [])


async def release(
    effects: Effects, gateway: MessageGateway, reason: str, by: str, account_id: UUID | None = None
) -> Released:
    """End the hold. Raises `NotHeld`; `StillHeld` when Twilio does not list what was received in the gap, or a relay
    does not stop.

    What people wrote is applied first, in transactions of its own: repeating it changes nothing. The rest is one
    transaction, at whose end claims may begin.
    """
    async with effects.database.transaction() as tx:
        before = await gap(tx)
    if not before.life.is_held:
        raise NotHeld("There is nothing to release.")
    caught = await catch_up_since(effects.database, gateway, before.known_until - OVERLAP)
    if not caught.is_complete:
        raise StillHeld(
            f"Twilio did not list all messages received since {before.known_until:%Y-%m-%d %H:%M:%SZ}: a STOP could be "
            f"missing. {caught.error or 'Try again.'}"
        )
    released = await _end(effects, before, caught, reason, by, account_id)
    effects.known = None
    await effects.look()
    return released


async def _end(
    effects: Effects, before: Gap, caught: CaughtUp, reason: str, by: str, account_id: UUID | None
) -> Released:
    """A relay that works notices the hold within a second; one that tries again has the lease for a moment."""
    for _ in range(_TRIES):
        try:
            async with effects.database.transaction() as tx:
                return await _accept(tx, before, caught, reason, by, account_id)
        except RuntimeError:
            await asyncio.sleep(_PAUSE_SECONDS)
    raise StillHeld("A relay is at work in this database. Stop it, then release the hold.")


async def _accept(
    tx: Transaction, before: Gap, caught: CaughtUp, reason: str, by: str, account_id: UUID | None
) -> Released:
    row = await life.read(tx)
    if not row.is_held:
        raise NotHeld("The hold was released a moment ago.")
    number = await generation.accept(tx, by, reason) if row.stops_relay else row.life
    asked = await campaigns.ask_before_sending(tx, before.known_until)
    given_up = await mails.withdraw_older(tx, row.since or before.known_until)
    await life.release(tx)
    done = Released(caught.listed, caught.applied, asked, given_up, number)
    detail = {"by": by, "reason": reason, "held_for": row.reason, "known_until": before.known_until.isoformat()}
    await audit.record(tx, account_id, "restore.release", number, detail | vars(done))
    return done
