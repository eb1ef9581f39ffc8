"""Webhooks about alerts, in the shape of Standard Webhooks 1.0.0.

A webhook is written down in the transaction of the change and delivered after it, by any `ese serve`: neither Redis nor
a worker is needed, whose absence may be what the alert is about. For the same reason a hold of sending does not hold
it. At least once: a receiver recognizes a repetition by `webhook-id`.
"""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec
import structlog
from prometheus_client import Counter
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, RequestError

from event_stream_engine import clock
from event_stream_engine.alerts import store
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.model import Alert
from event_stream_engine.alerts.store import Waiting
from event_stream_engine.database import DATABASE_ERRORS, Database, Transaction
from event_stream_engine.ids import new_id
from event_stream_engine.settings import AlertSettings

log = structlog.get_logger()

OUTCOMES = Counter(
    "ese_alert_webhooks_total", "Attempts to deliver a webhook about an alert, and what was given up", ["outcome"]
)
TIMEOUT: Final = timedelta(seconds=10)
EVERY_SECONDS: Final = 2.0
BATCH: Final = 10
ATTEMPTS_MAX: Final = 10
PAUSE_SECONDS: Final = 15
"""After the first failed attempt; each further one takes twice as long. Longer than `TIMEOUT`, so that nobody else
claims what is being delivered."""
LIFETIME: Final = timedelta(hours=24)
KEPT: Final = timedelta(days=7)
ANSWER_SECONDS: Final = 10.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Endpoint:
    """Where webhooks go, and the keys that sign them: the first is the newest, the others sign too during a
    rotation."""

    url: str = field(repr=False)
    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, settings: AlertSettings) -> Self | None:
        """None where no webhook is configured."""
        if settings.webhook_url is None or settings.webhook_secret is None:
            return None
        written = settings.webhook_secret.get_secret_value().split(",")
        keys = tuple(base64.b64decode(one.strip().removeprefix("whsec_")) for one in written)
        return cls(settings.webhook_url.get_secret_value(), keys)

    def signed(self, webhook_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """The headers of one attempt."""
        timestamp = str(int(at.timestamp()))
        content = f"{webhook_id}.{timestamp}.".encode() + body
        signatures = (base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode() for key in self.keys)
        return {
            "content-type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


class AlertWebhooks:
    """Writes a webhook down when an alert begins and when it is over. A `Mailer`."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    async def tell(self, tx: Transaction, alert: Alert) -> None:
        now = clock.now()
        kind = "alert.resolved" if alert.resolved_at else "alert.firing"
        body = msgspec.json.encode(event(kind, alert, self._origin, now)).decode()
        await store.add_webhook(tx, new_id(), alert.id, kind, body, now, now + LIFETIME)


def event(kind: str, alert: Alert, origin: str, at: datetime) -> dict[str, Any]:
    """The body; `origin` is the platform's own address, for the links."""
    rule = BY_NAME.get(alert.rule)
    return {
        "type": kind,
        "timestamp": at.isoformat(),
        "data": {
            "id": str(alert.id),
            "rule": alert.rule,
            "labels": alert.labels,
            "severity": alert.severity,
            "summary": alert.summary,
            "meaning": rule.meaning if rule else "",
            "value": alert.value,
            "started_at": alert.started_at.isoformat(),
            "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
            "runbook_url": f"{origin}/alerts/runbooks/{alert.rule}",
            "alerts_url": f"{origin}/alerts",
        },
    }


class Poster:
    """Makes single attempts. Close it afterwards."""

    def __init__(self, endpoint: Endpoint | None, timeout: timedelta = TIMEOUT) -> None:
        self._endpoint = endpoint
        builder = (
            ClientBuilder()
            .user_agent("event-stream-engine")
            .follow_redirects(False)
            .max_connections(BATCH)
            .connect_timeout(timeout)
            .timeout(timeout)
        )
        if endpoint is not None and urlsplit(endpoint.url).hostname in _LOOPBACK:
            builder = builder.no_proxy()
        self._client: Client = builder.build()

    async def close(self) -> None:
        await self._client.close()

    async def attempt(self, webhook_id: str, body: bytes) -> str | None:
        """Post once; why it failed, in words that name neither the address nor the secret."""
        if self._endpoint is None:
            return "no webhook is configured"
        try:
            request = self._client.post(self._endpoint.url).body_bytes(body)
            request = request.headers(self._endpoint.signed(webhook_id, clock.now(), body))
            async with request.build_streamed() as response:  # its content is of no interest, however long it is
                status = response.status
        except (BuilderError, RequestError) as error:  # its text holds the address
            return f"no answer: {type(error).__name__}"
        if 200 <= status < 300:
            return None
        return f"HTTP {status}" + (": a redirect is not followed" if 300 <= status < 400 else "")


class Sender:
    """Delivers what waits: `run` until canceled, `round` once. Close it afterwards."""

    def __init__(self, database: Database, endpoint: Endpoint | None, *, timeout: timedelta = TIMEOUT) -> None:
        self._database, self._is_configured = database, endpoint is not None
        self._poster = Poster(endpoint, timeout)

    async def close(self) -> None:
        await self._poster.close()

    async def run(self) -> None:
        """While PostgreSQL does not answer it is tried again."""
        while True:
            try:
                await self.round()
            except (*DATABASE_ERRORS, TimeoutError) as error:
                log.debug("webhooks wait for the database", error=type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)

    async def round(self) -> int:
        """Deliver what is due, at most `BATCH`; how many were tried. What fails is due again after a growing pause;
        after `ATTEMPTS_MAX` attempts or a day it is given up, logged and counted."""
        now = clock.now()
        async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction() as tx:
            given_up = await store.give_up_webhooks(tx, now, ATTEMPTS_MAX)
            await store.forget_webhooks(tx, now - KEPT)
            due = await store.claim_webhooks(tx, now, PAUSE_SECONDS, BATCH) if self._is_configured else []
        for over in given_up:
            _tell_given_up(over, over.error)
        done = await asyncio.gather(*(self._deliver(one) for one in due), return_exceptions=True)
        for failure in done:
            if failure is not None:
                raise failure
        return len(due)

    async def _deliver(self, waiting: Waiting) -> None:
        error = await self._poster.attempt(str(waiting.id), waiting.body.encode())
        is_over = waiting.attempts >= ATTEMPTS_MAX
        async with asyncio.timeout(ANSWER_SECONDS), self._database.transaction() as tx:
            if error is None:
                await store.settle_webhook(tx, waiting.id, clock.now(), "sent", None)
            elif is_over:
                await store.settle_webhook(tx, waiting.id, clock.now(), "given_up", error)
            else:
                await store.note_webhook(tx, waiting.id, error)
        OUTCOMES.labels("failed" if error else "sent").inc()
        if error and is_over:
            _tell_given_up(waiting, error)
        elif error:
            log.warning(
                "alert webhook not delivered",
                webhook_id=str(waiting.id), attempts=waiting.attempts, error=error,
            )  # fmt: skip


def _tell_given_up(over: Waiting, error: str | None) -> None:
    OUTCOMES.labels("given_up").inc()
    log.error(
        "alert webhook given up",
        webhook_id=str(over.id), alert_id=str(over.alert_id), attempts=over.attempts, error=error,
    )  # fmt: skip


async def try_endpoint(endpoint: Endpoint, origin: str) -> str | None:
    """Post a signed `alert.test` at once; why it failed."""
    poster = Poster(endpoint)
    body = {"type": "alert.test", "timestamp": clock.now().isoformat(), "data": {"alerts_url": f"{origin}/alerts"}}
    try:
        return await poster.attempt(str(new_id()), msgspec.json.encode(body))
    finally:
        await poster.close()
