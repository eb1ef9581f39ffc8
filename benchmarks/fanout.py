"""200 dashboards follow 100 monitoring events a second over WebSocket: from publishing to each of them."""

import asyncio
import base64
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import msgspec
import uvloop

from benchmarks.stage.dashboards import FOLLOWED_SECONDS, publish, quantile, serve, shared_channel, signed_in, until
from benchmarks.stage.figures import record
from event_stream_engine.backbone.streams.redis import connect

CLIENTS = 200
PER_SECOND = 100
SECONDS = 15
COUNT = PER_SECOND * SECONDS
GOAL_MILLISECONDS = 50.0
BARE_SECONDS = 5
BARE_BYTES = 350
_WEBSOCKET = (
    "GET /api/v1/live/ws?topics=monitoring HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)


async def measure() -> None:
    async with shared_channel() as servers:
        serving = await serve(servers)
        redis = connect(servers.redis_url)
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                token = await asyncio.to_thread(signed_in, serving.port)
                following = asyncio.get_running_loop().run_in_executor(pool, follow, serving.port, token)
                await until(serving.port, clients=CLIENTS)
                await asyncio.sleep(FOLLOWED_SECONDS)
                await publish(redis, PER_SECOND, COUNT)
                delays, wrong = await following
                bare = await beside(pool)
        finally:
            await serving.stop()
            await redis.aclose()
    p50, p99 = quantile(delays, 50), quantile(delays, 99)
    lost = CLIENTS * COUNT - len(delays)
    record(
        "fanout", p99, f"ms p99, {CLIENTS} x {PER_SECOND}/s (p50: {p50:.1f} ms; lost {lost}, out of order {wrong})",
        beside="ms p99 of the same bytes over bare TCP", beside_value=bare, ratio=p99 / bare,
        goal=f"0 lost, in order, p99 <= {GOAL_MILLISECONDS:.0f} ms",
        met=p99 <= GOAL_MILLISECONDS and not lost and not wrong,
    )  # fmt: skip


def follow(port: int, token: str) -> tuple[list[float], int]:
    """Every delay in milliseconds, and how many events came out of order; the clients' own process."""
    return uvloop.run(_follow_all(port, token))


async def _follow_all(port: int, token: str) -> tuple[list[float], int]:
    readers = [await _connected(port, token) for _ in range(CLIENTS)]
    found = await asyncio.gather(*(_follow_one(*each) for each in readers))
    return [delay for delays, _ in found for delay in delays], sum(wrong for _, wrong in found)


async def _connected(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_WEBSOCKET.format(key=base64.b64encode(os.urandom(16)).decode(), token=token).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    return reader, writer


async def _follow_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[list[float], int]:
    delays: list[float] = []
    wrong, expected = 0, 0
    while len(delays) < COUNT:
        try:
            async with asyncio.timeout(20 if delays else 60):
                text = await _frame(reader)
        except TimeoutError:
            break
        now = time.perf_counter()
        for line in text.split(b"\n"):
            said = msgspec.json.decode(line)
            if said["event"] == "monitoring" and said["data"]["event_type"] == "benchmark":
                data = said["data"]["data"]
                delays.append((now - data["at"]) * 1000)
                wrong += data["number"] != expected
                expected = data["number"] + 1
    writer.close()
    return delays, wrong


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One text message of a server (RFC 6455: not masked, and here never in parts)."""
    head = await reader.readexactly(2)
    length = head[1] & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
    content = await reader.readexactly(length)
    assert head[0] == 0x81, f"frame {head[0]:#x}: {content!r}"
    return content


async def beside(pool: ProcessPoolExecutor) -> float:
    """p99 in milliseconds of as many bytes written to as many bare connections."""
    writers: list[asyncio.StreamWriter] = []
    all_there = asyncio.Event()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) == CLIENTS:
            all_there.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    reading = asyncio.get_running_loop().run_in_executor(pool, read_bare, port)
    await all_there.wait()
    begin = time.perf_counter()
    for number in range(PER_SECOND * BARE_SECONDS):
        await asyncio.sleep(max(0.0, begin + number / PER_SECOND - time.perf_counter()))
        line = f"{time.perf_counter()} ".encode().ljust(BARE_BYTES, b"x") + b"\n"
        for writer in writers:
            writer.write(line)
    for writer in writers:
        writer.close()
    delays = await reading
    server.close()
    return quantile(delays, 99)


def read_bare(port: int) -> list[float]:
    async def one() -> list[float]:
        reader, _ = await asyncio.open_connection("127.0.0.1", port)
        return [(time.perf_counter() - float(line.split(b" ")[0])) * 1000 async for line in reader]

    async def every() -> list[float]:
        return [delay for delays in await asyncio.gather(*(one() for _ in range(CLIENTS))) for delay in delays]

    return uvloop.run(every())
