"""Which flags may stand together: every combination of the product's own flags, and prerequisites."""

import itertools
from typing import Any

import msgspec
import pytest

from event_stream_engine.errors import Invalid, NotFound, Stale
from event_stream_engine.flags.api import Flags, get_flag_manager
from event_stream_engine.flags.model import (
    CATALOGUE,
    Change,
    Facts,
    Flag,
    Held,
    Refused,
    issues_of,
    plan,
    unplanned,
)
from event_stream_engine.flags.model.definition import checked
from event_stream_engine.flags.store import Loaded

DECLARED = {
    "MONITORING_USE_ADAPTER": ("bool", True),
    "MONITORING_ADAPTER_TYPE": ("string", "realtime"),
    "MONITORING_DUAL_MODE": ("bool", False),
    "MONITORING_ENABLE_VALIDATION": ("bool", True),
    "MONITORING_VALIDATION_STRICT": ("bool", False),
    "MONITORING_METRICS_PERSISTENCE": ("bool", True),
    "MONITORING_METRICS_FLUSH_INTERVAL": ("int", 300),
    "MONITORING_BATCH_SIZE": ("int", 100),
}
BOOLEANS = [name for name, (kind, _) in DECLARED.items() if kind == "bool"]
HERE = Facts()


def with_values(values: dict[str, Any]) -> dict[str, Flag]:
    return {name: msgspec.structs.replace(flag, value=values.get(name, flag.value)) for name, flag in CATALOGUE.items()}


def codes(values: dict[str, Any], facts: Facts = HERE) -> set[str]:
    found = issues_of(with_values(values), facts)
    assert len({issue.code for issue in found}) == len(found)
    return {issue.code for issue in found}


def planned(held: dict[str, Held], *changes: Change) -> list[str]:
    return [step.name for step in plan(held, changes, HERE)]


def test_the_eight_flags_are_there_as_declared_and_have_no_issue() -> None:
    assert {name: (flag.type, flag.value) for name, flag in CATALOGUE.items()} == DECLARED
    assert issues_of(CATALOGUE, HERE) == []
    found = get_flag_manager()
    assert {name: found.get_all()[name] for name in DECLARED} == {name: value for name, (_, value) in DECLARED.items()}
    assert (found.issues(), found.status().health) == ((), "healthy")


@pytest.mark.parametrize("has_database", [True, False])
@pytest.mark.parametrize("adapter", ["websocket", "realtime", "dual", "pigeon"])
@pytest.mark.parametrize("on", list(itertools.product([False, True], repeat=len(BOOLEANS))))
def test_every_combination_gives_exactly_the_declared_issues(
    on: tuple[bool, ...], adapter: str, has_database: bool
) -> None:
    use, dual, validate, strict, persist = on
    expected = {
        "strict_needs_validation": strict and not validate,
        "dual_needs_adapter": dual and not use,
        "dual_disagrees": dual != (adapter == "dual"),
        "realtime_needs_database": use and adapter in ("realtime", "dual") and not has_database,
        "persistence_needs_database": persist and not has_database,
        "unknown_adapter": adapter == "pigeon",
    }
    values = {**dict(zip(BOOLEANS, on, strict=True)), "MONITORING_ADAPTER_TYPE": adapter}
    assert codes(values, Facts(has_database=has_database)) == {code for code, holds in expected.items() if holds}


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize("interval", [-1, 0, 1])
def test_an_interval_is_positive_and_persistence_needs_one(interval: int, persist: bool) -> None:
    values = {"MONITORING_METRICS_FLUSH_INTERVAL": interval, "MONITORING_METRICS_PERSISTENCE": persist}
    expected = {"interval_not_positive": interval <= 0, "persistence_needs_interval": interval <= 0 and persist}
    assert codes(values) == {code for code, holds in expected.items() if holds}


