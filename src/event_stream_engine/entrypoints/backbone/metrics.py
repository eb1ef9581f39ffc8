"""The backbone's figures for Prometheus, from PostgreSQL at each scrape: one truth for every process that asks."""

from prometheus_client.core import GaugeMetricFamily

from event_stream_engine.backbone import groups, life, reports
from event_stream_engine.backbone.streams import position
from event_stream_engine.database import Transaction
from event_stream_engine.settings import BackboneSettings

_STATES = ("running", "paused", "waiting", "no_consumer")


async def families(tx: Transaction, settings: BackboneSettings) -> list[GaugeMetricFamily]:
    """Groups, the relay and the streams."""
    return [*await _of_groups(tx), *await _of_relay(tx), *await _of_streams(tx, settings)]


async def _of_groups(tx: Transaction) -> list[GaugeMetricFamily]:
    gauges = {
        "lag_events": _gauge("ese_group_lag_events", "Committed events not in the group's charge", "group"),
        "lag_seconds": _gauge("ese_group_lag_seconds", "Age of the oldest of them", "group"),
        "parked_keys": _gauge("ese_group_parked_keys", "Keys that wait behind a failed event", "group"),
        "parked_events": _gauge("ese_group_parked_events", "Events that failed or wait behind one", "group"),
        "dead_letters": _gauge("ese_group_dead_letters", "Open dead letters", "group"),
    }
    state = GaugeMetricFamily("ese_group_state", "1 for the state the group is in", labels=["group", "state"])
    for row in await groups.reports(tx):
        for name, gauge in gauges.items():
            gauge.add_metric([row["group"]], float(row[name]))
        for name in _STATES:
            state.add_metric([row["group"], name], float(row["state"] == name))
    return [*gauges.values(), state]


async def _of_relay(tx: Transaction) -> list[GaugeMetricFamily]:
    relay = await reports.relay(tx)
    blockers = await reports.blockers(tx)
    is_held = (await life.read(tx)).is_held
    oldest = max((row["age_seconds"] for row in blockers), default=0.0)
    return [
        _single("ese_relay_works", "1 while a relay holds the lease and publishes", relay["works"]),
        _single("ese_relay_ticks_per_minute", "Ticks in the last minute", relay["ticks_per_minute"]),
        _single("ese_relay_events_per_minute", "Events handed out in the last minute", relay["events_per_minute"]),
        _single("ese_relay_refused", "1 while a restored database waits to be accepted", relay["generation_refused"]),
        _single("ese_sending_held", "1 while the database went back in time and nothing is sent", is_held),
        _single("ese_outbox_retention_held_back", "1 while an old partition must stay", relay["held_by"]),
        _single("ese_transaction_blocker_age_seconds", "Age of the oldest open transaction that has written", oldest),
    ]


async def _of_streams(tx: Transaction, settings: BackboneSettings) -> list[GaugeMetricFamily]:
    unpublished = _gauge(
        "ese_stream_unpublished_events", "Committed events not in the stream (counted to 10,000)", "stream"
    )
    oldest = _gauge("ese_stream_oldest_unpublished_seconds", "Age of the oldest of them", "stream")
    parked = _gauge("ese_stream_parked_rows", "Events no stream took, with a tombstone in their place", "stream")
    healthy = _gauge("ese_stream_healthy", "1 while the stream can be written", "stream")
    margin = _gauge("ese_stream_trim_margin_seconds", "Until trimming by age would reach the slowest group", "stream")
    for found in await reports.streams(tx):
        label = [found.stream]
        unpublished.add_metric(label, found.unpublished_events)
        oldest.add_metric(label, reports.age_seconds(found.oldest_unpublished_at) or 0.0)
        parked.add_metric(label, found.parked_rows)
        healthy.add_metric(label, float(found.state == "ok"))
    for stream, entry_id, end in await reports.slowest_positions(tx):
        retention = settings.stream_retention_hours * 3600
        behind = 0.0 if entry_id == end else reports.age_of_tick(position(entry_id)[0])
        margin.add_metric([stream], retention - behind)
    return [unpublished, oldest, parked, healthy, margin]


def _gauge(name: str, meaning: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=[label])


def _single(name: str, meaning: str, value: object) -> GaugeMetricFamily:
    number = float(value) if isinstance(value, int | float) else float(bool(value))
    return GaugeMetricFamily(name, meaning, value=number)
