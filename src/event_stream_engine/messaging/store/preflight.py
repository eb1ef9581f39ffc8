"""What a launch would do: the audience, counted by the same rules that the gate applies to each message."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.model.compliance import SERVICE_WINDOW
from event_stream_engine.messaging.model.segments import Rule
from event_stream_engine.messaging.model.templates import BLANK, BODY_MAX, BREAKS, WIDE_GAP, pieces
from event_stream_engine.messaging.store.segments import clause
from event_stream_engine.messaging.tables import contacts

_ALLOWED = literal("allowed")


def verdict(*, channel: str, body: str, is_approved_template: bool, now: datetime) -> Any:
    """The gate's answer as SQL: `allowed` or the reason, in the gate's order."""
    columns = contacts.c
    cases: list[Any] = [
        (columns.consent == "stopped", "stopped"),
        (columns.consent == "opted_out", "opted_out"),
        (columns.consent != "opted_in", "no_consent"),
        (columns.blocked_channels.contains([channel]), "channel_blocked"),
        *_unsendable(body, is_approved_template=is_approved_template),
    ]
    if channel == "whatsapp" and not is_approved_template:
        closed = or_(columns.last_inbound_at.is_(None), columns.last_inbound_at <= now - SERVICE_WINDOW)
        cases.append((closed, "outside_window"))
    return case(*cases, else_=_ALLOWED)


def _unsendable(body: str, *, is_approved_template: bool) -> list[tuple[Any, str]]:
    """`templates.unsendable` as SQL; the cases are tried in their order."""
    parts = pieces(body)
    placeholders = [part for part in parts if not isinstance(part, str)]
    if not placeholders:
        return []  # the template's own text was checked when it was saved
    missing = [_value(name, "") == "" for name, default in placeholders if default is None and name != "phone"]
    cases: list[tuple[Any, str]] = [(or_(*missing), "missing_attribute")] if missing else []
    if is_approved_template:
        first = dict(reversed(placeholders))  # a variable's default is the one of its first appearance
        values = [_value(name, default or "") for name, default in first.items()]
        cases.append((or_(*(func.btrim(value, BLANK) == "" for value in values)), "variable_empty"))
        uneven = [or_(func.translate(value, BREAKS, "") != value, func.strpos(value, WIDE_GAP) > 0) for value in values]
        cases.append((or_(*uneven), "variable_multiline"))
    texts = [literal(part) if isinstance(part, str) else _value(part[0], part[1] or "") for part in parts]
    text = func.concat(*texts)
    return [
        *cases,
        (func.btrim(text, BLANK) == "", "text_empty"),
        (func.length(text) > BODY_MAX, "text_too_long"),
    ]


def _value(name: str, default: str) -> Any:
    """What stands in the text where the placeholder is."""
    if name == "phone":
        return contacts.c.phone
    return func.coalesce(func.nullif(contacts.c.attributes[name].astext, ""), default)


async def by_verdict(tx: Transaction, rule: Rule, decided: Any) -> dict[str, int]:
    """How many of the audience get each verdict."""
    inner = select(decided.label("verdict")).where(clause(rule)).subquery()
    query = select(inner.c.verdict, func.count()).group_by(inner.c.verdict)
    return {row[0]: row[1] for row in await tx.execute(query)}


async def without_value(tx: Transaction, rule: Rule, decided: Any, required: Sequence[str]) -> dict[str, int]:
    """For each placeholder, how many are left out who have no value for it; those first who lack most."""
    names = [name for name in required if name != "phone"]
    if not names:
        return {}
    lacking = [func.count().filter(func.coalesce(contacts.c.attributes[name].astext, "") == "") for name in names]
    row = (await tx.execute(select(*lacking).where(and_(clause(rule), decided == "missing_attribute")))).one()
    found = {name: count for name, count in zip(names, row, strict=True) if count}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


async def zones(tx: Transaction, rule: Rule, decided: Any, prefix_length: int) -> list[tuple[str | None, str, int]]:
    """Where those are who would get a message: their own zone, else None and the beginning of their numbers, with how
    many they are."""
    own = func.nullif(contacts.c.timezone, "")
    prefix = case((own.is_(None), func.left(contacts.c.phone, prefix_length)), else_="")
    inner = select(own.label("zone"), prefix.label("prefix")).where(and_(clause(rule), decided == _ALLOWED)).subquery()
    query = select(inner.c.zone, inner.c.prefix, func.count()).group_by(inner.c.zone, inner.c.prefix)
    return [(row[0], row[1], row[2]) for row in await tx.execute(query)]


async def recipients(tx: Transaction, rule: Rule, decided: Any, limit: int) -> list[Any]:
    """Some of those who would get a message, spread over the audience by a fixed shuffle."""
    query = (
        select(contacts.c.id, contacts.c.phone, contacts.c.attributes)
        .where(and_(clause(rule), decided == _ALLOWED))
        .order_by(func.md5(contacts.c.phone))
        .limit(limit)
    )
    return list(await tx.execute(query))
