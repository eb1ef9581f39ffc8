"""The limit for callbacks: an ASGI handler that does nothing but the same insert, served by the same server."""

import os
from typing import Any

import asyncpg
import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops

INSERT = """
INSERT INTO outbox (stream, key, event_id, type, time, correlation_id, data)
VALUES ('benchmark.bare.v1', 'bare', gen_random_uuid(), 'Bare', now(), gen_random_uuid(), $1::text::jsonb)
"""

_pool: "asyncpg.Pool[asyncpg.Record] | None" = None


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    global _pool
    if scope["type"] == "lifespan":
        await receive()
        _pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert _pool is not None
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    await _pool.execute(INSERT, msgspec.json.encode({"body": body.decode()}).decode())
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    Granian(
        "benchmarks.stage.bare:app", address="127.0.0.1", port=int(os.environ["ESE_HTTP_PORT"]),
        interface=Interfaces.ASGI, loop=Loops.uvloop, log_enabled=False,
    ).serve()  # fmt: skip
