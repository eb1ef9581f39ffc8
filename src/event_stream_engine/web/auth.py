"""Who is asking: access tokens, and the guard of every route.

A browser carries the access token in an httpOnly cookie (SameSite=Strict), a program in `Authorization: Bearer`.
An unsafe request that came with the cookie must come from our own origin.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import jwt
from fastapi import Depends, Request, WebSocket
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


class NotSignedIn(Unauthorized):
    code = "not_signed_in"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


def issue_access_token(secret: str, principal: Principal, lifetime: timedelta) -> str:
    """A signed token that says who holds it until it expires."""
    now = clock.now()
    claims = {"sub": str(principal.account_id), "role": principal.role, "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


def read_access_token(secret: str, token: str) -> Principal:
    """The principal of a valid token. Raises `NotSignedIn`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options={"require": ["exp", "sub"]})
        return Principal(UUID(claims["sub"]), str(claims["role"]))
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
    principal = read_access_token(request.app.state.platform.settings.secret_key, token)
    request.state.principal = principal
    return principal


def require_account(socket: WebSocket) -> Principal:
    """The signed-in account behind a WebSocket: by its header, or by the cookie, then only from our own page (a
    browser lets any page open a WebSocket). Raises `NotSignedIn`, `ForeignOrigin`."""
    scheme, _, token = socket.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = socket.cookies.get(ACCESS_COOKIE, "")
        if token and socket.headers.get("origin", "").split("//", 1)[-1] != socket.headers.get("host"):
            raise ForeignOrigin("This connection came from another site. Use the platform's own pages.")
    if not token:
        raise NotSignedIn("Sign in first: this needs a session cookie or an `Authorization: Bearer` header.")
    return read_access_token(socket.app.state.platform.settings.secret_key, token)


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
