"""A campaign's messages, claimed, sent and recorded, against a bare loop of requests to the same sink."""

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from datetime import timedelta
from typing import Any
from uuid import UUID

from pyreqwest.client import ClientBuilder
from sqlalchemy import text

from benchmarks.callbacks import listening
from benchmarks.stage.figures import record
from event_stream_engine import clock
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import ports, throwaway_servers
from event_stream_engine.entrypoints.bootstrap import collect_less_often
from event_stream_engine.ids import new_id
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging import tasks
from event_stream_engine.messaging.store import listings
from event_stream_engine.settings import Settings, load_settings

MESSAGES = 5000
ROUNDS = 3
AT_ONCE = 64
GOAL = 0.4


async def measure() -> None:
    collect_less_often()  # as every process does
    port = ports.any_free()
    sink = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stage.sink",
        env={**os.environ, "ESE_HTTP_PORT": str(port)}, stdout=DEVNULL,
    )  # fmt: skip
    stack = contextlib.ExitStack()
    try:
        async with throwaway_servers(durable=True) as servers:
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="ese-bench-"))
            await migrate(servers.database_url)
            await listening(port)
            runtime = Runtime.create(_settings(servers.database_url, servers.redis_url, port, home))
            await _contacts(runtime.database)
            ours, bare = [], []
            for number in range(ROUNDS):  # turn about, so that both meet the same machine
                bare.append(await bare_loop(port))
                ours.append(await _campaign(runtime, number))
            await runtime.redis.aclose()
            await runtime.database.close()
    finally:
        stack.close()
        sink.terminate()
        await sink.wait()
    mine, limit = sorted(ours)[1], sorted(bare)[1]
    record(
        "campaign", mine, "messages/s", beside="messages/s of the bare loop", beside_value=limit,
        ratio=mine / limit, goal=f">= {GOAL} of the bare loop", met=mine / limit >= GOAL,
    )  # fmt: skip


def _settings(database_url: str, redis_url: str, port: int, home: str) -> Settings:
    return load_settings({
        "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ESE_SECRET_KEY": "benchmark", "ESE_HOME": home,
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "t" * 32,
        "TWILIO_API_BASE_URL": f"http://127.0.0.1:{port}",
    })  # fmt: skip


async def _contacts(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO contacts (phone, attributes, consent) SELECT '+1415' || (5550000 + n)::text, "
                "jsonb_build_object('name', 'Ana ' || n), 'opted_in' FROM generate_series(1, :count) AS n"
            ),
            {"count": MESSAGES},
        )


async def bare_loop(port: int, at_once: int = AT_ONCE) -> float:
    """Requests a second of the same client in a plain loop: such messages, connections and answers, nothing kept."""
    url = f"http://127.0.0.1:{port}/2010-04-01/Accounts/AC{'0' * 32}/Messages.json"
    headers = {"authorization": "Basic eA==", "content-type": "application/x-www-form-urlencoded"}
    builder = ClientBuilder().max_connections(at_once).no_proxy().timeout(timedelta(seconds=30))
    async with builder.default_headers(headers).build() as client:
        left = iter(range(MESSAGES))

        async def sender() -> None:
            for number in left:
                form = {
                    "To": f"+1415{5550000 + number}", "From": "+14155550100",
                    "Body": f"Hi Ana {number}, our sale starts today.",
                    "StatusCallback": f"http://127.0.0.1:8700/webhooks/twilio/status?m={new_id()}#rc=5&rp=all",
                }  # fmt: skip
                response = await client.post(url).form(form).build().send()
                await response.json()

        begin = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(at_once)))
        return MESSAGES / (time.perf_counter() - begin)


async def _campaign(runtime: Runtime, number: int) -> float:
    """Messages a second from the first claim to the last record, by the task's own code."""
    campaign_id = await _launched(runtime.database, number)
    begin = time.perf_counter()
    async with runtime.redis.lock(f"benchmark:{campaign_id}", timeout=10, thread_local=False) as lock:
        while await tasks.send_slice(runtime, campaign_id, lock):
            pass
    took = time.perf_counter() - begin
    async with runtime.database.transaction() as tx:
        query = text("SELECT count(*) FROM messages WHERE campaign_id = :id AND status = 'accepted'")
        accepted = (await tx.execute(query, {"id": campaign_id})).scalar_one()
    if accepted != MESSAGES:
        raise RuntimeError(f"{accepted} of {MESSAGES} messages were recorded as accepted")
    return MESSAGES / took


_SETUP = """
WITH template AS (
    INSERT INTO templates (id, name, channel, locale, body)
    VALUES (:campaign, :name, 'sms', 'en_US', 'Hi {name}, our sale starts today.') RETURNING id
), sender AS (
    INSERT INTO senders (id, name, channel, address, messages_per_second)
    VALUES (:campaign, :name, 'sms', :address, 10000) RETURNING id
)
INSERT INTO campaigns (id, name, template_id, sender_id, timezone, status, frozen)
SELECT :campaign, :name, template.id, sender.id, 'UTC', 'running', jsonb_build_object(
    'body', 'Hi {name}, our sale starts today.', 'channel', 'sms', 'content_sid', NULL,
    'sender_id', sender.id, 'sender_address', CAST(:address AS text))
FROM template, sender
"""


async def _launched(database: Database, number: int) -> UUID:
    campaign_id = new_id()
    values: dict[str, Any] = {
        "campaign": campaign_id, "name": f"Benchmark {number}", "address": f"+1415555010{number}",
    }  # fmt: skip
    async with database.transaction() as tx:
        await tx.execute(text(_SETUP), values)
        at = clock.now() + timedelta(minutes=1)  # a sender waits for a list since its process started
        await listings.save(tx, listings.Listing(values["address"], "sms", complete_until=at, succeeded_at=at))
        await tx.execute(
            text("INSERT INTO messages (campaign_id, contact_id, phone) SELECT :campaign, id, phone FROM contacts"),
            values,
        )
    return campaign_id
