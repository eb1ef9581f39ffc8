"""One's own sessions and two-step sign-in: `/api/v1/auth/…`."""

import io
from uuid import UUID

import segno
from fastapi import Request, Response

from event_stream_engine import clock
from event_stream_engine.identity.actions import sessions, two_step
from event_stream_engine.identity.routes.bodies import (
    AccountOut,
    BackupCodesOut,
    EndedOut,
    SessionOut,
    TwoStepBeginIn,
    TwoStepConfirmIn,
    TwoStepProofIn,
    TwoStepSetupOut,
    account_out,
    session_out,
)
from event_stream_engine.identity.routes.entering import address, keep_nowhere, keyring, sessions_ended
from event_stream_engine.identity.store import sessions as session_store
from event_stream_engine.identity.throttling import throttled
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import PERSON
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Page
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/auth", tags=["identity"], route_class=Route, dependencies=[PERSON])


@router.get("/sessions", summary="Your sessions")
async def list_sessions(principal: Account, tx: Tx) -> Page[SessionOut]:
    """Those that go on, and those that ended within 30 days with the reason; at most 200, last used first."""
    found = await sessions.sessions_of(tx, principal.account_id)
    return Page(items=[session_out(one, principal.session_id) for one in found])


@router.post("/sessions/seen", status_code=204, summary="Confirm that you know of sessions ended for safety")
async def confirm_seen(principal: Account, tx: Tx) -> None:
    await session_store.mark_seen(tx, principal.account_id, clock.now())


@router.delete("/sessions", summary="End all your other sessions")
async def end_other_sessions(principal: Account, request: Request, tx: Tx) -> EndedOut:
    """In force at once for whatever changes something, and within a second for what only reads."""
    me = principal.account_id
    ended = await sessions.end_sessions(tx, me, "ended", by=me, but=principal.session_id)
    sessions_ended(request, principal.account_id)
    return EndedOut(ended=ended)


@router.delete("/sessions/{session_id}", status_code=204, summary="End one of your sessions")
async def end_session(session_id: UUID, principal: Account, request: Request, tx: Tx) -> None:
    """In force at once for whatever changes something, and within a second for what only reads."""
    await sessions.end_session(tx, principal, session_id)
    sessions_ended(request, principal.account_id)


@router.post("/two-step/begin", summary="Two-step sign-in: a secret for your authenticator", responses={429: {}})
async def begin_two_step(
    body: TwoStepBeginIn, principal: Account, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> TwoStepSetupOut:
    """Nothing changes until a code confirms it. A second call makes another secret."""
    keep_nowhere(response)
    async with throttled(platform.redis, f"account:{principal.account_id}", address(request)):
        setup = await two_step.begin(tx, principal, body.password, keyring(request))
    return TwoStepSetupOut(secret=setup.secret, uri=setup.uri, qr_svg=_qr(setup.uri))


@router.post("/two-step/confirm", summary="Two-step sign-in: turn it on with a first code", responses={429: {}})
async def confirm_two_step(
    body: TwoStepConfirmIn, principal: Account, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> BackupCodesOut:
    """Answers ten backup codes, this once."""
    keep_nowhere(response)
    async with throttled(platform.redis, f"code:{principal.account_id}", address(request)):
        codes = await two_step.confirm(tx, principal, body.code, keyring(request))
    return BackupCodesOut(codes=codes)


@router.post("/two-step/backup-codes", summary="Two-step sign-in: new backup codes", responses={429: {}})
async def new_backup_codes(
    body: TwoStepProofIn, principal: Account, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> BackupCodesOut:
    """Those there were work no more."""
    keep_nowhere(response)
    async with throttled(platform.redis, f"code:{principal.account_id}", address(request)):
        codes = await two_step.new_backup_codes(tx, principal, body.password, body.code, keyring(request))
    return BackupCodesOut(codes=codes)


@router.post("/two-step/off", summary="Two-step sign-in: turn it off", responses={429: {}})
async def turn_two_step_off(
    body: TwoStepProofIn, principal: Account, request: Request, platform: ThePlatform, tx: Tx
) -> AccountOut:
    async with throttled(platform.redis, f"code:{principal.account_id}", address(request)):
        account = await two_step.turn_off(tx, principal, body.password, body.code, keyring(request))
    return account_out(account)


def _qr(uri: str) -> str:
    """Dark on white in both themes: scanners want it so."""
    drawn = io.BytesIO()
    segno.make(uri, error="m").save(drawn, kind="svg", scale=5, border=4, light="#fff", dark="#000", xmldecl=False)
    return drawn.getvalue().decode()
