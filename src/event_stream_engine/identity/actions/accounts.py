"""Add accounts, change one's own; one-time links."""

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.identity import facts
from event_stream_engine.identity.actions import addresses, mails
from event_stream_engine.identity.actions.sessions import HASHER, end_sessions, password_matches
from event_stream_engine.identity.model import (
    Account,
    AccountNotFound,
    EmailTaken,
    LinkEnded,
    RegistrationClosed,
    SessionEnded,
    WrongPassword,
    checked_email,
    checked_password,
    digest,
)
from event_stream_engine.identity.store import accounts as store
from event_stream_engine.ids import new_id
from event_stream_engine.permissions import Role
from event_stream_engine.web.auth import Principal


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
    hashed = await hashed_password(password, email, display_name)
    account = Account(new_id(), checked_email(email), display_name.strip(), role, hashed, clock.now())
    if not await store.add_account(tx, account):
        raise EmailTaken("Another account has this email address.")
    await outbox.record(tx, facts.created(account))
    await audit.record(tx, by or account.id, "account.register", account.id, {"role": role})
    return account


async def change_profile(
    tx: Transaction,
    account_id: UUID,
    *,
    email: str | None,
    display_name: str | None,
    password: str | None,
    current_password: str | None,
    by_mail: bool,
) -> tuple[Account, bool]:
    """Change what is given. Where there is a password, it must be repeated to change it or the address.

    `by_mail`: a new address counts once a link mailed to it is followed; without mail it counts at once. A password in
    place of another ends every session, which is the second value; a first one ends none.
    Raises `WrongPassword`, `EmailTaken` or `Invalid`.
    """
    account = await current(tx, account_id)
    changed, wanted = account, None if email is None else checked_email(email)
    if display_name is not None:
        changed = replace(changed, display_name=display_name.strip())
    moves = wanted is not None and wanted != account.email
    if wanted is not None and moves and await store.account_by_email(tx, wanted):
        raise EmailTaken("Another account has this email address.")
    if password is not None or moves:
        await require_password(account, current_password)
    if moves and not by_mail:
        changed = replace(changed, email=wanted)
    if password is not None:
        hashed = await hashed_password(password, wanted or account.email, changed.display_name)
        changed = replace(changed, password_hash=hashed)
    replaced = password is not None and account.password_hash is not None
    if replaced:
        await end_sessions(tx, account_id, "password_changed", by=account_id)
    await _save_profile(tx, account, changed)
    if wanted is not None and moves and by_mail:
        await addresses.ask(tx, changed, wanted)
    return changed, replaced


async def confirm_email(tx: Transaction, token: str) -> Account:
    """Use a mailed link: the account's new address counts from now on. Raises `LinkEnded` or `EmailTaken`."""
    account, changed = await addresses.confirmed(tx, token)
    await _save_profile(tx, account, changed)
    return changed


async def _save_profile(tx: Transaction, before: Account, after: Account) -> None:
    named = {"email": "email", "display_name": "display_name", "password_hash": "password"}
    names = [name for field, name in named.items() if getattr(before, field) != getattr(after, field)]
    if not names:
        return
    await store.save_account(tx, after)
    if "password" in names or "email" in names:
        await mails.end_links(tx, before)
    await outbox.record(tx, facts.updated(after, names))
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
    await mails.end_links(tx, account)
    await outbox.record(tx, facts.updated(changed, ["password"]))
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
    """Raises `WrongPassword`, unless the account has none (its holder came by a link)."""
    if account.password_hash is None:
        return
    if not await asyncio.to_thread(password_matches, account.password_hash, password or ""):
        raise WrongPassword("Write the password that you sign in with now.")


async def hashed_password(password: str, *about: str | None) -> str:
    """Raises `Invalid` for one that is short or soon guessed."""
    return await asyncio.to_thread(lambda: HASHER.hash(checked_password(password, *about)))


async def make_sign_in_link(tx: Transaction, *, valid_for: timedelta, email: str | None = None) -> str:
    """A one-time token for the account with this address, or for the first admin, created if there is no account.

    Raises `AccountNotFound`.
    """
    found = await (store.account_by_email(tx, checked_email(email)) if email else store.first_admin(tx))
    if found is None and email:
        raise AccountNotFound("No account has this email address.")
    account = found or await _first_account(tx)
    token = secrets.token_urlsafe(32)
    await store.add_sign_in_link(tx, digest(token), account.id, clock.now() + valid_for)
    return token


async def _first_account(tx: Transaction) -> Account:
    admin = Account(new_id(), None, "Admin", "admin", None, clock.now())
    await store.add_account(tx, admin)
    await outbox.record(tx, facts.created(admin))
    return admin
