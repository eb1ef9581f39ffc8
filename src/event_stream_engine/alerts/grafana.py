"""The dashboard for Grafana: what the alerts are about, over time."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from event_stream_engine.alerts.model import BUDGET, ERRORS, REQUESTS

UID = "event-stream-engine"
WIDTH, HEIGHT, PER_ROW = 24, 8, 3
SOURCE = {"type": "prometheus", "uid": "${source}"}
_RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """`queries`: what is drawn, and how each line is called (labels in double braces). `unit` is Grafana's name."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    says: str = ""
    least: float | None = None


@dataclass(frozen=True)
class Section:
    title: str
    panels: tuple[Panel, ...]


def _counted(metric: str, by: str) -> tuple[tuple[str, str], ...]:
    legend = " ".join("{{" + label + "}}" for label in by.split(", "))
    return ((f"sum by ({by}) (rate({metric}{_RATE}))", legend),)


def _slowest(share: float, metric: str, by: str = "") -> str:
    kept = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({kept}) (rate({metric}_bucket{_RATE})))"


SECTIONS: tuple[Section, ...] = (
    Section("Is it well", (
        Panel("Components", (("min by (component) (ese_component_up)", "{{component}}"),), least=0,
              says="1 while a component answers."),
        Panel("Processes", (("max by (process) (ese_process_alive)", "{{process}}"),), least=0,
              says="1 while a process of this kind is heard."),
        Panel("Alerts that fire", (("max by (severity) (ese_alerts_firing)", "{{severity}}"),), least=0),
    )),
    Section("Requests", (
        Panel("Requests a second", _counted(REQUESTS.metric, "status"), "reqps"),
        Panel("Share of requests that fail", (
            (f"sum(rate({ERRORS.promql}{_RATE})) / sum(rate({REQUESTS.promql}{_RATE}))", "failed"),
            (f"vector({BUDGET:g})", "error budget"),
        ), "percentunit", least=0),
        Panel("Time to the end of an answer", (
            (_slowest(0.5, "ese_http_request_seconds"), "half are faster"),
            (_slowest(0.99, "ese_http_request_seconds"), "99 % are faster"),
        ), "s"),
    )),
    Section("Events", (
        Panel("Published to streams, a second", _counted("ese_relay_published_total", "stream"), "eps"),
        Panel("Age of the oldest event not in its stream", (
            ("max by (stream) (ese_stream_oldest_unpublished_seconds)", "{{stream}}"),
        ), "s", least=0),
        Panel("Lag of consumer groups", (("max by (group) (ese_group_lag_seconds)", "{{group}}"),), "s", least=0),
        Panel("Open dead letters", (("max by (group) (ese_group_dead_letters)", "{{group}}"),), least=0),
        Panel("Events parked", (("max by (group) (ese_group_parked_events)", "{{group}}"),), least=0),
        Panel("Failed attempts, a second", _counted("ese_consume_failures_total", "group"), "eps"),
    )),
    Section("Messages", (
        Panel("Messages by status", (("max by (status) (ese_messages)", "{{status}}"),), least=0),
        Panel("Campaigns whose messages fail", (
            ("max by (campaign) (ese_campaign_failed_ratio)", "{{campaign}}"),
        ), "percentunit", least=0),
        Panel("Answers of Twilio, a second", _counted("ese_send_outcomes_total", "outcome"), "eps"),
        Panel("Callbacks, a second", _counted("ese_webhooks_total", "kind, result"), "eps"),
        Panel("Tasks that wait", (("max by (queue) (ese_queue_chores)", "{{queue}}"),), least=0),
        Panel("Age of the oldest task", (("max by (queue) (ese_queue_oldest_seconds)", "{{queue}}"),), "s", least=0),
        Panel("Work of the stages, a second", _counted("ese_stage_units_total", "stage, result"), "ops"),
    )),
    Section("Monitoring itself", (
        Panel("Browsers connected", (("sum(ese_live_clients)", "browsers"),), least=0),
        Panel("Events dropped, a second", (
            (f"sum by (stage, reason) (rate(ese_monitoring_stage_dropped_total{_RATE}))", "{{stage}} {{reason}}"),
        ), "eps", least=0),
        Panel("Events nobody accounts for", (("sum by (stage) (ese_monitoring_stage_imbalance)", "{{stage}}"),),
              says="0 at all times."),
        Panel("Events that wait", (("sum by (stage) (ese_monitoring_stage_pending)", "{{stage}}"),), least=0),
        Panel("Buffer of the database's rows", (
            ("max by (process) (ese_monitoring_buffer_fill_ratio)", "{{process}}"),
        ), "percentunit", least=0),
        Panel("Circuit breakers not closed", (
            ('sum by (breaker, state) (ese_breaker_state{state!~"closed|disabled"})', "{{breaker}} {{state}}"),
        ), least=0),
    )),
)  # fmt: skip


def dashboard_file() -> str:
    """`deploy/grafana/event-stream-engine.json`, to be imported or provisioned; it asks for its data source."""
    dashboard: dict[str, Any] = {
        "uid": UID,
        "title": "Event Stream Engine",
        "description": "Generated from src/event_stream_engine/alerts/grafana.py by `make docs`; edits are lost.",
        "tags": ["ese"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_source()]},
        "annotations": {"list": [_alerts()]},
        "panels": list(_laid_out()),
    }
    return json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n"


def expressions() -> Iterator[str]:
    """Every query of the dashboard, with Grafana's interval made a plain one."""
    for section in SECTIONS:
        for panel in section.panels:
            for query, _ in panel.queries:
                yield query.replace("$__rate_interval", "1m")


def metrics_of(queries: Iterable[str]) -> set[str]:
    """The metrics that they name."""
    return {name for query in queries for name in re.findall(r"\bese_\w+", query)}


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _alerts() -> dict[str, Any]:
    """What fires, drawn over every panel."""
    query = 'ALERTS{alertname=~"Ese.+", alertstate="firing", severity!="none"}'
    return {
        "name": "Alerts", "datasource": SOURCE, "enable": True, "iconColor": "red", "expr": query,
        "titleFormat": "{{alertname}}",
    }  # fmt: skip


def _laid_out() -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for section in SECTIONS:
        number += 1
        place = {"h": 1, "w": WIDTH, "x": 0, "y": y}
        yield {"id": number, "type": "row", "title": section.title, "collapsed": False, "gridPos": place, "panels": []}
        y += 1
        for at, panel in enumerate(section.panels):
            number += 1
            width = WIDTH // PER_ROW
            place = {"h": HEIGHT, "w": width, "x": at % PER_ROW * width, "y": y + at // PER_ROW * HEIGHT}
            yield _drawn(panel, number, place)
        y += -(-len(section.panels) // PER_ROW) * HEIGHT


def _drawn(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "custom": {"fillOpacity": 8, "lineWidth": 1, "spanNulls": False}}
    if panel.least is not None:
        defaults["min"] = panel.least
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(ord("A") + at), "datasource": SOURCE, "expr": query, "legendFormat": legend}
            for at, (query, legend) in enumerate(panel.queries)
        ],
    }
