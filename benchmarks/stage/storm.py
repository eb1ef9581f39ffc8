"""Every browser loses its server at once, again and again, while events go on."""

import asyncio
import time
from dataclasses import dataclass, field

from benchmarks.stage.dashboards import FOLLOWED_SECONDS, Serving, Swarm, publish, serve, shared_channel, signed_in
from benchmarks.stage.swarm import Plan, Told, most_in_a_bin
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.embedded.throwaway import Servers

PER_SECOND = 20


@dataclass
class Outcome:
    """`seconds`: from each kick until all were live again; `most_at_once`: of one kick's returns, the greatest share
    within 100 ms."""

    told: Told
    published: int
    seconds: list[float] = field(default_factory=list)
    most_at_once: float = 0.0


async def storm(clients: int, kicks: int) -> Outcome:
    """In turn the server is killed (SIGKILL) and stopped (SIGTERM: it asks its clients to come back); another one, that
    had been started before, serves from then on."""
    async with shared_channel() as servers:
        redis = connect(servers.redis_url)
        serving = await serve(servers)
        swarm = None
        stop = asyncio.Event()
        try:
            token = await asyncio.to_thread(signed_in, serving.port)
            swarm = await Swarm.begun(Plan(token, clients), serving.port)
            await asyncio.sleep(FOLLOWED_SECONDS)
            publishing = asyncio.create_task(_publish(redis, stop))
            kicked: list[tuple[float, float]] = []
            for number in range(kicks):
                serving = await _kick(servers, swarm, serving, kicked, hard=number % 2 == 0)
            stop.set()
            published = await publishing
            told = await swarm.stop(published)
        finally:
            if swarm is not None:
                swarm.kill()
            await serving.stop()
            await redis.aclose()
    return Outcome(told, published, [live - at for at, live in kicked], _most(told, kicked, clients))


async def _kick(
    servers: Servers, swarm: Swarm, serving: Serving, kicked: list[tuple[float, float]], *, hard: bool
) -> Serving:
    standby = await serve(servers)
    try:
        await asyncio.sleep(FOLLOWED_SECONDS)
        swarm.go_to(standby.port)
        at = time.monotonic()
        if hard:
            serving.kill()
        stopping = asyncio.create_task(serving.stop())
        kicked.append((at, await swarm.live()))
        await stopping
    except BaseException:
        await standby.stop()
        raise
    return standby


async def _publish(redis: object, stop: asyncio.Event) -> int:
    number = 0
    while not stop.is_set():
        number = await publish(redis, PER_SECOND, PER_SECOND, first=number)  # type: ignore[arg-type]
    return number


def _most(told: Told, kicked: list[tuple[float, float]], clients: int) -> float:
    ends = [at for at, _ in kicked[1:]] + [float("inf")]
    rounds = [[one for one in told.reconnected if at <= one < end] for (at, _), end in zip(kicked, ends, strict=True)]
    return max(most_in_a_bin(each) for each in rounds) / clients
