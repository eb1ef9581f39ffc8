"""Mail that waits to be sent, and what became of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, literal, select, update

from event_stream_engine.database import Transaction
from event_stream_engine.identity.tables import mails


async def add(
    tx: Transaction,
    mail_id: UUID,
    recipient: str,
    kind: str,
    detail: dict[str, Any],
    now: datetime,
    expires_at: datetime,
) -> None:
    row = {"id": mail_id, "recipient": recipient, "kind": kind, "detail": detail}
    await tx.execute(insert(mails).values(**row, created_at=now, due_at=now, expires_at=expires_at))


async def claim(tx: Transaction, now: datetime, pause_seconds: int, limit: int) -> Sequence[Any]:
    """Mark as attempted what is due (`id`, `recipient`, `kind`, `detail`, `created_at`); nobody else gets it before
    the pause is over, which doubles with each attempt."""
    due = select(mails.c.id).where(mails.c.settled_at.is_(None), mails.c.due_at <= now).order_by(mails.c.due_at)
    pause = func.make_interval(0, 0, 0, 0, 0, 0, pause_seconds * func.power(2, mails.c.attempts))
    claimed = (
        update(mails)
        .where(mails.c.id.in_(due.limit(limit).with_for_update(skip_locked=True)))
        .values(attempts=mails.c.attempts + 1, due_at=literal(now) + pause)
        .returning(mails.c.id, mails.c.recipient, mails.c.kind, mails.c.detail, mails.c.created_at)
    )
    return (await tx.execute(claimed)).all()


async def give_up(tx: Transaction, now: datetime, attempts_max: int) -> None:
    """Settle what came too late or failed too often."""
    over = (mails.c.expires_at <= now) | ((mails.c.attempts >= attempts_max) & (mails.c.due_at <= now))
    given_up = update(mails).where(mails.c.settled_at.is_(None), over)
    await tx.execute(given_up.values(settled_at=now, outcome="given_up"))


async def put_back(tx: Transaction, mail_id: UUID, now: datetime) -> None:
    """Take an attempt back; it is due at once."""
    waiting = update(mails).where(mails.c.id == mail_id, mails.c.settled_at.is_(None))
    await tx.execute(waiting.values(attempts=mails.c.attempts - 1, due_at=now))


async def settle(tx: Transaction, mail_id: UUID, now: datetime, outcome: str) -> None:
    await tx.execute(update(mails).where(mails.c.id == mail_id).values(settled_at=now, outcome=outcome))


async def withdraw(tx: Transaction, recipient: str, kind: str, now: datetime) -> None:
    """What was not sent yet is not sent any more."""
    waiting = [mails.c.recipient == recipient, mails.c.kind == kind, mails.c.settled_at.is_(None)]
    await tx.execute(update(mails).where(*waiting).values(settled_at=now, outcome="withdrawn"))


async def withdraw_older(tx: Transaction, before: datetime, now: datetime) -> int:
    """Settle what waited at `before`, when it may have been sent; how many. Nobody can be asked whether it was."""
    waiting = [mails.c.created_at <= before, mails.c.settled_at.is_(None)]
    done = await tx.execute(update(mails).where(*waiting).values(settled_at=now, outcome="restored"))
    return done.rowcount


async def forget(tx: Transaction, settled_before: datetime) -> None:
    await tx.execute(mails.delete().where(mails.c.settled_at < settled_before))
