"""One dashboard of fifty stops reading: what the others notice, when it is cut off, and what of it stays in memory."""

import asyncio
import time

from benchmarks.stage.dashboards import (
    FOLLOWED_SECONDS,
    Serving,
    Swarm,
    connected,
    publish,
    quantile,
    serve,
    shared_channel,
    signed_in,
    until,
)
from benchmarks.stage.figures import record
from benchmarks.stage.swarm import Plan, Told
from event_stream_engine.backbone.streams.redis import connect

CLIENTS = 50
PER_SECOND = 60
FILL_BYTES = 16_000
SECONDS = 15
COUNT = PER_SECOND * SECONDS
SLOW = 4008
GOAL_SHARE = 1.2
GOAL_SECONDS = 10.0
GOAL_MEGABYTES = 8.0
"""What a process may keep after everybody left: less than the queue of one client, its frames and its socket's."""


async def measure() -> None:
    async with shared_channel() as servers:
        serving = await serve(servers)
        redis = connect(servers.redis_url)
        try:
            token = await asyncio.to_thread(signed_in, serving.port)
            first, next_number = await _round(serving, redis, Plan(token, CLIENTS), 0)
            await until(serving.port, clients=0)
            before = serving.memory()
            cutting = asyncio.create_task(_cut_after(serving.port, CLIENTS))
            second, _ = await _round(serving, redis, Plan(token, CLIENTS, stalled=1, first=next_number), next_number)
            after = await _settled(serving, before)
            cut = await cutting
        finally:
            await serving.stop()
            await redis.aclose()
    _record(first, second, cut, (after - before) / 2**20)


async def _round(serving: Serving, redis: object, plan: Plan, first: int) -> tuple[Told, int]:
    swarm = await Swarm.begun(plan, serving.port)
    try:
        await asyncio.sleep(FOLLOWED_SECONDS)
        next_number = await publish(redis, PER_SECOND, COUNT, first=first, fill=FILL_BYTES)  # type: ignore[arg-type]
        return await swarm.stop(next_number), next_number
    finally:
        swarm.kill()


async def _cut_after(port: int, clients: int) -> float:
    """Seconds from when all were there until one was cut off."""
    while await asyncio.to_thread(connected, port) < clients:  # noqa: ASYNC110  # a server, asked over HTTP
        await asyncio.sleep(0.1)
    began = time.perf_counter() + FOLLOWED_SECONDS  # when the first event comes
    while await asyncio.to_thread(connected, port) == clients:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    return time.perf_counter() - began


async def _settled(serving: Serving, before: int) -> int:
    """The memory once it no longer falls, or is back."""
    least = serving.memory()
    for _ in range(20):
        if least <= before:
            break
        await asyncio.sleep(0.5)
        least = min(least, serving.memory())
    return least


def _record(first: Told, second: Told, cut: float, kept: float) -> None:
    before, after = quantile(first.delays, 99), quantile(second.delays, 99)
    codes, lost = second.stalled_codes, first.missing + second.missing
    record(
        "stalled", after, f"ms p99 of 49 dashboards beside one that does not read (lost {lost})",
        beside="ms p99 of 50 that read", beside_value=before, ratio=after / before,
        goal=f"<= {GOAL_SHARE:.1f} times, 0 lost", met=after <= GOAL_SHARE * before and not lost,
    )  # fmt: skip
    record(
        "stalled_cut", cut, f"s until it was cut off (code {codes})", beside="s that a full queue is borne",
        beside_value=5.0, ratio=cut / 5.0, goal=f"closed with {SLOW} within {GOAL_SECONDS:.0f} s",
        met=codes == [SLOW] and cut <= GOAL_SECONDS,
    )  # fmt: skip
    record(
        "stalled_memory", kept, "MiB more than before, once all had left", beside="MiB that waited for it at most",
        beside_value=1.0, ratio=kept, goal=f"<= {GOAL_MEGABYTES:.0f} MiB", met=kept <= GOAL_MEGABYTES,
    )  # fmt: skip
