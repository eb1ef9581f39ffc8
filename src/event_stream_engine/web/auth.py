"""Who is asking: access tokens, and the guard of every route.

A browser carries the access token in an httpOnly cookie (SameSite=Strict), a program in `Authorization: Bearer`.
An unsafe request that came with the cookie must come from our own origin.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Protocol
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.security import APIKeyCookie, HTTPBearer

from event_stream_engine import clock
from event_stream_engine.errors import Forbidden, Unauthorized

ACCESS_COOKIE = "ese_access"
_ALGORITHM = "HS256"
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True)
class Principal:
    """The account behind a request."""

    account_id: UUID
    role: str
    session_id: UUID | None = None
    """The sign-in that its access token belongs to; None where there is none to end."""


class Sessions(Protocol):
    """Who knows whether a sign-in goes on: `platform.shared["sessions"]`."""

    async def is_live(self, session_id: UUID) -> bool: ...


class NotSignedIn(Unauthorized):
    code = "not_signed_in"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


def issue_access_token(secret: str, principal: Principal, lifetime: timedelta) -> str:
    """A signed token that says who holds it until it expires."""
    now = clock.now()
    claims = {"sub": str(principal.account_id), "role": principal.role, "iat": now, "exp": now + lifetime}
    if principal.session_id is not None:
        claims["sid"] = str(principal.session_id)
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read_access_token(secret: str, token: str) -> Principal:
    """The principal of a valid token; whether its session has been ended is asked apart. Raises `NotSignedIn`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options={"require": ["exp", "sub", "sid"]})
        return Principal(UUID(claims["sub"]), str(claims["role"]), UUID(claims["sid"]))
    except (jwt.InvalidTokenError, ValueError, KeyError) as error:
        expired = isinstance(error, jwt.ExpiredSignatureError)
        raise NotSignedIn(
            "Your session has expired: refresh it or sign in again."
            if expired
            else "This access token is not valid: sign in again."
        ) from error


_bearer = HTTPBearer(auto_error=False, description="An access token from POST /api/v1/auth/login")
_cookie = APIKeyCookie(name=ACCESS_COOKIE, auto_error=False, description="Set by the sign-in page")


async def current_principal(
    request: Request,
    bearer: Annotated[object, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Principal:
    """The signed-in account. Raises `NotSignedIn`, or `ForeignOrigin` for a write from another site."""
    token = getattr(bearer, "credentials", None)
    if token is None and cookie:
        require_own_origin(request)
        token = cookie
    if not token:
        raise NotSignedIn("Sign in first: this needs a session cookie or an `Authorization: Bearer` header.")
    principal = await require_live(request, read_access_token(request.app.state.platform.settings.secret_key, token))
    request.state.principal = principal
    return principal


async def require_live(request: Request, principal: Principal) -> Principal:
    """Refuse a token whose session was ended before it expired. Raises `NotSignedIn`."""
    sessions: Sessions = request.app.state.platform.shared["sessions"]
    if principal.session_id is not None and not await sessions.is_live(principal.session_id):
        raise NotSignedIn("This session was ended: sign in again.")
    return principal


def require_own_origin(request: Request) -> None:
    """Refuse an unsafe request that a foreign page sent with our cookie."""
    if request.method in _SAFE:
        return
    if request.headers.get("sec-fetch-site") in {"same-origin", "none"}:
        return
    origin = request.headers.get("origin")
    if origin is None and "sec-fetch-site" not in request.headers:
        return  # not a browser: no page can have sent it, and SameSite=Strict holds the cookie back anyway
    if origin and origin.split("//", 1)[-1] == request.headers.get("host"):
        return
    raise ForeignOrigin("This request came from another site. Use the platform's own pages.")


Account = Annotated[Principal, Depends(current_principal)]
