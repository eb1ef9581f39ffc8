"""Numbers that must not be written to, as keyed hashes: the number itself is not stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.tables import suppression_key, suppressions


@dataclass(frozen=True)
class Suppression:
    """What the person of a number said. `source` as in `Contact.consent_source`."""

    consent: str
    source: str
    said_at: datetime


async def is_empty(tx: Transaction) -> bool:
    return not (await tx.execute(select(exists(select(suppressions.c.hash))))).scalar_one()


async def sealed_key(tx: Transaction) -> str | None:
    """The key of the hashes, encrypted with the installation's secret key."""
    return (await tx.execute(select(suppression_key.c.sealed))).scalar_one_or_none()


async def add_key(tx: Transaction, sealed: str) -> None:
    """Store the key unless another process stored one first."""
    await tx.execute(upsert(suppression_key).values(id=1, sealed=sealed).on_conflict_do_nothing())


async def replace_key(tx: Transaction, sealed: str) -> None:
    """The same key, encrypted with another secret key."""
    await tx.execute(update(suppression_key).values(sealed=sealed))


async def add(tx: Transaction, hashes: Sequence[bytes], said: Suppression) -> None:
    """What was said before stays, except that a STOP replaces an opt-out."""
    rows = [{"hash": one, **vars(said)} for one in sorted(hashes)]
    query = upsert(suppressions).values(rows)
    new = query.excluded
    await tx.execute(
        query.on_conflict_do_update(
            index_elements=["hash"],
            set_={"consent": new.consent, "source": new.source, "said_at": new.said_at},
            where=(suppressions.c.consent == "opted_out") & (new.consent == "stopped"),
        )
    )


async def remove(tx: Transaction, hashes: Sequence[bytes], consents: Sequence[str]) -> bool:
    """False when there was none that says one of `consents`."""
    query = delete(suppressions).where(suppressions.c.hash.in_(hashes), suppressions.c.consent.in_(consents))
    return (await tx.execute(query)).rowcount > 0


async def found(tx: Transaction, hashes: Sequence[bytes]) -> dict[bytes, Suppression]:
    """Those of the hashes that are suppressed."""
    columns = suppressions.c
    query = select(columns.hash, columns.consent, columns.source, columns.said_at)
    query = query.where(columns.hash == func.any(list(hashes)))
    return {row.hash: Suppression(row.consent, row.source, row.said_at) for row in await tx.execute(query)}
