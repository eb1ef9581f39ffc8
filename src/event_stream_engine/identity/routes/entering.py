"""What the routes of a sign-in share: who visits, what tokens are made with, the cookies."""

from datetime import timedelta
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Cookie, Request, Response

from event_stream_engine.encryption import Keyring
from event_stream_engine.identity.actions.sessions import Issuer, Tokens
from event_stream_engine.identity.devices import visitor
from event_stream_engine.settings import Settings
from event_stream_engine.web.addresses import client_address, networks
from event_stream_engine.web.auth import ACCESS_COOKIE, Accounts
from event_stream_engine.web.unit import UnitOfWork

REFRESH_COOKIE = "ese_refresh"
REFRESH_PATH = "/api/v1/auth"
SESSION_COOKIE, FRESH_COOKIE = "ese_session", "ese_fresh"
"""For the page's scripts, which cannot read the two secret ones: that there is a session, and that nothing has to be
renewed first, as long as its access token lives, but for the last minute. The browser ends them; they open nothing."""
_MARGIN_SECONDS = 60

RefreshToken = Annotated[str | None, Cookie(alias=REFRESH_COOKIE)]


def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.platform.settings
    return settings


def address(request: Request) -> str:
    """The visitor's, as far as trusted proxies tell it."""
    return client_address(request.scope, networks(settings_of(request).http.trusted_proxies))


def issuer(request: Request) -> Issuer:
    settings = settings_of(request)
    who = visitor(request.headers.get("user-agent", ""), address(request))
    return Issuer(settings.identity, settings.secret_key, who)


def keyring(request: Request) -> Keyring:
    settings = settings_of(request)
    return Keyring.of(settings.secret_key, *settings.former_secret_keys)


def sessions_ended(request: Request, account_id: UUID) -> None:
    """Once it is committed, let this process ask anew which sessions of the account go on."""
    accounts: Accounts = request.app.state.platform.accounts
    unit: UnitOfWork = request.state.unit
    unit.afterwards(partial(accounts.forget, account_id))


def set_cookies(request: Request, response: Response, tokens: Tokens) -> None:
    secure = settings_of(request).http.origin.startswith("https://")
    keep_nowhere(response)
    for name, value, path, age in (
        (ACCESS_COOKIE, tokens.access_token, "/", tokens.expires_in),
        (REFRESH_COOKIE, tokens.refresh_token, REFRESH_PATH, tokens.refresh_expires_in),
    ):
        response.set_cookie(name, value, max_age=age, path=path, httponly=True, secure=secure, samesite="strict")
    fresh = max(tokens.expires_in - _MARGIN_SECONDS, tokens.expires_in // 2)
    for name, age in ((SESSION_COOKIE, tokens.refresh_expires_in), (FRESH_COOKIE, fresh)):
        response.set_cookie(name, "1", max_age=age, path="/", secure=secure, samesite="strict")


def keep_nowhere(response: Response) -> None:
    """The answer holds a secret: no cache keeps it, and neither does an idempotency key."""
    response.headers["cache-control"] = "no-store"


def drop_cookies(response: Response) -> None:
    for name in (ACCESS_COOKIE, SESSION_COOKIE, FRESH_COOKIE):
        response.delete_cookie(name, path="/")
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH)


CHALLENGE_COOKIE = "ese_challenge"
CHALLENGE_PATH = "/sign-in"


def set_challenge(request: Request, response: Response, token: str, lifetime: timedelta) -> None:
    """For the page of the second step: out of the address, and out of scripts' reach."""
    secure = settings_of(request).http.origin.startswith("https://")
    response.set_cookie(
        CHALLENGE_COOKIE, token, max_age=int(lifetime.total_seconds()), path=CHALLENGE_PATH, httponly=True,
        secure=secure, samesite="strict",
    )  # fmt: skip
