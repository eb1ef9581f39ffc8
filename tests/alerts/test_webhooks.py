"""Webhooks about alerts, judged by a receiver that checks them by the text of Standard Webhooks 1.0.0."""

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog
from benchmarks.stage.dashboards import serve
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.alerts import actions, store, webhooks
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.model import Judged
from event_stream_engine.alerts.webhooks import AlertWebhooks, Endpoint, Sender, try_endpoint
from event_stream_engine.database import Database
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import AlertSettings, load_settings
from tests.conftest import Addresses
from tests.waiting import until

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OTHER_KEY = bytes(range(100, 132))
ORIGIN = "https://ese.example.com"


@dataclass
class Receiver:
    """Answers with the statuses of `script` in turn, then 204; 0: no answer until the test ends."""

    url: str = ""
    script: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = made.script.pop(0) if made.script else 204
            if status == 0:
                made.over.wait(30)
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815  (the server's name for it)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/hooks/very-private-path"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()


def settings_of(url: str, secret: str = SECRET) -> AlertSettings:
    return AlertSettings.model_validate({"ESE_ALERT_WEBHOOK_URL": url, "ESE_ALERT_WEBHOOK_SECRET": secret})


def is_signed(headers: dict[str, str], body: bytes, key: bytes) -> bool:
    """As the specification words it: `{msg_id}.{timestamp}.{payload}`, HMAC-SHA256, base64, one of the signatures."""
    signed = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    expected = base64.standard_b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")


async def settle(database: Database, *judged: Judged) -> None:
    async with database.transaction() as tx:
        await actions.settle(tx, judged, AlertWebhooks(ORIGIN))


LETTERS = Judged(BY_NAME["EseDeadLetters"], (("group", "a.b"),), 2)


async def rounds(database: Database, receiver: Receiver, count: int, **choices: timedelta) -> None:
    """So many rounds by a new sender each, as after a restart, each an hour and a half after the one before."""
    now = clock.now()
    for number in range(count):
        sender = Sender(database, Endpoint.of(settings_of(receiver.url)), **choices)
        with clock.frozen(now + number * timedelta(hours=1.5)):
            await sender.round()
        await sender.close()


async def test_the_beginning_and_the_end_are_delivered_once_and_signed(database: Database, receiver: Receiver) -> None:
    await settle(database, LETTERS)
    await rounds(database, receiver, 2)
    await settle(database)
    await rounds(database, receiver, 2)
    assert len(receiver.got) == 2
    assert len(set(receiver.ids)) == 2
    kinds = []
    for headers, body in receiver.got:
        assert is_signed(headers, body, KEY)
        assert not is_signed(headers, body + b" ", KEY)
        assert headers["content-type"] == "application/json"
        assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 60 * 60 * 2
        said = json.loads(body)
        kinds.append(said["type"])
        assert (said["data"]["rule"], said["data"]["labels"]) == ("EseDeadLetters", {"group": "a.b"})
        assert said["data"]["runbook_url"] == f"{ORIGIN}/alerts/runbooks/EseDeadLetters"
    assert kinds == ["alert.firing", "alert.resolved"]


@pytest.mark.parametrize("status", [500, 429, 404, 302, 307, 0])
async def test_what_is_not_2xx_is_tried_again_with_the_same_id_and_a_new_time(
    database: Database, receiver: Receiver, status: int
) -> None:
    receiver.script = [status]
    await settle(database, LETTERS)
    await rounds(database, receiver, 3, timeout=timedelta(seconds=0.5))
    assert len(receiver.got) == 2, "once in vain, once taken; a redirect was not followed"
    (first, body), (second, again) = receiver.got
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 5400
    assert body == again
    assert is_signed(second, again, KEY)


async def test_attempts_pause_longer_and_longer_and_end(database: Database, receiver: Receiver) -> None:
    receiver.script = [503] * 50
    await settle(database, LETTERS)
    sender = Sender(database, Endpoint.of(settings_of(receiver.url)))
    began = clock.now()
    at: list[float] = []
    with structlog.testing.capture_logs() as logs:
        for second in range(0, 4 * 3600, 15):
            with clock.frozen(began + timedelta(seconds=second + 1)):
                if await sender.round():
                    at.append(second)
    await sender.close()
    assert at == [0, 15, 45, 105, 225, 465, 945, 1905, 3825, 7665]
    assert len(receiver.got) == webhooks.ATTEMPTS_MAX
    assert len(set(receiver.ids)) == 1
    (over,) = [line for line in logs if line["log_level"] == "error"]
    assert (over["event"], over["attempts"], over["error"]) == (
        "alert webhook given up",
        10,
        "HTTP 503",
    )
    async with database.transaction() as tx:
        assert await store.count_webhooks(tx, began) == (0, 0, 1)
    assert "very-private-path" not in str(logs)
    assert base64.b64encode(KEY).decode() not in str(logs)


async def test_a_receiver_that_is_away_is_told_when_it_is_back(database: Database, receiver: Receiver) -> None:
    away = Sender(database, Endpoint.of(settings_of("http://127.0.0.1:1/very-private-path")))
    await settle(database, LETTERS)
    with structlog.testing.capture_logs() as logs:
        await away.round()
    await away.close()
    assert [line["error"].partition(":")[0] for line in logs] == ["no answer"]
    assert "very-private-path" not in str(logs)
    with clock.frozen(clock.now() + timedelta(minutes=1)):
        sender = Sender(database, Endpoint.of(settings_of(receiver.url)))
        await sender.round()
        await sender.close()
    assert len(receiver.got) == 1


async def test_two_processes_deliver_each_once(database: Database, receiver: Receiver) -> None:
    many = [Judged(BY_NAME["EseDeadLetters"], (("group", f"g.{number}"),), 2) for number in range(25)]
    await settle(database, *many)
    senders = [Sender(database, Endpoint.of(settings_of(receiver.url))) for _ in range(2)]
    for _ in range(4):
        await asyncio.gather(*(sender.round() for sender in senders))
    for sender in senders:
        await sender.close()
    assert len(receiver.got) == len(set(receiver.ids)) == 25


async def test_what_is_rolled_back_is_not_delivered(database: Database, receiver: Receiver) -> None:
    async with database.transaction() as tx:
        await actions.settle(tx, [LETTERS], AlertWebhooks(ORIGIN))
        await tx.rollback()
    await rounds(database, receiver, 1)
    assert receiver.got == []


async def test_during_a_rotation_both_secrets_sign(receiver: Receiver) -> None:
    both = f"{SECRET}, whsec_{base64.b64encode(OTHER_KEY).decode()}"
    endpoint = Endpoint.of(settings_of(receiver.url, both))
    assert endpoint is not None
    assert await try_endpoint(endpoint, ORIGIN) is None
    ((headers, body),) = receiver.got
    assert is_signed(headers, body, KEY)
    assert is_signed(headers, body, OTHER_KEY)
    assert json.loads(body)["type"] == "alert.test"
    assert "very-private-path" not in repr(endpoint)


@pytest.mark.parametrize(
    ("url", "secret", "named"),
    [
        ("https://example.com/private", "", "ESE_ALERT_WEBHOOK_SECRET: Is required"),
        ("https://example.com/private", "whsec_short", "ESE_ALERT_WEBHOOK_SECRET: Must be whsec_"),
        ("https://example.com/private", base64.b64encode(KEY).decode(), "ESE_ALERT_WEBHOOK_SECRET: Must be whsec_"),
        ("ftp://example.com/private", SECRET, "ESE_ALERT_WEBHOOK_URL: Must be an address"),
        ("https:///private", SECRET, "ESE_ALERT_WEBHOOK_URL: Must be an address"),
        ("https://example.com:0x/private", SECRET, "ESE_ALERT_WEBHOOK_URL: Must be an address"),
    ],
)
def test_settings_that_cannot_be_used_are_named_without_what_they_hold(url: str, secret: str, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        load_settings({"ESE_HOME": "/none", "ESE_ALERT_WEBHOOK_URL": url, "ESE_ALERT_WEBHOOK_SECRET": secret})
    assert named in refused.value.detail
    assert "private" not in refused.value.detail
    assert base64.b64encode(KEY).decode() not in refused.value.detail


async def test_the_queue_names_the_alert_and_is_forgotten_after_a_week(database: Database, receiver: Receiver) -> None:
    await settle(database, LETTERS)
    await rounds(database, receiver, 1)
    sender = Sender(database, None)
    for days, left in ((6, 1), (8, 0)):
        with clock.frozen(clock.now() + timedelta(days=days)):
            await sender.round()
        async with database.transaction() as tx:
            assert (await tx.execute(text("SELECT count(*) FROM alert_webhooks"))).scalar_one() == left
    await sender.close()


@pytest.mark.slow
async def test_a_started_platform_delivers_what_an_earlier_process_left_and_what_it_judges_itself(
    database: Database, database_url: str, redis_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    """The process that wrote the first webhook down is gone; `ese serve` sees that nothing fires, and says so too. No
    other process of the platform runs."""
    await settle(database, LETTERS)
    settings = {
        "ESE_HOME": str(tmp_path / "home"),
        "ESE_ALERT_WEBHOOK_URL": receiver.url,
        "ESE_ALERT_WEBHOOK_SECRET": SECRET,
        "ESE_ALERTS_EVERY_SECONDS": "1",
    }
    platform = await serve(Addresses(database_url, redis_url), **settings)  # type: ignore[arg-type]
    try:
        await until(lambda: len(receiver.got) >= 2, 60)
    finally:
        await platform.stop()
    assert all(is_signed(headers, body, KEY) for headers, body in receiver.got[:2])
    assert [json.loads(body)["type"] for _, body in receiver.got[:2]] == ["alert.firing", "alert.resolved"]
    alerts = [json.loads(body)["data"]["id"] for _, body in receiver.got[:2]]
    assert alerts[0] == alerts[1]
