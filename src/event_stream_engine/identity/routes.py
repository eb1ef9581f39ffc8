"""Sign-in for programs (`/api/v1/auth`) and for people (`/sign-in`, pages that work without the bundle)."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Cookie, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, ConfigDict, Field

from event_stream_engine.errors import EseError
from event_stream_engine.identity import actions, store
from event_stream_engine.identity import model as rules
from event_stream_engine.identity.throttling import throttled
from event_stream_engine.settings import Settings
from event_stream_engine.web.auth import (
    ACCESS_COOKIE,
    Account,
    NotSignedIn,
    Principal,
    read_access_token,
    require_own_origin,
)
from event_stream_engine.web.pages import Page
from event_stream_engine.web.platform import ThePlatform
from event_stream_engine.web.unit import Route, Tx

REFRESH_COOKIE = "ese_refresh"
REFRESH_PATH = "/api/v1/auth"

router = APIRouter(prefix="/api/v1/auth", tags=["identity"], route_class=Route)
accounts = APIRouter(prefix="/api/v1/accounts", tags=["identity"], route_class=Route)
pages = APIRouter(include_in_schema=False, route_class=Route)
_templates = Jinja2Templates(Path(__file__).with_name("pages"))


class AccountOut(BaseModel):
    model_config = ConfigDict(title="Account")
    id: UUID
    email: str | None
    display_name: str
    role: Literal["owner", "member"]
    has_password: bool
    created_at: datetime
    status: Literal["active", "disabled"]


class SessionOut(BaseModel):
    model_config = ConfigDict(title="Session")
    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the scheme's name
    expires_in: int = Field(description="Seconds until the access token expires.")
    account: AccountOut


class RegisterIn(BaseModel):
    email: str = Field(examples=["ana@example.com"], max_length=254)
    password: str = Field(min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)
    display_name: str = Field(min_length=1, max_length=100, pattern=r"\S")


class LoginIn(BaseModel):
    email: str = Field(max_length=254)
    password: str = Field(max_length=rules.PASSWORD_MAX)


class ProfileIn(BaseModel):
    email: str | None = Field(None, max_length=254)
    display_name: str | None = Field(None, min_length=1, max_length=100, pattern=r"\S")
    password: str | None = Field(None, min_length=rules.PASSWORD_MIN, max_length=rules.PASSWORD_MAX)
    current_password: str | None = Field(None, max_length=rules.PASSWORD_MAX)


@router.post("/register", status_code=201, summary="Add an account")
async def register(body: RegisterIn, request: Request, tx: Tx) -> AccountOut:
    """The first account becomes the owner; afterwards only a signed-in owner adds accounts."""
    by = _principal_if_signed_in(request)
    account = await actions.register(tx, body.email, body.password, body.display_name, by=by)
    return _account(account)


@router.post("/login", summary="Sign in")
async def login(body: LoginIn, request: Request, response: Response, platform: ThePlatform, tx: Tx) -> SessionOut:
    """After five failed attempts for an address the next one has to wait: 429 with `Retry-After`."""
    settings = _settings(request)
    async with throttled(platform.redis, body.email, _address(request)):
        session = await actions.sign_in(tx, body.email, body.password, settings.identity, settings.secret_key)
    return _give(response, session, settings)


@router.post("/refresh", summary="Renew the session")
async def refresh(
    request: Request,
    response: Response,
    tx: Tx,
    refresh_token: Annotated[str | None, Cookie(alias=REFRESH_COOKIE)] = None,
) -> SessionOut:
    """Uses and replaces the refresh cookie."""
    require_own_origin(request)
    settings = _settings(request)
    session = await actions.refresh(tx, refresh_token, settings.identity, settings.secret_key)
    return _give(response, session, settings)


@router.post("/logout", status_code=204, summary="Sign out")
async def logout(
    request: Request,
    response: Response,
    tx: Tx,
    refresh_token: Annotated[str | None, Cookie(alias=REFRESH_COOKIE)] = None,
) -> None:
    require_own_origin(request)
    await actions.sign_out(tx, refresh_token)
    response.delete_cookie(ACCESS_COOKIE, path="/")
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH)


@router.get("/me", summary="The signed-in account")
async def me(principal: Account, tx: Tx) -> AccountOut:
    account = await store.account(tx, principal.account_id)
    if account is None:
        raise rules.SessionEnded("This account no longer exists.")
    return _account(account)


@router.patch("/me", summary="Change name, e-mail address or password")
async def change_me(body: ProfileIn, principal: Account, request: Request, response: Response, tx: Tx) -> AccountOut:
    """A new password ends every session; this one goes on with new cookies."""
    changed = await actions.change_profile(
        tx,
        principal.account_id,
        email=body.email,
        display_name=body.display_name,
        password=body.password,
        current_password=body.current_password,
    )
    if body.password is not None:
        settings = _settings(request)
        session = await actions.open_session(tx, changed, settings.identity, settings.secret_key)
        _set_cookies(response, session, settings)
    return _account(changed)


@accounts.get("", summary="Accounts")
async def list_accounts(principal: Account, tx: Tx) -> Page[AccountOut]:
    """Owners see all (the first 200), others themselves."""
    found = await store.all_accounts(tx, 200)
    return Page(items=[_account(a) for a in found if principal.role == "owner" or a.id == principal.account_id])


@accounts.post("/{account_id}/disable", summary="Disable an account")
async def disable_account(account_id: UUID, principal: Account, tx: Tx) -> AccountOut:
    """Its sessions end; an access token that was given out works for at most its remaining minutes."""
    return _account(await actions.disable(tx, account_id, by=principal))


@accounts.post("/{account_id}/enable", summary="Enable an account")
async def enable_account(account_id: UUID, principal: Account, tx: Tx) -> AccountOut:
    return _account(await actions.enable(tx, account_id, by=principal))


@pages.get("/sign-in")
async def sign_in_page(request: Request, next: str = "/") -> HTMLResponse:  # the query's name
    return _page(request, "sign_in.html", next=_local(next))


@pages.post("/sign-in")
async def sign_in_form(
    request: Request,
    platform: ThePlatform,
    tx: Tx,
    email: Annotated[str, Form(max_length=254)] = "",
    password: Annotated[str, Form(max_length=rules.PASSWORD_MAX)] = "",
    next: Annotated[str, Form()] = "/",  # the form's name
) -> Response:
    require_own_origin(request)
    settings = _settings(request)
    try:
        async with throttled(platform.redis, email, _address(request)):
            session = await actions.sign_in(tx, email, password, settings.identity, settings.secret_key)
    except EseError as error:
        page = {"error": error.detail, "email": email, "next": _local(next)}
        return _page(request, "sign_in.html", status=error.status, **page)
    return _enter(session, settings, _local(next))


@pages.get("/sign-in/link")
async def link_page(request: Request, token: str = "") -> HTMLResponse:
    """Only a page with a button: fetching a link must not use it up."""
    return _page(request, "link.html", token=token)


@pages.post("/sign-in/link")
async def link_form(request: Request, tx: Tx, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    require_own_origin(request)
    settings = _settings(request)
    try:
        session = await actions.sign_in_by_link(tx, token, settings.identity, settings.secret_key)
    except EseError as error:
        return _page(request, "sign_in.html", status=error.status, error=error.detail, next="/")
    return _enter(session, settings, "/")


def _address(request: Request) -> str:
    """The connection's own: what a header says, anybody can write."""
    return request.client.host if request.client else "unknown"


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.platform.settings
    return settings


