"""All SQL of identity."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.identity.model import Account
from event_stream_engine.identity.tables import accounts, refresh_tokens, sign_in_links


async def account(tx: Transaction, account_id: UUID) -> Account | None:
    row = (await tx.execute(select(accounts).where(accounts.c.id == account_id))).one_or_none()
    return Account(**row._mapping) if row else None


async def account_by_email(tx: Transaction, email: str) -> Account | None:
    row = (await tx.execute(select(accounts).where(accounts.c.email == email))).one_or_none()
    return Account(**row._mapping) if row else None


async def display_names(tx: Transaction, account_ids: Collection[UUID]) -> dict[UUID, str]:
    query = select(accounts.c.id, accounts.c.display_name).where(accounts.c.id.in_(account_ids))
    return {row.id: row.display_name for row in await tx.execute(query)}


async def count_accounts(tx: Transaction) -> int:
    return (await tx.execute(select(func.count()).select_from(accounts))).scalar_one()


async def first_admin(tx: Transaction) -> Account | None:
    query = select(accounts).where(accounts.c.role == "admin").order_by(accounts.c.created_at).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return Account(**row._mapping) if row else None


async def add_account(tx: Transaction, new: Account) -> bool:
    """False when the e-mail address is taken."""
    inserted = await tx.execute(upsert(accounts).values(**vars(new)).on_conflict_do_nothing())
    return inserted.rowcount == 1


async def save_account(tx: Transaction, changed: Account) -> None:
    values = {name: value for name, value in vars(changed).items() if name != "id"}
    await tx.execute(update(accounts).where(accounts.c.id == changed.id).values(**values))


async def add_refresh_token(tx: Transaction, token_hash: str, account_id: UUID, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "account_id": account_id, "expires_at": expires_at}
    await tx.execute(insert(refresh_tokens).values(**row))


async def use_refresh_token(tx: Transaction, token_hash: str, now: datetime, replaced_after: datetime) -> UUID | None:
    """Mark the token replaced; its account, or None when it is unknown, expired or was replaced too long ago."""
    used = await tx.execute(
        update(refresh_tokens)
        .where(
            refresh_tokens.c.token_hash == token_hash,
            refresh_tokens.c.expires_at > now,
            refresh_tokens.c.replaced_at.is_(None) | (refresh_tokens.c.replaced_at > replaced_after),
        )
        .values(replaced_at=func.coalesce(refresh_tokens.c.replaced_at, now))
        .returning(refresh_tokens.c.account_id)
    )
    found: UUID | None = used.scalar_one_or_none()
    return found


async def end_session(tx: Transaction, token_hash: str) -> None:
    await tx.execute(refresh_tokens.delete().where(refresh_tokens.c.token_hash == token_hash))


async def end_all_sessions(tx: Transaction, account_id: UUID) -> None:
    await tx.execute(refresh_tokens.delete().where(refresh_tokens.c.account_id == account_id))


async def add_sign_in_link(tx: Transaction, token_hash: str, account_id: UUID, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "account_id": account_id, "expires_at": expires_at}
    await tx.execute(insert(sign_in_links).values(**row))


async def use_sign_in_link(tx: Transaction, token_hash: str, now: datetime) -> UUID | None:
    """Mark the link used; its account, or None when it is unknown, expired or used."""
    used = await tx.execute(
        update(sign_in_links)
        .where(
            sign_in_links.c.token_hash == token_hash,
            sign_in_links.c.expires_at > now,
            sign_in_links.c.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(sign_in_links.c.account_id)
    )
    found: UUID | None = used.scalar_one_or_none()
    return found


async def forget_expired(tx: Transaction, now: datetime) -> None:
    """Remove refresh tokens and sign-in links whose time is over."""
    for table in (refresh_tokens, sign_in_links):
        await tx.execute(table.delete().where(table.c.expires_at <= now))
