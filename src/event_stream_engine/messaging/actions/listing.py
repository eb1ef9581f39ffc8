"""Inbound messages that no webhook brought: which lists to ask for, what to apply, and whether sending must wait."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.gateway import InboundMessage, InboundPage
from event_stream_engine.messaging.store import listings as store
from event_stream_engine.messaging.store.listings import ALL, Listing
from event_stream_engine.messaging.twilio.webhooks import InboundForm, listed_form

OVERLAP = timedelta(minutes=10)
"""A list is asked for from this long before the moment up to which everything is applied: Twilio may list a message
late."""

FIRST_LOOK = timedelta(days=1)
"""How far back the first list of a new sender goes when no inbound message is known."""

FRESH_SECONDS = 120
"""Sending waits once the last complete list is older."""

FAILING_SECONDS_MAX = 600
"""Sending goes on, and an alert fires, once the lists have failed for this long."""


async def due(tx: Transaction) -> list[Listing]:
    """The lists to ask for: one for each sender; one of the whole account when there is a Messaging Service, whose
    numbers are Twilio's to choose."""
    kept = {(listing.address, listing.channel): listing for listing in await store.listings(tx)}
    scopes = await _scopes(tx)
    missing = [scope for scope in scopes if scope not in kept]
    since = (await store.newest(tx) or clock.now() - FIRST_LOOK) if missing else clock.now()
    return [kept.get(scope) or Listing(scope[0], scope[1], complete_until=since) for scope in scopes]


async def since(tx: Transaction, moment: datetime) -> list[Listing]:
    """The lists of everything from `moment` on, whatever was asked for before."""
    return [Listing(address, channel, complete_until=moment + OVERLAP) for address, channel in await _scopes(tx)]


async def _scopes(tx: Transaction) -> list[tuple[str, str]]:
    addresses = await store.addresses(tx)
    if any(address.startswith("MG") for address, _ in addresses):
        return [(ALL, "sms")]
    return addresses


async def missing(tx: Transaction, messages: Sequence[InboundMessage]) -> list[InboundForm]:
    """Those that were never received, oldest first, as their webhooks would have read."""
    known = await store.known(tx, [message.sid for message in messages]) if messages else set()
    new = sorted((m for m in messages if m.sid not in known), key=lambda message: message.received_at)
    return [listed_form(message) for message in new]


def begun(listing: Listing) -> Listing:
    """The listing with the moment from which the next one has to look."""
    return listing if listing.next_page else replace(listing, listing_from=clock.now())


def after_page(listing: Listing, page: InboundPage) -> Listing:
    """The listing once a page of it is applied."""
    if page.next_page:
        return replace(listing, next_page=page.next_page, failing_since=None, error=None)
    return replace(
        listing, complete_until=listing.listing_from or listing.complete_until, next_page=None, listing_from=None,
        succeeded_at=listing.listing_from, failing_since=None, error=None,
    )  # fmt: skip


def failed(listing: Listing, error: str) -> Listing:
    """The listing after the carrier did not answer. Where it stood is asked again from the beginning: a page's address
    does not last."""
    return replace(
        listing, next_page=None, listing_from=None, failing_since=listing.failing_since or clock.now(), error=error
    )


async def must_wait(tx: Transaction, started_at: datetime) -> bool:
    """Whether sending must wait, in a process that started at `started_at`, because a STOP may be unknown.

    It waits until every list was complete since the start and within `FRESH_SECONDS`, but no longer than
    `FAILING_SECONDS_MAX` from the first failure on: a carrier that lists nothing must not end all sending.
    """
    now = clock.now()
    for listing in await due(tx):
        wanted = max(started_at, now - timedelta(seconds=FRESH_SECONDS))
        if listing.succeeded_at is not None and listing.succeeded_at >= wanted:
            continue
        given_up_at = now - timedelta(seconds=FAILING_SECONDS_MAX)
        if listing.failing_since is None or listing.failing_since > given_up_at:
            return True
    return False
