"""A carrier that takes so long to answer, lists what it accepted, and says afterwards who got what how often.

`ESE_SINK_MS` is the time before each answer. `GET /accounted` gives `{"accepted": n, "people": n, "doubled": n}` for
each sender."""

import asyncio
import os
import time
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops

SECONDS = int(os.environ.get("ESE_SINK_MS", "0")) / 1000
_JSON = [(b"content-type", b"application/json")]
Kept = tuple[str, str, str, str, float]
_by_person: dict[str, list[Kept]] = {}
_count = 0


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"):
            break
    if scope["method"] == "POST":
        answer, status = _accept(body), 201
        if SECONDS:
            await asyncio.sleep(SECONDS)
    elif scope["path"] == "/accounted":
        answer, status = msgspec.json.encode(_accounted()), 200
    else:
        answer, status = msgspec.json.encode(_listed(parse_qs(scope["query_string"].decode()))), 200
    headers = [*_JSON, (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


def _accept(body: bytes) -> bytes:
    global _count
    _count += 1
    form = parse_qs(body.decode())
    sid = f"SM{_count:032x}"
    kept = (sid, form["From"][0], form["To"][0], form.get("Body", [""])[0], time.time())
    _by_person.setdefault(kept[2], []).append(kept)
    return (
        b'{"sid":"' + sid.encode() + b'","status":"queued","error_code":null,"error_message":null,"num_segments":"1",'
        b'"num_media":"0","direction":"outbound-api","api_version":"2010-04-01","price":null,'
        b'"messaging_service_sid":null}'
    )


def _listed(query: dict[str, list[str]]) -> dict[str, Any]:
    """Messages from one sender to one person; nobody writes to a sender."""
    sender = query.get("From", [None])[0]
    messages = [
        {
            "sid": sid, "status": "queued", "body": body, "from": from_, "to": to, "direction": "outbound-api",
            "date_created": formatdate(at), "date_sent": None, "error_code": None, "num_media": "0",
            "messaging_service_sid": None,
        }
        for sid, from_, to, body, at in reversed(_by_person.get(query.get("To", [""])[0], []))
        if sender in (None, from_)
    ]  # fmt: skip
    return {"messages": messages, "next_page_uri": None}


def _accounted() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for kept in _by_person.values():
        for sender in {from_ for _, from_, _, _, _ in kept}:
            times = sum(from_ == sender for _, from_, _, _, _ in kept)
            account = found.setdefault(sender, {"accepted": 0, "people": 0, "doubled": 0})
            account["accepted"] += times
            account["people"] += 1
            account["doubled"] += times > 1
    return found


if __name__ == "__main__":
    Granian(
        "benchmarks.stage.counting_sink:app", address="127.0.0.1", port=int(os.environ["ESE_HTTP_PORT"]),
        interface=Interfaces.ASGI, loop=Loops.uvloop, log_enabled=False, backlog=4096,
    ).serve()  # fmt: skip
