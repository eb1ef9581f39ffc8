"""A sink that accepts every message as fast as it can: Twilio's answer and nothing behind it."""

import os
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops

_HEAD = b'{"sid":"SM'
_TAIL = (
    b'","status":"queued","error_code":null,"error_message":null,"num_segments":"1","num_media":"0",'
    b'"direction":"outbound-api","api_version":"2010-04-01","price":null,"messaging_service_sid":null}'
)
_count = 0


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    global _count
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    _count += 1
    body = _HEAD + b"%032x" % _count + _TAIL
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    Granian(
        "benchmarks.stage.sink:app", address="127.0.0.1", port=int(os.environ["ESE_HTTP_PORT"]),
        interface=Interfaces.ASGI, loop=Loops.uvloop, log_enabled=False,
    ).serve()  # fmt: skip
