"""How often the API may be asked: per network address, and per API key besides.

Counted in Redis per minute of the clock, so that a burst around the turn of a minute may be twice the limit. Answers
carry `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), a refusal `Retry-After` too. While
Redis does not answer, nobody is held up: that is counted, and Redis is left alone for `PAUSE_SECONDS`. Only `/api/` is
limited: callbacks, health and metrics never are.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from time import monotonic

import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_stream_engine import clock
from event_stream_engine.permissions import KEY_PREFIX
from event_stream_engine.web.addresses import Network, client_address
from event_stream_engine.web.problems import problem

log = structlog.get_logger()

REFUSED = Counter("ese_rate_limited_total", "Requests refused because their limit was used up", ["policy"])
UNCOUNTED = Counter("ese_rate_uncounted_total", "Requests let through uncounted while Redis did not answer")

WINDOW_SECONDS = 60
ANSWER_SECONDS = 0.25
PAUSE_SECONDS = 5.0
_LIMITED = "/api/"


@dataclass(frozen=True)
class Allowance:
    """One policy's state for one caller."""

    policy: str
    quota: int
    used: int
    seconds_left: int

    @property
    def left(self) -> int:
        return max(0, self.quota - self.used)


class RateLimits:
    """ASGI middleware; a limit of 0 counts nothing."""

    def __init__(self, app: ASGIApp, *, per_address: int, per_key: int, trusted: tuple[Network, ...] = ()) -> None:
        self.app = app
        self._quotas = {"address": per_address, "key": per_key}
        self._trusted = trusted
        self._paused_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self.app(scope, receive, send)
            return
        allowances = await self._count(scope)
        used_up = [allowance for allowance in allowances if allowance.used > allowance.quota]

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(MutableHeaders(raw=message["headers"]), allowances)
            await send(message)

        if used_up:
            await _refuse(used_up[0], scope, receive, send_with_headers)
        else:
            await self.app(scope, receive, send_with_headers)

    async def _count(self, scope: Scope) -> list[Allowance]:
        callers = {policy: who for policy, who in self._callers(scope).items() if self._quotas[policy]}
        if not callers:
            return []
        if monotonic() < self._paused_until:
            UNCOUNTED.inc()
            return []
        now = int(clock.now().timestamp())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                used = await _increment(
                    scope["app"].state.platform.redis,
                    [f"ese:rate:{policy}:{who}:{now // WINDOW_SECONDS}" for policy, who in callers.items()],
                )
        except (RedisError, OSError, TimeoutError) as error:
            self._paused_until = monotonic() + PAUSE_SECONDS
            UNCOUNTED.inc()
            log.warning("requests are not counted", error=str(error)[:200])
            return []
        left = WINDOW_SECONDS - now % WINDOW_SECONDS
        return [Allowance(policy, self._quotas[policy], n, left) for policy, n in zip(callers, used, strict=True)]

    def _callers(self, scope: Scope) -> dict[str, str]:
        """Who is counted under which policy. A key that does not exist counts as one of its own, and by address."""
        found = {"address": _digest(client_address(scope, self._trusted))}
        scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.startswith(KEY_PREFIX):
            found["key"] = _digest(token)
        return found


async def _increment(redis: "Redis", keys: list[str]) -> list[int]:
    async with redis.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.incr(key)
        for key in keys:
            pipe.expire(key, 2 * WINDOW_SECONDS)
        return [int(n) for n in (await pipe.execute())[: len(keys)]]


def _tell(headers: MutableHeaders, allowances: list[Allowance]) -> None:
    if allowances:
        headers["ratelimit-policy"] = ", ".join(f'"{a.policy}";q={a.quota};w={WINDOW_SECONDS}' for a in allowances)
        headers["ratelimit"] = ", ".join(f'"{a.policy}";r={a.left};t={a.seconds_left}' for a in allowances)


async def _refuse(allowance: Allowance, scope: Scope, receive: Receive, send: Send) -> None:
    REFUSED.labels(allowance.policy).inc()
    whose = "this API key" if allowance.policy == "key" else "your network address"
    detail = f"{allowance.quota} requests a minute is the limit of {whose}: go on in {allowance.seconds_left} seconds."
    headers = {"retry-after": str(allowance.seconds_left)}
    answer = problem(429, "rate_limited", "Too many requests", detail, headers=headers)
    await answer(scope, receive, send)


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()[:32]
