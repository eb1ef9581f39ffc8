"""A request is one transaction: opened when a route asks for it, committed after the answer is made.

`Idempotency-Key` on POST: the key's row is written first in the same transaction, the answer last. A second
request with the key waits for the first and gets the same answer; with another body it is refused. An answer with
`Cache-Control: no-store` holds a secret: it is not kept, and the second request is told so.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from math import isfinite
from typing import Annotated, Any, NoReturn

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.web import store
from event_stream_engine.web.auth import authenticate
from event_stream_engine.web.guards import Guard, Public, guard_of
from event_stream_engine.web.problems import problem

_KEY_MAX = 200


class KeyReused(Invalid):
    code = "idempotency_key_reused"


class UnitOfWork:
    """The transaction of one request, begun on first use."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stack = AsyncExitStack()
        self._tx: Transaction | None = None
        self._afterwards: list[Callable[[], None]] = []

    async def transaction(self) -> Transaction:
        if self._tx is None:
            self._tx = await self._stack.enter_async_context(self._database.transaction(fail_fast=True))
        return self._tx

    def afterwards(self, do: Callable[[], None]) -> None:
        """Do it once the transaction is committed, before the answer leaves."""
        self._afterwards.append(do)

    async def __aenter__(self) -> "UnitOfWork":
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)
        if error[0] is None:
            for do in self._afterwards:
                do()


class StrictRequest(Request):
    """Its body is JSON as RFC 8259 has it: without NaN, Infinity and numbers that no float can hold, which Python would
    read as such and which could neither be stored nor sent back."""

    async def json(self) -> Any:
        body = (await self.body()).decode()

        def refuse(number: str) -> NoReturn:
            raise json.JSONDecodeError(f"{number} is not a number of JSON", body, max(0, body.find(number)))

        def finite(number: str) -> float:
            value = float(number)
            return value if isfinite(value) else refuse(number)

        return json.loads(body, parse_constant=refuse, parse_float=finite)


class Route(APIRoute):
    """A route whose transaction commits before the answer leaves, and that honours `Idempotency-Key`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, guard = super().get_route_handler(), guard_of(self)

        async def in_one_transaction(given: Request) -> Response:
            request = StrictRequest(given.scope, given.receive)
            async with UnitOfWork(request.app.state.platform.database) as unit:
                request.state.unit = unit
                key = request.headers.get("idempotency-key") if request.method == "POST" else None
                return await (_once(request, unit, key, handle, guard) if key else handle(request))

        return in_one_transaction


async def _transaction(request: Request) -> Transaction:
    unit: UnitOfWork = request.state.unit
    return await unit.transaction()


Tx = Annotated[Transaction, Depends(_transaction)]


async def _once(
    request: Request, unit: UnitOfWork, key: str, handle: Callable[[Request], Awaitable[Response]], guard: Guard
) -> Response:
    if len(key) > _KEY_MAX:
        raise Invalid.field("Idempotency-Key", f"At most {_KEY_MAX} characters.")
    if isinstance(guard, Public):
        return await handle(request)  # a key belongs to an account, so that nobody reads another's answer
    principal = await authenticate(request)
    guard.check(principal)  # what was answered before is shown again only to who may still ask for it
    holder = str(principal.key_id or principal.account_id)
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
        again = problem(409, "answered_once", "This was answered before", "What it showed is shown once, and not kept.")
        await store.keep(tx, row, again.status_code, again.headers["content-type"], bytes(again.body))
        return response
    await store.keep(tx, row, response.status_code, response.headers.get("content-type", ""), bytes(response.body))
    return response


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
