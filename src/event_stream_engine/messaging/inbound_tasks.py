"""Tasks about inbound messages: asking the carrier for those that no webhook brought, such as a STOP sent while the API
was restarting, and confirming opt-outs."""

import asyncio
import contextlib
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter
from redis.exceptions import LockError

from event_stream_engine import clock
from event_stream_engine.backbone.effects import Effects, effects_of
from event_stream_engine.backbone.life import EffectsHeld
from event_stream_engine.database import Database
from event_stream_engine.jobs import Runtime, every, start, task
from event_stream_engine.messaging.actions import confirmations, inbound, listing
from event_stream_engine.messaging.gateway import Channel, GatewayUnavailable, MessageGateway, OutgoingMessage
from event_stream_engine.messaging.store import listings as store
from event_stream_engine.messaging.store.confirmations import Confirmation
from event_stream_engine.messaging.store.listings import Listing
from event_stream_engine.messaging.twilio import gateway_of

log = structlog.get_logger()

CAUGHT_UP = Counter(
    "ese_inbound_caught_up_total", "Inbound messages that were listed by Twilio and not known", ["kind"]
)
WAITED = Counter(
    "ese_sending_waits_for_inbound_total", "Rounds of a sender that waited for the list of inbound messages"
)

CONFIRMATIONS = Counter(
    "ese_opt_out_confirmations_total", "Confirmations of opt-outs by what became of them", ["status"]
)

CONFIRMATIONS_AT_ONCE: Final = 20

LISTING_SECONDS: Final = 20.0
"""Of every 30: how long one round lists; what is left waits for the next."""

PAGES_MAX: Final = 1000
"""In one call with a moment given: a million messages."""

_LOCK_SECONDS: Final = 60
_STARTED_AT: Final = "inbound_started_at"


@dataclass(frozen=True)
class CaughtUp:
    """What a round found. `is_complete` is False when pages are left or the carrier did not answer (`error`)."""

    listed: int
    applied: int
    is_complete: bool
    error: str | None = None


@every(30)
@task("messaging.catch_up_inbound")
async def catch_up_inbound(runtime: Runtime) -> None:
    """Apply inbound messages that no webhook brought, for each of our senders. One worker at a time."""
    if not runtime.settings.twilio.is_configured:
        return
    lock = runtime.redis.lock("ese:catch_up_inbound", timeout=_LOCK_SECONDS, thread_local=False)
    if not await lock.acquire(blocking=False):
        return
    try:
        await catch_up(runtime.database, gateway_of(runtime.settings, runtime.shared))
    finally:
        try:
            await lock.release()
        except LockError:
            log.warning("inbound listing lock expired")


@task("messaging.catch_up_inbound_since")
async def catch_up_inbound_since(runtime: Runtime, since: str) -> None:
    """Apply everything from `since` (ISO 8601, with its zone) on that no webhook brought."""
    found = await catch_up_since(
        runtime.database, gateway_of(runtime.settings, runtime.shared), datetime.fromisoformat(since)
    )
    log.info("inbound messages listed", since=since, **asdict(found))


async def catch_up(database: Database, gateway: MessageGateway) -> CaughtUp:
    """Ask for each list from where it stands, for `LISTING_SECONDS` at most, and store how far it came."""
    ends = time.monotonic() + LISTING_SECONDS
    async with database.transaction() as tx:
        due = await listing.due(tx)
    total = CaughtUp(0, 0, True)
    for one in due:
        total = _sum(total, await _list(database, gateway, one, ends=ends))
    return total


async def catch_up_since(database: Database, gateway: MessageGateway, since: datetime) -> CaughtUp:
    """Apply everything from `since` (aware) on that is not known, however much it is; where the regular lists stand
    does not change. For a database that went back in time, and for an operator."""
    async with database.transaction() as tx:
        due = await listing.since(tx, since)
    total = CaughtUp(0, 0, True)
    for one in due:
        total = _sum(total, await _list(database, gateway, one, ends=None))
    return total


