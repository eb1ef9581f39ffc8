"""The rules: Prometheus's own tool judges them, the platform's evaluator judges alike, and each has its runbook."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from event_stream_engine.alerts.catalogue import BY_NAME, RULES
from event_stream_engine.alerts.evaluating import Evaluator
from event_stream_engine.alerts.model import Labels, Level, Sample
from event_stream_engine.alerts.prometheus import inhibitions

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
CASES = yaml.safe_load((PROMETHEUS / "tests" / "ese.test.yml").read_text())["tests"]
STEP_SECONDS = 15
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_ASKED = re.compile(r'alertname="(\w+)"')
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine: apt-get install prometheus prometheus-alertmanager")
    return found


def said_by(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules_and_fires_each_when_it_must() -> None:
    promtool = tool("promtool")
    said_by(promtool, "check", "rules", str(PROMETHEUS / "rules" / "ese.yml"))
    assert "SUCCESS" in said_by(promtool, "test", "rules", str(PROMETHEUS / "tests" / "ese.test.yml"))


def test_alertmanager_takes_its_file() -> None:
    said_by(tool("amtool"), "check-config", str(PROMETHEUS / "alertmanager.yml"))


def test_every_rule_is_seen_to_fire_and_not_to_fire() -> None:
    asked = {(rule_of(check), bool(check["exp_samples"])) for case in CASES for check in case["promql_expr_test"]}
    always = {("EseWatchdog", False)}
    assert asked | always == {(rule.name, fires) for rule in RULES for fires in (True, False)}


@dataclass(frozen=True)
class Series:
    """One series of a case: its value at each step, None where there is none."""

    name: str
    labels: Labels
    interval: int
    values: list[float | None]

    def at(self, second: int) -> Iterator[Sample]:
        step = second // self.interval
        value = self.values[step] if step < len(self.values) else None
        if value is not None:
            yield Sample(self.name, self.labels, value)


def rule_of(check: dict[str, Any]) -> str:
    found = _ASKED.search(check["expr"])
    assert found
    return found.group(1)


def seconds(text: str) -> int:
    return sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([smh])", text))


def series_of(case: dict[str, Any]) -> list[Series]:
    return [parsed(one["series"], seconds(case["interval"]), one["values"]) for one in case["input_series"]]


def parsed(series: str, interval: int, values: str) -> Series:
    labels = tuple(sorted(_LABEL.findall(series)))
    return Series(series.split("{")[0], labels, interval, [v for part in values.split() for v in expanded(part)])


def expanded(part: str) -> list[float | None]:
    """promtool's notation: `1x3` is 1 four times, `0+2x3` is 0 2 4 6, `_x3` three steps without a value."""
    found = re.fullmatch(r"(_|[\d.]+?)(?:\+([\d.]+))?x(\d+)", part)
    assert found, part
    start, growth, times = found.groups()
    if start == "_":
        return [None] * int(times)
    return [float(start) + float(growth or 0) * step for step in range(int(times) + 1)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_evaluator_judges_as_prometheus_does(case: dict[str, Any]) -> None:
    series, evaluator = series_of(case), Evaluator(RULES)
    checks = sorted(case["promql_expr_test"], key=lambda check: seconds(check["eval_time"]))
    judged = [check for check in checks if BY_NAME[rule_of(check)].is_judged_here]
    wanted: dict[int, list[dict[str, Any]]] = {}
    for check in judged:
        wanted.setdefault(seconds(check["eval_time"]), []).append(check)
    for second in range(0, max(wanted, default=-1) + 1, STEP_SECONDS):
        firing = evaluator.observe(second, [sample for one in series for sample in one.at(second)])
        for check in wanted.get(second, []):
            found = {one.labels for one in firing if one.rule.name == rule_of(check)}
            assert found == {labels_of(sample) for sample in check["exp_samples"]}, (second, check)


def labels_of(sample: dict[str, Any]) -> Labels:
    own = {"alertname", "alertstate", "severity"}
    return tuple(sorted(pair for pair in _LABEL.findall(sample["labels"]) if pair[0] not in own))


def test_a_consequence_names_causes_that_exist() -> None:
    assert set(inhibitions()) <= set(BY_NAME)
    for rule in RULES:
        assert rule.name not in rule.silenced_by


def test_no_rule_that_looks_for_little_takes_the_zero_of_a_process_that_never_looked() -> None:
    """A gauge without labels says 0 from its import on, also in a process that only starts others."""
    little = {
        rule.condition.of.metric
        for rule in RULES
        if isinstance(rule.condition, Level)
        and (rule.condition.op == "<" or (rule.condition.op == "==" and not rule.condition.bound))
    }
    program = (
        "import event_stream_engine.entrypoints.api, event_stream_engine.entrypoints.cli\n"
        "from prometheus_client import REGISTRY\n"
        "print(*(sample.name for metric in REGISTRY.collect() for sample in metric.samples))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "ese_health_status" in said
    assert little & set(said) == set()
