"""Sign-in for people: pages that work without the bundle and without scripts."""

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Cookie, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from event_stream_engine.errors import EseError
from event_stream_engine.identity import model as rules
from event_stream_engine.identity.actions import accounts as account_actions
from event_stream_engine.identity.actions import mails, sessions, two_step
from event_stream_engine.identity.routes.entering import (
    CHALLENGE_COOKIE,
    CHALLENGE_PATH,
    address,
    issuer,
    keyring,
    sessions_ended,
    set_challenge,
    set_cookies,
    settings_of,
)
from event_stream_engine.identity.throttling import spend, throttled
from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(include_in_schema=False, route_class=Route, dependencies=[PUBLIC])
_PAGES = Path(__file__).parents[1] / "pages"
_templates = Jinja2Templates(_PAGES)


def _policy_of(page: str) -> str:
    """No script at all, and only the style that stands in the page itself (CSP Level 3, 6.7.2: by its hash)."""
    style = page.split("<style>", 1)[1].split("</style>", 1)[0]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{hashed}'; img-src 'self'; font-src 'self'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'"
    )


_POLICY = _policy_of((_PAGES / "base.html").read_text())

Email = Annotated[str, Form(max_length=254)]
Password = Annotated[str, Form(max_length=rules.PASSWORD_MAX)]
Token = Annotated[str, Form(max_length=200)]
Next = Annotated[str, Form(alias="next")]
WaitingChallenge = Annotated[str, Cookie(alias=CHALLENGE_COOKIE)]


@router.get("/sign-in")
async def sign_in_page(request: Request, next: str = "/", changed: bool = False) -> HTMLResponse:  # the query's names
    return _page(request, "sign_in.html", next=_local(next), changed=changed)


@router.post("/sign-in")
async def sign_in_form(
    request: Request, platform: ThePlatform, tx: Tx, email: Email = "", password: Password = "", target: Next = "/"
) -> Response:
    try:
        async with throttled(platform.redis, email, address(request)):
            entered = await sessions.sign_in(tx, email, password, issuer(request))
    except EseError as error:
        page = {"error": error.detail, "email": email, "next": _local(target)}
        return _page(request, "sign_in.html", status=error.status, **page)
    if isinstance(entered, sessions.Challenge):
        response = RedirectResponse(f"/sign-in/code?{urlencode({'next': _local(target)})}", 303)
        set_challenge(request, response, entered.token, timedelta(seconds=entered.expires_in))
        return response
    return _enter(request, entered, _local(target))


@router.get("/sign-in/code")
async def code_page(request: Request, next: str = "/") -> HTMLResponse:  # the query's name
    return _page(request, "code.html", next=_local(next))


@router.post("/sign-in/code")
async def code_form(
    request: Request,
    platform: ThePlatform,
    tx: Tx,
    code: Annotated[str, Form(max_length=40)] = "",
    target: Next = "/",
    challenge: WaitingChallenge = "",
) -> Response:
    try:
        waits = await two_step.waiting(tx, challenge)
        async with throttled(platform.redis, f"code:{waits}", address(request)):
            tokens = await two_step.complete(tx, challenge, code, issuer(request), keyring(request))
    except rules.ChallengeEnded as error:
        return _page(request, "sign_in.html", status=error.status, error=error.detail, next=_local(target))
    except EseError as error:
        return _page(request, "code.html", status=error.status, error=error.detail, next=_local(target))
    response = _enter(request, tokens, _local(target))
    response.delete_cookie(CHALLENGE_COOKIE, path=CHALLENGE_PATH)
    return response


@router.get("/sign-in/link")
async def link_page(request: Request, token: str = "") -> HTMLResponse:
    """Only a page with a button: fetching a link must not use it up."""
    return _page(request, "link.html", token=token)


@router.post("/sign-in/link")
async def link_form(request: Request, tx: Tx, token: Token = "") -> Response:
    try:
        tokens = await sessions.sign_in_by_link(tx, token, issuer(request))
    except EseError as error:
        return _page(request, "sign_in.html", status=error.status, error=error.detail, next="/")
    return _enter(request, tokens, "/")


@router.get("/reset-password")
async def reset_page(request: Request) -> HTMLResponse:
    return _page(request, "reset.html", configured=settings_of(request).mail.is_configured)


@router.post("/reset-password")
async def reset_form(request: Request, platform: ThePlatform, tx: Tx, email: Email = "") -> HTMLResponse:
    """The same page whether there is such an account."""
    if not settings_of(request).mail.is_configured:
        return _page(request, "reset.html", status=409, configured=False)
    try:
        checked = rules.checked_email(email)
        await spend(platform.redis, "reset", {"email": checked, "address": address(request)})
    except EseError as error:
        return _page(request, "reset.html", status=error.status, error=error.detail, email=email, configured=True)
    await mails.ask_for_reset(tx, checked)
    return _page(request, "reset_asked.html", email=checked)


@router.get("/reset-password/link")
async def new_password_page(request: Request, token: str = "") -> HTMLResponse:
    return _page(request, "new_password.html", token=token)


@router.post("/reset-password/link")
async def new_password_form(request: Request, tx: Tx, token: Token = "", password: Password = "") -> Response:
    try:
        account = await account_actions.reset_password(tx, token, password)
    except EseError as error:
        return _page(request, "new_password.html", status=error.status, error=error.detail, token=token)
    sessions_ended(request, account.id)
    return RedirectResponse("/sign-in?changed=true", 303)


@router.get("/confirm-email/link")
async def confirm_email_page(request: Request, token: str = "") -> HTMLResponse:
    """Nothing happens yet: programs that look at mails follow their links."""
    return _page(request, "confirm_email.html", token=token)


@router.post("/confirm-email/link")
async def confirm_email_form(request: Request, tx: Tx, token: Token = "") -> HTMLResponse:
    try:
        account = await account_actions.confirm_email(tx, token)
    except EseError as error:
        return _page(request, "confirm_email.html", status=error.status, error=error.detail, token="")
    return _page(request, "email_confirmed.html", email=account.email)


def _page(request: Request, name: str, *, status: int = 200, **context: object) -> HTMLResponse:
    headers = {"content-security-policy": _POLICY}
    return _templates.TemplateResponse(request, name, context, status_code=status, headers=headers)


def _local(target: str) -> str:
    """Only a path of ours: a sign-in page must not send people to another site."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and "\\" not in target else "/"


def _enter(request: Request, tokens: sessions.Tokens, target: str) -> Response:
    response = RedirectResponse(target, 303)
    set_cookies(request, response, tokens)
    return response
