"""Second factors, their backup codes, and sign-ins that wait for them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine.database import Transaction
from event_stream_engine.identity.tables import backup_codes, second_factors, sign_in_challenges


async def put(tx: Transaction, account_id: UUID, secret: str, now: datetime) -> None:
    """A new secret in place of one that was never confirmed."""
    row = {"secret": secret, "last_step": None, "created_at": now}
    new = upsert(second_factors).values(account_id=account_id, **row)
    await tx.execute(new.on_conflict_do_update(index_elements=[second_factors.c.account_id], set_=row))


async def secret(tx: Transaction, account_id: UUID) -> str | None:
    """As it is stored: encrypted."""
    query = select(second_factors.c.secret).where(second_factors.c.account_id == account_id)
    found: str | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def use_step(tx: Transaction, account_id: UUID, step: int) -> bool:
    """False when a code of this time step or a later one was used already."""
    unused = or_(second_factors.c.last_step.is_(None), second_factors.c.last_step < step)
    used = update(second_factors).where(second_factors.c.account_id == account_id, unused).values(last_step=step)
    return (await tx.execute(used)).rowcount == 1


async def remove(tx: Transaction, account_id: UUID) -> None:
    """The secret, the backup codes and waiting sign-ins."""
    for table in (second_factors, backup_codes, sign_in_challenges):
        await tx.execute(delete(table).where(table.c.account_id == account_id))


async def put_backup_codes(tx: Transaction, account_id: UUID, hashes: Collection[str]) -> None:
    """In place of those there were."""
    await tx.execute(delete(backup_codes).where(backup_codes.c.account_id == account_id))
    await tx.execute(insert(backup_codes), [{"account_id": account_id, "code_hash": one} for one in hashes])


async def use_backup_code(tx: Transaction, account_id: UUID, code_hash: str, now: datetime) -> bool:
    """False when there is no such code, or it was used."""
    found = [backup_codes.c.account_id == account_id, backup_codes.c.code_hash == code_hash]
    used = update(backup_codes).where(*found, backup_codes.c.used_at.is_(None)).values(used_at=now)
    return (await tx.execute(used)).rowcount == 1


async def backup_codes_left(tx: Transaction, account_id: UUID) -> int:
    query = select(func.count()).where(backup_codes.c.account_id == account_id, backup_codes.c.used_at.is_(None))
    return (await tx.execute(query)).scalar_one()


async def add_challenge(tx: Transaction, token_hash: str, account_id: UUID, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "account_id": account_id, "expires_at": expires_at}
    await tx.execute(insert(sign_in_challenges).values(**row))


async def challenged(tx: Transaction, token_hash: str, now: datetime) -> UUID | None:
    """The account whose sign-in waits, its row locked; None when it took too long or is done."""
    waiting = [sign_in_challenges.c.token_hash == token_hash, sign_in_challenges.c.expires_at > now]
    query = select(sign_in_challenges.c.account_id).where(*waiting).with_for_update()
    found: UUID | None = (await tx.execute(query)).scalar_one_or_none()
    return found


async def end_challenges(tx: Transaction, account_id: UUID) -> None:
    await tx.execute(delete(sign_in_challenges).where(sign_in_challenges.c.account_id == account_id))


async def stored_secrets(tx: Transaction) -> list[tuple[UUID, str]]:
    """Every account's encrypted secret, locked."""
    query = select(second_factors.c.account_id, second_factors.c.secret).order_by(second_factors.c.account_id)
    return [(row.account_id, row.secret) for row in await tx.execute(query.with_for_update())]


async def replace_secret(tx: Transaction, account_id: UUID, secret: str) -> None:
    """The same secret, encrypted anew."""
    await tx.execute(update(second_factors).where(second_factors.c.account_id == account_id).values(secret=secret))
