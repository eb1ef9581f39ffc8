"""The sandbox's own endpoints under `/sandbox`: ledger, faults, templates, inbound injection, reset, quiet, status.

They need no credentials: the sandbox listens on loopback and holds nothing but pretence.
"""

from typing import Annotated, Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from event_stream_engine.entrypoints.sandbox.account import Account
from event_stream_engine.entrypoints.sandbox.faults import parse_faults
from event_stream_engine.entrypoints.sandbox.inbound import InboundRequest, receive_inbound
from event_stream_engine.entrypoints.sandbox.ledger import LedgerFilter
from event_stream_engine.entrypoints.sandbox.validation import parse_instant
from event_stream_engine.wording import of_msgspec

ITEMS_MAX = 100_000
QUIET_SECONDS_MAX = 300.0
ContentSid = Annotated[str, msgspec.Meta(pattern="^HX[0-9a-fA-F]{32}$")]
T = TypeVar("T")


def build_control(account: Account) -> Starlette:
    control = Control(account)
    return Starlette(
        routes=[
            Route("/sandbox", control.status),
            Route("/sandbox/ledger", control.ledger),
            Route("/sandbox/faults", control.faults, methods=["GET", "PUT"]),
            Route("/sandbox/templates", control.templates, methods=["GET", "PUT"]),
            Route("/sandbox/inbound", control.inbound, methods=["POST"]),
            Route("/sandbox/quiet", control.quiet),
            Route("/sandbox/reset", control.reset, methods=["POST"]),
        ]
    )


class Control:
    def __init__(self, account: Account) -> None:
        self._account = account

    async def status(self, _: Request) -> Response:
        account = self._account
        return _json(
            {
                "account_sid": account.config.account_sid,
                "seed": account.config.seed,
                "accepted": account.ledger.accepted,
                "forgotten": account.ledger.forgotten,
                "blocked": account.senders.blocked_count,
                "pending": account.activity.pending,
                "callbacks": {"waiting": account.dispatcher.waiting, **account.dispatcher.counts},
                "refusals": dict(account.refusals),
            }
        )

    async def ledger(self, request: Request) -> Response:
        """`to`, `sender`, `body`, `since` filter; `group=to` adds each recipient's count (`min`, `limit`)."""
        query = request.query_params
        chosen = LedgerFilter(
            since=_instant(query.get("since")),
            body=query.get("body"),
            to=query.get("to"),
            sender=query.get("sender"),
        )
        report = self._account.ledger.report(
            chosen,
            group=query.get("group") == "to",
            at_least=_whole(query.get("min"), 1),
            limit=min(_whole(query.get("limit"), ITEMS_MAX), ITEMS_MAX),
        )
        return _json(report)

    async def faults(self, request: Request) -> Response:
        """PUT replaces the faults; fields left out return to how the sandbox was started."""
        account = self._account
        if request.method == "PUT":
            try:
                account.faults = parse_faults(msgspec.json.decode(await request.body()), over=account.config.faults)
            except msgspec.MsgspecError as error:
                raise HTTPException(422, _said(error)) from error
        return _json(account.faults)

    async def templates(self, request: Request) -> Response:
        """PUT adds or replaces the texts of WhatsApp templates: `{"HX…": "Hi {{1}}"}`. The list of messages shows a
        registered template's text with its variables; of any other template the SID and the variables as they came."""
        account = self._account
        if request.method == "PUT":
            account.register_templates(_decoded(await request.body(), dict[ContentSid, str]))
        return _json(account.templates)

    async def inbound(self, request: Request) -> Response:
        wanted = _decoded(await request.body(), InboundRequest)
        return _json(await receive_inbound(self._account, wanted), 202)

    async def quiet(self, request: Request) -> Response:
        """Answers when no status or callback is pending, or after `timeout` seconds with `quiet: false`."""
        try:
            timeout_seconds = min(float(request.query_params.get("timeout", "30")), QUIET_SECONDS_MAX)
        except ValueError as error:
            raise HTTPException(422, "timeout is a number of seconds") from error
        activity = self._account.activity
        return _json({"quiet": await activity.quiet(timeout_seconds), "pending": activity.pending})

    async def reset(self, _: Request) -> Response:
        self._account.reset()
        return Response(status_code=204)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise HTTPException(422, _said(error)) from error


def _said(error: msgspec.MsgspecError) -> str:
    field, said = of_msgspec(error)
    return f"{field}: {said}" if field else said


def _instant(text: str | None) -> float | None:
    """Epoch seconds or ISO 8601."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        at = parse_instant(text.replace(" ", "+"))
    if at is None:
        raise HTTPException(422, "since is epoch seconds or an ISO 8601 time")
    return at


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise HTTPException(422, "min and limit are whole numbers from 1")
    return int(text)
