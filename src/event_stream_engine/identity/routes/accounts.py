"""Accounts: one's own (`/api/v1/auth/me`) and everybody's (`/api/v1/accounts`)."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions import accounts as actions
from event_stream_engine.identity.actions import sessions as session_actions
from event_stream_engine.identity.actions import two_step
from event_stream_engine.identity.routes.bodies import (
    AccountOut,
    EndedOut,
    MeOut,
    ProfileIn,
    RegisterIn,
    SessionOut,
    account_out,
    me_out,
    session_out,
)
from event_stream_engine.identity.routes.entering import address, issuer, sessions_ended, set_cookies, settings_of
from event_stream_engine.identity.store import accounts as store
from event_stream_engine.identity.store import second_factors, sessions
from event_stream_engine.identity.throttling import throttled
from event_stream_engine.web.auth import (
    ACCESS_COOKIE,
    Account,
    NotSignedIn,
    Principal,
    read_access_token,
    require_live,
    require_own_origin,
)
from event_stream_engine.web.pages import Page
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = APIRouter(prefix="/api/v1/auth", tags=["identity"], route_class=Route)
accounts = APIRouter(prefix="/api/v1/accounts", tags=["identity"], route_class=Route)


async def _principal_if_signed_in(request: Request) -> Principal | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(ACCESS_COOKIE)
    if scheme.lower() != "bearer" and cookie:
        require_own_origin(request)
    presented = token if scheme.lower() == "bearer" else cookie
    try:
        secret = settings_of(request).secret_key
        return await require_live(request, read_access_token(secret, presented)) if presented else None
    except NotSignedIn:
        return None


@router.post("/register", status_code=201, summary="Add an account")
async def register(
    body: RegisterIn, by: Annotated[Principal | None, Depends(_principal_if_signed_in)], tx: Tx
) -> AccountOut:
    """The first account becomes the owner; afterwards only a signed-in owner adds accounts."""
    account = await actions.register(tx, body.email, body.password, body.display_name, by=by)
    return account_out(account)


@router.get("/me", summary="The signed-in account")
async def me(principal: Account, tx: Tx) -> MeOut:
    account = await store.account(tx, principal.account_id)
    if account is None:
        raise rules.SessionEnded("This account no longer exists.")
    return await _me(tx, account)


@router.patch("/me", summary="Change name, e-mail address or password", responses={429: {}})
async def change_me(
    body: ProfileIn, principal: Account, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> MeOut:
    """A password in place of another ends every session; this one goes on with new cookies. Wrong current passwords
    make one wait."""
    async with throttled(platform.redis, f"account:{principal.account_id}", address(request)):
        changed, sessions_are_over = await actions.change_profile(
            tx,
            principal.account_id,
            email=body.email,
            display_name=body.display_name,
            password=body.password,
            current_password=body.current_password,
        )
    if sessions_are_over:
        tokens = await session_actions.open_session(tx, changed, "password", issuer(request))
        set_cookies(request, response, tokens)
        sessions_ended(request)
    return await _me(tx, changed)


@accounts.get("", summary="Accounts")
async def list_accounts(principal: Account, tx: Tx) -> Page[AccountOut]:
    """Owners see all (the first 200), others themselves."""
    found = await store.all_accounts(tx, 200)
    return Page(items=[account_out(a) for a in found if principal.role == "owner" or a.id == principal.account_id])


@accounts.post("/{account_id}/disable", summary="Disable an account")
async def disable_account(account_id: UUID, principal: Account, request: Request, tx: Tx) -> AccountOut:
    """Its sessions end; access tokens that were given out are refused within five seconds."""
    disabled = await actions.disable(tx, account_id, by=principal)
    sessions_ended(request)
    return account_out(disabled)


@accounts.post("/{account_id}/enable", summary="Enable an account")
async def enable_account(account_id: UUID, principal: Account, tx: Tx) -> AccountOut:
    return account_out(await actions.enable(tx, account_id, by=principal))


@accounts.get("/{account_id}/sessions", summary="Sessions of an account")
async def list_sessions_of(account_id: UUID, principal: Account, tx: Tx) -> Page[SessionOut]:
    """For owners: those that go on, and those that ended within 30 days."""
    await actions.changeable(tx, account_id, principal)
    found = await session_actions.sessions_of(tx, account_id)
    return Page(items=[session_out(one, principal.session_id) for one in found])


@accounts.delete("/{account_id}/sessions", summary="End all sessions of an account")
async def end_sessions_of(account_id: UUID, principal: Account, request: Request, tx: Tx) -> EndedOut:
    """For owners. Access tokens that were given out are refused within five seconds."""
    ended = await actions.end_sessions_of(tx, account_id, by=principal)
    sessions_ended(request)
    return EndedOut(ended=ended)


@accounts.post("/{account_id}/two-step/reset", summary="Turn an account's two-step sign-in off")
async def reset_two_step(account_id: UUID, principal: Account, tx: Tx) -> AccountOut:
    """For owners, when somebody has lost their authenticator and their backup codes."""
    return account_out(await two_step.reset(tx, account_id, by=principal))


async def _me(tx: Tx, account: rules.Account) -> MeOut:
    left = await second_factors.backup_codes_left(tx, account.id)
    return me_out(account, left, await sessions.alarms(tx, account.id))
