"""Sign-in for programs and for the UI's own requests: `/api/v1/auth`."""

from datetime import timedelta

from fastapi import Request, Response

from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions import accounts as account_actions
from event_stream_engine.identity.actions import mails, sessions, two_step
from event_stream_engine.identity.routes.bodies import (
    ChallengeOut,
    CodeIn,
    LoginIn,
    ResetIn,
    ResetRequestIn,
    TokensOut,
    tokens_out,
)
from event_stream_engine.identity.routes.entering import (
    RefreshToken,
    address,
    drop_cookies,
    issuer,
    keyring,
    sessions_ended,
    set_cookies,
    settings_of,
)
from event_stream_engine.identity.throttling import spend, throttled
from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.problems import problem
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/auth", tags=["identity"], route_class=Route, dependencies=[PUBLIC])

NO_MAIL = "This platform has no mail server. Whoever runs it prints a sign-in link with `ese sign-in --email …`."


@router.post(
    "/login",
    summary="Sign in",
    responses={202: {"model": ChallengeOut, "description": "The second step is wanted"}, 429: {}},
)
async def login(
    body: LoginIn, request: Request, response: Response, platform: ThePlatform, tx: Tx
) -> TokensOut | ChallengeOut:
    """200 with an access token; 202 with a challenge where the account has two-step sign-in.

    After five failed attempts for an address the next one has to wait: 429 with `Retry-After`.
    """
    async with throttled(platform.redis, body.email, address(request)):
        entered = await sessions.sign_in(tx, body.email, body.password, issuer(request))
    if isinstance(entered, sessions.Challenge):
        response.status_code = 202
        return ChallengeOut(challenge=entered.token, expires_in=entered.expires_in)
    set_cookies(request, response, entered)
    return tokens_out(entered)


@router.post("/login/code", summary="Sign in: the second step", responses={429: {}})
async def login_code(body: CodeIn, request: Request, response: Response, platform: ThePlatform, tx: Tx) -> TokensOut:
    """A challenge lives for five minutes and opens one session; wrong codes make the next one wait, as passwords do."""
    waits = await two_step.waiting(tx, body.challenge)
    async with throttled(platform.redis, f"code:{waits}", address(request)):
        tokens = await two_step.complete(tx, body.challenge, body.code, issuer(request), keyring(request))
    set_cookies(request, response, tokens)
    return tokens_out(tokens)


@router.post("/refresh", summary="Renew the session", response_model=TokensOut)
async def refresh(
    request: Request, response: Response, tx: Tx, refresh_token: RefreshToken = None
) -> TokensOut | Response:
    """Uses and replaces the refresh cookie.

    A cookie that was replaced more than 20 seconds ago is a copy: the whole session ends (401, `token_reused`).
    """
    renewed = await sessions.refresh(tx, refresh_token, issuer(request))
    if isinstance(renewed, rules.TokenReused):
        sessions_ended(request, renewed.account_id)
        refused = problem(renewed.status, renewed.code, renewed.title, renewed.detail)
        drop_cookies(refused)
        return refused
    set_cookies(request, response, renewed)
    return tokens_out(renewed)


@router.post("/logout", status_code=204, summary="Sign out")
async def logout(request: Request, response: Response, tx: Tx, refresh_token: RefreshToken = None) -> None:
    account_id = await sessions.sign_out(tx, refresh_token)
    if account_id is not None:
        sessions_ended(request, account_id)
    drop_cookies(response)


@router.post("/password-reset", status_code=202, summary="Ask for a link that sets a new password", responses={429: {}})
async def ask_for_reset(body: ResetRequestIn, request: Request, platform: ThePlatform, tx: Tx) -> None:
    """The answer is the same whether there is such an account. 409 `mail_not_configured`; 429 after three requests."""
    if not settings_of(request).mail.is_configured:
        raise rules.MailNotConfigured(NO_MAIL)
    email = rules.checked_email(body.email)
    await spend(platform.redis, "reset", {"email": email, "address": address(request)})
    await mails.ask_for_reset(tx, email)


@router.post("/password-reset/confirm", status_code=204, summary="Set a new password with a mailed link")
async def reset_password(body: ResetIn, request: Request, tx: Tx) -> None:
    """Ends every session of the account; it does not sign in. 409 `link_ended` after 30 minutes or the first use."""
    account = await account_actions.reset_password(tx, body.token, body.password)
    sessions_ended(request, account.id)


CHALLENGE_LIFETIME = timedelta(seconds=sessions.CHALLENGE_SECONDS)
