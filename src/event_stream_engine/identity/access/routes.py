"""`/api/v1/accounts` for admins, `/api/v1/api-keys` for whoever runs a program."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field, WithJsonSchema

from event_stream_engine.database import Transaction
from event_stream_engine.identity import model as rules
from event_stream_engine.identity.access import actions, store
from event_stream_engine.identity.access.model import DAYS_MAX, ApiKey
from event_stream_engine.identity.routes.bodies import AccountOut, EndedOut, SessionOut, account_out, session_out
from event_stream_engine.identity.routes.entering import sessions_ended
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.permissions import MEANINGS, NOT_FOR_KEYS, ROLES, SCOPES, Permission, Role
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import PERSON, SIGNED_IN, PermissionMissing, needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.unit import Route, Tx

accounts = Router(prefix="/api/v1/accounts", tags=["identity"], route_class=Route)
keys = Router(prefix="/api/v1/api-keys", tags=["identity"], route_class=Route)

KeyScope = Annotated[Permission, WithJsonSchema({"type": "string", "enum": list(SCOPES)})]
"""A permission that a key may hold; another is refused with the reason."""

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*\S[^\x00]*$")]


class AccountIn(Body):
    email: str = Field(examples=["bo@example.com"], max_length=254)
    password: str = Field(min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)
    display_name: Name
    role: Role = "viewer"


class RoleIn(Body):
    role: Role


class ApiKeyIn(Body):
    name: Name = Field(examples=["Nightly import"])
    scopes: list[KeyScope] = Field(max_length=100, description="A part of your own permissions.")
    expires_in_days: int = Field(90, ge=1, le=DAYS_MAX)


class ApiKeyShape(BaseModel):
    id: UUID
    account_id: UUID
    account_name: str
    name: str
    prefix: str = Field(description="How the secret begins.", examples=["ese_3f9a01bc"])
    scopes: list[KeyScope]
    status: Literal["active", "expired", "revoked"]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = Field(description="Within five minutes.")
    revoked_at: datetime | None


class NewApiKey(ApiKeyShape):
    secret: str = Field(description="Shown this once: keep it now.")


class PermissionShape(BaseModel):
    name: Permission
    meaning: str
    for_keys: bool


class RoleShape(BaseModel):
    name: Role
    permissions: list[Permission]


class AccessTable(BaseModel):
    roles: list[RoleShape]
    permissions: list[PermissionShape]


@accounts.get("", summary="Accounts", dependencies=[SIGNED_IN])
async def list_accounts(by: Account, tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[AccountOut]:
    """Oldest first. Who manages accounts sees all of them, others themselves."""
    only = None if by.may("accounts:manage") else by.account_id
    after = decode_cursor(cursor, datetime, UUID)
    found = await store.accounts_page(tx, only=only, after=after, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    next_cursor = encode_cursor(last.created_at, last.id) if last else None
    return Page(items=[account_out(item) for item in found[:limit]], next_cursor=next_cursor)


@accounts.post("", status_code=201, summary="Add an account", dependencies=[needs("accounts:manage")])
async def add_account(body: AccountIn, by: Account, tx: Tx) -> AccountOut:
    added = await actions.add_account(tx, body.email, body.password, body.display_name, body.role, by=by)
    return account_out(added)


@accounts.get("/roles", summary="What each role may do", dependencies=[SIGNED_IN])
async def list_roles() -> AccessTable:
    return AccessTable(
        roles=[RoleShape(name=role, permissions=sorted(granted)) for role, granted in ROLES.items()],
        permissions=[
            PermissionShape(name=name, meaning=meaning, for_keys=name not in NOT_FOR_KEYS)
            for name, meaning in MEANINGS.items()
        ],
    )


@accounts.put("/{account_id}/role", summary="Give an account a role", dependencies=[needs("accounts:manage")])
async def change_role(account_id: UUID, body: RoleIn, by: Account, tx: Tx) -> AccountOut:
    """In force at once for whatever changes something, and within a second for what only reads."""
    return account_out(await actions.change_role(tx, account_id, body.role, by=by))


@accounts.post("/{account_id}/disable", summary="Disable an account", dependencies=[needs("accounts:manage")])
async def disable_account(account_id: UUID, by: Account, request: Request, tx: Tx) -> AccountOut:
    """Its sessions end and its API keys open nothing while it is disabled."""
    disabled = await actions.disable(tx, account_id, by=by)
    sessions_ended(request, account_id)
    return account_out(disabled)


@accounts.post("/{account_id}/enable", summary="Enable an account", dependencies=[needs("accounts:manage")])
async def enable_account(account_id: UUID, by: Account, tx: Tx) -> AccountOut:
    return account_out(await actions.enable(tx, account_id, by=by))


@accounts.get("/{account_id}/sessions", summary="Sessions of an account", dependencies=[needs("accounts:manage")])
async def list_sessions_of(account_id: UUID, by: Account, tx: Tx) -> Page[SessionOut]:
    """Those that go on, and those that ended within 30 days with the reason; at most 200, last used first."""
    found = await actions.sessions_of_account(tx, account_id)
    return Page(items=[session_out(one, by.session_id) for one in found])


@accounts.delete(
    "/{account_id}/sessions", summary="End all sessions of an account", dependencies=[needs("accounts:manage")]
)
async def end_sessions_of(account_id: UUID, by: Account, request: Request, tx: Tx) -> EndedOut:
    """In force at once for whatever changes something, and within a second for what only reads."""
    ended = await actions.end_sessions_of(tx, account_id, by=by)
    sessions_ended(request, account_id)
    return EndedOut(ended=ended)


@accounts.delete(
    "/{account_id}/sessions/{session_id}",
    status_code=204,
    summary="End one session of an account",
    dependencies=[needs("accounts:manage")],
)
async def end_session_of(account_id: UUID, session_id: UUID, by: Account, request: Request, tx: Tx) -> None:
    """In force at once for whatever changes something, and within a second for what only reads."""
    await actions.end_session_of(tx, account_id, session_id, by=by)
    sessions_ended(request, account_id)


@accounts.post(
    "/{account_id}/two-step/reset",
    summary="Turn an account's two-step sign-in off",
    dependencies=[needs("accounts:manage")],
)
async def reset_two_step(account_id: UUID, by: Account, tx: Tx) -> AccountOut:
    """When somebody has lost their authenticator and their backup codes. They are told by mail."""
    return account_out(await actions.reset_two_step(tx, account_id, by=by))


@keys.get("", summary="API keys", dependencies=[PERSON])
async def list_keys(
    by: Account,
    tx: Tx,
    account_id: Annotated[
        UUID | None, Query(description="Of this account; another's needs accounts:manage. Without: your own.")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApiKeyShape]:
    """Newest first, those that expired or were revoked too."""
    whose = account_id or by.account_id
    if whose != by.account_id and not by.may("accounts:manage"):
        raise PermissionMissing(by, "accounts:manage")
    after = decode_cursor(cursor, datetime, UUID)
    found = await store.keys_page(tx, account_id=whose, after=after, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    next_cursor = encode_cursor(last.created_at, last.id) if last else None
    return Page(items=await _shapes(tx, found[:limit]), next_cursor=next_cursor)


@keys.post("", status_code=201, summary="Make an API key", dependencies=[PERSON])
async def make_key(body: ApiKeyIn, by: Account, tx: Tx, response: Response) -> NewApiKey:
    """It acts in your name, with the chosen part of your permissions, and never with more than your role has then."""
    key, secret = await actions.make_key(tx, body.name, body.scopes, body.expires_in_days, by=by)
    response.headers["cache-control"] = "no-store"  # also for `Idempotency-Key`: the secret is kept nowhere
    (shape,) = await _shapes(tx, [key])
    return NewApiKey(**shape.model_dump(), secret=secret)


@keys.delete("/{key_id}", summary="Revoke an API key", dependencies=[PERSON])
async def revoke_key(key_id: UUID, by: Account, tx: Tx) -> ApiKeyShape:
    """Your own, or anybody's with accounts:manage. It stays in the list."""
    (shape,) = await _shapes(tx, [await actions.revoke_key(tx, key_id, by=by)])
    return shape


async def _shapes(tx: Transaction, found: Sequence[ApiKey]) -> list[ApiKeyShape]:
    names = await account_store.display_names(tx, {key.account_id for key in found})
    return [
        ApiKeyShape(
            id=key.id,
            account_id=key.account_id,
            account_name=names.get(key.account_id, ""),
            name=key.name,
            prefix=key.prefix,
            scopes=sorted(key.scopes),
            status=key.status,
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
            revoked_at=key.revoked_at,
        )
        for key in found
    ]
