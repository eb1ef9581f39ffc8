"""Add, change, disable and enable accounts; one-time links."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.events.identity import UserCreated, UserDisabled, UserUpdated
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.actions.sessions import HASHER, end_sessions, password_matches
from event_stream_engine.identity.model import (
    Account,
    AccountNotFound,
    EmailTaken,
    LastOwner,
    LinkEnded,
    OwnersOnly,
    RegistrationClosed,
    Role,
    SessionEnded,
    WrongPassword,
    checked_email,
    checked_password,
    digest,
)
from event_stream_engine.identity.store import accounts as store
from event_stream_engine.ids import new_id
from event_stream_engine.web.auth import Principal


async def register(tx: Transaction, email: str, password: str, display_name: str, *, by: Principal | None) -> Account:
    """Add an account: the first is an owner, later ones are added by an owner.

    Raises `RegistrationClosed`, `EmailTaken` or `Invalid`.
    """
    is_first = await store.count_accounts(tx) == 0
    if not is_first and (by is None or by.role != "owner"):
        raise RegistrationClosed("Only an owner adds accounts. Ask one, or sign in as one.")
    role: Role = "owner" if is_first else "member"
    hashed = await hashed_password(password, email, display_name)
    account = Account(new_id(), checked_email(email), display_name.strip(), role, hashed, clock.now())
    if not await store.add_account(tx, account):
        raise EmailTaken("Another account has this e-mail address.")
    await outbox.record(tx, _created(account))
    await audit.record(tx, by.account_id if by else account.id, "account.register", account.id)
    return account


async def change_profile(
    tx: Transaction,
    account_id: UUID,
    *,
    email: str | None,
    display_name: str | None,
    password: str | None,
    current_password: str | None,
) -> tuple[Account, bool]:
    """Change what is given. Where there is a password, it must be repeated to change it or the address.

    A password in place of another ends every session, which is the second value; a first one ends none.
    Raises `WrongPassword`, `EmailTaken` or `Invalid`.
    """
    account = await current(tx, account_id)
    changed = account
    if display_name is not None:
        changed = replace(changed, display_name=display_name.strip())
    if email is not None and checked_email(email) != account.email:
        changed = replace(changed, email=checked_email(email))
        if await store.account_by_email(tx, checked_email(email)):
            raise EmailTaken("Another account has this e-mail address.")
    if password is not None or changed.email != account.email:
        await require_password(account, current_password)
    if password is not None:
        hashed = await hashed_password(password, changed.email, changed.display_name)
        changed = replace(changed, password_hash=hashed)
    replaced = password is not None and account.password_hash is not None
    if replaced:
        await end_sessions(tx, account_id, "password_changed", by=account_id)
    await _save_profile(tx, account, changed)
    return changed, replaced


async def _save_profile(tx: Transaction, before: Account, after: Account) -> None:
    named = {"email": "email", "display_name": "display_name", "password_hash": "password"}
    names = [name for field, name in named.items() if getattr(before, field) != getattr(after, field)]
    if not names:
        return
    await store.save_account(tx, after)
    if "password" in names or "email" in names:
        await mails.end_resets(tx, before)
    await outbox.record(tx, updated(after, names))
    if "email" in names:
        await mails.notify(tx, before.email, "email_changed")
    if "password" in names and before.password_hash:
        await mails.notify(tx, before.email, "password_changed")
    await audit.record(tx, after.id, "account.change", after.id, {"fields": names})


async def reset_password(tx: Transaction, token: str, password: str) -> Account:
    """Use a mailed link: a new password, and every session ends. Raises `LinkEnded` or `Invalid`."""
    account_id = await store.password_reset(tx, digest(token), clock.now())
    account = await store.account_locked(tx, account_id) if account_id else None
    if account is None or account.disabled_at is not None:
        raise LinkEnded("This link was used or has expired: ask for a new one.")
    hashed = await hashed_password(password, account.email, account.display_name)
    changed = replace(account, password_hash=hashed)
    await store.save_account(tx, changed)
    await mails.end_resets(tx, account)
    await outbox.record(tx, updated(changed, ["password"]))
    await mails.notify(tx, account.email, "password_changed")
    await end_sessions(tx, account.id, "password_reset", by=account.id)
    await audit.record(tx, account.id, "account.reset_password", account.id)
    return changed


async def current(tx: Transaction, account_id: UUID) -> Account:
    """One's own account, locked. Raises `SessionEnded` when it is gone."""
    account = await store.account_locked(tx, account_id)
    if account is None:
        raise SessionEnded("This account no longer exists.")
    return account


