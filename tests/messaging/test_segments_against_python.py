"""A segment's SQL finds exactly the contacts that the rule, read in Python, describes."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from event_stream_engine import clock
from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions import segments as actions
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.segments import (
    CONDITIONS_MAX,
    DEPTH_MAX,
    AllOf,
    AnyOf,
    Condition,
    Not,
    Rule,
    parse_rule,
)
from event_stream_engine.messaging.store import contacts as store
from event_stream_engine.messaging.store import segments
from event_stream_engine.messaging.tables import contacts

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
VALUES = [
    None, "", "5", "05", "5.0", "-3", "1e2", "NaN", "abc", "ABC", "a%c", "a_c", "O'Brien", "\\", "5 apples",
    "2026-03-01", "2026-03-10", "2026-03-01T08:00:00Z", "2026-03-31", "not-a-date", "åäö", '"quoted"', "$.x",
]  # fmt: skip
TIMES = [None, NOW - timedelta(days=40), NOW - timedelta(days=3), NOW - timedelta(hours=1)]


def make(number: int, chance: random.Random) -> Contact:
    attributes = {name: value for name in ("x", "y") if (value := chance.choice(VALUES)) is not None}
    return Contact(
        id=new_id(), phone=f"+1415234{number:04d}", country=chance.choice([None, "US", "SE"]), attributes=attributes,
        consent=chance.choice(["opted_in", "opted_out", "stopped", "unknown"]), consent_source=None,
        consent_changed_at=chance.choice(TIMES), topics=chance.choice([[], ["news"], ["news", "sale"]]),
        timezone=chance.choice([None, "UTC", "Europe/Stockholm"]), locale=chance.choice([None, "", "sv_SE"]),
        created_at=NOW - timedelta(days=number), updated_at=NOW, version=1, last_inbound_at=chance.choice(TIMES),
    )  # fmt: skip


@pytest.fixture
async def people(database: Database) -> list[Contact]:
    chance = random.Random(11)
    made = [make(number, chance) for number in range(150)]
    async with database.transaction() as tx:
        for contact in made:
            assert await store.add(tx, contact)
    return made


async def found(tx: Transaction, rule: Rule) -> set[str]:
    rows = await tx.execute(select(contacts.c.phone).where(segments.clause(rule)))
    return {row[0] for row in rows}


# ---- the same rules, in Python


def matches(rule: Rule, contact: Contact) -> bool:
    if isinstance(rule, AllOf):
        return all(matches(child, contact) for child in rule.rules)
    if isinstance(rule, AnyOf):
        return any(matches(child, contact) for child in rule.rules)
    if isinstance(rule, Not):
        return not matches(rule.rule, contact)
    if rule.field == "topics":
        return rule.value in contact.topics if rule.op == "contains" else bool(contact.topics) == (rule.op == "exists")
    if rule.attribute is not None:
        return attribute_matches(rule, contact.attributes.get(rule.attribute))
    value = getattr(contact, rule.field)
    return dated_matches(rule, value) if rule.field.endswith("_at") else textual_matches(rule, value)


def textual_matches(rule: Condition, value: str | None) -> bool:
    if rule.op in ("exists", "missing"):
        return bool(value) == (rule.op == "exists")
    if rule.op == "ne":
        return (value or "") != rule.value
    if value is None:
        return False
    return {
        "eq": lambda: value == rule.value,
        "contains": lambda: rule.value.lower() in value.lower(),
        "starts_with": lambda: value.lower().startswith(rule.value.lower()),
        "in": lambda: value in rule.value,
    }[rule.op]()


def dated_matches(rule: Condition, value: datetime | None) -> bool:
    if rule.op in ("exists", "missing"):
        return (value is not None) == (rule.op == "exists")
    if value is None:
        return False
    if rule.op == "within_days":
        return value >= NOW - timedelta(days=rule.value)
    moment = datetime.fromisoformat(rule.value)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return value < moment if rule.op == "before" else value >= moment


def attribute_matches(rule: Condition, value: str | None) -> bool:
    if rule.op in ("gt", "gte", "lt", "lte"):
        number = as_number(value)
        if number is None:
            return False
        return {
            "gt": number > rule.value,
            "gte": number >= rule.value,
            "lt": number < rule.value,
            "lte": number <= rule.value,
        }[rule.op]
    if rule.op in ("before", "after", "within_days"):
        day = as_moment(value)
        if day is None:
            return False
        if rule.op == "within_days":
            return NOW - timedelta(days=rule.value) <= end_of(day) and start_of(day) <= NOW
        moment = as_moment(rule.value)
        assert moment is not None
        return start_of(day) < start_of(moment) if rule.op == "before" else start_of(day) > start_of(moment)
    return textual_matches(rule, value)


def as_number(value: str | None) -> float | None:
    """What PostgreSQL's JSON path takes for a number: NaN and texts around numbers are none."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return None if number != number else number