@pytest.mark.parametrize(("size", "is_wrong"), [(0, True), (1, False), (500, False), (501, True)])
def test_a_batch_fits_into_the_buffer(size: int, is_wrong: bool) -> None:
    found = codes({"MONITORING_BATCH_SIZE": size}, Facts(buffer_events=500))
    assert found == ({"batch_out_of_range"} if is_wrong else set())


def test_what_belongs_together_is_changed_together() -> None:
    dual = Change("MONITORING_DUAL_MODE", {"value": True})
    adapter = Change("MONITORING_ADAPTER_TYPE", {"value": "dual"})
    with pytest.raises(Refused) as refused:
        planned(unplanned(), dual)
    assert [error.field for error in refused.value.errors] == ["MONITORING_DUAL_MODE"]
    assert planned(unplanned(), dual, adapter) == ["MONITORING_DUAL_MODE", "MONITORING_ADAPTER_TYPE"]


def test_a_kill_counts_as_the_value_it_gives() -> None:
    strict = {name: Held(flag, 1) for name, flag in with_values({"MONITORING_VALIDATION_STRICT": True}).items()}
    with pytest.raises(Refused):
        planned(strict, Change("MONITORING_ENABLE_VALIDATION", {"killed": True}))


def test_the_products_own_flags_have_one_value_and_stay() -> None:
    share = {"rollout": {"percentage": 1, "serve": {"value": True}}}
    with pytest.raises(Invalid, match="whole platform"):
        planned(unplanned(), Change("MONITORING_DUAL_MODE", share))
    with pytest.raises(Invalid, match="type bool"):
        planned(unplanned(), Change("MONITORING_DUAL_MODE", {"type": "int", "value": 1}, whole=True))
    with pytest.raises(Exception, match="cannot be removed"):
        planned(unplanned(), Change("MONITORING_DUAL_MODE", None))


def held(**flags: dict[str, Any]) -> dict[str, Held]:
    return unplanned() | {
        name: Held(checked(name, {"type": "bool", "value": True, **given}), 1) for name, given in flags.items()
    }


def test_a_flag_cannot_need_itself_or_what_is_not_there() -> None:
    kept = held(a={}, b={"prerequisites": [{"flag": "a", "value": True}]})
    for wanted in ({"flag": "a", "value": True}, {"flag": "b", "value": True}, {"flag": "c", "value": True}):
        with pytest.raises(Refused):
            planned(kept, Change("a", {"prerequisites": [wanted]}))
    with pytest.raises(Refused, match="never have"):
        planned(kept, Change("b", {"prerequisites": [{"flag": "a", "value": 1}]}))
    with pytest.raises(Refused, match="does not exist"):
        planned(kept, Change("a", None))


def test_what_changes_nothing_is_no_step() -> None:
    assert planned(held(a={}), Change("a", {"value": True})) == []


def test_a_stale_or_unknown_or_repeated_change_is_refused() -> None:
    with pytest.raises(Stale):
        planned(held(a={}), Change("a", {"value": False}, expected=2))
    with pytest.raises(NotFound):
        planned(held(), Change("a", {"value": False}))
    with pytest.raises(Invalid, match="once"):
        planned(held(a={}), Change("a", {"value": False}), Change("a", {"value": True}))
    with pytest.raises(Invalid, match="type bool"):
        planned(held(a={}), Change("a", {"type": "int", "value": 1}, whole=True))


def test_flags_that_a_rule_forbids_are_not_loaded_and_health_says_why() -> None:
    flags = Flags()
    assert flags.offer(Loaded(1, held(a={})))
    forbidden = held(a={"value": False}) | {
        "MONITORING_DUAL_MODE": Held(with_values({"MONITORING_DUAL_MODE": True})["MONITORING_DUAL_MODE"], 1)
    }
    assert not flags.offer(Loaded(2, forbidden))
    assert flags.boolean("a") is True
    assert (flags.status().health, flags.status().revision) == ("degraded", 1)
    assert [issue.code for issue in flags.issues()] == ["dual_disagrees"]
    assert flags.offer(Loaded(3, held(a={"value": False})))
    assert (flags.boolean("a"), flags.status().health) == (False, "healthy")
