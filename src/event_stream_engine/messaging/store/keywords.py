"""Opt-out keywords that operators added or took out; the defaults are in the model."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.replies import StopWords
from event_stream_engine.messaging.tables import opt_out_keywords


@dataclass(frozen=True, slots=True)
class KeywordChange:
    """One change of the list: `is_opt_out` tells an added keyword from a default that was taken out."""

    normalized: str
    word: str
    is_opt_out: bool
    account_id: UUID | None
    created_at: datetime


async def stop_words(tx: Transaction) -> StopWords:
    """The words that mean STOP now."""
    changes = await all_changes(tx)
    return StopWords(
        added=[change.normalized for change in changes if change.is_opt_out],
        removed=[change.normalized for change in changes if not change.is_opt_out],
    )


async def all_changes(tx: Transaction) -> list[KeywordChange]:
    """Every change, by word; there are at most `KEYWORDS_MAX`."""
    rows = await tx.execute(select(opt_out_keywords).order_by(opt_out_keywords.c.normalized))
    return [KeywordChange(**row._mapping) for row in rows]


async def count(tx: Transaction) -> int:
    return (await tx.execute(select(func.count()).select_from(opt_out_keywords))).scalar_one()


async def save(tx: Transaction, change: KeywordChange) -> None:
    values = {name: getattr(change, name) for name in ("normalized", "word", "is_opt_out", "account_id", "created_at")}
    query = upsert(opt_out_keywords).values(**values)
    await tx.execute(query.on_conflict_do_update(index_elements=["normalized"], set_=values))


async def remove(tx: Transaction, normalized: str) -> bool:
    """Undo a change; False when there was none."""
    done = await tx.execute(delete(opt_out_keywords).where(opt_out_keywords.c.normalized == normalized))
    return done.rowcount == 1
