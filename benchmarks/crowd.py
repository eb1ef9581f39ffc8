"""1,000 dashboards at 20 and at 100 monitoring events a second, and what a dashboard costs that hears nothing."""

import asyncio
import contextlib
import socket
from multiprocessing import get_context
from multiprocessing.connection import Connection

import psutil

from benchmarks.stage.dashboards import (
    FOLLOWED_SECONDS,
    Serving,
    Swarm,
    publish,
    quantile,
    serve,
    shared_channel,
    signed_in,
)
from benchmarks.stage.figures import record
from benchmarks.stage.swarm import Plan, Told
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.embedded.throwaway import Servers

CLIENTS = 1000
SECONDS = 15
GOALS = {20: 250.0, 100: 500.0}
"""Milliseconds of the 99th percentile, by events a second."""
GOAL_KILOBYTES = 220.0
"""A fifth more than the 183 KiB that were measured first: the figure is to be held."""


async def measure() -> None:
    async with shared_channel() as servers:
        for per_second, goal in GOALS.items():
            told, bytes_each = await crowd(servers, per_second)
            alone, _ = await crowd(servers, per_second, clients=10)
            _record(per_second, goal, told, alone)
        bare = await asyncio.to_thread(bare_bytes)
        ours = bytes_each / 1024
        record(
            "crowd_idle", ours, f"KiB resident for each of {CLIENTS:,} idle dashboards",
            beside="KiB of a bare asyncio connection", beside_value=bare / 1024, ratio=bytes_each / bare,
            goal=f"<= {GOAL_KILOBYTES:.0f} KiB", met=ours <= GOAL_KILOBYTES,
        )  # fmt: skip


def _record(per_second: int, goal: float, told: Told, alone: Told) -> None:
    p50, p99, beside = quantile(told.delays, 50), quantile(told.delays, 99), quantile(alone.delays, 99)
    wrong = told.missing + told.doubled
    record(
        f"crowd_{per_second}", p99,
        f"ms p99, {CLIENTS:,} x {per_second}/s (p50: {p50:.1f} ms; lost {told.missing}, doubled {told.doubled})",
        beside="ms p99 with 10 dashboards", beside_value=beside, ratio=p99 / beside,
        goal=f"0 lost, in order, p99 <= {goal:.0f} ms", met=p99 <= goal and not wrong,
    )  # fmt: skip


async def crowd(servers: Servers, per_second: int, clients: int = CLIENTS) -> tuple[Told, float]:
    """What so many clients saw within a while, and the resident bytes that each cost before the first event."""
    serving = await serve(servers)
    redis = connect(servers.redis_url)
    swarm = None
    try:
        token = await _token(servers, serving)
        before = serving.memory()
        swarm = await Swarm.begun(Plan(token, clients), serving.port)
        await asyncio.sleep(FOLLOWED_SECONDS)
        each = (serving.memory() - before) / clients
        return await swarm.stop(await publish(redis, per_second, per_second * SECONDS)), each
    finally:
        if swarm is not None:
            swarm.kill()
        await serving.stop()
        await redis.aclose()


_tokens: dict[str, str] = {}


async def _token(servers: Servers, serving: Serving) -> str:
    """Of the platform's one account, which the first server makes."""
    if servers.database_url not in _tokens:
        _tokens[servers.database_url] = await asyncio.to_thread(signed_in, serving.port)
    return _tokens[servers.database_url]


def bare_bytes() -> float:
    """Resident bytes that a process of asyncio's streams takes for each idle connection."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve_bare, args=(theirs,))
    process.start()
    try:
        port = ours.recv()
        with contextlib.ExitStack() as opened:
            before = psutil.Process(process.pid).memory_info().rss
            for _ in range(CLIENTS):
                opened.enter_context(socket.create_connection(("127.0.0.1", port)))
            ours.send("count")
            ours.recv()
            return max(1.0, (psutil.Process(process.pid).memory_info().rss - before) / CLIENTS)
    finally:
        process.terminate()
        process.join()


def _serve_bare(pipe: "Connection") -> None:
    async def serving() -> None:
        there = asyncio.Semaphore(0)

        async def accept(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            there.release()
            await reader.read()

        server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=CLIENTS)
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.to_thread(pipe.recv)
        for _ in range(CLIENTS):
            await there.acquire()
        pipe.send("all")
        await asyncio.Event().wait()

    asyncio.run(serving())
