"""Grafana's dashboard draws what there is."""

import json
import re
from pathlib import Path

from event_stream_engine.alerts.grafana import dashboard_file, expressions, metrics_of

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| `(ese_\w+)` \| (\w+) \| (.*?) \|", re.MULTILINE)
_OWN = {"process", "pid", "le"}


def exported() -> dict[str, set[str]]:
    """Every metric of the platform as it stands in `/metrics`, with its labels."""
    found: dict[str, set[str]] = {}
    for name, kind, labels in _ROW.findall((ROOT / "docs" / "metrics.md").read_text()):
        series = [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "histogram" else [name]
        found |= {one: {*re.findall(r"`(\w+)`", labels), *_OWN} for one in series}
    return found


def test_every_metric_and_label_of_the_dashboard_is_exported() -> None:
    there = exported()
    queries = list(expressions())
    assert metrics_of(queries) <= set(there)
    for query in queries:
        wanted = {label for group in re.findall(r"by \(([^)]+)\)", query) for label in group.split(", ")}
        for metric in metrics_of([query]):
            assert wanted <= there[metric], query


def test_a_metric_that_is_gone_is_noticed() -> None:
    assert metrics_of(["rate(ese_gone_total[1m])"]) == {"ese_gone_total"}
    assert "ese_gone_total" not in exported()


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    dashboard = json.loads(dashboard_file())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "no panel lies on another"
    assert max(x for x, _ in cells) < 24
    for panel in panels:
        for target in panel.get("targets", []):
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = {label for group in re.findall(r"by \(([^)]+)\)", target["expr"]) for label in group.split(", ")}
            assert legend <= kept, panel["title"]
