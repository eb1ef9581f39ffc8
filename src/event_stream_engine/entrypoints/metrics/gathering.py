"""One scrape: this process, the others, and the platform as PostgreSQL and Redis have it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine import clock
from event_stream_engine.alerts.model import Sample
from event_stream_engine.database import DATABASE_ERRORS
from event_stream_engine.embedded.home import restarts_of
from event_stream_engine.entrypoints.backbone import metrics as backbone
from event_stream_engine.entrypoints.health import capacity
from event_stream_engine.entrypoints.metrics import publishing
from event_stream_engine.entrypoints.metrics.families import Family, family, merged, samples_of, text_of
from event_stream_engine.entrypoints.metrics.families import own as counted_here
from event_stream_engine.jobs.app import PUBLISHED_AT, QUEUES, queue_key
from event_stream_engine.live.heartbeats import NEEDED
from event_stream_engine.live.heartbeats import heard as heartbeats
from event_stream_engine.messaging.reports.figures import Figures, figures
from event_stream_engine.web.platform import Platform

SERIES_MAX = 2000
ANSWER_SECONDS = 5.0


async def exposition(platform: Platform) -> bytes:
    """Everything in Prometheus's text format; at most 2,000 series, and how many were left out."""
    started = time.perf_counter()
    found = await families(platform)
    body, left_out = text_of(found, SERIES_MAX - 2)
    seconds = time.perf_counter() - started
    own = [
        GaugeMetricFamily("ese_scrape_left_out_series", "Series beyond the bound of one scrape", value=left_out),
        GaugeMetricFamily("ese_scrape_seconds", "Time that this answer took to make", value=seconds),
    ]
    return body + text_of([family(one) for one in own], 2)[0]


async def samples(platform: Platform) -> Sequence[Sample]:
    """The same figures, for the evaluator."""
    return samples_of(await families(platform))


async def families(platform: Platform) -> list[Family]:
    """The platform's own first: they are the last to be left out."""
    publishing.note_flags_age()
    name = publishing.name_of("serve")
    here = [one.of("serve", name.partition(" ")[2]) for one in counted_here()]
    told: list[Metric] = [*await _stored(platform), *await _of_redis(platform.redis)]
    told += await asyncio.to_thread(_restarts, platform.settings.home)
    others = await _others(platform.redis, but=name)
    return merged([*(family(metric) for metric in told), *here, *others])


def _restarts(home: Path) -> list[Metric]:
    """As `ese up` counts them; nothing where the processes run without it."""
    counter = CounterMetricFamily(
        "ese_process_restarts", "Processes that `ese up` started again, by why", labels=["process", "reason"]
    )
    for process, found in restarts_of(home).items():
        counter.add_metric([process, "ended"], found.ended)
        counter.add_metric([process, "hung"], found.hung)
    return [counter] if counter.samples else []


async def _others(redis: "Redis", *, but: str) -> list[Family]:
    try:
        return await publishing.heard(redis, but=but)
    except (RedisError, OSError):
        return []


async def _stored(platform: Platform) -> list[GaugeMetricFamily]:
    up = GaugeMetricFamily("ese_backbone_metrics_up", "1 when the database's figures could be read")
    try:
        async with asyncio.timeout(ANSWER_SECONDS), platform.database.transaction() as tx:
            found = [*await backbone.families(tx, platform.settings.backbone), *_families(await figures(tx))]
        up.add_metric([], 1)
    except (*DATABASE_ERRORS, TimeoutError):
        found = []
        up.add_metric([], 0)
    return [up, *found]


def _families(found: Figures) -> list[GaugeMetricFamily]:
    progress = dict(found.campaigns)
    return [
        labelled("ese_messages", "Messages of all campaigns, by status", "status", found.messages),
        labelled("ese_campaign_progress_ratio", "Share of the audience that is settled", "campaign", progress),
        labelled(
            "ese_campaign_failed_ratio",
            "Share of failed ones among the messages with an outcome, from 20 on",
            "campaign",
            dict(found.failing),
        ),
        labelled(
            "ese_campaign_paused_by_platform",
            "1 for a campaign that the platform paused because its messages fail",
            "campaign",
            dict.fromkeys(found.paused, 1.0),
        ),
        labelled("ese_inbound_messages_24h", "What people wrote in the last day, by kind", "kind", found.inbound),
        GaugeMetricFamily(
            "ese_inbound_list_age_seconds",
            "Since Twilio last listed all inbound messages",
            value=found.inbound_list_age,
        ),
        labelled("ese_imports", "Imports, by status", "status", found.imports),
        labelled("ese_import_rows", "Rows of all imports, by what became of them", "result", found.import_rows),
    ]


def labelled(name: str, meaning: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, meaning, labels=[label])
    for said, value in values.items():
        gauge.add_metric([said], value)
    return gauge


async def _of_redis(redis: "Redis") -> list[Metric]:
    try:
        info = await capacity.memory_of(redis)
        lengths, ages = await queues(redis)
        missing = (await heartbeats(redis)).missing()
    except (RedisError, OSError):
        return []
    alive = {name: float(name not in missing) for name in NEEDED}
    return [
        labelled("ese_queue_chores", "Tasks that wait in a queue", "queue", lengths),
        labelled("ese_queue_oldest_seconds", "Age of the oldest of them", "queue", ages),
        labelled("ese_process_alive", "1 while a process of this kind is heard", "process", alive),
        *capacity.families(info),
    ]


async def queues(redis: "Redis") -> tuple[dict[str, float], dict[str, float]]:
    """Of each queue how many tasks wait, and how long the oldest has. Raises `RedisError`."""
    lengths: dict[str, float] = {}
    ages: dict[str, float] = {}
    for queue in QUEUES:
        lengths[queue] = float(await redis.llen(queue_key(queue)))
        oldest: Any = await redis.lindex(queue_key(queue), -1)
        ages[queue] = _age(oldest) if oldest else 0.0
    return lengths, ages


def _age(message: str | bytes) -> float:
    at = msgspec.json.decode(message).get("headers", {}).get(PUBLISHED_AT)
    return max(0.0, clock.now().timestamp() - float(at)) if at else 0.0
