"""A request is one transaction: opened when a route asks for it, committed after the answer is made.

`Idempotency-Key` on POST: the key's row is written first in the same transaction, the answer last. A second
request with the key waits for the first and gets the same answer; with another body it is refused. An answer that
says `cache-control: no-store` holds a secret and is not kept: the second request is then handled anew.
"""

import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.web import store
from event_stream_engine.web.auth import ACCESS_COOKIE, NotSignedIn, read_access_token, require_live

_KEY_MAX = 200


class KeyReused(Invalid):
    code = "idempotency_key_reused"


class UnitOfWork:
    """The transaction of one request, begun on first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stack = AsyncExitStack()
        self._tx: Transaction | None = None

    async def transaction(self) -> Transaction:
        if self._tx is None:
            self._tx = await self._stack.enter_async_context(self._database.transaction())
        return self._tx

    async def __aenter__(self) -> "UnitOfWork":
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)


class Route(APIRoute):
    """A route whose transaction commits before the answer leaves, and that honours `Idempotency-Key`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def in_one_transaction(request: Request) -> Response:
            async with UnitOfWork(request.app.state.platform.database) as unit:
                request.state.unit = unit
                key = request.headers.get("idempotency-key") if request.method == "POST" else None
                return await (_once(request, unit, key, handle) if key else handle(request))

        return in_one_transaction


async def _transaction(request: Request) -> Transaction:
    unit: UnitOfWork = request.state.unit
    return await unit.transaction()


Tx = Annotated[Transaction, Depends(_transaction)]


async def _once(
    request: Request, unit: UnitOfWork, key: str, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    if len(key) > _KEY_MAX:
        raise Invalid.field("Idempotency-Key", f"At most {_KEY_MAX} characters.")
    holder = await _account(request)
    if holder is None:
        return await handle(request)
    tx = await unit.transaction()
    is_json = request.headers.get("content-type", "").startswith("application/json")
    body = await request.body() if is_json else b""
    fingerprint = _digest(f"{request.method} {request.url.path}\n".encode() + body)
    row = {"holder": holder, "key": key, "fingerprint": fingerprint}
    stored = await store.claim(tx, row)
    if stored is not None:
        if stored.fingerprint != fingerprint:
            raise KeyReused("This Idempotency-Key was used for another request: choose a new one.")
        return Response(stored.body, stored.status, {"idempotency-replayed": "true"}, media_type=stored.headers)
    response = await handle(request)
    if response.headers.get("cache-control") == "no-store":
        await store.release(tx, row)
        return response
    await store.keep(tx, row, response.status_code, response.headers.get("content-type", ""), bytes(response.body))
    return response


async def _account(request: Request) -> str | None:
    """A key belongs to an account, so nobody reads another's answer; None where nobody is signed in."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    presented = token if scheme.lower() == "bearer" else request.cookies.get(ACCESS_COOKIE, "")
    try:
        secret = request.app.state.platform.settings.secret_key
        principal = await require_live(request, read_access_token(secret, presented))
    except NotSignedIn:
        return None
    return str(principal.account_id)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
