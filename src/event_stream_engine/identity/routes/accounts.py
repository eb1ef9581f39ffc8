"""One's own account: the first one added, looked at and changed (`/api/v1/auth`)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions import accounts as actions
from event_stream_engine.identity.actions import sessions as session_actions
from event_stream_engine.identity.routes.bodies import AccountOut, MeOut, ProfileIn, RegisterIn, account_out, me_out
from event_stream_engine.identity.routes.entering import address, issuer, sessions_ended, set_cookies
from event_stream_engine.identity.store import accounts as store
from event_stream_engine.identity.store import second_factors, sessions
from event_stream_engine.identity.throttling import throttled
from event_stream_engine.web.auth import Account, NotSignedIn, Principal, authenticate
from event_stream_engine.web.guards import PERSON, PUBLIC, SIGNED_IN
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = APIRouter(prefix="/api/v1/auth", tags=["identity"], route_class=Route)


async def _principal_if_signed_in(request: Request) -> Principal | None:
    try:
        return await authenticate(request)
    except NotSignedIn:
        return None


@router.post("/register", status_code=201, summary="Add an account", dependencies=[PUBLIC])
async def register(
    body: RegisterIn, by: Annotated[Principal | None, Depends(_principal_if_signed_in)], tx: Tx
) -> AccountOut:
    """The first account becomes an admin; afterwards only a signed-in admin adds accounts, as operators."""
    account = await actions.register(tx, body.email, body.password, body.display_name, by=by)
    return account_out(account)


@router.get("/me", summary="The signed-in account", dependencies=[SIGNED_IN])
async def me(principal: Account, tx: Tx) -> MeOut:
    account = await store.account(tx, principal.account_id)
    if account is None:
        raise rules.SessionEnded("This account no longer exists.")
    return await _me(tx, account, principal)


@router.patch("/me", summary="Change name, e-mail address or password", responses={429: {}}, dependencies=[PERSON])
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
        sessions_ended(request, principal.account_id)
    return await _me(tx, changed, principal)


async def _me(tx: Tx, account: rules.Account, by: Principal) -> MeOut:
    left = await second_factors.backup_codes_left(tx, account.id)
    return me_out(account, by, left, await sessions.alarms(tx, account.id))
