"""What a flag gives: the order of its parts, sticky shares, and that asking never raises."""

from typing import Any

import mmh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_stream_engine.errors import Invalid
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.model import (
    STEPS,
    Compiled,
    Evaluation,
    Flag,
    Held,
    bucket,
    evaluate,
    unplanned,
)
from event_stream_engine.flags.model.definition import checked
from event_stream_engine.flags.model.evaluating import VARIANT_SEED
from event_stream_engine.flags.model.shares import percent_of, steps_of
from event_stream_engine.flags.store import Loaded

PEOPLE = range(100_000)


def flag(**given: Any) -> Flag:
    return checked("f", {"type": "bool", "value": False, **given})


def asked(one: Flag, context: Any, **others: Flag) -> Evaluation:
    compiled = {name: Compiled(name, other, 1) for name, other in {"f": one, **others}.items()}
    answer = evaluate(compiled, "f", context)
    assert answer is not None
    return answer


def inside(percentage: int, salt: str = "") -> set[int]:
    one = Compiled("f", flag(salt=salt, rollout={"percentage": percentage, "serve": {"value": True}}), 1)
    return {person for person in PEOPLE if one.evaluate({"targeting_key": person}, {}).value}


def manager(**flags: Flag) -> Flags:
    found = Flags()
    assert found.offer(Loaded(1, unplanned() | {name: Held(one, 1) for name, one in flags.items()}))
    return found


# Vectors of the reference implementation (SMHasher), as published with many ports of it.
@pytest.mark.parametrize(
    ("text", "seed", "expected"),
    [
        ("", 0, 0),
        ("", 1, 0x514E28B7),
        ("", 0xFFFFFFFF, 0x81F16F39),
        ("test", 0, 0xBA6BD213),
        ("aaaa", 0x9747B28C, 0x5A97808A),
        ("Hello, world!", 0x9747B28C, 0x24884CBA),
        ("The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
    ],
)
def test_the_hash_is_murmur3(text: str, seed: int, expected: int) -> None:
    assert mmh3.hash(text, seed, signed=False) == expected


# Unleash's client specification: `group:id` mod 100 + 1, and the variants' seed.
@pytest.mark.parametrize(
    ("text", "place", "variant"), [("gr1:123", 73, 96), ("groupX:999", 25, 60)], ids=["gr1", "groupX"]
)
def test_the_hash_agrees_with_unleash(text: str, place: int, variant: int) -> None:
    assert mmh3.hash(text, 0, signed=False) % 100 + 1 == place
    assert mmh3.hash(text, VARIANT_SEED, signed=False) % 100 + 1 == variant


def test_a_bucket_is_the_hash_of_salt_flag_and_key() -> None:
    assert bucket("s", "f", "k") == mmh3.hash("s:f:k", 0, signed=False) % STEPS


def test_a_larger_share_keeps_everybody_who_was_in() -> None:
    quarter, half = inside(2500), inside(5000)
    assert quarter < half
    assert quarter < inside(2501)


@pytest.mark.parametrize("percent", [0, 0.01, 0.07, 0.29, 12.34, 33.33, 57, 99.99, 100])
def test_percent_and_steps_are_the_same_share(percent: float) -> None:
    assert percent_of(steps_of(percent)) == percent


@pytest.mark.parametrize("percent", [-0.01, 100.01, 0.001, float("inf"), float("nan")])
def test_a_share_that_is_none_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="0 to 100"):
        steps_of(percent)


@pytest.mark.parametrize("percentage", [1, 100, 2500, 5000, 9999])
def test_the_share_is_what_was_asked_for(percentage: int) -> None:
    assert abs(len(inside(percentage)) / len(PEOPLE) - percentage / STEPS) < 0.01


def test_nobody_is_in_at_zero_and_everybody_at_a_hundred() -> None:
    assert inside(0) == set()
    assert inside(STEPS) == set(PEOPLE)


def test_a_new_salt_deals_anew() -> None:
    first, second = inside(5000), inside(5000, salt="b")
    assert 0.4 < len(first & second) / len(first) < 0.6


def test_being_in_says_nothing_about_the_variant() -> None:
    variants = [{"name": "a", "value": "A", "weight": 5000}, {"name": "b", "value": "B", "weight": 5000}]
    definition = {"type": "string", "value": "-", "variants": variants}
    one = Compiled("f", checked("f", {**definition, "rollout": {"percentage": 1000, "serve": {"split": True}}}), 1)
    given = [one.evaluate({"targeting_key": person}, {}) for person in PEOPLE]
    served = [answer for answer in given if answer.reason == "SPLIT"]
    assert abs(len(served) / len(PEOPLE) - 0.1) < 0.01
    assert abs(sum(answer.variant == "a" for answer in served) / len(served) - 0.5) < 0.03


