"""A campaign by the whole platform, from the launch to the last record, with a carrier that answers at once or late.

Relay, consumers and workers are processes of their own, as `ese up` starts them. After each run a second campaign
is sent while the workers are killed, and everybody is accounted for at the carrier."""

import asyncio
import contextlib
import os
import sys
import tempfile
import urllib.request
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import psutil
from sqlalchemy import text

from benchmarks.callbacks import listening
from benchmarks.campaign import bare_loop
from benchmarks.stage.figures import record
from benchmarks.stage.processes import started
from event_stream_engine.backbone import outbox
from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import ports, throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.events.messaging import CampaignLaunched
from event_stream_engine.ids import new_id

PEOPLE, WARM_PEOPLE, KILLED_PEOPLE = 20_000, 500, 5_000
SENDERS = ("+14155550100", "+14155550101")
RUNS = {0: (10_000, 8_000), 50: (5_000, 3_000), 200: (5_000, 2_500)}
"""Milliseconds until the carrier answers: the sender's rate, and the goal, both a second."""
SETTLED_SECONDS_MAX = 180


async def measure() -> None:
    for milliseconds, (rate, goal) in RUNS.items():
        async with platform_at(milliseconds, PEOPLE) as (database, sink, workers):
            await run(database, SENDERS[0], rate, WARM_PEOPLE)
            per_second = await run(database, SENDERS[0], rate, PEOPLE)
            limit = await bare_loop(sink, at_once=max(64, min(1000, rate * milliseconds // 1000)))
            missing, doubled = await _run_and_kill(database, sink, workers, rate)
        record(
            f"campaign_platform_{milliseconds}", per_second, f"messages/s; {milliseconds} ms until the carrier answers",
            beside="requests/s of a bare loop to it", beside_value=limit, ratio=per_second / limit,
            goal=f">= {goal:,} messages/s; killed workers: 0 missing, 0 doubled",
            met=per_second >= goal and missing == doubled == 0,
        )  # fmt: skip
        print(f"killed workers at {milliseconds} ms: {missing} missing, {doubled} doubled", flush=True)


@asynccontextmanager
async def platform_at(milliseconds: int, people: int) -> AsyncIterator[tuple[Database, int, Process]]:
    """The processes that send; a pool, the carrier's port, and the worker."""
    port = ports.any_free()
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=2)
        processes: list[Process] = []
        with tempfile.TemporaryDirectory(prefix="ese-bench-") as home:
            try:
                processes.append(await _sink(port, milliseconds))
                await listening(port)
                for command in ("relay", "consume", "work"):
                    process = await _started(command, servers, port, home)
                    processes.append(process)
                await _contacts(database, people)
                yield database, port, processes[-1]
            finally:
                await database.close()
                for process in reversed(processes):
                    with contextlib.suppress(ProcessLookupError):
                        process.terminate()
                    await process.wait()


async def _sink(port: int, milliseconds: int) -> Process:
    environment = {**os.environ, "ESE_HTTP_PORT": str(port), "ESE_SINK_MS": str(milliseconds)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stage.counting_sink", env=environment, stdout=DEVNULL
    )


async def _started(command: str, servers: Servers, port: int, home: str) -> Process:
    return await started(
        command, servers, ESE_HOME=home, TWILIO_ACCOUNT_SID="AC" + "0" * 32, TWILIO_AUTH_TOKEN="t" * 32,
        TWILIO_API_BASE_URL=f"http://127.0.0.1:{port}", ESE_SEND_LEASE_SECONDS="15", ESE_SEND_UNKNOWN_GRACE_SECONDS="2",
    )  # fmt: skip


async def _contacts(database: Database, people: int) -> None:
    async with database.transaction() as tx:
        await tx.execute(
            text(
                "INSERT INTO contacts (phone, attributes, consent) SELECT '+141' || (50000000 + n)::text, "
                "jsonb_build_object('name', 'Ana ' || n, 'n', n), 'opted_in' FROM generate_series(1, :count) AS n"
            ),
            {"count": people},
        )


_SETUP = """
WITH template AS (
    INSERT INTO templates (id, name, channel, locale, body)
    VALUES (:campaign, :name, 'sms', 'en_US', 'Hi {name}, our sale starts today.') RETURNING id
), sender AS (
    INSERT INTO senders (id, name, channel, address, messages_per_second)
    VALUES (:campaign, :name, 'sms', :address, :rate)
    ON CONFLICT (channel, address) DO UPDATE SET messages_per_second = :rate RETURNING id
), segment AS (
    INSERT INTO segments (id, name, definition) VALUES (:campaign, :name, CAST(:rule AS jsonb)) RETURNING id
)
INSERT INTO campaigns (id, name, template_id, sender_id, segment_id, timezone, status, launched_at, frozen)
SELECT :campaign, :name, template.id, sender.id, segment.id, 'UTC', 'running', now(), jsonb_build_object(
    'body', 'Hi {name}, our sale starts today.', 'channel', 'sms', 'content_sid', NULL,
    'sender_id', sender.id, 'sender_address', CAST(:address AS text))
FROM template, sender, segment
"""

_COUNTS = "INSERT INTO campaign_counts (campaign_id) VALUES (:campaign)"


async def _launch(database: Database, address: str, rate: int, people: int) -> UUID:
    campaign_id = new_id()
    rule = {"all": [{"field": "attributes.n", "op": "lte", "value": people}]}
    values: dict[str, Any] = {
        "campaign": campaign_id, "name": str(campaign_id), "address": address, "rate": rate,
        "rule": msgspec.json.encode(rule).decode(),
    }  # fmt: skip
    async with database.transaction() as tx:
        await tx.execute(text(_SETUP), values)
        await tx.execute(text(_COUNTS), {"campaign": campaign_id})
        await outbox.record(tx, CampaignLaunched(campaign_id=str(campaign_id)))
    return campaign_id


async def run(database: Database, address: str, rate: int, people: int) -> float:
    """Messages a second."""
    campaign_id = await _launch(database, address, rate, people)
    await _recorded(database, campaign_id, people)
    query = """
        SELECT extract(epoch FROM min(m.created_at) - min(c.launched_at)),
            extract(epoch FROM min(m.claimed_at) - min(c.launched_at)),
            extract(epoch FROM max(m.accepted_at) - min(c.launched_at))
        FROM messages m JOIN campaigns c ON c.id = m.campaign_id WHERE c.id = :id
    """
    async with database.transaction() as tx:
        frozen, claimed, done = map(float, (await tx.execute(text(query), {"id": campaign_id})).one())
    print(f"{people:,}: frozen after {frozen:.2f} s, first claim {claimed:.2f} s, last record {done:.2f} s", flush=True)
    return people / done


async def _recorded(database: Database, campaign_id: UUID, people: int) -> None:
    """Until all are recorded as accepted, and counted: asking the counter takes nothing from those who send."""
    query = text("SELECT reached_accepted FROM campaign_counts WHERE campaign_id = :id")
    async with asyncio.timeout(SETTLED_SECONDS_MAX + people / 1000):
        while True:
            async with database.transaction() as tx:
                if (await tx.execute(query, {"id": campaign_id})).scalar_one() == people:
                    return
            await asyncio.sleep(0.5)


async def _run_and_kill(database: Database, sink: int, workers: Process, rate: int) -> tuple[int, int]:
    """How many people did not get a message, and how many got two, when each process of the pool was killed."""
    campaign_id = await _launch(database, SENDERS[1], rate, KILLED_PEOPLE)
    for child in psutil.Process(workers.pid).children():
        await _some_are_under_way(database, campaign_id)
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    await _recorded(database, campaign_id, KILLED_PEOPLE)
    url = f"http://127.0.0.1:{sink}/accounted"
    answer = await asyncio.to_thread(lambda: urllib.request.urlopen(url).read())
    account = msgspec.json.decode(answer)[SENDERS[1]]
    return KILLED_PEOPLE - account["people"], account["doubled"]


async def _some_are_under_way(database: Database, campaign_id: UUID) -> None:
    query = text("SELECT count(*) FROM messages WHERE campaign_id = :id AND status = 'sending'")
    for _ in range(100):
        async with database.transaction() as tx:
            if (await tx.execute(query, {"id": campaign_id})).scalar_one():
                return
        await asyncio.sleep(0.02)