async def require_password(account: Account, password: str | None) -> None:
    """Raises `WrongPassword`, unless the account has none (its owner came by a link)."""
    if account.password_hash is None:
        return
    if not await asyncio.to_thread(password_matches, account.password_hash, password or ""):
        raise WrongPassword("Write the password that you sign in with now.")


async def hashed_password(password: str, *about: str | None) -> str:
    """Raises `Invalid` for one that is short or soon guessed."""
    return await asyncio.to_thread(lambda: HASHER.hash(checked_password(password, *about)))


async def end_sessions_of(tx: Transaction, account_id: UUID, *, by: Principal) -> int:
    """End every session of another's account; how many. Raises `OwnersOnly` or `AccountNotFound`."""
    await changeable(tx, account_id, by)
    return await end_sessions(tx, account_id, "ended_by_owner", by=by.account_id)


async def disable(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """End an account's sessions and refuse new ones. Disabling one that is disabled changes nothing.

    Raises `OwnersOnly`, `AccountNotFound` or `LastOwner`.
    """
    account = await changeable(tx, account_id, by)
    if account.disabled_at is not None:
        return account
    if account.role == "owner" and await store.count_active_owners(tx) == 1:
        raise LastOwner("This is the last owner who can sign in. Make somebody else an owner first.")
    disabled = replace(account, disabled_at=clock.now())
    await store.save_account(tx, disabled)
    await end_sessions(tx, account_id, "account_disabled", by=by.account_id)
    await outbox.record(tx, _disabled(disabled, by))
    await audit.record(tx, by.account_id, "account.disable", account_id)
    return disabled


async def enable(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """Let a disabled account sign in again. Raises `OwnersOnly` or `AccountNotFound`."""
    account = await changeable(tx, account_id, by)
    if account.disabled_at is None:
        return account
    enabled = replace(account, disabled_at=None)
    await store.save_account(tx, enabled)
    await outbox.record(tx, updated(enabled, ["status"]))
    await audit.record(tx, by.account_id, "account.enable", account_id)
    return enabled


async def changeable(tx: Transaction, account_id: UUID, by: Principal) -> Account:
    if by.role != "owner":
        raise OwnersOnly("Only an owner changes other people's accounts.")
    account = await store.account_for_change(tx, account_id)
    if account is None:
        raise AccountNotFound("There is no such account.")
    return account


def _created(account: Account) -> UserCreated:
    return UserCreated(
        user_id=str(account.id),
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        created_at=account.created_at,
        mfa_enabled=account.mfa_enabled,
    )


def updated(account: Account, names: list[str]) -> UserUpdated:
    return UserUpdated(
        user_id=str(account.id),
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        status=account.status,
        updated_at=clock.now(),
        changed_fields=names,
        mfa_enabled=account.mfa_enabled,
    )


def _disabled(account: Account, by: Principal) -> UserDisabled:
    return UserDisabled(
        user_id=str(account.id),
        email=account.email,
        disabled_at=account.disabled_at or clock.now(),
        disabled_by=str(by.account_id),
        mfa_enabled=account.mfa_enabled,
        reason="self_deletion" if by.account_id == account.id else "admin_action",
    )


async def make_sign_in_link(tx: Transaction, *, valid_for: timedelta, email: str | None = None) -> str:
    """A one-time token for the account with this address, or for the first owner, created if there is no account.

    Raises `AccountNotFound`.
    """
    found = await (store.account_by_email(tx, checked_email(email)) if email else store.first_owner(tx))
    if found is None and email:
        raise AccountNotFound("No account has this e-mail address.")
    owner = found or await _first_account(tx)
    token = secrets.token_urlsafe(32)
    await store.add_sign_in_link(tx, digest(token), owner.id, clock.now() + valid_for)
    return token


async def _first_account(tx: Transaction) -> Account:
    owner = Account(new_id(), None, "Owner", "owner", None, clock.now())
    await store.add_account(tx, owner)
    await outbox.record(tx, _created(owner))
    return owner