def _principal_if_signed_in(request: Request) -> Principal | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    cookie = request.cookies.get(ACCESS_COOKIE)
    if scheme.lower() != "bearer" and cookie:
        require_own_origin(request)
    presented = token if scheme.lower() == "bearer" else cookie
    try:
        return read_access_token(_settings(request).secret_key, presented) if presented else None
    except NotSignedIn:
        return None


def _page(request: Request, name: str, *, status: int = 200, **context: object) -> HTMLResponse:
    return _templates.TemplateResponse(request, name, context, status_code=status)


def _local(target: str) -> str:
    """Only a path of ours: a sign-in page must not send people to another site."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_local and "\\" not in target else "/"


def _enter(session: actions.Session, settings: Settings, target: str) -> Response:
    response = RedirectResponse(target, 303)
    _set_cookies(response, session, settings)
    return response


def _give(response: Response, session: actions.Session, settings: Settings) -> SessionOut:
    _set_cookies(response, session, settings)
    return SessionOut(
        access_token=session.access_token, expires_in=session.expires_in, account=_account(session.account)
    )


def _set_cookies(response: Response, session: actions.Session, settings: Settings) -> None:
    secure = settings.http.origin.startswith("https://")
    for name, value, path, age in (
        (ACCESS_COOKIE, session.access_token, "/", session.expires_in),
        (REFRESH_COOKIE, session.refresh_token, REFRESH_PATH, session.refresh_expires_in),
    ):
        response.set_cookie(name, value, max_age=age, path=path, httponly=True, secure=secure, samesite="strict")


def _account(account: rules.Account) -> AccountOut:
    return AccountOut(
        id=account.id,
        email=account.email,
        display_name=account.display_name,
        role=account.role,
        has_password=account.password_hash is not None,
        created_at=account.created_at,
        status=account.status,
    )
