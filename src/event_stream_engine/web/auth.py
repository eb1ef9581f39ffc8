"""Who is asking: access tokens and API keys, and what stands behind them now.

A browser carries the access token in an httpOnly cookie (SameSite=Strict), a program in `Authorization: Bearer`, where
an API key may stand instead. An unsafe request that came with the cookie must come from our own origin.

A token says who asks, never what they may, nor whether its session goes on: that comes from `Accounts`. What changes
something (any method but GET and HEAD) asks it anew and is exact; a read may be `STALE_SECONDS` behind a change of a
role or the end of a session, but not in the process where the session was ended.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, NamedTuple, Protocol, cast
from uuid import UUID

import jwt
from fastapi import Depends, Request, WebSocket
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import HTTPConnection

from event_stream_engine import clock
from event_stream_engine.database import DATABASE_ERRORS
from event_stream_engine.errors import Forbidden, Unauthorized
from event_stream_engine.permissions import KEY_PREFIX, ROLES, Permission, Role
from event_stream_engine.telemetry import acting_key

ACCESS_COOKIE = "ese_access"
STALE_SECONDS = 1.0
"""So long a read may go on with the role that an account had, or in a session that was ended elsewhere."""
_ALGORITHM = "HS256"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Principal:
    """The account behind a request; with an API key only what its scopes and its maker's role both allow."""

    account_id: UUID
    role: Role
    session_id: UUID | None = None
    """The sign-in that its access token belongs to; None with an API key."""
    key_id: UUID | None = None
    scopes: frozenset[Permission] | None = None

    @property
    def permissions(self) -> frozenset[Permission]:
        granted = ROLES[self.role]
        return granted if self.scopes is None else granted & self.scopes

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


Absence = Literal["no_account", "no_session"]
"""Why a person may not come in: the account is disabled or gone, or this session was ended."""


class Accounts(Protocol):
    """What identity knows of a credential; None: nobody who may come in."""

    async def person(self, account_id: UUID, session_id: UUID, *, fresh: bool) -> Principal | Absence: ...

    async def key(self, secret: str, *, fresh: bool) -> Principal | None: ...

    def forget(self, account_id: UUID) -> None:
        """Ask anew about this account's sessions: some were ended here."""


class NotSignedIn(Unauthorized):
    code = "not_signed_in"


class ForeignOrigin(Forbidden):
    code = "foreign_origin"


def issue_access_token(secret: str, account_id: UUID, session_id: UUID, lifetime: timedelta) -> str:
    """A signed token that says who holds it, and by which sign-in, until it expires."""
    now = clock.now()
    claims = {"sub": str(account_id), "sid": str(session_id), "iat": now, "exp": now + lifetime}
    return jwt.encode(claims, secret, algorithm=_ALGORITHM)


class Access(NamedTuple):
    """What a valid token says; `expires_at` in seconds since 1970."""

    account_id: UUID
    session_id: UUID
    expires_at: float


def read_access_token(secret: str, token: str) -> Access:
    """Raises `NotSignedIn`."""
    try:
        claims = jwt.decode(token, secret, [_ALGORITHM], options={"require": ["exp", "sub", "sid"]})
        return Access(UUID(claims["sub"]), UUID(claims["sid"]), float(claims["exp"]))
    except (jwt.InvalidTokenError, ValueError, KeyError) as error:
        expired = isinstance(error, jwt.ExpiredSignatureError)
        raise NotSignedIn(_EXPIRED if expired else "This access token is not valid: sign in again.") from error


_EXPIRED = "Your session has expired: refresh it or sign in again."


_REFUSALS: dict[Absence, str] = {
    "no_account": "This account is disabled or gone: ask an admin.",
    "no_session": "This session was ended: sign in again.",
}

_bearer = HTTPBearer(auto_error=False, description="An access token from POST /api/v1/auth/login, or an API key")
_cookie = APIKeyCookie(name=ACCESS_COOKIE, auto_error=False, description="Set by the sign-in page")


async def current_principal(
    request: Request,
    bearer: Annotated[object, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Principal:
    """The signed-in account. Raises `NotSignedIn`, or `ForeignOrigin` for a write from another site."""
    return await authenticate(request)


async def authenticate(request: Request) -> Principal:
    """As `current_principal`; looked up once per request."""
    known = getattr(request.state, "principal", None)
    if known is not None:
        return cast(Principal, known)
    principal = await still(request, presented(request), fresh=request.method not in SAFE_METHODS)
    request.state.principal = principal
    acting_key.set(principal.key_id)
    return principal


def presented(request: Request) -> str:
    """The credential that came with a request. Raises `NotSignedIn` or `ForeignOrigin`."""
    credential = _credential(request)
    if not _is_bearer(request):
        require_own_origin(request)
    return credential


async def authenticate_socket(socket: WebSocket) -> Principal:
    """The account behind a WebSocket: by its header, or by the cookie, then only from our own page (a browser lets any
    page open a WebSocket). Raises `NotSignedIn` or `ForeignOrigin`."""
    credential = _credential(socket)
    if not _is_bearer(socket) and socket.headers.get("origin", "").split("//", 1)[-1] != socket.headers.get("host"):
        raise ForeignOrigin("This connection came from another site. Use the platform's own pages.")
    return await still(socket, credential)


def _is_bearer(connection: HTTPConnection) -> bool:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and bool(token)


def _credential(connection: HTTPConnection) -> str:
    if _is_bearer(connection):
        return str(connection.headers["authorization"]).partition(" ")[2]
    cookie = connection.cookies.get(ACCESS_COOKIE)
    if not cookie:
        raise NotSignedIn("Sign in first: this needs a session cookie or an `Authorization: Bearer` header.")
    return cookie


async def still(connection: HTTPConnection, credential: str, *, fresh: bool = False) -> Principal:
    """Who a credential stands for now. Raises `NotSignedIn`."""
    return await standing(connection, credential, fresh=fresh)()


def standing(connection: HTTPConnection, credential: str, *, fresh: bool = False) -> Callable[[], Awaitable[Principal]]:
    """Asks who a credential stands for, again and again: its signature is verified once. What is returned raises
    `NotSignedIn`, and so does this."""
    accounts: Accounts = connection.app.state.platform.accounts

    async def by_key() -> Principal:
        holder = await accounts.key(credential, fresh=fresh)
        if holder is None:
            raise NotSignedIn("This API key is unknown, expired or revoked: make a new one under Settings.")
        return holder

    if credential.startswith(KEY_PREFIX):
        return by_key
    access = read_access_token(connection.app.state.platform.settings.secret_key, credential)

    async def by_token() -> Principal:
        if clock.now().timestamp() >= access.expires_at:
            raise NotSignedIn(_EXPIRED)
        person = await accounts.person(access.account_id, access.session_id, fresh=fresh)
        if not isinstance(person, Principal):
            raise NotSignedIn(_REFUSALS[person])
        return person

    return by_token


def unchanged(connection: HTTPConnection, principal: Principal) -> Callable[[], Awaitable[bool]]:
    """Whether a stream that was begun for `principal` may go on: the same account, role and scopes, and the session not
    ended.

    Not while the database does not answer: the client comes back and is judged anew.
    """
    now = standing(connection, _credential(connection))

    async def may_go_on() -> bool:
        try:
            return await now() == principal
        except (NotSignedIn, *DATABASE_ERRORS):
            return False

    return may_go_on


def require_own_origin(request: Request) -> None:
    """Refuse an unsafe request that a foreign page sent with our cookie."""
    if request.method in SAFE_METHODS:
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
