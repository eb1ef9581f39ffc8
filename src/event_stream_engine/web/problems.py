"""Errors as RFC 9457 problem documents, and the response headers every answer carries."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_stream_engine.errors import EseError, FieldError, TooManyRequests
from event_stream_engine.ids import new_id
from event_stream_engine.resilience import CircuitOpen
from event_stream_engine.telemetry import Repeated, acting_key, correlation
from event_stream_engine.web.methods import allowed
from event_stream_engine.wording import of_pydantic

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_CODES = {404: "not_found", 405: "method_not_allowed", 408: "request_timed_out", 413: "too_large"}
REQUEST_ID_HEADER = "x-request-id"


class ProblemField(BaseModel):
    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[ProblemField] | None = None
    permission: str | None = Field(None, description="Of `permission_missing`: what was needed.")
    roles: list[str] | None = Field(None, description="Of `permission_missing`: the roles that have it.")


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """A problem response."""
    body: dict[str, Any] = {
        "type": f"urn:ese:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": str(correlation.get() or ""),
        **(members or {}),
    }
    if errors:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    return JSONResponse(body, status, headers=headers and dict(headers), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Turn every error that leaves a route into a problem."""
    unanswered: dict[str, Repeated] = {}

    @app.exception_handler(EseError)
    async def ours(_: Request, error: EseError) -> JSONResponse:
        if error.status >= 500:
            unanswered.setdefault(error.code, Repeated("requests failing")).failed(error.code, detail=error.detail)
        return problem(error.status, error.code, error.title, error.detail, error.errors, _later(error), error.members)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        fields = [FieldError(_field(e), of_pydantic(e)) for e in error.errors()]
        listed = " ".join(f"{f.field}: {f.message}" for f in fields[:5])
        return problem(422, "invalid", "The input is not valid", listed, fields)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        code = _CODES.get(error.status_code, "http_error")
        headers = allowed(app, request.url.path) if error.status_code == 405 else error.headers
        return problem(error.status_code, code, str(error.detail), str(error.detail), headers=headers)

    @app.exception_handler(DBAPIError)
    @app.exception_handler(PoolTimeout)
    @app.exception_handler(RedisError)
    @app.exception_handler(OSError)
    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, DBAPIError) and not _is_outage(error):
            return _unexpected(error)
        log.error("server not responding", error=str(error)[:300])
        detail = "The database or another server does not answer. Nothing was changed; try again shortly."
        return problem(503, "unavailable", "Unavailable", detail, headers={"retry-after": "5"})

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> JSONResponse:
        return _unexpected(error)


def _field(error: Mapping[str, Any]) -> str:
    """A dotted path such as `mapping.2.target`, or the part of the request; of broken JSON the place says nothing."""
    inside = [] if error["type"] == "json_invalid" else error["loc"][1:]
    return ".".join(str(part) for part in inside) or str(error["loc"][0])


def _later(error: EseError) -> dict[str, str] | None:
    """When to come again, where the error knows: in whole seconds, at least one."""
    if not isinstance(error, TooManyRequests | CircuitOpen) or error.retry_after is None:
        return None
    return {"retry-after": str(max(1, ceil(error.retry_after)))}


_OUTAGE_CLASSES = ("08", "53", "57")  # SQLSTATE: connection, resources, operator intervention (a restart)


def _is_outage(error: DBAPIError) -> bool:
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return (
        error.connection_invalidated
        or isinstance(error, OperationalError | InterfaceError)
        or state.startswith(_OUTAGE_CLASSES)
    )


def _unexpected(error: Exception) -> JSONResponse:
    log.error("unexpected error", exc_info=error)
    detail = "Nothing was changed. The log holds the cause under this request id."
    return problem(500, "internal_error", "Something went wrong", detail)


SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
# Scripts and styles come from our own files only, but for the one style that the toaster (sonner) writes into the page,
# empty first. Its hash changes with its version, and the browser tests then say so.
_TOASTER_STYLE = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-StEaX+se6YS7pqjzrzMIA0KaX9zF/8zAhvQXZAe5epY='"
)
PAGE_POLICY = (
    f"default-src 'none'; script-src 'self'; script-src-attr 'none'; style-src 'self' {_TOASTER_STYLE}; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_DATA = ("/api/", "/webhooks/", "/livez", "/readyz", "/health", "/metrics", "/flags/status")


def security_headers(path: str, *, over_https: bool) -> list[tuple[bytes, bytes]]:
    """Of an answer at `path`; over https browsers are told to stay with it."""
    policy = DATA_POLICY if path.startswith(_DATA) else PAGE_POLICY
    headers = {**SECURITY_HEADERS, "content-security-policy": policy}
    if over_https:
        headers["strict-transport-security"] = "max-age=31536000"
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class RequestContext:
    """Gives each request an id (kept from `X-Request-ID` when it is a UUID) and each answer its headers."""

    def __init__(self, app: ASGIApp, *, over_https: bool = False) -> None:
        self.app = app
        self._data = security_headers("/api/", over_https=over_https)
        self._page = security_headers("/", over_https=over_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _given_id(scope) or new_id()
        correlation.set(request_id)
        acting_key.set(None)  # until somebody has shown one
        structlog.contextvars.bind_contextvars(request_id=str(request_id))

        security = self._data if scope["path"].startswith(_DATA) else self._page

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"]
                given = {name for name, _ in headers}
                headers.append((REQUEST_ID_HEADER.encode(), str(request_id).encode()))
                headers.extend(pair for pair in security if pair[0] not in given)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _given_id(scope: Scope) -> UUID | None:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER.encode():
            try:
                return UUID(value.decode())
            except ValueError:
                return None
    return None
