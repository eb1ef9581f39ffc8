"""One scrape of `/metrics` by Prometheus: how long it takes, and how many series it holds."""

import asyncio
import time

from benchmarks.stage.dashboards import get, quantile, serve, shared_channel, signed_in
from benchmarks.stage.figures import record

SCRAPES = 100
GOAL_MILLISECONDS = 50.0
GOAL_SERIES = 2000


async def measure() -> None:
    async with shared_channel() as servers:
        serving = await serve(servers)
        try:
            await asyncio.to_thread(signed_in, serving.port)
            scrapes, series = await asyncio.to_thread(_timed, serving.port, "/metrics")
            bare, _ = await asyncio.to_thread(_timed, serving.port, "/livez")
        finally:
            await serving.stop()
    ours, limit = quantile(scrapes, 99), quantile(bare, 99)
    record(
        "scrape", ours, f"ms p99 of a scrape ({series} series)", beside="ms p99 of an answer of one line",
        beside_value=limit, ratio=ours / limit, goal=f"p99 <= {GOAL_MILLISECONDS:.0f} ms, <= {GOAL_SERIES:,} series",
        met=ours <= GOAL_MILLISECONDS and series <= GOAL_SERIES,
    )  # fmt: skip


def _timed(port: int, path: str) -> tuple[list[float], int]:
    """Milliseconds of each answer, and the lines of the last that are no comments."""
    took = []
    for _ in range(SCRAPES):
        begin = time.perf_counter()
        text = get(port, path)
        took.append((time.perf_counter() - begin) * 1000)
    return took, sum(not line.startswith("#") for line in text.splitlines())
