"""Accounts and the one-time links that sign in without a password."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.identity.model import Account
from event_stream_engine.identity.tables import accounts, password_resets, sign_in_challenges, sign_in_links


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


async def account_locked(tx: Transaction, account_id: UUID) -> Account | None:
    row = (await tx.execute(select(accounts).where(accounts.c.id == account_id).with_for_update())).one_or_none()
    return Account(**row._mapping) if row else None


async def first_admin(tx: Transaction) -> Account | None:
    query = select(accounts).where(accounts.c.role == "admin").order_by(accounts.c.created_at).limit(1)
    row = (await tx.execute(query)).one_or_none()
    return Account(**row._mapping) if row else None


async def add_account(tx: Transaction, new: Account) -> bool:
    """False when the email address is taken."""
    inserted = await tx.execute(upsert(accounts).values(**vars(new)).on_conflict_do_nothing())
    return inserted.rowcount == 1


async def save_account(tx: Transaction, changed: Account) -> None:
    values = {name: value for name, value in vars(changed).items() if name != "id"}
    await tx.execute(update(accounts).where(accounts.c.id == changed.id).values(**values))


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


async def add_password_reset(tx: Transaction, token_hash: str, account_id: UUID, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "account_id": account_id, "expires_at": expires_at}
    await tx.execute(insert(password_resets).values(**row))


async def password_reset(tx: Transaction, token_hash: str, now: datetime) -> UUID | None:
    """The account that a mailed link is for, the link's row locked; None when it is unknown, expired or done with."""
    valid = [password_resets.c.token_hash == token_hash, password_resets.c.expires_at > now]
    query = select(password_resets.c.account_id).where(*valid).with_for_update()
    found: UUID | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def end_password_resets(tx: Transaction, account_id: UUID) -> None:
    """Every link that was mailed: one was used, or the password or the address was changed."""
    await tx.execute(password_resets.delete().where(password_resets.c.account_id == account_id))


async def forget_expired(tx: Transaction, now: datetime) -> None:
    """Remove links and waiting sign-ins whose time is over."""
    for table in (sign_in_links, password_resets, sign_in_challenges):
        await tx.execute(table.delete().where(table.c.expires_at <= now))
