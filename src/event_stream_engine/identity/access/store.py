"""All SQL of accounts as admins keep them, and of API keys."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, tuple_, update

from event_stream_engine.database import Transaction
from event_stream_engine.identity.access.model import ApiKey
from event_stream_engine.identity.model import Account
from event_stream_engine.identity.tables import accounts, api_keys, sessions

_ORDER = (accounts.c.created_at, accounts.c.id)


async def accounts_page(
    tx: Transaction, *, only: UUID | None, after: tuple[Any, ...] | None, limit: int
) -> list[Account]:
    """Oldest first; `only` one of them."""
    query = select(accounts).order_by(*_ORDER).limit(limit)
    if only is not None:
        query = query.where(accounts.c.id == only)
    if after is not None:
        query = query.where(tuple_(*_ORDER) > after)
    return [Account(**row._mapping) for row in await tx.execute(query)]


async def account_for_change(tx: Transaction, account_id: UUID) -> Account | None:
    """Locked until the transaction ends, and every admin with it: two admins cannot demote each other at once."""
    admins = select(accounts.c.id).where(accounts.c.role == "admin").order_by(accounts.c.id).with_for_update()
    await tx.execute(admins)
    row = (await tx.execute(select(accounts).where(accounts.c.id == account_id).with_for_update())).one_or_none()
    return Account(**row._mapping) if row else None


async def count_active_admins(tx: Transaction) -> int:
    admins = select(func.count()).where(accounts.c.role == "admin", accounts.c.disabled_at.is_(None))
    return (await tx.execute(admins)).scalar_one()


async def standing(tx: Transaction, account_id: UUID, session_id: UUID) -> Any:
    """The `role` of an account that may come in, with `session_id` and `last_used_at` of its session, which are None
    unless that goes on."""
    goes_on = (sessions.c.id == session_id) & (sessions.c.account_id == accounts.c.id) & sessions.c.ended_at.is_(None)
    query = (
        select(accounts.c.role, sessions.c.id.label("session_id"), sessions.c.last_used_at)
        .join(sessions, goes_on, isouter=True)
        .where(accounts.c.id == account_id, accounts.c.disabled_at.is_(None))
    )
    return (await tx.execute(query)).one_or_none()


async def key_standing(tx: Transaction, secret_hash: str, now: datetime) -> Any:
    """The key's `id`, `account_id`, `scopes` and `last_used_at` with its maker's `role`; None unless both are good."""
    query = (
        select(api_keys.c.id, api_keys.c.account_id, api_keys.c.scopes, api_keys.c.last_used_at, accounts.c.role)
        .join(accounts, accounts.c.id == api_keys.c.account_id)
        .where(
            api_keys.c.secret_hash == secret_hash,
            api_keys.c.revoked_at.is_(None),
            api_keys.c.expires_at > now,
            accounts.c.disabled_at.is_(None),
        )
    )
    return (await tx.execute(query)).one_or_none()


async def note_use(tx: Transaction, key_id: UUID, now: datetime, before: datetime) -> None:
    """Keep when a key was used, unless that was noted after `before`."""
    unnoted = api_keys.c.last_used_at.is_(None) | (api_keys.c.last_used_at < before)
    await tx.execute(update(api_keys).where(api_keys.c.id == key_id, unnoted).values(last_used_at=now))


async def add_key(tx: Transaction, key: ApiKey) -> None:
    await tx.execute(insert(api_keys).values(**{**vars(key), "scopes": sorted(key.scopes)}))


async def count_usable_keys(tx: Transaction, account_id: UUID, now: datetime) -> int:
    usable = (api_keys.c.account_id == account_id, api_keys.c.revoked_at.is_(None), api_keys.c.expires_at > now)
    return (await tx.execute(select(func.count()).where(*usable))).scalar_one()


async def keys_page(
    tx: Transaction, *, account_id: UUID | None, after: tuple[Any, ...] | None, limit: int
) -> list[ApiKey]:
    """Newest first; of one account or of all."""
    order = (api_keys.c.created_at, api_keys.c.id)
    query = select(api_keys).order_by(*(column.desc() for column in order)).limit(limit)
    if account_id is not None:
        query = query.where(api_keys.c.account_id == account_id)
    if after is not None:
        query = query.where(tuple_(*order) < after)
    return [_key(row) for row in await tx.execute(query)]


async def key_names(tx: Transaction, key_ids: Collection[UUID]) -> dict[UUID, str]:
    query = select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(key_ids))
    return {row.id: row.name for row in await tx.execute(query)}


async def key_for_change(tx: Transaction, key_id: UUID) -> ApiKey | None:
    row = (await tx.execute(select(api_keys).where(api_keys.c.id == key_id).with_for_update())).one_or_none()
    return _key(row) if row else None


async def revoke(tx: Transaction, key_id: UUID, by: UUID | None, now: datetime) -> None:
    await tx.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now, revoked_by=by))


def _key(row: Any) -> ApiKey:
    return ApiKey(**{**row._mapping, "scopes": frozenset(row.scopes)})