def as_moment(value: str | None) -> datetime | date | None:
    try:
        return date.fromisoformat(value or "") if len(value or "") == 10 else datetime.fromisoformat(value or "")
    except ValueError:
        return None


def start_of(moment: datetime | date) -> datetime:
    return moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def end_of(moment: datetime | date) -> datetime:
    return moment if isinstance(moment, datetime) else start_of(moment) + timedelta(days=1)


CONDITIONS: list[dict[str, Any]] = [
    *({"field": "attributes.x", "op": op, "value": v} for op in ("eq", "ne", "contains", "starts_with")
      for v in ("abc", "5", "", "a%c", "a_c", "%", "_", "\\", "O'Brien", '"quoted"', "A", "å", "$.x")),
    *({"field": "attributes.x", "op": op, "value": v} for op in ("gt", "gte", "lt", "lte") for v in (5, -3, 4.5, 100)),
    *({"field": "attributes.x", "op": op, "value": v} for op in ("before", "after")
      for v in ("2026-03-01", "2026-03-10", "2026-03-05")),
    {"field": "attributes.x", "op": "within_days", "value": 10},
    {"field": "attributes.x", "op": "in", "value": ["abc", "5", "nobody"]},
    {"field": "attributes.x", "op": "in", "value": []},
    {"field": "attributes.nobody_has_it", "op": "eq", "value": "1"},
    {"field": "attributes.nobody_has_it", "op": "ne", "value": "1"},
    {"field": "attributes.x", "op": "exists"}, {"field": "attributes.x", "op": "missing"},
    *({"field": "consent", "op": op, "value": "stopped"} for op in ("eq", "ne")),
    {"field": "consent", "op": "in", "value": ["opted_in", "unknown"]},
    *({"field": "topics", "op": op, "value": "news"} for op in ("contains", "exists", "missing")),
    *({"field": name, "op": op, "value": "SE"} for name in ("country", "locale", "timezone")
      for op in ("eq", "ne", "contains", "starts_with", "exists", "missing")),
    *({"field": "phone", "op": op, "value": "+14152340001"} for op in ("eq", "ne", "starts_with")),
    *({"field": name, "op": op, "value": "2026-03-07"} for op in ("before", "after")
      for name in ("consent_changed_at", "last_inbound_at", "created_at")),
    *({"field": "consent_changed_at", "op": op, "value": 5} for op in ("within_days", "exists", "missing")),
]  # fmt: skip


async def test_every_condition_finds_what_it_says_and_its_negation_the_rest(
    database: Database, people: list[Contact]
) -> None:
    everybody = {contact.phone for contact in people}
    with clock.frozen(NOW):
        async with database.transaction() as tx:
            for given in CONDITIONS:
                rule = parse_rule(given)
                expected = {contact.phone for contact in people if matches(rule, contact)}
                assert await found(tx, rule) == expected, given
                assert await found(tx, Not(rule)) == everybody - expected, {"not": given}


def nested(chance: random.Random, depth: int) -> dict[str, Any]:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(CONDITIONS)
    if chance.random() < 0.25:
        return {"not": nested(chance, depth - 1)}
    group = chance.choice(["all", "any"])
    return {group: [nested(chance, depth - 1) for _ in range(chance.randint(0, 3))]}


