"""Segments: rules as SQL."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.dialects.postgresql import insert as upsert

from event_stream_engine import clock
from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.contacts import Contact
from event_stream_engine.messaging.model.segments import AllOf, AnyOf, Condition, Not, Rule, Segment
from event_stream_engine.messaging.store.contacts import contact_of
from event_stream_engine.messaging.tables import campaigns, contacts, segments


async def segment(tx: Transaction, segment_id: UUID) -> Segment | None:
    row = (await tx.execute(select(segments).where(segments.c.id == segment_id))).one_or_none()
    return Segment(**row._mapping) if row else None


async def page(tx: Transaction, after: str | None, limit: int) -> list[Segment]:
    query = select(segments).order_by(segments.c.name).limit(limit)
    if after is not None:
        query = query.where(segments.c.name > after)
    return [Segment(**row._mapping) for row in await tx.execute(query)]


async def add(tx: Transaction, new: Segment) -> bool:
    """False when the name is taken."""
    added = await tx.execute(upsert(segments).values(**vars(new)).on_conflict_do_nothing(index_elements=["name"]))
    return added.rowcount == 1


async def name_taken(tx: Transaction, name: str, other_than: UUID) -> bool:
    query = select(segments.c.id).where(segments.c.name == name, segments.c.id != other_than)
    return (await tx.execute(query)).first() is not None


async def save(tx: Transaction, changed: Segment) -> None:
    values = {name: value for name, value in vars(changed).items() if name not in ("id", "created_at")}
    await tx.execute(update(segments).where(segments.c.id == changed.id).values(**values))


async def remember_size(tx: Transaction, segment_id: UUID, size: int, at: datetime) -> None:
    await tx.execute(update(segments).where(segments.c.id == segment_id).values(size=size, size_at=at))


async def is_used(tx: Transaction, segment_id: UUID) -> bool:
    return (
        await tx.execute(select(campaigns.c.id).where(campaigns.c.segment_id == segment_id).limit(1))
    ).first() is not None


async def remove(tx: Transaction, segment_id: UUID) -> None:
    await tx.execute(delete(segments).where(segments.c.id == segment_id))


async def size(tx: Transaction, rule: Rule) -> int:
    """How many contacts match."""
    return (await tx.execute(select(func.count()).select_from(contacts).where(clause(rule)))).scalar_one()


async def sample(tx: Transaction, rule: Rule, count: int) -> list[Contact]:
    """The newest contacts that match."""
    query = (
        select(contacts).where(clause(rule)).order_by(contacts.c.created_at.desc(), contacts.c.id.desc()).limit(count)
    )
    return [contact_of(row) for row in await tx.execute(query)]


UNREADABLE_SAMPLES = 3


async def unreadable(tx: Transaction, condition: Condition) -> tuple[int, list[str]]:
    """How many contacts have a value that the condition's comparison cannot read, and some of those values."""
    stored = _stored(condition.attribute or "")
    method = "$.double()" if condition.needs == "number" else "$.datetime()"
    no_vars: Any = cast(literal("{}"), JSONB)
    readable = func.jsonb_path_exists_tz(stored, cast(literal(method), JSONPATH), no_vars, true())
    value = contacts.c.attributes[condition.attribute].astext
    where = and_(func.coalesce(value, "") != "", not_(func.coalesce(readable, false())))
    count = (await tx.execute(select(func.count()).select_from(contacts).where(where))).scalar_one()
    if not count:
        return 0, []
    some = select(func.left(value, 60)).where(where).distinct().limit(UNREADABLE_SAMPLES)
    return count, sorted((await tx.execute(some)).scalars())


def clause(rule: Rule) -> ColumnElement[bool]:
    """The WHERE of a rule over `contacts`; never NULL, so that `not` means not."""
    if isinstance(rule, AllOf):
        return and_(true(), *(clause(child) for child in sorted(rule.rules, key=_cost)))
    if isinstance(rule, AnyOf):
        return or_(false(), *(clause(child) for child in sorted(rule.rules, key=_cost)))
    if isinstance(rule, Not):
        return not_(clause(rule.rule))
    return func.coalesce(_condition(rule), false())


def _cost(rule: Rule) -> int:
    """Relative cost of evaluating a rule for a row. PostgreSQL evaluates conditions in the order given, and does not
    know that a JSON path costs ten times a comparison."""
    if isinstance(rule, AllOf | AnyOf):
        return sum(map(_cost, rule.rules))
    if isinstance(rule, Not):
        return _cost(rule.rule)
    if rule.attribute is None:
        return 1
    return 10 if rule.needs else 2


def _condition(condition: Condition) -> ColumnElement[bool]:
    if condition.field == "topics":
        return _topics(condition)
    if condition.attribute is not None:
        return _attribute(condition.attribute, condition.op, condition.value)
    column = contacts.c[condition.field]
    if isinstance(column.type, DateTime):
        return _DATED[condition.op](column, condition.value)
    return _TEXTUAL[condition.op](column, condition.value)


def _topics(condition: Condition) -> ColumnElement[bool]:
    if condition.op == "contains":
        return contacts.c.topics.contains([condition.value])
    has_any = func.cardinality(contacts.c.topics) > 0
    return has_any if condition.op == "exists" else not_(has_any)


def _attribute(name: str, op: str, value: Any) -> ColumnElement[bool]:
    stored = _stored(name)
    if op in _COMPARED:
        return _compared(stored, "double()", _COMPARED[op], value)
    if op in ("before", "after"):
        return _compared(stored, "datetime()", "<" if op == "before" else ">", value, is_date=True)
    if op == "within_days":
        since = (clock.now() - timedelta(days=int(value))).date().isoformat()
        return and_(
            _compared(stored, "datetime()", ">=", since, is_date=True),
            _compared(stored, "datetime()", "<=", clock.now().date().isoformat(), is_date=True),
        )
    return _TEXTUAL[op](contacts.c.attributes[name].astext, value)


def _stored(name: str) -> ColumnElement[Any]:
    """An attribute as JSON. PostgreSQL asks a subscript, `attributes['x']`, in one process only."""
    return contacts.c.attributes.op("->", return_type=JSONB)(name)


def _compared(
    stored: ColumnElement[Any], method: str, operator: str, value: Any, *, is_date: bool = False
) -> ColumnElement[bool]:
    """Compare an attribute as a number or a date; one that is neither never matches (a silent JSON path)."""
    given = "$v.datetime()" if is_date else "$v"
    path = cast(literal(f"$.{method} ? (@ {operator} {given})"), JSONPATH)
    variables = cast(bindparam(None, {"v": value}, type_=JSONB), JSONB)
    return func.jsonb_path_exists_tz(stored, path, variables, true())


_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

Operator = Callable[[Any, Any], ColumnElement[bool]]

_TEXTUAL: dict[str, Operator] = {
    "eq": lambda column, value: cast(column, Text) == value,
    "ne": lambda column, value: func.coalesce(cast(column, Text), "") != value,
    "contains": lambda column, value: column.icontains(value, autoescape=True),
    "starts_with": lambda column, value: column.istartswith(value, autoescape=True),
    "in": lambda column, value: column.in_(value),
    "exists": lambda column, _: func.coalesce(column, "") != "",
    "missing": lambda column, _: func.coalesce(column, "") == "",
}

_DATED: dict[str, Operator] = {
    "before": lambda column, value: column < _moment(value),
    "after": lambda column, value: column >= _moment(value),
    "within_days": lambda column, value: column >= clock.now() - timedelta(days=int(value)),
    "exists": lambda column, _: column.is_not(None),
    "missing": lambda column, _: column.is_(None),
}


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.now().tzinfo)
