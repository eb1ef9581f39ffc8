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
    checked_name,
    checked_scopes,
    new_secret,
)
from event_stream_engine.identity.actions import accounts as account_actions
from event_stream_engine.identity.actions import two_step
from event_stream_engine.identity.actions.sessions import end_sessions, sessions_of
from event_stream_engine.identity.model import Account, AccountNotFound, LastAdmin, Session, SessionNotFound, digest
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


async def end_session_of(tx: Transaction, account_id: UUID, session_id: UUID, *, by: Principal) -> None:
    """End one session of an account. Raises `AccountNotFound` or `SessionNotFound`."""
    await _locked(tx, account_id)
    if not await end_sessions(tx, account_id, "ended_by_admin", by=by.account_id, only=session_id):
        raise SessionNotFound("This session has ended already, or is not of this account.")


async def reset_two_step(tx: Transaction, account_id: UUID, *, by: Principal) -> Account:
    """Turn it off for somebody who lost their authenticator. Raises `AccountNotFound` or `TwoStepState`."""
    return await two_step.reset(tx, await _locked(tx, account_id), by=by)


async def make_key(
    tx: Transaction, name: str, scopes: Collection[Permission], days: int, *, by: Principal
) -> tuple[ApiKey, str]:
    """A new API key and its secret, which is shown this once. Raises `Invalid` or `TooManyKeys`."""
    maker = await _locked(tx, by.account_id)
    return await _add_key(tx, maker, name, scopes, days, by=by.account_id, detail={})


async def make_key_for(
    tx: Transaction, account_id: UUID, name: str, scopes: Collection[Permission], days: int, *, who: str
) -> tuple[ApiKey, str]:
    """As `make_key`, in the name of an account, by whoever runs the platform; `who`: at the command line. Raises
    `AccountNotFound`, too."""
    holder = await _locked(tx, account_id)
    if holder.disabled_at is not None:
        raise Invalid(
            f"The account of {holder.display_name} is disabled: its keys would open nothing. Enable it first."
        )
    return await _add_key(tx, holder, name, scopes, days, by=None, detail={"account": str(account_id), "by": who})


async def _add_key(
    tx: Transaction,
    holder: Account,
    name: str,
    scopes: Collection[Permission],
    days: int,
    *,
    by: UUID | None,
    detail: dict[str, str],
) -> tuple[ApiKey, str]:
    if not 1 <= days <= DAYS_MAX:
        raise Invalid.field("expires_in_days", f"Choose 1 to {DAYS_MAX} days.")
    granted, now = checked_scopes(scopes, holder.role), clock.now()
    if await store.count_usable_keys(tx, holder.id, now) >= KEYS_MAX:
        raise TooManyKeys(f"{holder.display_name} has {KEYS_MAX} API keys that can be used: revoke one first.")
    secret, prefix = new_secret()
    expires_at = now + timedelta(days=days)
    key = ApiKey(new_id(), holder.id, checked_name(name), prefix, digest(secret), granted, now, expires_at)
    await store.add_key(tx, key)
    made = {"name": key.name, "prefix": prefix, "scopes": sorted(granted), "expires_at": expires_at.isoformat()}
    await audit.record(tx, by, "api_key.make", key.id, {**made, **detail})
    return key, secret


async def revoke_key(tx: Transaction, key_id: UUID, *, by: Principal) -> ApiKey:
    """It opens nothing any more; revoking one that is revoked changes nothing. One's own, or with accounts:manage.

    Raises `KeyNotFound`, also for a key of somebody else.
    """
    key = await store.key_for_change(tx, key_id)
    if key is None or (key.account_id != by.account_id and not by.may("accounts:manage")):
        raise KeyNotFound("You have no API key with this id.")
    return await _revoke(tx, key, by.account_id, {})


async def revoke_any_key(tx: Transaction, key_id: UUID, *, who: str) -> ApiKey:
    """As `revoke_key`, by whoever runs the platform; `who`: at the command line. Raises `KeyNotFound`."""
    key = await store.key_for_change(tx, key_id)
    if key is None:
        raise KeyNotFound("There is no API key with this id.")
    return await _revoke(tx, key, None, {"by": who})


async def _revoke(tx: Transaction, key: ApiKey, by: UUID | None, detail: dict[str, str]) -> ApiKey:
    if key.revoked_at is not None:
        return key
    now = clock.now()
    await store.revoke(tx, key.id, by, now)
    await audit.record(tx, by, "api_key.revoke", key.id, {"name": key.name, "prefix": key.prefix, **detail})
    return replace(key, revoked_at=now, revoked_by=by)


async def _locked(tx: Transaction, account_id: UUID) -> Account:
    account = await store.account_for_change(tx, account_id)
    if account is None:
        raise AccountNotFound("There is no such account.")
    return account


async def _keep_one_admin(tx: Transaction, account: Account) -> None:
    is_active_admin = account.role == "admin" and account.disabled_at is None
    if is_active_admin and await store.count_active_admins(tx) == 1:
        raise LastAdmin("This is the last admin who can sign in. Make somebody else an admin first.")
