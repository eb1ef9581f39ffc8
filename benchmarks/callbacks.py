"""Status callbacks made durable: our webhook against a bare ASGI handler with the same insert."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import asyncpg
from pyreqwest.client import ClientBuilder

from benchmarks.stage.figures import record
from benchmarks.stage.processes import started
from event_stream_engine.database import migrate
from event_stream_engine.embedded import ports, throwaway_servers
from event_stream_engine.embedded.throwaway import Servers
from event_stream_engine.messaging.twilio.signature import sign

CALLBACKS = 4000
ROUNDS = 3
AT_ONCE = 64
GOAL = 0.5
TOKEN = "t" * 32


async def measure() -> None:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        ours_port, bare_port = ports.any_free(), ports.any_free()
        twilio = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": TOKEN}
        ours = await started("serve", servers, ESE_HTTP_PORT=str(ours_port), **twilio)
        bare = await _bare(servers, bare_port)
        try:
            await asyncio.gather(listening(ours_port), listening(bare_port))
            rates: dict[str, list[float]] = {"ours": [], "bare": []}
            for _ in range(ROUNDS):  # turn about, so that both meet the same machine
                rates["bare"].append(await _load(f"http://127.0.0.1:{bare_port}"))
                rates["ours"].append(await _load(f"http://127.0.0.1:{ours_port}"))
            await _all_durable(servers, CALLBACKS * ROUNDS)
        finally:
            for process in (ours, bare):
                process.terminate()
                await process.wait()
    mine, limit = sorted(rates["ours"])[1], sorted(rates["bare"])[1]
    record(
        "callbacks", mine, "callbacks/s", beside="callbacks/s of the bare handler", beside_value=limit,
        ratio=mine / limit, goal=f">= {GOAL} of the bare handler", met=mine / limit >= GOAL,
    )  # fmt: skip


async def _bare(servers: Servers, port: int) -> Process:
    environment = {**os.environ, "DATABASE_URL": servers.database_url, "ESE_HTTP_PORT": str(port)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.stage.bare", env=environment, stdout=DEVNULL
    )


async def listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            return


async def _load(origin: str) -> float:
    """Callbacks a second, each signed, from `AT_ONCE` connections."""
    requests = [_callback(origin) for _ in range(CALLBACKS)]
    builder = ClientBuilder().max_connections(AT_ONCE).no_proxy().timeout(timedelta(seconds=30))
    async with builder.build() as client:
        queue = iter(requests)

        async def sender() -> None:
            for url, body, signature in queue:
                response = await (
                    client.post(url)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("x-twilio-signature", signature)
                    .body_bytes(body)
                    .build()
                    .send()
                )
                if response.status != 204:
                    raise RuntimeError(f"{url} answered {response.status}: {await response.text()}")

        begin = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(AT_ONCE)))
        return CALLBACKS / (time.perf_counter() - begin)


def _callback(origin: str) -> tuple[str, bytes, str]:
    sid = "SM" + uuid4().hex
    params = [
        ("AccountSid", "AC" + "0" * 32), ("ApiVersion", "2010-04-01"), ("From", "+14155550100"),
        ("MessageSid", sid), ("MessageStatus", "delivered"), ("SmsSid", sid), ("SmsStatus", "delivered"),
        ("To", "+14155550123"),
    ]  # fmt: skip
    url = f"{origin}/webhooks/twilio/status?m={uuid4()}"
    return url, urlencode(params).encode(), sign(TOKEN, url, params)


async def _all_durable(servers: Servers, count: int) -> None:
    """Every callback that was answered is in the log: a figure for anything less would be worth nothing."""
    connection = await asyncpg.connect(servers.database_url)
    kept = await connection.fetchval("SELECT count(*) FROM outbox WHERE stream = 'messaging.callback.v1'")
    await connection.close()
    if kept != count:
        raise RuntimeError(f"{count} callbacks were answered, {kept} are in the log")
