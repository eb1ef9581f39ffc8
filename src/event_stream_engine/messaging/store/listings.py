"""Up to when the carrier was asked for inbound messages, per address of ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import inbound_listings, inbound_messages, senders

ALL = ""
"""The address that stands for every sender of the account."""


@dataclass(frozen=True)
class Listing:
    """Everything that reached `address` before `complete_until` is applied.

    `next_page` continues a listing that was not finished; when it ends, all before `listing_from` is applied.
    """

    address: str
    channel: str
    complete_until: datetime
    next_page: str | None = None
    listing_from: datetime | None = None
    succeeded_at: datetime | None = None
    failing_since: datetime | None = None
    error: str | None = None


async def listings(tx: Transaction) -> list[Listing]:
    return [Listing(**row._mapping) for row in await tx.execute(select(inbound_listings))]


async def addresses(tx: Transaction) -> list[tuple[str, str]]:
    """Our senders, as (address, channel)."""
    query = select(senders.c.address, senders.c.channel).distinct().order_by(senders.c.address, senders.c.channel)
    return [(row.address, row.channel) for row in await tx.execute(query)]


async def newest(tx: Transaction) -> datetime | None:
    """When the newest inbound message that is known was received."""
    found: datetime | None = (await tx.execute(select(func.max(inbound_messages.c.received_at)))).scalar_one()
    return found


async def save(tx: Transaction, listing: Listing) -> None:
    values = vars(listing)
    changed = {name: value for name, value in values.items() if name not in ("address", "channel")}
    query = upsert(inbound_listings).values(**values)
    await tx.execute(query.on_conflict_do_update(index_elements=["address", "channel"], set_=changed))


async def known(tx: Transaction, sids: Sequence[str]) -> set[str]:
    """Those of the messages that were received before."""
    query = select(inbound_messages.c.sid).where(inbound_messages.c.sid.in_(sids))
    return set((await tx.execute(query)).scalars())
