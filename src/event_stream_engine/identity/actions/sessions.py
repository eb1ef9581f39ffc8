"""Sign in, stay signed in, see and end sessions."""

import asyncio
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from prometheus_client import Counter

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.model import (
    REFRESH_GRACE_SECONDS,
    Account,
    AccountDisabled,
    EndReason,
    Session,
    SessionEnded,
    SessionNotFound,
    SignInMethod,
    TokenReused,
    Visitor,
    WrongCredentials,
    digest,
)
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import second_factors
from event_stream_engine.identity.store import sessions as store
from event_stream_engine.ids import new_id
from event_stream_engine.settings import IdentitySettings
from event_stream_engine.web.auth import Principal, issue_access_token

REUSED = Counter("ese_refresh_tokens_reused_total", "Sessions ended because a replaced refresh token came again")

CHALLENGE_SECONDS = 300
ENDED_LISTED = timedelta(days=30)

HASHER = PasswordHasher()
# Verified when there is no such account, so that the answer takes as long as for a wrong password.
_NOBODYS_HASH = HASHER.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True)
class Issuer:
    """What tokens are made with, and for whom."""

    settings: IdentitySettings
    secret: str
    visitor: Visitor


@dataclass(frozen=True)
class Tokens:
    """What a sign-in gives: an access token (seconds to live) and the secret that renews it."""

    account: Account
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


@dataclass(frozen=True)
class Challenge:
    """The password was right; a code is wanted with this token, within so many seconds."""

    token: str
    expires_in: int = CHALLENGE_SECONDS


async def sign_in(tx: Transaction, email: str, password: str, issuer: Issuer) -> Tokens | Challenge:
    """Raises `WrongCredentials`, without saying which of the two was wrong, or `AccountDisabled`."""
    account = await account_store.account_by_email(tx, email.strip().lower())
    hashed = account.password_hash if account and account.password_hash else _NOBODYS_HASH
    matches = await asyncio.to_thread(password_matches, hashed, password)
    if account is None or not matches:
        raise WrongCredentials("The email address or the password is wrong.")
    if account.disabled_at is not None:
        raise AccountDisabled("This account is disabled. Ask an admin.")
    if account.mfa_enabled:
        return await _challenge(tx, account)
    return await open_session(tx, account, "password", issuer)


async def _challenge(tx: Transaction, account: Account) -> Challenge:
    token = secrets.token_urlsafe(32)
    expires_at = clock.now() + timedelta(seconds=CHALLENGE_SECONDS)
    await second_factors.add_challenge(tx, digest(token), account.id, expires_at)
    return Challenge(token)


async def sign_in_by_link(tx: Transaction, token: str, issuer: Issuer) -> Tokens:
    """Use a one-time link. Raises `SessionEnded` when it was used or has expired."""
    account_id = await account_store.use_sign_in_link(tx, digest(token), clock.now())
    account = await account_store.account(tx, account_id) if account_id else None
    if account is None or account.disabled_at is not None:
        raise SessionEnded("This sign-in link was used or has expired. Run `ese sign-in` for a new one.")
    return await open_session(tx, account, "link", issuer)


async def open_session(tx: Transaction, account: Account, method: SignInMethod, issuer: Issuer) -> Tokens:
    """Begin a session: the root of a family of refresh tokens."""
    now = clock.now()
    lifetime = timedelta(days=issuer.settings.refresh_days)
    visitor = issuer.visitor
    session = Session(new_id(), account.id, method, visitor.device, visitor.address, now, now, now + lifetime)
    await store.add(tx, session)
    tokens = await _issue(tx, account, session, issuer)
    await audit.record(tx, account.id, "session.begin", session.id, {"method": method, "device": visitor.device})
    return tokens


async def _issue(tx: Transaction, account: Account, session: Session, issuer: Issuer) -> Tokens:
    refresh_token = secrets.token_urlsafe(32)
    await store.add_token(tx, digest(refresh_token), session)
    access = timedelta(minutes=issuer.settings.access_minutes)
    token = issue_access_token(issuer.secret, account.id, session.id, access)
    left = timedelta(days=issuer.settings.refresh_days)
    return Tokens(account, token, int(access.total_seconds()), refresh_token, int(left.total_seconds()))


async def refresh(tx: Transaction, refresh_token: str | None, issuer: Issuer) -> Tokens | TokenReused:
    """Exchange a refresh token for new ones of the same session. Raises `SessionEnded`.

    `TokenReused` is returned, not raised: what it did (the session has ended) must be committed.
    """
    now = clock.now()
    found = await store.by_token(tx, digest(refresh_token), now) if refresh_token else None
    if found is None or found[0].ended_at is not None:
        raise SessionEnded("Your session has ended: sign in again.")
    session, replaced_at = found
    account = await account_store.account(tx, session.account_id)
    if account is None or account.disabled_at is not None:
        raise SessionEnded("Your session has ended: sign in again.")
    if replaced_at is not None and replaced_at <= now - timedelta(seconds=REFRESH_GRACE_SECONDS):
        return await _end_reused(tx, account, session)
    await store.replace_token(tx, digest(refresh_token or ""), now)
    renewed = replace(session, last_used_at=now, expires_at=now + timedelta(days=issuer.settings.refresh_days))
    await store.renew(tx, session.id, now, renewed.expires_at)
    return await _issue(tx, account, renewed, issuer)


async def _end_reused(tx: Transaction, account: Account, session: Session) -> TokenReused:
    """Whoever came second may be the person or a thief: neither goes on (RFC 9700, section 4.14.2)."""
    await store.end(tx, account.id, "token_reused", clock.now(), only=session.id)
    REUSED.inc()
    await mails.notify(tx, account.email, "token_reused", {"device": session.device})
    await audit.record(tx, None, "session.token_reused", session.id, {"account": str(account.id)})
    return TokenReused("A copy of this session's key was used. The session was ended: sign in again.", account.id)


async def sign_out(tx: Transaction, refresh_token: str | None) -> UUID | None:
    """End the session that a refresh token belongs to, if it goes on; whose it was."""
    found = await store.by_token(tx, digest(refresh_token), clock.now()) if refresh_token else None
    if found is None or found[0].ended_at is not None:
        return None
    account_id = found[0].account_id
    await end_sessions(tx, account_id, "signed_out", by=account_id, only=found[0].id)
    return account_id


async def sessions_of(tx: Transaction, account_id: UUID) -> list[Session]:
    """Those that go on and those that ended within 30 days, last used first."""
    return await store.listed(tx, account_id, clock.now(), clock.now() - ENDED_LISTED)


async def end_session(tx: Transaction, principal: Principal, session_id: UUID) -> None:
    """End one of one's own. Raises `SessionNotFound`."""
    if not await end_sessions(tx, principal.account_id, "ended", by=principal.account_id, only=session_id):
        raise SessionNotFound("This session has ended already, or is not yours.")


async def end_sessions(
    tx: Transaction,
    account_id: UUID,
    reason: EndReason,
    *,
    by: UUID | None,
    only: UUID | None = None,
    but: UUID | None = None,
) -> int:
    """End an account's sessions (all, `only` one, all `but` one); how many. Waiting second steps end with all."""
    ended = await store.end(tx, account_id, reason, clock.now(), only=only, but=but)
    if only is None:
        await second_factors.end_challenges(tx, account_id)
    for session_id in ended:
        await audit.record(tx, by, "session.end", session_id, {"account": str(account_id), "reason": reason})
    return len(ended)


def password_matches(hashed: str, password: str) -> bool:
    """Takes tens of milliseconds of CPU: run it in a thread."""
    try:
        return HASHER.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
