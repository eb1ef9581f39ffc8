"""A process's figures go on being published, whatever the figures are asked of."""

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.backbone.supervising import end
from event_stream_engine.entrypoints.metrics import publishing
from event_stream_engine.live.accounting import Ledger


class Changing(Collector):
    """Something that another thread still makes when it is asked for the second time."""

    def __init__(self) -> None:
        self.asked = 0

    def collect(self) -> Iterable[Metric]:
        self.asked += 1
        if self.asked == 2:
            raise AttributeError("half made")
        return [GaugeMetricFamily("ese_changing", "Of this test", self.asked)]


@pytest.fixture
def changing() -> Iterator[Changing]:
    found = Changing()
    REGISTRY.register(found)  # asks it once, for its names
    yield found
    REGISTRY.unregister(found)


async def test_a_figure_that_cannot_be_had_costs_one_publishing_and_is_counted(
    redis_url: str, changing: Changing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "EVERY_SECONDS", 0.01)
    failed = REGISTRY.get_sample_value("ese_metrics_failed_total")
    client: Redis = connect(redis_url)
    publisher = asyncio.create_task(publishing.keep_publishing(client, "test"))
    try:
        async with asyncio.timeout(30):
            while not await client.hexists(publishing.KEY, publishing.name_of("test")):  # noqa: ASYNC110
                await asyncio.sleep(0)
    finally:
        await end(publisher)
        await client.aclose()
    assert changing.asked > 2
    assert REGISTRY.get_sample_value("ese_metrics_failed_total") == (failed or 0) + 1


def test_a_stage_is_asked_only_when_it_is_whole() -> None:
    waiting: list[int] = []
    ledger = Ledger("half", lambda: waiting[0])
    assert pending() is None
    waiting.append(3)
    ledger.export()
    assert pending() == 3


def pending() -> float | None:
    return REGISTRY.get_sample_value("ese_monitoring_stage_pending", {"stage": "half"})
