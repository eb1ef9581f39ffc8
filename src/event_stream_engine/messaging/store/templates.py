"""Templates."""

from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.templates import Template
from event_stream_engine.messaging.tables import campaigns, templates


async def template(tx: Transaction, template_id: UUID) -> Template | None:
    row = (await tx.execute(select(templates).where(templates.c.id == template_id))).one_or_none()
    return Template(**row._mapping) if row else None


async def page(tx: Transaction, after: str | None, limit: int) -> list[Template]:
    query = select(templates).order_by(templates.c.name).limit(limit)
    if after is not None:
        query = query.where(templates.c.name > after)
    return [Template(**row._mapping) for row in await tx.execute(query)]


async def add(tx: Transaction, new: Template) -> bool:
    """False when the name is taken."""
    added = await tx.execute(upsert(templates).values(**vars(new)).on_conflict_do_nothing(index_elements=["name"]))
    return added.rowcount == 1


async def name_taken(tx: Transaction, name: str, other_than: UUID) -> bool:
    query = select(templates.c.id).where(templates.c.name == name, templates.c.id != other_than)
    return (await tx.execute(query)).first() is not None


async def save(tx: Transaction, changed: Template) -> None:
    values = {name: value for name, value in vars(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(templates).where(templates.c.id == changed.id).values(**values))


async def is_used(tx: Transaction, template_id: UUID) -> bool:
    query = select(campaigns.c.id).where(campaigns.c.template_id == template_id).limit(1)
    return (await tx.execute(query)).first() is not None


async def remove(tx: Transaction, template_id: UUID) -> None:
    await tx.execute(delete(templates).where(templates.c.id == template_id))