@pytest.mark.parametrize("seed", [1, 2])
async def test_nested_rules_find_what_they_say(database: Database, people: list[Contact], seed: int) -> None:
    chance = random.Random(seed)
    with clock.frozen(NOW):
        async with database.transaction() as tx:
            for _ in range(60):
                given = nested(chance, 5)
                rule = parse_rule(given)
                assert await found(tx, rule) == {c.phone for c in people if matches(rule, c)}, given
                assert await segments.size(tx, rule) == len(await found(tx, rule))


async def test_values_that_a_date_or_number_rule_cannot_read_are_counted_for_each_rule(
    database: Database, people: list[Contact]
) -> None:
    after = {"field": "attributes.x", "op": "after", "value": "2000-01-01"}
    over = {"field": "attributes.x", "op": "gt", "value": 3}
    named = {"field": "attributes.x", "op": "eq", "value": "abc"}
    async with database.transaction() as tx:
        evaluation = await actions.evaluate(tx, {"all": [named, {"not": after}, {"any": [over]}, after]}, 0)
    values = [value for contact in people if (value := contact.attributes.get("x"))]
    dates, numbers = (sum(read(value) is None for value in values) for read in (as_moment, as_number))
    told = [(entry.condition, entry.needs, entry.count) for entry in evaluation.unreadable]
    assert told == [(1, "date", dates), (2, "number", numbers), (3, "date", dates)]
    assert 0 < len(evaluation.unreadable[0].samples) <= 3
    assert all(as_moment(sample) is None for sample in evaluation.unreadable[0].samples)


async def test_a_rule_that_reads_every_value_is_not_remarked_on(database: Database, people: list[Contact]) -> None:
    rules = [{"field": "attributes.nobody_has_it", "op": "gt", "value": 1}, {"field": "created_at", "op": "exists"}]
    async with database.transaction() as tx:
        assert (await actions.evaluate(tx, {"all": rules}, 0)).unreadable == []


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE contacts; --", "' OR '1'='1", "$$", "\\'", '") ? (@ == @', "%s", ":id", "{}", "\u0001"]
)
async def test_a_value_is_data_and_never_sql(database: Database, people: list[Contact], value: str) -> None:
    async with database.transaction() as tx:
        for op in ("eq", "contains", "starts_with"):
            assert await found(tx, parse_rule({"field": "attributes.x", "op": op, "value": value})) == set()
        assert await found(tx, parse_rule({"field": "attributes.x", "op": "in", "value": [value]})) == set()
        assert len(await found(tx, AllOf(()))) == len(people)


@pytest.mark.parametrize(
    "definition",
    [
        [], None, "all", {}, {"all": {}}, {"all": [], "any": []}, {"not": [], "all": []}, {"all": [3]},
        {"field": "password", "op": "eq", "value": "x"},
        {"field": "attributes.x'; DROP", "op": "eq", "value": "x"},
        {"field": "attributes.", "op": "eq", "value": "x"},
        {"field": "consent", "op": "eq", "value": "maybe"},
        {"field": "consent", "op": "gt", "value": 1},
        {"field": "attributes.x", "op": "gt", "value": "5"},
        {"field": "attributes.x", "op": "gt", "value": True},
        {"field": "attributes.x", "op": "before", "value": "yesterday"},
        {"field": "attributes.x", "op": "within_days", "value": -1},
        {"field": "attributes.x", "op": "in", "value": "abc"},
        {"field": "attributes.x", "op": "eq", "value": "a\x00b"},
        {"field": "attributes.x", "op": "eq", "value": "x" * 501},
        {"all": [{"field": "consent", "op": "exists"}]},
        {"any": [{"field": "phone", "op": "exists"}] * (CONDITIONS_MAX + 1)},
    ],
)  # fmt: skip
def test_a_definition_that_is_none_is_refused_with_its_place(definition: object) -> None:
    with pytest.raises(Invalid) as refused:
        parse_rule(definition)
    assert refused.value.errors[0].field.startswith("definition")


def test_rules_nest_only_so_deep() -> None:
    rule: dict[str, Any] = {"field": "consent", "op": "eq", "value": "stopped"}
    for _ in range(DEPTH_MAX - 1):
        rule = {"not": rule}
    parse_rule(rule)
    with pytest.raises(Invalid):
        parse_rule({"not": rule})
