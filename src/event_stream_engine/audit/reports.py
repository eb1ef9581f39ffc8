"""Reading the audit trail: pages, and the chain from one end to the other."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, true

from event_stream_engine.audit.tables import audit_entries
from event_stream_engine.database import Transaction

CHUNK = 2000
_c = audit_entries.c


@dataclass(frozen=True)
class Search:
    """What entries are wanted; `action` is `entity.verb` or `entity.*`, `since` inclusive, `until` exclusive."""

    actor_id: UUID | None = None
    action: str | None = None
    entity_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    key_id: UUID | None = None

    def where(self) -> ColumnElement[bool]:
        wanted: list[ColumnElement[bool]] = [true()]
        if self.actor_id:
            wanted.append(_c.actor_id == self.actor_id)
        if self.key_id:
            wanted.append(_c.key_id == self.key_id)
        if self.action:
            every = self.action.endswith(".*")
            wanted.append(_c.entity == self.action[:-2] if every else _c.action == self.action)
        if self.entity_id:
            wanted.append(_c.entity_id == self.entity_id)
        if self.since:
            wanted.append(_c.at >= self.since)
        if self.until:
            wanted.append(_c.at < self.until)
        return and_(*wanted)


async def page(tx: Transaction, search: Search, before: int | None, limit: int) -> Sequence[Any]:
    """Newest first."""
    query = select(audit_entries).where(search.where()).order_by(_c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(_c.id < before)
    return (await tx.execute(query)).all()


async def count(tx: Transaction, search: Search) -> int:
    return (await tx.execute(select(func.count()).select_from(audit_entries).where(search.where()))).scalar_one()


async def actions(tx: Transaction) -> list[str]:
    """Every action that was recorded, by name."""
    return list((await tx.execute(select(_c.action).distinct().order_by(_c.action))).scalars())


async def newest_first(tx: Transaction, search: Search) -> AsyncIterator[Sequence[Any]]:
    """All that match, in chunks."""
    before: int | None = None
    while rows := await page(tx, search, before, CHUNK):
        yield rows
        before = rows[-1].id


async def start_of_newest(tx: Transaction, limit: int) -> int:
    """The id after which the newest `limit` entries begin; 0 where there are no more than that."""
    older = select(_c.id).order_by(_c.id.desc()).offset(limit).limit(1)
    return (await tx.execute(older)).scalar_one_or_none() or 0


async def entry(tx: Transaction, entry_id: int) -> Any:
    return (await tx.execute(select(audit_entries).where(_c.id == entry_id))).one_or_none()


async def oldest_first(tx: Transaction, after: int) -> AsyncIterator[Sequence[Any]]:
    """All entries after an id, in chunks."""
    while rows := (await tx.execute(select(audit_entries).where(_c.id > after).order_by(_c.id).limit(CHUNK))).all():
        yield rows
        after = rows[-1].id