async def _list(database: Database, gateway: MessageGateway, one: Listing, *, ends: float | None) -> CaughtUp:
    """One list, page by page; with `ends` its state is stored."""
    listed = applied = 0
    for _ in range(PAGES_MAX):
        one = listing.begun(one)
        try:
            page = await gateway.list_inbound(
                to=one.address or None,
                channel="whatsapp" if one.channel == "whatsapp" else "sms",
                since=one.complete_until - listing.OVERLAP,
                page=one.next_page,
            )
        except GatewayUnavailable as error:
            log.warning("Twilio did not list inbound messages", error=error.detail)
            await _save(database, listing.failed(one, error.detail), ends)
            return CaughtUp(listed, applied, False, error.detail)
        listed += len(page.messages)
        async with database.transaction() as tx:
            missing = await listing.missing(tx, page.messages)
        when = {message.sid: message.received_at for message in page.messages}
        for form in missing:
            async with database.transaction() as tx:
                new = await inbound.receive(tx, form, received_at=when[form.sid])
            if new is not None:
                applied += 1
                CAUGHT_UP.labels(new.reading.kind).inc()
        one = listing.after_page(one, page)
        await _save(database, one, ends)
        if page.next_page is None or (ends is not None and time.monotonic() >= ends):
            break
    if applied:
        log.warning("inbound messages applied from Twilio's list", count=applied)
    return CaughtUp(listed, applied, one.next_page is None)


async def _save(database: Database, one: Listing, ends: float | None) -> None:
    if ends is not None:
        async with database.transaction() as tx:
            await store.save(tx, one)


def _sum(one: CaughtUp, other: CaughtUp) -> CaughtUp:
    return CaughtUp(
        one.listed + other.listed,
        one.applied + other.applied,
        one.is_complete and other.is_complete,
        one.error or other.error,
    )


def note_start(runtime: Runtime) -> datetime:
    """When this process started: the moment of the first call, which belongs at its start. A sender waits for lists
    that are newer, and where it began to count with its first campaign, that campaign would wait for seconds."""
    started_at: datetime = runtime.shared.setdefault(_STARTED_AT, clock.now())
    return started_at


async def sending_waits(runtime: Runtime) -> bool:
    """Whether a sender must wait for the lists; then they are asked for at once."""
    started_at = note_start(runtime)
    async with runtime.database.transaction() as tx:
        waits = await listing.must_wait(tx, started_at)
    if waits:
        WAITED.inc()
        if await runtime.redis.set("ese:catch_up_inbound:asked", "1", nx=True, ex=5):
            await start(catch_up_inbound, expires=10)
    return waits


_CONFIRMS = "EXISTS (SELECT FROM opt_out_confirmations WHERE status IN ('waiting', 'sending'))"


@every(5, when=_CONFIRMS)
@task("messaging.confirm_opt_outs")
async def confirm_opt_outs(runtime: Runtime) -> None:
    """Send the confirmations that wait, each at most once."""
    if not runtime.settings.messaging.opt_out_confirmation:
        return
    async with runtime.database.transaction() as tx:
        if not await confirmations.has_open(tx):
            return
    effects = effects_of(runtime.settings, runtime.database, runtime.redis, runtime.shared)
    with contextlib.suppress(EffectsHeld):  # a hold has its own banner, alert and log; they wait until they expire
        await send_confirmations(effects, gateway_of(runtime.settings, runtime.shared))


async def send_confirmations(effects: Effects, gateway: MessageGateway) -> None:
    """Send what waits, until nothing does or Twilio takes no more. Raises `EffectsHeld`, `WitnessUnavailable`."""
    while room := gateway.room(CONFIRMATIONS_AT_ONCE):
        async with effects.claiming() as claiming:
            claimed, late = await confirmations.claim_confirmations(claiming.tx, room)
            if claimed:
                await claiming.mark()
        if late:
            CONFIRMATIONS.labels("late").inc(late)
            log.warning("opt-out confirmations expired", count=late)
        if not claimed:
            return
        statuses = await asyncio.gather(*(_confirm(effects.database, gateway, one) for one in claimed))
        if "waiting" in statuses:
            return


async def _confirm(database: Database, gateway: MessageGateway, one: Confirmation) -> str:
    channel: Channel = "whatsapp" if one.channel == "whatsapp" else "sms"
    outcome = await gateway.send(OutgoingMessage(to=one.phone, sender=one.sender, channel=channel, body=one.body))
    async with database.transaction() as tx:
        status = await confirmations.settle_confirmation(tx, one.inbound_id, outcome)
    CONFIRMATIONS.labels(status).inc()
    return status
