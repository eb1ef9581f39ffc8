"""Imports, their refused rows, and the lease of whoever works on one."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, or_, select, tuple_, update

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.import_rows import Merged, Refused
from event_stream_engine.messaging.model.imports import Import, Warned
from event_stream_engine.messaging.store import import_changes
from event_stream_engine.messaging.tables import import_merges, import_numbers, import_rejects, imports


def import_of(row: Any) -> Import:
    values = dict(row._mapping)
    values["warnings"] = [Warned(**warning) for warning in values["warnings"]]
    return Import(**values)


def _values(given: Import) -> dict[str, Any]:
    return {**vars(given), "warnings": [vars(warning) for warning in given.warnings]}


async def add(tx: Transaction, new: Import) -> None:
    await tx.execute(insert(imports).values(**_values(new)))


async def save(tx: Transaction, changed: Import) -> None:
    values = {name: value for name, value in _values(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(imports).where(imports.c.id == changed.id).values(**values))


async def an_import(tx: Transaction, import_id: UUID) -> Import | None:
    row = (await tx.execute(select(imports).where(imports.c.id == import_id))).one_or_none()
    return import_of(row) if row else None


async def import_for_update(tx: Transaction, import_id: UUID) -> Import | None:
    query = select(imports).where(imports.c.id == import_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return import_of(row) if row else None


async def page(tx: Transaction, *, after: tuple[Any, ...] | None, limit: int) -> list[Import]:
    """Newest first."""
    columns = imports.c
    query = select(imports).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(columns.created_at, columns.id) < after)
    return [import_of(row) for row in await tx.execute(query)]


async def take_lease(tx: Transaction, import_id: UUID, *, now: datetime, until: datetime) -> Import | None:
    """The import for whoever works on it until `until`; None while somebody else does, or when there is no work."""
    free = or_(imports.c.lease_until.is_(None), imports.c.lease_until < now)
    query = (
        update(imports)
        .where(imports.c.id == import_id, imports.c.status == "running", free)
        .values(lease_until=until, attempts=imports.c.attempts + 1)
        .returning(imports)
    )
    row = (await tx.execute(query)).one_or_none()
    return import_of(row) if row else None


async def extend_lease(tx: Transaction, run: Import, until: datetime) -> bool:
    """False when this run is over: canceled, or started anew."""
    query = (
        update(imports)
        .where(imports.c.id == run.id, imports.c.status == "running", imports.c.started_at == run.started_at)
        .values(lease_until=until)
    )
    return (await tx.execute(query)).rowcount == 1


async def abandoned(tx: Transaction, now: datetime) -> list[UUID]:
    """Running imports that nobody works on."""
    query = select(imports.c.id).where(
        imports.c.status == "running",
        or_(imports.c.lease_until.is_(None), imports.c.lease_until < now),
    )
    return list((await tx.execute(query.order_by(imports.c.started_at).limit(100))).scalars())


async def idle_since(tx: Transaction, before: datetime) -> list[UUID]:
    """Uploads that were never imported for real, and were last touched before `before`."""
    waiting = or_(imports.c.status == "uploaded", imports.c.dry_run & (imports.c.status == "completed"))
    touched = or_(imports.c.finished_at < before, imports.c.finished_at.is_(None) & (imports.c.created_at < before))
    return list((await tx.execute(select(imports.c.id).where(waiting, touched).limit(100))).scalars())


async def forget_run(tx: Transaction, import_id: UUID) -> None:
    """Remove what an earlier run of this file left: its refused and merged rows, changes and the numbers it saw."""
    await tx.execute(delete(import_rejects).where(import_rejects.c.import_id == import_id))
    await tx.execute(delete(import_merges).where(import_merges.c.import_id == import_id))
    await import_changes.forget(tx, import_id)
    await forget_numbers(tx, import_id)


async def forget_numbers(tx: Transaction, import_id: UUID) -> None:
    await tx.execute(delete(import_numbers).where(import_numbers.c.import_id == import_id))


async def rejects_page(tx: Transaction, import_id: UUID, *, after: int | None, limit: int) -> list[Refused]:
    """In the order of the file."""
    columns = import_rejects.c
    query = select(columns.number, columns.line, columns.reason_code, columns.reason, columns.row, columns.cells)
    query = query.where(columns.import_id == import_id).order_by(columns.number).limit(limit)
    if after is not None:
        query = query.where(columns.number > after)
    return [Refused(*row) for row in await tx.execute(query)]


async def stream_rejects(tx: Transaction, import_id: UUID) -> AsyncIterator[Sequence[Refused]]:
    """All refused rows in the order of the file, in slices."""
    after = 0
    while rows := await rejects_page(tx, import_id, after=after, limit=2000):
        yield rows
        after = rows[-1].number


async def merges_page(tx: Transaction, import_id: UUID, *, after: int | None, limit: int) -> list[Merged]:
    """In the order of the file."""
    columns = import_merges.c
    query = select(columns.number, columns.line, columns.first_line, columns.phone, columns.stated)
    query = query.where(columns.import_id == import_id).order_by(columns.number).limit(limit)
    if after is not None:
        query = query.where(columns.number > after)
    return [Merged(*row) for row in await tx.execute(query)]


async def stream_merges(tx: Transaction, import_id: UUID) -> AsyncIterator[Sequence[Merged]]:
    """All merged rows in the order of the file, in slices."""
    after = 0
    while rows := await merges_page(tx, import_id, after=after, limit=2000):
        yield rows
        after = rows[-1].number
