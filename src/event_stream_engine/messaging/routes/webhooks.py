"""Twilio's webhooks: verify, keep, answer. Everything else happens later.

The answer is 204 once the callback is durable; any other answer makes Twilio repeat it. A replay changes nothing.
"""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import structlog
from fastapi import Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Counter

from event_stream_engine.backbone.group_commit import GroupCommit
from event_stream_engine.errors import BadRequest, Forbidden, TooLarge, Unavailable
from event_stream_engine.messaging.actions import inbound, receipts
from event_stream_engine.messaging.refused_callbacks import REFUSALS, RefusedCallbacks
from event_stream_engine.messaging.twilio.signature import SETTINGS_HEADER, SIGNATURE_HEADER, algorithm_of, verify
from event_stream_engine.messaging.twilio.webhooks import parse_inbound, parse_status
from event_stream_engine.telemetry import timed, worked
from event_stream_engine.web.guards import PUBLIC
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.platform import Platform

log = structlog.get_logger()

CALLBACKS = Counter("ese_webhooks_total", "Twilio's requests", ["kind", "result"])

_KEPT = CALLBACKS.labels("status", "kept")

BODY_MAX = 64 * 2**10


class PlainRoute(APIRoute):
    """Hands the request to its function as it came: nothing to parse, no dependency to solve. Callbacks come by the
    thousand."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = Router(prefix="/webhooks/twilio", tags=["webhooks"], route_class=PlainRoute)


class ForgedSignature(Forbidden):
    code = "forged_signature"


@router.post(
    "/status", status_code=204, summary="Twilio's status callbacks", response_class=Response, dependencies=[PUBLIC]
)
async def status(request: Request) -> Response:
    """Signed by Twilio (`X-Twilio-Signature`); `m` is our id of the message."""
    platform: Platform = request.app.state.platform
    form = parse_status(await _verified(request, platform, "status"))
    commits: GroupCommit = platform.shared["group_commit"]
    try:
        with timed("callbacks"):
            await commits.record(receipts.receipt(form, _message_id(request)))
    except Unavailable:
        refused: RefusedCallbacks = platform.shared[REFUSALS]
        refused.note()
        raise
    _KEPT.inc()
    worked("callbacks", "kept")
    return Response(status_code=204)


@router.post("/inbound", summary="Messages from people", response_class=Response, dependencies=[PUBLIC])
async def receive(request: Request) -> Response:
    """Signed by Twilio. A STOP is in force when this is answered. We send no reply: Twilio answers keywords."""
    platform: Platform = request.app.state.platform
    form = parse_inbound(await _verified(request, platform, "inbound"))
    async with platform.database.transaction() as tx:
        new = await inbound.receive(tx, form)
    CALLBACKS.labels("inbound", "kept" if new else "repeated").inc()
    return Response("<Response/>", media_type="text/xml")


async def _verified(request: Request, platform: Platform, kind: str) -> Sequence[tuple[str, str]]:
    """The form's pairs. Raises `TooLarge`, `BadRequest` or `ForgedSignature`."""
    settings = request.headers.get(SETTINGS_HEADER, "")
    secrets = platform.settings.twilio.signing_secrets(is_shared_key=bool(settings))
    if not secrets:
        raise Unavailable("No Twilio account is configured, so nothing can be verified.")
    body = await _body(request)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=200)
    except ValueError as error:
        CALLBACKS.labels(kind, "malformed").inc()
        raise BadRequest("A webhook's body is a URL-encoded form.") from error
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{platform.settings.http.origin}{request.url.path}{query}"
    signature = request.headers.get(SIGNATURE_HEADER, "")
    if not verify(secrets, url, pairs, signature, algorithm=algorithm_of(settings)):
        CALLBACKS.labels(kind, "forged").inc()
        log.warning("webhook signature invalid", kind=kind, url=url)
        raise ForgedSignature(
            "The signature does not match. Check that ESE_PUBLIC_URL is the address that Twilio calls, and that "
            "TWILIO_AUTH_TOKEN is the account's primary token, or TWILIO_WEBHOOK_SECRET the SharedKey's secret."
        )
    # PostgreSQL stores no NUL, and a STOP must not be refused because of one beside it.
    return [(name.replace("\0", ""), value.replace("\0", "")) for name, value in pairs]


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise TooLarge(f"A webhook's body has at most {BODY_MAX} bytes.")
    return bytes(body)


def _message_id(request: Request) -> UUID | None:
    """Ours, from the callback's URL; the signature covers it."""
    try:
        return UUID(request.query_params["m"])
    except (KeyError, ValueError):
        return None
