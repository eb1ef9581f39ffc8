"""Segments: nested rules over contacts.

A rule is `{"all": […]}`, `{"any": […]}`, `{"not": rule}` or a condition `{"field", "op", "value"}`. `all` of nothing
is everybody, `any` of nothing is nobody.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from event_stream_engine.errors import Conflict, FieldError, Invalid, NotFound
from event_stream_engine.messaging.model.contacts import ATTRIBUTE_NAME, CONSENTS

DEPTH_MAX = 8
CONDITIONS_MAX = 100
LIST_MAX = 1000
TEXT_MAX = 500


class SegmentNotFound(NotFound):
    code = "segment_not_found"


class SegmentNameTaken(Conflict):
    code = "segment_name_taken"


class SegmentInUse(Conflict):
    code = "segment_in_use"


@dataclass(frozen=True)
class Segment:
    id: UUID
    name: str
    description: str
    definition: dict[str, Any]
    size: int | None
    size_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True)
class AllOf:
    rules: tuple["Rule", ...]


@dataclass(frozen=True)
class AnyOf:
    rules: tuple["Rule", ...]


@dataclass(frozen=True)
class Not:
    rule: "Rule"


@dataclass(frozen=True)
class Condition:
    """`field` is a column's name or `attributes.<name>`."""

    field: str
    op: str
    value: Any = None

    @property
    def attribute(self) -> str | None:
        return self.field.removeprefix("attributes.") if self.field.startswith("attributes.") else None

    @property
    def needs(self) -> Literal["number", "date"] | None:
        """What the attribute's text must be for the comparison; None where any text will do."""
        if self.attribute is None:
            return None
        return "number" if self.op in NUMERIC else "date" if self.op in DATED else None


Rule: TypeAlias = AllOf | AnyOf | Not | Condition

EVERYBODY = AllOf(())

_TEXT = ("eq", "ne", "contains", "starts_with", "in", "exists", "missing")
NUMERIC = ("gt", "gte", "lt", "lte")
DATED = ("before", "after", "within_days")
_ATTRIBUTE = (*_TEXT, *NUMERIC, *DATED)
_DATE = (*DATED, "exists", "missing")
OPERATORS: dict[str, tuple[str, ...]] = {
    "consent": ("eq", "ne", "in"),
    "topics": ("contains", "exists", "missing"),
    "timezone": _TEXT,
    "locale": _TEXT,
    "country": _TEXT,
    "phone": ("eq", "ne", "starts_with", "in"),
    "created_at": _DATE,
    "updated_at": _DATE,
    "consent_changed_at": _DATE,
    "last_inbound_at": _DATE,
}


def parse_rule(definition: object) -> Rule:
    """The rule of a definition. Raises `Invalid` naming the place, such as `definition.all.2.op`."""
    budget = [CONDITIONS_MAX]
    return _parse(definition, "definition", 1, budget)


def _parse(given: object, at: str, depth: int, budget: list[int]) -> Rule:
    if depth > DEPTH_MAX:
        raise Invalid.field(at, f"Rules nest at most {DEPTH_MAX} deep.")
    if not isinstance(given, dict):
        raise Invalid.field(at, "A rule is an object: a group (all, any, not) or a condition.")
    for name, group in (("all", AllOf), ("any", AnyOf)):
        if name in given:
            children = given[name]
            if not isinstance(children, list) or set(given) != {name}:
                raise Invalid.field(at, f"`{name}` holds a list of rules and stands alone.")
            parsed = (_parse(c, f"{at}.{name}.{i}", depth + 1, budget) for i, c in enumerate(children))
            return group(tuple(parsed))
    if "not" in given:
        if set(given) != {"not"}:
            raise Invalid.field(at, "`not` holds one rule and stands alone.")
        return Not(_parse(given["not"], f"{at}.not", depth + 1, budget))
    budget[0] -= 1
    if budget[0] < 0:
        raise Invalid.field(at, f"At most {CONDITIONS_MAX} conditions.")
    return _condition(given, at)


def _condition(given: dict[str, Any], at: str) -> Condition:
    name, op, value = given.get("field"), given.get("op"), given.get("value")
    if not isinstance(name, str):
        raise Invalid.field(f"{at}.field", "Name a field such as consent or attributes.city.")
    attribute = name.removeprefix("attributes.") if name.startswith("attributes.") else None
    if attribute is not None and not ATTRIBUTE_NAME.fullmatch(attribute):
        raise Invalid.field(f"{at}.field", f"{attribute!r} cannot be the name of an attribute.")
    allowed = _ATTRIBUTE if attribute is not None else OPERATORS.get(name)
    if allowed is None:
        raise Invalid.field(
            f"{at}.field", f"There is no field {name!r}. Use attributes.<name>, {', '.join(OPERATORS)}."
        )
    if op not in allowed:
        raise Invalid.field(f"{at}.op", f"{name} takes {', '.join(allowed)}.")
    message = _wrong_value(name, str(op), value)
    if message:
        raise Invalid(message, errors=(FieldError(f"{at}.value", message),))
    return Condition(name, str(op), value)


def _wrong_value(name: str, op: str, value: Any) -> str | None:
    """What is wrong with the value, or None."""
    if op in ("exists", "missing"):
        return None
    if op in ("gt", "gte", "lt", "lte"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if is_number else "Give a number."
    if op == "within_days":
        ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 36_500
        return None if ok else "Give a number of days from 0 to 36500."
    if op in ("before", "after"):
        return None if is_date(value) else "Give a date such as 2026-03-31."
    if op == "in":
        ok = isinstance(value, list) and len(value) <= LIST_MAX and all(_is_text(v) for v in value)
        if not ok:
            return f"Give a list of at most {LIST_MAX} texts."
        return _unknown_consents(value) if name == "consent" else None
    if not _is_text(value):
        return f"Give a text of at most {TEXT_MAX} characters."
    return _unknown_consents([value]) if name == "consent" else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= TEXT_MAX and "\x00" not in value


def _unknown_consents(values: list[str]) -> str | None:
    unknown = [value for value in values if value not in CONSENTS]
    return f"Consent is one of {', '.join(CONSENTS)}." if unknown else None


def is_date(value: object) -> bool:
    """ISO 8601, a date or a date and time."""
    if not isinstance(value, str):
        return False
    try:
        if len(value) == 10:
            date.fromisoformat(value)
        else:
            datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def conditions(rule: Rule) -> list[Condition]:
    """Every condition in the rule."""
    if isinstance(rule, Condition):
        return [rule]
    children = (rule.rule,) if isinstance(rule, Not) else rule.rules
    return [condition for child in children for condition in conditions(child)]
