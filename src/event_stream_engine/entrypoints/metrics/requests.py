"""Rate, errors and duration of requests, by the template of the route."""

import time

from prometheus_client import Counter, Histogram, Summary
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from event_stream_engine.telemetry import Bounded

REQUESTS = Counter("ese_http_requests_total", "Requests answered", ["route", "method", "status"])
SECONDS = Summary("ese_http_route_seconds", "Time to the end of the answer, by route", ["route"])
DURATION = Histogram(
    "ese_http_request_seconds",
    "Time to the end of the answer, of all routes but streams",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)

_COUNTED = ("/api/", "/webhooks/")
_STREAMS = ("/live", "/tail", "/ws")
ROUTES_MAX = 200
"""Templates stand in the code; a test sees that there are fewer."""
_ROUTES = Bounded("http_route", ROUTES_MAX)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Counts what the API and the webhooks answer; a request that gets no answer counts as a 5xx."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_COUNTED):
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            _note(scope, status, time.perf_counter() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    path = template_of(scope)
    route = _ROUTES.value(path)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    REQUESTS.labels(route, method, f"{status // 100}xx").inc()
    if not path.endswith(_STREAMS):  # they last as long as somebody looks
        SECONDS.labels(route).observe(seconds)
        DURATION.observe(seconds)


def template_of(scope: Scope) -> str:
    """`/api/v1/contacts/{contact_id}`; what matches no route is one value, so that nobody fills the memory."""
    return str(getattr(scope.get("route"), "path", "none"))
