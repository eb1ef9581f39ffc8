"""One's own account: the first one added, looked at and changed (`/api/v1/auth`)."""

from typing import Annotated

from fastapi import Depends, Request, Response

from event_stream_engine import clock
from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions import accounts as actions
from event_stream_engine.identity.actions import addresses
from event_stream_engine.identity.actions import sessions as session_actions
from event_stream_engine.identity.routes.bodies import (
    AccountOut,
    ConfirmEmailIn,
    MeOut,
    ProfileIn,
    RegisterIn,
    account_out,
    me_out,
)
from event_stream_engine.identity.routes.entering import address, issuer, sessions_ended, set_cookies, settings_of
from event_stream_engine.identity.store import accounts as store
from event_stream_engine.identity.store import email_changes, second_factors, sessions
from event_stream_engine.identity.throttling import spend, throttled
from event_stream_engine.web.auth import Account, NotSignedIn, Principal, authenticate
from event_stream_engine.web.guards import PERSON, PUBLIC, SIGNED_IN
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/auth", tags=["identity"], route_class=Route)


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


@router.patch("/me", summary="Change name, email address or password", responses={429: {}}, dependencies=[PERSON])
async def change_me(
    body: ProfileIn, principal: Account, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> MeOut:
    """A password in place of another ends every session; this one goes on with new cookies. Wrong current passwords
    make one wait.

    A new address counts once the link that is mailed to it was followed, within 24 hours: until then `email` is the old
    one and `new_email` the new one. 429 after three links to an address in 15 minutes. A platform without mail takes it
    at once."""
    by_mail = settings_of(request).mail.is_configured
    waited = await email_changes.waiting(tx, principal.account_id, clock.now())
    async with throttled(platform.redis, f"account:{principal.account_id}", address(request)):
        changed, sessions_are_over = await actions.change_profile(
            tx,
            principal.account_id,
            email=body.email,
            display_name=body.display_name,
            password=body.password,
            current_password=body.current_password,
            by_mail=by_mail,
        )
    waits = await email_changes.waiting(tx, principal.account_id, clock.now())
    if waits is not None and waits != waited:
        spenders = {"email": waits.email, "account": str(principal.account_id), "address": address(request)}
        await spend(platform.redis, "email_change", spenders)
    if sessions_are_over:
        tokens = await session_actions.open_session(tx, changed, "password", issuer(request))
        set_cookies(request, response, tokens)
        sessions_ended(request, principal.account_id)
    return await _me(tx, changed, principal)


@router.delete("/me/new-email", summary="Keep the email address that you have", dependencies=[PERSON])
async def cancel_email_change(principal: Account, tx: Tx) -> MeOut:
    """The link that was mailed to the new one works no more."""
    account = await actions.current(tx, principal.account_id)
    await addresses.cancel(tx, account)
    return await _me(tx, account, principal)


@router.post(
    "/confirm-email", status_code=204, summary="Confirm a new email address with a mailed link", dependencies=[PUBLIC]
)
async def confirm_email(body: ConfirmEmailIn, tx: Tx) -> None:
    """409 `link_ended` after 24 hours or the first use; 409 `email_taken` where another account was quicker."""
    await actions.confirm_email(tx, body.token)


async def _me(tx: Tx, account: rules.Account, by: Principal) -> MeOut:
    left = await second_factors.backup_codes_left(tx, account.id)
    waits = await email_changes.waiting(tx, account.id, clock.now())
    return me_out(account, by, left, await sessions.alarms(tx, account.id), waits.email if waits else None)
