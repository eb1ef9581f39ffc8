"""Twilio's REST API for messages, version 2010-04-01.

https://www.twilio.com/docs/messaging/api/message-resource
"""

import asyncio
import heapq
from base64 import b64encode
from collections.abc import Callable
from hmac import compare_digest
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from event_stream_engine.entrypoints.sandbox import numbers
from event_stream_engine.entrypoints.sandbox.account import Account
from event_stream_engine.entrypoints.sandbox.faults import Fate, ReplyFault
from event_stream_engine.entrypoints.sandbox.http import Receive, Scope, Send, drop, read_form, reply
from event_stream_engine.entrypoints.sandbox.ledger import Ledger
from event_stream_engine.entrypoints.sandbox.mailbox import Mailbox
from event_stream_engine.entrypoints.sandbox.message import API_VERSION, Message, as_json
from event_stream_engine.entrypoints.sandbox.validation import (
    ApiError,
    parse_instant,
    validate_create,
)

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1000
DAY: Final = 86_400.0

_encode = msgspec.json.Encoder().encode
_RETRY: Final = (b"retry-after", b"1")


class Rest:
    """The endpoints under `/2010-04-01/Accounts/{AccountSid}`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        config = account.config
        self._sid = config.account_sid
        self._root = f"/{API_VERSION}/Accounts/{self._sid}"
        pairs = [(config.account_sid, config.auth_token)]
        if config.api_key_sid and config.api_key_secret:
            pairs.append((config.api_key_sid, config.api_key_secret))
        self._authorizations = [b"Basic " + b64encode(f"{name}:{word}".encode()) for name, word in pairs]
        self._in_flight = 0

    @property
    def in_flight(self) -> int:
        """Create requests that are being answered."""
        return self._in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._authenticate(scope)
            await self._route(scope, receive, send)
        except ApiError as error:
            self._account.refusals[str(error.code)] += 1
            retry = (_RETRY,) if error.status == 429 else ()
            await reply(send, error.status, error.body(), *retry)

    def _authenticate(self, scope: Scope) -> None:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if sum(compare_digest(given, known) for known in self._authorizations) == 0:
            raise ApiError(20003, "Authenticate", 401)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        if path == f"{self._root}/Messages.json":
            if method == "POST":
                await self._create(receive, send)
                return
            if method == "GET":
                await reply(send, 200, _encode(self._list(scope["query_string"].decode())))
                return
        elif path == f"{self._root}/IncomingPhoneNumbers.json" and method == "GET":
            wanted = dict(parse_qsl(scope["query_string"].decode())).get("PhoneNumber")
            await reply(send, 200, _encode(numbers.list_numbers(self._account.config, wanted)))
            return
        elif path.startswith("/v1/Services/") and method == "GET":
            found = numbers.service(self._account.config, path.removeprefix("/v1/Services/"))
            if found is None:
                raise _not_found(path)
            await reply(send, 200, _encode(found))
            return
        elif path == f"{self._root}.json" and method == "GET":
            await reply(send, 200, _encode(self._describe()))
            return
        elif path.startswith(f"{self._root}/Messages/") and path.endswith(".json"):
            await self._one(method, path, receive, send)
            return
        if path.startswith(self._root):
            _check_method(method, path)
        raise _not_found(path)

    async def _one(self, method: str, path: str, receive: Receive, send: Send) -> None:
        sid = path.rsplit("/", 1)[1].removesuffix(".json")
        message = self._account.ledger.get(sid) or self._account.mailbox.get(sid)
        if message is None:
            raise _not_found(path)
        if method == "DELETE":
            self._holder(message).delete(sid)
            await reply(send, 204)
            return
        if method == "POST":
            self._update(message, dict(await read_form(receive)))
        elif method != "GET":
            _check_method(method, path)
        await reply(send, 200, _encode(as_json(message, self._sid)))

    def _holder(self, message: Message) -> Ledger | Mailbox:
        return self._account.mailbox if message.direction == "inbound" else self._account.ledger

    # ---- create

    async def _create(self, receive: Receive, send: Send) -> None:
        if self._in_flight >= self._account.faults.concurrency_cap:
            raise ApiError(20429, "Too Many Requests", 429)
        self._in_flight += 1
        try:
            await self._admit(receive, send)
        finally:
            self._in_flight -= 1

    async def _admit(self, receive: Receive, send: Send) -> None:
        account = self._account
        request = validate_create(await read_form(receive), account.senders.owns, account.templates)
        attempt = account.attempt(request.to, request.body)
        fate = account.fate(request.to, request.body, attempt)
        fault = fate.reply_fault
        if fault is not None:
            account.strike(request.to, request.body)
            account.refusals[fault] += 1
        if fault in ("throttled", "error_before"):
            await _pause(fate)
            raise _refusal(fault)
        message = account.accept(request, attempt)
        created = _encode(as_json(message, self._sid))
        await account.begin(message, fate, is_template=request.is_template)
        await _pause(fate)
        if fault is None:
            await reply(send, 201, created)
        elif fault == "error_after":
            raise _refusal(fault)
        else:
            if fault == "hanging":
                await asyncio.sleep(account.faults.hanging_seconds)
            await drop(send, created)

    # ---- change

    def _update(self, message: Message, form: dict[str, str]) -> None:
        """Cancel a scheduled message, or redact the text."""
        if form.get("Status") == "canceled":
            if message.status != "scheduled":
                raise ApiError(30409, "This message cannot be canceled", 409)
            self._account.cancel(message)
        if form.get("Body") == "":
            self._holder(message).redact(message)
        elif "Body" in form:
            raise ApiError(20001, "Body can only be updated to an empty string")

    # ---- list

    def _list(self, query: str) -> dict[str, Any]:
        pairs = parse_qsl(query, keep_blank_values=True)
        given = dict(pairs)
        size = min(max(_number(given, "PageSize", PAGE_SIZE), 1), PAGE_SIZE_MAX)
        page = _number(given, "Page", 0)
        admits = _filter(given)
        to = given.get("To")
        both = (self._account.ledger.newest_first(to), self._account.mailbox.newest_first(to))
        matching = (m for m in heapq.merge(*both, key=lambda m: m.created, reverse=True) if admits(m))
        chosen = list(islice(matching, page * size, (page + 1) * size + 1))
        return {
            "messages": [as_json(message, self._sid) for message in chosen[:size]],
            **self._paging(pairs, page, size, has_more=len(chosen) > size, count=min(len(chosen), size)),
        }

    def _paging(
        self, pairs: list[tuple[str, str]], page: int, size: int, *, has_more: bool, count: int
    ) -> dict[str, Any]:
        kept = [(name, value) for name, value in pairs if name not in ("Page", "PageSize", "PageToken")]

        def uri(number: int) -> str:
            return f"{self._root}/Messages.json?{urlencode([*kept, ('PageSize', size), ('Page', number)])}"

        return {
            "first_page_uri": uri(0),
            "previous_page_uri": uri(page - 1) if page else None,
            "next_page_uri": uri(page + 1) if has_more else None,
            "uri": uri(page),
            "page": page,
            "page_size": size,
            "start": page * size,
            "end": page * size + max(count - 1, 0),
        }

    def _describe(self) -> dict[str, Any]:
        return {
            "sid": self._sid,
            "friendly_name": "Sandbox",
            "status": "active",
            "type": "Full",
            "uri": f"{self._root}.json",
        }


def _refusal(fault: ReplyFault) -> ApiError:
    if fault == "throttled":
        return ApiError(20429, "Too Many Requests", 429)
    if fault == "error_before":
        return ApiError(20503, "Service Unavailable", 503)
    return ApiError(20500, "Internal Server Error", 500)


async def _pause(fate: Fate) -> None:
    if fate.latency:
        await asyncio.sleep(fate.latency)


def _check_method(method: str, path: str) -> None:
    if method not in ("GET", "POST", "DELETE"):
        raise ApiError(20004, f"The method {method} is not allowed on {path}", 405)


def _not_found(path: str) -> ApiError:
    return ApiError(20404, f"The requested resource {path} was not found", 404)


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


def _filter(given: dict[str, str]) -> Callable[[Message], bool]:
    """`From` and the `DateSent` forms. A message that was not sent yet has no such date and matches none."""
    sender = given.get("From")
    by_date = any(name.startswith("DateSent") for name in given)
    lowest, highest = _sent_range(given)

    def admits(message: Message) -> bool:
        if sender is not None and message.from_ != sender:
            return False
        return not by_date or (message.sent is not None and lowest <= int(message.sent) < highest)

    return admits


def _sent_range(given: dict[str, str]) -> tuple[float, float]:
    """`DateSent` is a whole UTC day; the others include their moment. The end is exclusive."""
    lowest, highest = 0.0, float("inf")
    if (day := _instant(given, "DateSent")) is not None:
        lowest = day - day % DAY
        highest = lowest + DAY
    if (after := _instant(given, "DateSent>")) is not None:
        lowest = max(lowest, after)
    if (before := _instant(given, "DateSent<")) is not None:
        highest = min(highest, before + 1)
    return lowest, highest


def _instant(given: dict[str, str], name: str) -> float | None:
    if name not in given:
        return None
    at = parse_instant(given[name])
    if at is None:
        raise ApiError(20001, f"{name} is not a date")
    return at
