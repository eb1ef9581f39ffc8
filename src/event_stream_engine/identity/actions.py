"""Register, sign in, stay signed in, sign out."""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.identity import facts, store
from event_stream_engine.identity.model import (
    REFRESH_GRACE_SECONDS,
    Account,
    AccountDisabled,
    EmailTaken,
    RegistrationClosed,
    SessionEnded,
    WrongCredentials,
    WrongPassword,
    checked_email,
    checked_password,
)
from event_stream_engine.ids import new_id
from event_stream_engine.permissions import Role
from event_stream_engine.settings import IdentitySettings
from event_stream_engine.web.auth import Principal, issue_access_token

_hasher = PasswordHasher()
# Verified when there is no such account, so that the answer takes as long as for a wrong password.
_NOBODYS_HASH = _hasher.hash(secrets.token_urlsafe(16))


@dataclass(frozen=True)
class Session:
    """What a sign-in gives: an access token (seconds to live) and the secret that renews it."""

    account: Account
    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


async def register(tx: Transaction, email: str, password: str, display_name: str, *, by: Principal | None) -> Account:
    """Add an account: the first is an admin; later ones are added by an admin, and are operators.

    Raises `RegistrationClosed`, `EmailTaken` or `Invalid`.
    """
    is_first = await store.count_accounts(tx) == 0
    if not is_first and (by is None or not by.may("accounts:manage")):
        raise RegistrationClosed("Only an admin adds accounts. Ask one, or sign in as one.")
    role: Role = "admin" if is_first else "operator"
    return await add_account(tx, email, password, display_name, role, by=by.account_id if by else None)


async def add_account(
    tx: Transaction, email: str, password: str, display_name: str, role: Role, *, by: UUID | None
) -> Account:
    """`by` None: it adds itself. Raises `EmailTaken` or `Invalid`."""
    hashed = await asyncio.to_thread(_hasher.hash, checked_password(password))
    account = Account(new_id(), checked_email(email), display_name.strip(), role, hashed, clock.now())
    if not await store.add_account(tx, account):
        raise EmailTaken("Another account has this e-mail address.")
    await outbox.record(tx, facts.created(account))
    await audit.record(tx, by or account.id, "account.register", account.id, {"role": role})
    return account


async def sign_in(tx: Transaction, email: str, password: str, settings: IdentitySettings, secret: str) -> Session:
    """Raises `WrongCredentials`, without saying which of the two was wrong."""
    account = await store.account_by_email(tx, email.strip().lower())
    hashed = account.password_hash if account and account.password_hash else _NOBODYS_HASH
    matches = await asyncio.to_thread(_matches, hashed, password)
    if account is None or not matches:
        raise WrongCredentials("The e-mail address or the password is wrong.")
    if account.disabled_at is not None:
        raise AccountDisabled("This account is disabled. Ask an admin.")
    return await open_session(tx, account, settings, secret)


async def sign_in_by_link(tx: Transaction, token: str, settings: IdentitySettings, secret: str) -> Session:
    """Use a one-time link. Raises `SessionEnded` when it was used or has expired."""
    account_id = await store.use_sign_in_link(tx, _digest(token), clock.now())
    account = await store.account(tx, account_id) if account_id else None
    if account is None or account.disabled_at is not None:
        raise SessionEnded("This sign-in link was used or has expired. Run `ese sign-in` for a new one.")
    return await open_session(tx, account, settings, secret)


async def open_session(tx: Transaction, account: Account, settings: IdentitySettings, secret: str) -> Session:
    refresh_token = secrets.token_urlsafe(32)
    lifetime = timedelta(days=settings.refresh_days)
    await store.add_refresh_token(tx, _digest(refresh_token), account.id, clock.now() + lifetime)
    access = timedelta(minutes=settings.access_minutes)
    token = issue_access_token(secret, Principal(account.id, account.role), access)
    return Session(account, token, int(access.total_seconds()), refresh_token, int(lifetime.total_seconds()))


async def refresh(tx: Transaction, refresh_token: str | None, settings: IdentitySettings, secret: str) -> Session:
    """Exchange a refresh token for a new session. Raises `SessionEnded`."""
    account = None
    if refresh_token:
        now = clock.now()
        grace = now - timedelta(seconds=REFRESH_GRACE_SECONDS)
        account_id = await store.use_refresh_token(tx, _digest(refresh_token), now, grace)
        account = await store.account(tx, account_id) if account_id else None
    if account is None or account.disabled_at is not None:
        raise SessionEnded("Your session has ended: sign in again.")
    return await open_session(tx, account, settings, secret)


async def sign_out(tx: Transaction, refresh_token: str | None) -> None:
    if refresh_token:
        await store.end_session(tx, _digest(refresh_token))


async def change_profile(
    tx: Transaction,
    account_id: UUID,
    *,
    email: str | None,
    display_name: str | None,
    password: str | None,
    current_password: str | None,
) -> Account:
    """Change what is given. A password that exists must be repeated to change it; other sessions then end.

    Raises `WrongCredentials`, `EmailTaken` or `Invalid`.
    """
    account = await store.account(tx, account_id)
    if account is None:
        raise SessionEnded("This account no longer exists.")
    changed = account
    if display_name is not None:
        changed = replace(changed, display_name=display_name.strip())
    if email is not None and checked_email(email) != account.email:
        changed = replace(changed, email=checked_email(email))
        if await store.account_by_email(tx, checked_email(email)):
            raise EmailTaken("Another account has this e-mail address.")
    if password is not None:
        if account.password_hash and not await asyncio.to_thread(
            _matches, account.password_hash, current_password or ""
        ):
            raise WrongPassword("Write the password that you sign in with now.")
        hashed = await asyncio.to_thread(_hasher.hash, checked_password(password))
        changed = replace(changed, password_hash=hashed)
        await store.end_all_sessions(tx, account_id)
    await store.save_account(tx, changed)
    names = [n for n, v in (("email", email), ("display_name", display_name), ("password", password)) if v]
    if names:
        await outbox.record(tx, facts.updated(changed, names))
    await audit.record(tx, account_id, "account.change", account_id, {"fields": names})
    return changed


async def make_sign_in_link(tx: Transaction, *, valid_for: timedelta) -> str:
    """A one-time token for the first admin, who is created if there is no account yet."""
    admin = await store.first_admin(tx)
    if admin is None:
        admin = Account(new_id(), None, "Admin", "admin", None, clock.now())
        await store.add_account(tx, admin)
        await outbox.record(tx, facts.created(admin))
    token = secrets.token_urlsafe(32)
    await store.add_sign_in_link(tx, _digest(token), admin.id, clock.now() + valid_for)
    return token


def _matches(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def _digest(token: str) -> str:
    """A random 256-bit token needs no slow hash; stored hashed, a leaked table opens no session."""
    return hashlib.sha256(token.encode()).hexdigest()
