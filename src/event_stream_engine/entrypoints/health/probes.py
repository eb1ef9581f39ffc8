"""What is asked of each component. A probe answers with readings and raises nothing that an outage can cause."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
from redis.exceptions import RedisError

from event_stream_engine import clock
from event_stream_engine.alerts import store as alert_store
from event_stream_engine.backbone import groups, life, reports
from event_stream_engine.backbone.streams import StreamBusy, StreamRefused
from event_stream_engine.database import DATABASE_ERRORS
from event_stream_engine.database.capacity import is_without_connection
from event_stream_engine.embedded.home import restarts_of
from event_stream_engine.entrypoints.health import capacity
from event_stream_engine.entrypoints.health.judging import Reading, Status, over, under
from event_stream_engine.entrypoints.metrics.gathering import queues
from event_stream_engine.events.base import stream_names
from event_stream_engine.flags.api import get_flag_manager
from event_stream_engine.live.heartbeats import NEEDED, Children, children, heard
from event_stream_engine.monitoring import circuits as circuit_orders
from event_stream_engine.monitoring.store import OrderRow
from event_stream_engine.web.platform import Platform

PROBE_SECONDS = 2.0
CHILDREN_TOLD = 5
HUNG_RECENTLY = timedelta(hours=1)
KAFKA = "kafka"
OUTAGES = (*DATABASE_ERRORS, RedisError, StreamBusy, StreamRefused, TimeoutError)

Probe = Callable[[Platform], Awaitable[list[Reading]]]


async def everything(platform: Platform) -> list[Reading]:
    """All readings of this moment, the probes side by side; none takes longer than its two seconds."""
    asked: list[Probe] = [postgresql, redis, backbone, processes, waiting_tasks, machine, flags, webhooks]
    asked += [connections, evictions, restarts]
    if platform.settings.kafka.streams == KAFKA:
        asked.append(kafka)
    found = await asyncio.gather(*(probe(platform) for probe in asked))
    return [reading for readings in found for reading in readings]


async def timed(
    component: str, work: Awaitable[str | None], told: Callable[[Exception], str | None] = lambda _: None
) -> list[Reading]:
    """How long an answer took, in milliseconds; `fail` when there was none. `told`: what an error is called, where its
    class does not say enough."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            said = await work
    except OUTAGES as error:
        code = error.code if isinstance(error, StreamBusy | StreamRefused) else type(error).__name__
        return [Reading(component, "responseTime", "fail", "datastore", output=told(error) or code)]
    took = round((time.perf_counter() - started) * 1000, 1)
    return [Reading(component, "responseTime", "pass", "datastore", took, "ms", said)]


async def postgresql(platform: Platform) -> list[Reading]:
    def told(error: Exception) -> str | None:
        return capacity.refused(platform, error) if is_without_connection(error) else None

    return await timed("postgresql", platform.database.ping(), told)


async def connections(platform: Platform) -> list[Reading]:
    try:
        return await capacity.connections_reading(platform, PROBE_SECONDS)
    except OUTAGES:
        return []


async def evictions(platform: Platform) -> list[Reading]:
    try:
        return await capacity.evictions_reading(platform, PROBE_SECONDS)
    except OUTAGES:
        return []


async def redis(platform: Platform) -> list[Reading]:
    async def ping() -> None:
        await platform.redis.ping()

    return await timed("redis", ping())


async def kafka(platform: Platform) -> list[Reading]:
    async def reach() -> str:
        found = await platform.transport.reach(stream_names(), PROBE_SECONDS * 0.75)
        there = f"brokers: {found.servers}"
        return f"{there}; topics not made yet: {', '.join(found.missing)}" if found.missing else there

    return await timed(KAFKA, reach())


async def backbone(platform: Platform) -> list[Reading]:
    """The relay, the outbox and each group, as PostgreSQL knows them; nothing while it does not answer."""
    try:
        async with asyncio.timeout(PROBE_SECONDS), platform.database.transaction() as tx:
            row = await life.read(tx)
            relay, streams, found = await reports.relay(tx), await reports.streams(tx), await groups.reports(tx)
            held = await circuit_orders.held_open(tx)
    except OUTAGES:
        return []
    oldest = max((reports.age_seconds(one.oldest_unpublished_at) or 0.0 for one in streams), default=0.0)
    refused = "a restored database waits to be accepted" if relay["generation_refused"] else None
    holder = f"held by {relay['holder']}" if relay["holder"] else "no relay holds it"
    said = f"held since {row.since:%Y-%m-%d %H:%M:%SZ}: {row.reason}" if row.is_held else None
    return [
        Reading("sending", "hold", "fail" if row.is_held else "pass", output=said),
        Reading("relay", "lease", "pass" if relay["works"] else "fail", output=refused or holder),
        Reading("outbox", "oldestUnpublished", over(oldest, 10, 60), observed=round(oldest, 1), unit="s"),
        *(_group(row) for row in found),
        *(_paused(row) for row in found if row["paused_at"]),
        *(_held_open(order) for order in held),
    ]


def _paused(row: Mapping[str, Any]) -> Reading:
    """A fact and no measurement, so it is a check of its own, which is believed at once."""
    said = f"paused by an operator since {row['paused_at']:%Y-%m-%d %H:%M:%SZ}"
    return Reading(f"group {row['group']}", "pause", "warn", output=said)


