"""Rules can be added and taken away while events flow; an error blocks in strict mode only; every check is counted."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from event_stream_engine.errors import Conflict, NotFound
from event_stream_engine.monitoring.api import Kind, Level, Rule, UnifiedMonitoringEvent
from event_stream_engine.monitoring.validation import Validation


def event(**given: Any) -> UnifiedMonitoringEvent:
    made = {"event_type": "cache_hit", "source": "test", "timestamp": datetime.now(UTC), "data": {}, **given}
    return UnifiedMonitoringEvent(**made)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"event_type": "  "}, "event_type_named"),
        ({"event_type": "x" * 51}, "event_type_named"),
        ({"source": ""}, "source_named"),
        ({"source": "x" * 101}, "source_named"),
        ({"data": {1: "a"}}, "names_are_text"),
        ({"data": {"a": object()}}, "json_within_bounds"),
        ({"data": {"a": "x" * 65_536}}, "json_within_bounds"),
        ({"metadata": {"a": "x" * 8192}}, "json_within_bounds"),
    ],
)
def test_what_is_wrong_is_named_and_blocks_in_strict_mode_only(given: dict[str, Any], rule: str) -> None:
    lenient, strict = Validation(), Validation(strict=True)
    report = lenient.validate(event(**given))
    assert [fault.rule for fault in report.faults] == [rule]
    assert (report.is_valid, report.is_blocked) == (False, False)
    assert strict.validate(event(**given)).is_blocked


def test_the_bounds_themselves_are_allowed() -> None:
    largest = event(event_type="x" * 50, source="x" * 100, data={"a": "x" * (65_536 - 8)})
    assert Validation(strict=True).validate(largest).faults == ()


def no_node(checked: UnifiedMonitoringEvent) -> str | None:
    return None if "node" in checked.data else "data names no node"


@pytest.mark.parametrize("level", [Level.WARNING, Level.INFO])
def test_a_rule_of_ones_own_holds_for_its_types_and_a_warning_never_blocks(level: Level) -> None:
    validation = Validation(strict=True)
    validation.add_rule(Rule("node_named", Kind.QUALITY, level, no_node, frozenset({"cache_hit"})))
    reports = validation.validate_batch([event(), event(data={"node": 1}), event(event_type="other")])
    assert [len(report.faults) for report in reports] == [1, 0, 0]
    assert all(report.is_valid and not report.is_blocked for report in reports)
    assert validation.metrics()["by_rule"]["node_named"] == {  # type: ignore[index]
        "checked": 2, "passed": 1, "failed": 1, "pass_rate": 0.5,
    }  # fmt: skip


def test_a_rule_can_be_taken_away_and_its_name_is_its_own() -> None:
    validation = Validation(strict=True)
    rule = Rule("node_named", Kind.BUSINESS, Level.ERROR, no_node)
    validation.add_rule(rule)
    with pytest.raises(Conflict, match="node_named"):
        validation.add_rule(rule)
    assert validation.validate(event()).is_blocked
    validation.remove_rule("node_named")
    assert not validation.validate(event()).is_blocked
    with pytest.raises(NotFound, match="node_named"):
        validation.remove_rule("node_named")


def test_the_pass_rate_is_told_in_all_and_by_type_and_types_are_bounded() -> None:
    validation, before = Validation(), truncated()
    assert validation.metrics()["pass_rate"] is None
    validation.validate_batch([event(), event(source=""), *(event(event_type=f"type_{n}") for n in range(100))])
    figures = validation.metrics()
    assert truncated() - before == 51, "what was folded is counted"
    assert (figures["checked"], figures["passed"]) == (102, 101)
    by_type = figures["by_event_type"]
    assert by_type["cache_hit"]["pass_rate"] == 0.5  # type: ignore[index]
    assert (len(by_type), by_type["other"]["checked"]) == (51, 51)  # type: ignore[arg-type, index]


def truncated() -> float:
    return REGISTRY.get_sample_value("ese_metrics_truncated_total", {"metric": "validated_event_type"}) or 0.0
