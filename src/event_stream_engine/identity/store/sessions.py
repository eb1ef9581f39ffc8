"""Sessions and the refresh tokens that keep them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select, update

from event_stream_engine.database import Transaction
from event_stream_engine.identity.model import EndReason, Session
from event_stream_engine.identity.tables import refresh_tokens, sessions

_LISTED_MAX = 200


async def add(tx: Transaction, new: Session) -> None:
    await tx.execute(insert(sessions).values(**vars(new)))


async def add_token(tx: Transaction, token_hash: str, session: Session) -> None:
    row = {"token_hash": token_hash, "account_id": session.account_id, "session_id": session.id}
    await tx.execute(insert(refresh_tokens).values(**row, expires_at=session.expires_at))


async def by_token(tx: Transaction, token_hash: str, now: datetime) -> tuple[Session, datetime | None] | None:
    """The session of a token that has not expired and when the token was replaced, both rows locked."""
    query = (
        select(sessions, refresh_tokens.c.replaced_at)
        .join(refresh_tokens, refresh_tokens.c.session_id == sessions.c.id)
        .where(refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.expires_at > now)
        .with_for_update()
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    values: dict[str, Any] = dict(row._mapping)
    replaced_at: datetime | None = values.pop("replaced_at")
    return Session(**values), replaced_at


async def replace_token(tx: Transaction, token_hash: str, now: datetime) -> None:
    """Keep the time of the first replacement: within the grace a token is used twice."""
    first = func.coalesce(refresh_tokens.c.replaced_at, now)
    await tx.execute(update(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).values(replaced_at=first))


async def renew(tx: Transaction, session_id: UUID, now: datetime, expires_at: datetime) -> None:
    renewed = update(sessions).where(sessions.c.id == session_id)
    await tx.execute(renewed.values(last_used_at=now, expires_at=expires_at))


async def note_use(tx: Transaction, session_id: UUID, now: datetime, before: datetime) -> None:
    """Keep when a session was used, unless that was noted after `before`."""
    unnoted = (sessions.c.id == session_id) & (sessions.c.last_used_at < before)
    await tx.execute(update(sessions).where(unnoted).values(last_used_at=now))


async def listed(tx: Transaction, account_id: UUID, now: datetime, ended_after: datetime) -> list[Session]:
    """The newest 200 that go on, or ended after `ended_after`; last used first."""
    query = (
        select(sessions)
        .where(
            sessions.c.account_id == account_id,
            or_(
                sessions.c.ended_at.is_(None) & (sessions.c.expires_at > now),
                sessions.c.ended_at > ended_after,
            ),
        )
        .order_by(sessions.c.last_used_at.desc(), sessions.c.id)
        .limit(_LISTED_MAX)
    )
    return [Session(**row._mapping) for row in await tx.execute(query)]


async def end(
    tx: Transaction,
    account_id: UUID,
    reason: EndReason,
    now: datetime,
    *,
    only: UUID | None = None,
    but: UUID | None = None,
) -> list[UUID]:
    """End an account's sessions: all, `only` one, or all `but` one. Those that ended by it."""
    which = [sessions.c.account_id == account_id, sessions.c.ended_at.is_(None)]
    if only is not None:
        which.append(sessions.c.id == only)
    if but is not None:
        which.append(sessions.c.id != but)
    ended = update(sessions).where(*which).values(ended_at=now, ended_reason=reason).returning(sessions.c.id)
    return list((await tx.execute(ended)).scalars())


async def alarms(tx: Transaction, account_id: UUID) -> int:
    """Sessions that ended because a token was used twice, of which the person has not yet been told."""
    query = select(func.count()).where(
        sessions.c.account_id == account_id, sessions.c.ended_reason == "token_reused", sessions.c.seen_at.is_(None)
    )
    return (await tx.execute(query)).scalar_one()


async def mark_seen(tx: Transaction, account_id: UUID, now: datetime) -> None:
    unseen = update(sessions).where(sessions.c.account_id == account_id, sessions.c.seen_at.is_(None))
    await tx.execute(unseen.where(sessions.c.ended_reason == "token_reused").values(seen_at=now))


async def forget(tx: Transaction, now: datetime, ended_before: datetime) -> None:
    """Remove expired refresh tokens, and sessions that ended or expired before `ended_before`."""
    await tx.execute(refresh_tokens.delete().where(refresh_tokens.c.expires_at <= now))
    over = func.coalesce(sessions.c.ended_at, sessions.c.expires_at) < ended_before
    await tx.execute(sessions.delete().where(over))