def _held_open(order: OrderRow) -> Reading:
    said = f"held open by an operator since {order.ordered_at:%Y-%m-%d %H:%M:%SZ}"
    concerned = f" (ese {order.process})" if order.process else ""
    return Reading(f"circuit {order.breaker}{concerned}", "hold", "warn", output=said)


def _group(row: Mapping[str, Any]) -> Reading:
    lag, state = float(row["lag_seconds"]), row["state"]
    status: Status = "fail" if state == "no_consumer" else "warn" if state == "paused" else over(lag, 60, 300)
    parked = f"; {row['parked_events']} events parked" if row["parked_events"] else ""
    dead = f"; {row['dead_letters']} dead letters" if row["dead_letters"] else ""
    if status == "pass" and (parked or dead):
        status = "warn"
    said = f"{state.replace('_', ' ')}{parked}{dead}"
    return Reading(f"group {row['group']}", "lag", status, observed=round(lag, 1), unit="s", output=said)


async def processes(platform: Platform) -> list[Reading]:
    try:
        found = await heard(platform.redis)
        workers = await children(platform.redis, found.processes)
    except OUTAGES:
        return []
    return [*_heard(found.missing(), found.last_seen), *_children(workers)]


def _children(found: Children) -> Iterator[Reading]:
    """The processes in which workers do tasks; the heartbeat of a worker's first process says nothing of them."""
    if not found.processes:
        return
    alive, silent = len(found.processes) - len(found.silent), found.silent
    status: Status = "pass" if not silent else "warn" if alive else "fail"
    told = [f"process {one.pid} on {one.host}, last heard {one.seen_at:%H:%M:%SZ}" for one in silent[:CHILDREN_TOLD]]
    more = f"; {len(silent) - CHILDREN_TOLD} more" if len(silent) > CHILDREN_TOLD else ""
    said = f"Stopped or hung: {'; '.join(told)}{more}. Continue it (SIGCONT) or kill it." if silent else None
    yield Reading("work", "children", status, observed=float(alive), unit="processes", output=said)


def _heard(missing: list[str], last_seen: Callable[[str], Any]) -> Iterator[Reading]:
    for name in NEEDED:
        seen = last_seen(name)
        silent = None if seen is None else round(max(0.0, (clock.now() - seen).total_seconds()), 1)
        output = "not heard within the hour" if seen is None else None
        yield Reading(
            name, "heartbeat", "fail" if name in missing else "pass", observed=silent, unit="s", output=output
        )


async def webhooks(platform: Platform) -> list[Reading]:
    """Those about alerts; nothing where none are configured or PostgreSQL does not answer."""
    if platform.settings.alerts.webhook_url is None:
        return []
    try:
        async with asyncio.timeout(PROBE_SECONDS), platform.database.transaction() as tx:
            waiting, failing, given_up = await alert_store.count_webhooks(tx, clock.now() - timedelta(days=1))
    except OUTAGES:
        return []
    said = f"{waiting} wait, {failing} of them after a failure; {given_up} given up within a day"
    bad: Status = "warn" if failing or given_up else "pass"
    return [Reading("alert webhook", "failing", bad, observed=float(failing + given_up), unit="webhooks", output=said)]


async def waiting_tasks(platform: Platform) -> list[Reading]:
    try:
        lengths, ages = await queues(platform.redis)
    except OUTAGES:
        return []
    return [
        Reading(
            f"queue {name}", "oldest", over(age, 60, 300), observed=round(age, 1), unit="s",
            output=f"{lengths[name]:.0f} wait" if lengths[name] else None,
        )
        for name, age in ages.items()
    ]  # fmt: skip


async def restarts(platform: Platform) -> list[Reading]:
    """The processes that hung and were restarted; nothing where `ese up` does not run them."""
    found = await asyncio.to_thread(restarts_of, platform.settings.home)
    if not found:
        return []
    hung = sorted((one.hung_at, name, one.hung) for name, one in found.items() if one.hung_at is not None)
    told = [f"{name} at {at:%Y-%m-%d %H:%M:%SZ} ({count} so far)" for at, name, count in reversed(hung)]
    recent = bool(hung) and clock.now() - hung[-1][0] < HUNG_RECENTLY
    said = f"hung and was restarted: {', '.join(told)}" if told else None
    count = float(sum(one.hung for one in found.values()))
    return [Reading("restarts", "hung", "warn" if recent else "pass", "component", count, "restarts", said)]


async def machine(platform: Platform) -> list[Reading]:
    """The disk that the home is on, and the machine's memory, as shares that are free."""
    disk = await asyncio.to_thread(disk_free, platform.settings.home)
    memory = psutil.virtual_memory()
    free = memory.available / memory.total
    return [
        Reading("disk", "free", under(disk, 0.2, 0.1), "system", round(disk * 100, 1), "%"),
        Reading("memory", "available", under(free, 0.1, 0.05), "system", round(free * 100, 1), "%"),
    ]


def disk_free(home: Path) -> float:
    """The free share of the disk that holds `home`, or will hold it."""
    existing = next(path for path in (home.resolve(), *home.resolve().parents) if path.exists())
    usage = shutil.disk_usage(existing)
    return usage.free / usage.total


async def flags(platform: Platform) -> list[Reading]:
    status = get_flag_manager().status()
    age = None if status.age_seconds is None else round(status.age_seconds, 1)
    said = "; ".join(issue.message for issue in status.issues) or f"from the {status.source}"
    return [Reading("flags", "age", "warn" if status.health == "degraded" else "pass", "component", age, "s", said)]
