"""Sends webhooks the way Twilio does: signed, 5 s to connect, 15 s in all, one retry on a failed connection.

A URL's fragment overrides it: `#rc=5&rp=4xx,5xx,ct,rt&ct=2000&rt=3000` (retries 0 to 5, what to retry on,
connect and read timeout in milliseconds). https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
"""

import asyncio
import uuid
from collections import Counter, deque
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs, urlencode

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, RequestError

from event_stream_engine.backbone.supervising import end
from event_stream_engine.entrypoints.sandbox.activity import Activity
from event_stream_engine.messaging.twilio.signature import SETTINGS_HEADER, SHA256, SIGNATURE_HEADER, sign

POLICIES: Final = frozenset({"4xx", "5xx", "ct", "rt"})
CLIENTS_MAX: Final = 16
_CONNECT_FAILED: Final = "client error (Connect)"


@dataclass(frozen=True, slots=True)
class Callback:
    url: str
    params: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a fragment asks for; times in milliseconds."""

    retries: int = 1
    policies: frozenset[str] = frozenset({"ct"})
    connect_ms: int = 5000
    read_ms: int = 15_000

    @classmethod
    def parse(cls, fragment: str) -> "Overrides":
        """Read a fragment; values out of range are held at the nearest one Twilio allows."""
        if not fragment:
            return cls()
        given = parse_qs(fragment)
        policies = frozenset(given.get("rp", ["ct"])[-1].split(","))
        return cls(
            retries=_bounded(given, "rc", 1, 0, 5),
            policies=POLICIES if "all" in policies else policies & POLICIES,
            connect_ms=_bounded(given, "ct", 5000, 100, 10_000),
            read_ms=_bounded(given, "rt", 15_000, 100, 15_000),
        )


def _bounded(given: dict[str, list[str]], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name, [""])[-1]
    return min(max(int(text), low), high) if text.isascii() and text.isdigit() else default


@dataclass(frozen=True, slots=True)
class Reply:
    """The last answer: HTTP status and body, or the reason why there was none (status None)."""

    status: int | None
    body: str


class Dispatcher:
    """Posts callbacks, `workers` at a time. Past `waiting_max` waiting, new ones are dropped and counted."""

    def __init__(
        self, auth_token: str, *, workers: int, waiting_max: int, shared_key: tuple[str, str] | None = None
    ) -> None:
        """`shared_key`: id and secret of the key that a Webhooks Rule signs with (HMAC-SHA256)."""
        self._auth_token = auth_token
        self._shared_key = shared_key
        self._worker_count = workers
        self._waiting: deque[tuple[Callback, Activity]] = deque()
        self._waiting_max = waiting_max
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self._clients: dict[int, Client] = {}
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._worker_count)]

    async def close(self) -> None:
        await end(*self._workers)
        for client in self._clients.values():
            await client.close()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def submit(self, callback: Callback, activity: Activity) -> None:
        if len(self._waiting) >= self._waiting_max:
            self.counts["overflowed"] += 1
            return
        activity.begin()
        self._waiting.append((callback, activity))
        while self._idle:
            sleeper = self._idle.popleft()
            if not sleeper.done():
                sleeper.set_result(None)
                return

    def forget_waiting(self) -> None:
        for _, activity in self._waiting:
            activity.end()
        self._waiting.clear()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._idle.append(sleeper)
                await sleeper
            callback, activity = self._waiting.popleft()
            try:
                await self.deliver(callback)
            finally:
                activity.end()

    async def deliver(self, callback: Callback) -> Reply:
        """Post one callback, with the retries its URL asks for."""
        url, _, fragment = callback.url.partition("#")
        overrides = Overrides.parse(fragment)
        headers = {**self._signed(url, callback.params), "I-Twilio-Idempotency-Token": str(uuid.uuid4())}
        body = urlencode(callback.params).encode()
        self.counts["sent"] += 1
        for attempt in range(overrides.retries + 1):
            reply, failure = await self._post(url, body, headers, overrides)
            if failure is None:
                self.counts["delivered"] += 1
                return reply
            if failure not in overrides.policies or attempt == overrides.retries:
                break
            self.counts["retried"] += 1
        self.counts["undelivered"] += 1
        return reply

    def _signed(self, url: str, params: list[tuple[str, str]]) -> dict[str, str]:
        if self._shared_key is None:
            return {SIGNATURE_HEADER: sign(self._auth_token, url, params)}
        key_id, secret = self._shared_key
        settings = f"key={key_id},algorithm={SHA256}"
        return {SIGNATURE_HEADER: sign(secret, url, params, SHA256), SETTINGS_HEADER: settings}

    async def _post(
        self, url: str, body: bytes, headers: dict[str, str], overrides: Overrides
    ) -> tuple[Reply, str | None]:
        """The reply, and which retry policy its failure falls under (None: it did not fail)."""
        client = self._client(overrides.connect_ms)
        try:
            request = (
                client.post(url).headers(headers).body_bytes(body)
                .timeout(timedelta(milliseconds=overrides.read_ms)).build()
            )  # fmt: skip
            response = await request.send()
            text = await response.text()
        except BuilderError as error:
            return Reply(None, error.message), "url"
        except RequestError as error:
            causes = [cause["message"] for cause in error.details.get("causes") or ()]
            return Reply(None, causes[-1] if causes else error.message), ("ct" if _CONNECT_FAILED in causes else "rt")
        policy = {4: "4xx", 5: "5xx"}.get(response.status // 100)
        return Reply(response.status, text), policy

    def _client(self, connect_ms: int) -> Client:
        """One client per connect timeout, as the timeout is a client's property; at most `CLIENTS_MAX`."""
        if connect_ms not in self._clients and len(self._clients) >= CLIENTS_MAX:
            connect_ms = min(self._clients, key=lambda known: abs(known - connect_ms))
        client = self._clients.get(connect_ms)
        if client is None:
            client = self._clients[connect_ms] = (
                ClientBuilder()
                .no_proxy()
                .follow_redirects(False)
                .user_agent("TwilioProxy/1.1")
                .default_headers({"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"})
                .connect_timeout(timedelta(milliseconds=connect_ms))
                .build()
            )
        return client