def test_a_rollout_of_everybody_reaches_those_without_a_key() -> None:
    everybody = {"percentage": STEPS, "serve": {"value": True}}
    assert asked(flag(rollout=everybody), {}).value is True
    when = [{"attribute": "country", "op": "in", "values": ["FR"]}]
    by_rule = flag(rules=[{"when": when, **everybody}])
    assert (asked(by_rule, {"country": "FR"}).value, asked(by_rule, {"country": "DE"}).value) == (True, False)


@pytest.mark.parametrize("key", [None, "", True, 1.5, ["x"], 2**70])
def test_without_a_sticky_key_the_value_is_given_and_the_reason_said(key: Any) -> None:
    one = flag(rollout={"percentage": STEPS - 1, "serve": {"value": True}})
    context = {} if key is None else {"targeting_key": key}
    answers = {(answer.value, answer.reason, answer.detail) for answer in [asked(one, context) for _ in range(50)]}
    assert answers == {(False, "DEFAULT", "no_key")}


EVERYTHING: dict[str, Any] = {
    "prerequisites": [{"flag": "other", "value": True}],
    "targets": [{"keys": ["ana"], "serve": {"value": True}}],
    "rules": [
        {"when": [{"attribute": "country", "op": "in", "values": ["DE", "AT"]}], "serve": {"value": True}},
        {"when": [{"attribute": "country", "op": "eq", "values": ["AT"]}], "serve": {"value": False}},
    ],
    "rollout": {"percentage": STEPS, "serve": {"value": True}},
}
ON, OFF = flag(value=True), flag(value=False)


