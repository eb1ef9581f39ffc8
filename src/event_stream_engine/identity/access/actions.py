"""What admins do with accounts, and what people do with their API keys."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.identity import facts
from event_stream_engine.identity.access import store
from event_stream_engine.identity.access.model import (
    DAYS_MAX,
    KEYS_MAX,
    ApiKey,
    KeyNotFound,
    TooManyKeys,
    checked_scopes,
    new_secret,
)
from event_stream_engine.identity.actions import accounts as account_actions
from event_stream_engine.identity.actions import two_step
from event_stream_engine.identity.actions.sessions import end_sessions, sessions_of
from event_stream_engine.identity.model import Account, AccountNotFound, LastAdmin, Session, digest
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.ids import new_id
from event_stream_engine.permissions import Permission, Role
from event_stream_engine.web.auth import Principal


async def add_account(
    tx: Transaction, email: str, password: str, display_name: str, role: Role, *, by: Principal
) -> Account:
    """Raises `EmailTaken` or `Invalid`."""
    return await account_actions.add_account(tx, email, password, display_name, role, by=by.account_id)


async def change_role(tx: Transaction, account_id: UUID, role: Role, *, by: Principal) -> Account:
    """From the next request on that changes anything. Giving the role that it has changes nothing.

    Raises `AccountNotFound` or `LastAdmin`.
    """
    account = await _locked(tx, account_id)
    if account.role == role:
        return account
    await _keep_one_admin(tx, account)
    changed = replace(account, role=role)
    await account_store.save_account(tx, changed)
    await outbox.record(tx, facts.updated(changed, ["role"]))
    await audit.record(tx, by.account_id, "account.change_role", account_id, {"from": account.role, "to": role})
    return changed


async def disable(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """End an account's sessions and refuse new ones. Disabling one that is disabled changes nothing.

    Raises `AccountNotFound` or `LastAdmin`.
    """
    account = await _locked(tx, account_id)
    if account.disabled_at is not None:
        return account
    await _keep_one_admin(tx, account)
    disabled = replace(account, disabled_at=clock.now())
    await account_store.save_account(tx, disabled)
    await end_sessions(tx, account_id, "account_disabled", by=by.account_id)
    await outbox.record(tx, facts.disabled(disabled, by.account_id))
    await audit.record(tx, by.account_id, "account.disable", account_id)
    return disabled


async def enable(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """Let a disabled account sign in again, with its role and its API keys. Raises `AccountNotFound`."""
    account = await _locked(tx, account_id)
    if account.disabled_at is None:
        return account
    enabled = replace(account, disabled_at=None)
    await account_store.save_account(tx, enabled)
    await outbox.record(tx, facts.updated(enabled, ["status"]))
    await audit.record(tx, by.account_id, "account.enable", account_id)
    return enabled


async def sessions_of_account(tx: Transaction, account_id: UUID) -> list[Session]:
    """Those that go on and those that ended within 30 days. Raises `AccountNotFound`."""
    if await account_store.account(tx, account_id) is None:
        raise AccountNotFound("There is no such account.")
    return await sessions_of(tx, account_id)


async def end_sessions_of(tx: Transaction, account_id: UUID, *, by: Principal) -> int:
    """End every session of an account; how many. Raises `AccountNotFound`."""
    await _locked(tx, account_id)
    return await end_sessions(tx, account_id, "ended_by_admin", by=by.account_id)


async def reset_two_step(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """Turn it off for somebody who lost their authenticator. Raises `AccountNotFound` or `TwoStepState`."""
    return await two_step.reset(tx, await _locked(tx, account_id), by=by)


async def make_key(
    tx: Transaction, name: str, scopes: Collection[Permission], days: int, *, by: Principal
) -> tuple[ApiKey, str]:
    """A new API key and its secret, which is shown this once. Raises `Invalid` or `TooManyKeys`."""
    if not 1 <= days <= DAYS_MAX:
        raise Invalid.field("expires_in_days", f"Choose 1 to {DAYS_MAX} days.")
    granted, now = checked_scopes(scopes, by.role), clock.now()
    if await store.count_usable_keys(tx, by.account_id, now) >= KEYS_MAX:
        raise TooManyKeys(f"You have {KEYS_MAX} API keys that can be used: revoke one first.")
    secret, prefix = new_secret()
    expires_at = now + timedelta(days=days)
    key = ApiKey(new_id(), by.account_id, name.strip(), prefix, digest(secret), granted, now, expires_at)
    await store.add_key(tx, key)
    detail = {"name": key.name, "prefix": prefix, "scopes": sorted(granted), "expires_at": expires_at.isoformat()}
    await audit.record(tx, by.account_id, "api_key.make", key.id, detail)
    return key, secret


async def revoke_key(tx: Transaction, key_id: UUID, *, by: Principal) -> ApiKey:
    """It opens nothing any more; revoking one that is revoked changes nothing. One's own, or with accounts:manage.

    Raises `KeyNotFound`, also for a key of somebody else.
    """
    key = await store.key_for_change(tx, key_id)
    if key is None or (key.account_id != by.account_id and not by.may("accounts:manage")):
        raise KeyNotFound("You have no API key with this id.")
    if key.revoked_at is not None:
        return key
    now = clock.now()
    await store.revoke(tx, key_id, by.account_id, now)
    await audit.record(tx, by.account_id, "api_key.revoke", key_id, {"name": key.name, "prefix": key.prefix})
    return replace(key, revoked_at=now, revoked_by=by.account_id)


async def _locked(tx: Transaction, account_id: UUID) -> Account:
    account = await store.account_for_change(tx, account_id)
    if account is None:
        raise AccountNotFound("There is no such account.")
    return account


async def _keep_one_admin(tx: Transaction, account: Account) -> None:
    is_active_admin = account.role == "admin" and account.disabled_at is None
    if is_active_admin and await store.count_active_admins(tx) == 1:
        raise LastAdmin("This is the last admin who can sign in. Make somebody else an admin first.")