@pytest.mark.parametrize(
    ("changes", "other", "context", "expected"),
    [
        ({"killed": True, "value": True}, ON, {"targeting_key": "ana"}, (False, "DISABLED", "killed")),
        ({"enabled": False, "value": True}, ON, {"targeting_key": "ana"}, (False, "DISABLED", "disabled")),
        ({"killed": True, "enabled": False}, ON, {}, (False, "DISABLED", "killed")),
        ({}, OFF, {"targeting_key": "ana"}, (False, "DISABLED", "prerequisite:other")),
        ({}, ON, {"targeting_key": "ana", "country": "FR"}, (True, "TARGETING_MATCH", "target")),
        ({}, ON, {"targeting_key": "bo", "country": "AT"}, (True, "TARGETING_MATCH", "rule:1")),
        ({}, ON, {"targeting_key": "bo", "country": "FR"}, (True, "SPLIT", None)),
        ({"rollout": None}, ON, {"targeting_key": "bo", "country": "FR"}, (False, "DEFAULT", None)),
    ],
)
def test_the_parts_are_asked_in_their_order(
    changes: dict[str, Any], other: Flag, context: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    answer = asked(flag(**{**EVERYTHING, **changes}), context, other=other)
    assert (answer.value, answer.reason, answer.detail) == expected


def test_a_flag_that_nothing_can_change_is_static() -> None:
    answer = asked(flag(value=True), {"targeting_key": "ana"})
    assert (answer.value, answer.variant, answer.reason, answer.version) == (True, "on", "STATIC", 1)


CONSTRAINTS: list[tuple[str, list[Any], Any, bool]] = [
    ("eq", [1], True, False),
    ("eq", [True], 1, False),
    ("eq", [1], 1.0, True),
    ("ne", ["a"], "b", True),
    ("ne", ["a"], None, False),
    ("in", ["a", 2], 2, True),
    ("not_in", ["a"], "a", False),
    ("contains", ["x"], ["y", "x"], True),
    ("contains", ["ell"], "hello", True),
    ("contains", [1], [True], False),
    ("starts_with", ["+49"], "+4915", True),
    ("ends_with", [".de"], "a.com", False),
    ("gt", [5], 6, True),
    ("gt", [5], "6", False),
    ("gte", ["2026-01-01"], "2026-01-01T00:00:00Z", True),
    ("lt", [5], True, False),
    ("lte", [5], 5.0, True),
    ("exists", [], 0, True),
    ("missing", [], None, True),
    ("missing", [], "", False),
]


@pytest.mark.parametrize(("op", "values", "attribute", "expected"), CONSTRAINTS)
def test_a_constraint_compares_like_with_like(op: str, values: list[Any], attribute: Any, expected: bool) -> None:
    rule = {"when": [{"attribute": "a", "op": op, "values": values}], "serve": {"value": True}}
    assert asked(flag(rules=[rule]), {} if attribute is None else {"a": attribute}).value is expected


def test_a_rule_may_serve_a_share_of_those_it_matches() -> None:
    rule = {
        "when": [{"attribute": "country", "op": "eq", "values": ["DE"]}],
        "percentage": 2500,
        "serve": {"value": True},
    }
    one = Compiled("f", flag(rules=[rule]), 1)
    served = {p for p in PEOPLE if one.evaluate({"targeting_key": p, "country": "DE"}, {}).value}
    assert served == inside(2500)


class Hostile:
    """A value whose every use fails."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __hash__(self) -> int:
        raise RuntimeError("no")


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(exclude_categories=())),
        st.binary(), st.builds(Hostile), st.builds(pow, st.just(10), st.just(5000)),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip
attributes = st.sampled_from(["targeting_key", "country", "a", "b"])


@settings(max_examples=300, deadline=None)
@given(context=st.one_of(st.dictionaries(attributes, anything), anything), name=st.sampled_from(["f", "none", "s"]))
def test_asking_never_raises_and_gives_the_same_again(context: Any, name: str) -> None:
    rules = [
        {"when": [{"attribute": "ab"[n % 2], "op": op, "values": values}], "serve": {"value": True}, "percentage": 5000}
        for n, (op, values, _, _) in enumerate(CONSTRAINTS)
    ]
    flags = manager(
        f=flag(rules=rules, targets=EVERYTHING["targets"], rollout={"percentage": 3333, "serve": {"value": True}}),
        s=checked("s", {"type": "json", "value": {"a": 1}}),
    )
    first = flags.details(name, False, context)
    assert type(first.value) is bool
    assert flags.details(name, False, context) == first


def test_a_type_is_kept_to_and_a_bool_is_no_int() -> None:
    flags = manager(n=checked("n", {"type": "int", "value": 1}))
    assert flags.integer("n", 0) == 1
    wrong = flags.details("n", True)
    assert (wrong.value, wrong.reason, wrong.error_code) == (True, "ERROR", "TYPE_MISMATCH")
    unknown = flags.details("none", 7)
    assert (unknown.value, unknown.reason, unknown.error_code) == (7, "ERROR", "FLAG_NOT_FOUND")
    assert flags.details("n", 0, context=7).error_code == "INVALID_CONTEXT"  # type: ignore[arg-type]


def test_what_a_caller_does_to_a_json_value_changes_nobody_elses() -> None:
    flags = manager(j=checked("j", {"type": "json", "value": {"a": [1]}}))
    flags.json("j", {})["a"].append(2)
    assert flags.json("j", {}) == {"a": [1]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "int", "value": True},
        {"type": "int", "value": 1.0},
        {"type": "int", "value": 2**60},
        {"type": "bool", "value": 1},
        {"type": "float", "value": float("nan")},
        {"type": "float", "value": "1"},
        {"type": "string", "value": "\ud800"},
        {"type": "string", "value": "a\x00b"},
        {"type": "string", "value": "x" * 70_000},
        {"type": "json", "value": "text"},
        {"type": "json", "value": {"a": float("inf")}},
        {"type": "bool", "value": True, "off": "no"},
        {"type": "bool", "value": True, "colour": "red"},
        {"type": "bool", "value": True, "rollout": {"percentage": 10_001, "serve": {"value": True}}},
        {"type": "bool", "value": True, "rollout": {"percentage": True, "serve": {"value": True}}},
        {"type": "bool", "value": True, "rollout": {"percentage": 1, "serve": {}}},
        {"type": "bool", "value": True, "rollout": {"percentage": 1, "serve": {"variant": "x"}}},
        {"type": "bool", "value": True, "rollout": {"percentage": 1, "serve": {"split": True}}},
        {"type": "bool", "value": True, "rules": [{"when": [], "serve": {"value": True}}]},
        {"type": "bool", "value": True, "targets": [{"keys": ["x"] * 1001, "serve": {"value": True}}]},
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        checked("f", wrong)
    assert refused.value.errors


@pytest.mark.parametrize("name", ["", "1a", "a b", "status", "x" * 101, "a/b"])
def test_a_name_that_cannot_be_addressed_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        checked(name, {"type": "bool", "value": True})
