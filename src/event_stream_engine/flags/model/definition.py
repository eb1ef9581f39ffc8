"""What a flag is, and whether a definition makes sense by itself."""

import math
import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from event_stream_engine.errors import FieldError, Invalid
from event_stream_engine.wording import of_msgspec

Value = bool | int | float | str | list[Any] | dict[str, Any]
FlagType = Literal["bool", "int", "float", "string", "json"]
Operator = Literal[
    "eq", "ne", "in", "not_in", "contains", "starts_with", "ends_with", "gt", "gte", "lt", "lte", "exists", "missing"
]

STEPS = 10_000
"""Shares are counted in hundredths of a percent."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,99}")
RESERVED = frozenset({"status", "evaluate", "change-sets"})
INT_MAX = 2**53 - 1  # what JSON keeps exactly in every language
DEFINITION_BYTES_MAX = 65_536
ONE_VALUE: frozenset[str] = frozenset({"eq", "ne", "gt", "gte", "lt", "lte"})
NO_VALUE: frozenset[str] = frozenset({"exists", "missing"})


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A piece of a definition; what it does not know it refuses."""


class Serve(_Part, frozen=True):
    """What is given: a value, a named variant, or the variants by their weights. Exactly one of the three."""

    value: Value | None = None
    variant: str | None = None
    split: bool = False


class Variant(_Part, frozen=True):
    name: str
    value: Value
    weight: int = 0
    """Share of a split, in steps of 0.01 %."""


class Prerequisite(_Part, frozen=True):
    """Another flag that must give this value in the same context."""

    flag: str
    value: Value


class Target(_Part, frozen=True):
    """Individuals, by the sticky key."""

    keys: tuple[str, ...]
    serve: Serve


class Constraint(_Part, frozen=True):
    """A condition on one attribute of the context. An attribute that is not there meets `missing` and nothing else."""

    attribute: str
    op: Operator
    values: tuple[bool | int | float | str, ...] = ()


class Rule(_Part, frozen=True):
    """All constraints must hold; then `percentage` of the keys (all, if it is None) are served."""

    when: tuple[Constraint, ...]
    serve: Serve
    percentage: int | None = None
    description: str = ""


class Rollout(_Part, frozen=True):
    """`percentage` of all keys are served, in steps of 0.01 %."""

    percentage: int
    serve: Serve


class Flag(_Part, frozen=True):
    """A flag's definition. `value` is given when nothing more specific applies, `off` while it is killed, disabled or
    a prerequisite is not met. `key` names the attribute whose value decides the bucket; a new `salt` deals anew."""

    type: FlagType
    value: Value
    off: Value | None = None
    description: str = ""
    enabled: bool = True
    killed: bool = False
    key: str = "targeting_key"
    salt: str = ""
    variants: tuple[Variant, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    rollout: Rollout | None = None

    @property
    def is_targeted(self) -> bool:
        """Whether the context can matter."""
        return bool(self.prerequisites or self.targets or self.rules or self.rollout)

    @property
    def in_force(self) -> Value:
        """What it gives when the context says nothing."""
        off = self.value if self.off is None else self.off
        return self.value if self.enabled and not self.killed else off

    def serves(self) -> Iterator[tuple[str, Serve]]:
        """Everything it may give beside `value` and `off`, with the field it stands in."""
        for number, target in enumerate(self.targets):
            yield f"targets.{number}.serve", target.serve
        for number, rule in enumerate(self.rules):
            yield f"rules.{number}.serve", rule.serve
        if self.rollout:
            yield "rollout.serve", self.rollout.serve


def fits(type_: FlagType, value: object) -> bool:
    """Whether a value is of the type. A bool is no int; an int serves as a float."""
    match type_:
        case "bool":
            return type(value) is bool
        case "int":
            return type(value) is int and -INT_MAX <= value <= INT_MAX
        case "float":
            return (type(value) is float and math.isfinite(value)) or fits("int", value)
        case "string":
            return type(value) is str
        case "json":
            return isinstance(value, list | dict)


def checked(name: str, given: dict[str, Any]) -> Flag:
    """The definition in `given`, made whole. Raises `Invalid` naming every field that is wrong."""
    try:
        flag = msgspec.convert(given, Flag)
        encoded = msgspec.json.encode(flag)
        is_kept = msgspec.json.decode(encoded, type=Flag) == flag  # NaN and infinity come back as something else
    except (msgspec.MsgspecError, UnicodeEncodeError, OverflowError, RecursionError) as error:
        field, said = of_msgspec(error)
        where = f"{name}.{field}" if field else name
        raise Invalid.field(where, f"{where}: {said}") from error
    if not is_kept:
        raise Invalid.field(name, f"{name}: JSON has no place for NaN and infinity.")
    found = [*_name_errors(name), *_size_errors(encoded), *_errors(flag)]
    if found:
        listed = "; ".join(f"{e.field}: {e.message}" for e in found[:5])
        raise Invalid(f"The flag {name} cannot be kept so. {listed}", errors=tuple(found))
    return msgspec.structs.replace(flag, off=_default_off(flag)) if flag.off is None else flag


def _default_off(flag: Flag) -> Value:
    return False if flag.type == "bool" else flag.value


def _name_errors(name: str) -> Iterator[FieldError]:
    if not NAME.fullmatch(name) or name in RESERVED:
        yield FieldError("name", "A letter, then letters, digits, `_`, `.` or `-`; at most 100; no reserved word.")


def _size_errors(encoded: bytes) -> Iterator[FieldError]:
    if len(encoded) > DEFINITION_BYTES_MAX:
        yield FieldError("definition", f"{len(encoded)} bytes; at most {DEFINITION_BYTES_MAX}.")
    if b"\\u0000" in encoded:
        yield FieldError("definition", "The character U+0000 cannot be kept.")


def _errors(flag: Flag) -> Iterator[FieldError]:
    yield from _bounds(flag)
    yield from _value_errors(flag)
    yield from _variant_errors(flag)
    for field, serve in flag.serves():
        yield from _serve_errors(flag, field, serve)
    for number, rule in enumerate(flag.rules):
        yield from _rule_errors(f"rules.{number}", rule)
    if flag.rollout:
        yield from _share_errors("rollout.percentage", flag.rollout.percentage)


def _bounds(flag: Flag) -> Iterator[FieldError]:
    keys = sum(len(target.keys) for target in flag.targets)
    constraints = max((len(rule.when) for rule in flag.rules), default=0)
    for field, count, bound in (
        ("variants", len(flag.variants), 20),
        ("prerequisites", len(flag.prerequisites), 10),
        ("targets", keys, 1000),
        ("rules", len(flag.rules), 50),
        ("rules", constraints, 20),
        ("description", len(flag.description), 500),
        ("salt", len(flag.salt), 100),
    ):
        if count > bound:
            yield FieldError(field, f"{count}; at most {bound}.")
    if not 1 <= len(flag.key) <= 100:
        yield FieldError("key", "The name of an attribute, at most 100 characters.")


def _value_errors(flag: Flag) -> Iterator[FieldError]:
    if not fits(flag.type, flag.value):
        yield FieldError("value", f"Not of type {flag.type}.")
    if flag.off is not None and not fits(flag.type, flag.off):
        yield FieldError("off", f"Not of type {flag.type}.")


def _variant_errors(flag: Flag) -> Iterator[FieldError]:
    names = [variant.name for variant in flag.variants]
    if len(set(names)) < len(names) or not all(1 <= len(name) <= 100 for name in names):
        yield FieldError("variants", "Each needs a name of its own, at most 100 characters.")
    for number, variant in enumerate(flag.variants):
        if not fits(flag.type, variant.value):
            yield FieldError(f"variants.{number}.value", f"Not of type {flag.type}.")
        if not 0 <= variant.weight <= STEPS:
            yield FieldError(f"variants.{number}.weight", "0 to 100 percent.")


def _serve_errors(flag: Flag, field: str, serve: Serve) -> Iterator[FieldError]:
    if [serve.value is not None, serve.variant is not None, serve.split].count(True) != 1:
        yield FieldError(field, "Give exactly one of: value, variant, split.")
    elif serve.value is not None and not fits(flag.type, serve.value):
        yield FieldError(f"{field}.value", f"Not of type {flag.type}.")
    elif serve.variant is not None and serve.variant not in {variant.name for variant in flag.variants}:
        yield FieldError(f"{field}.variant", "The flag has no variant of that name.")
    elif serve.split and sum(variant.weight for variant in flag.variants) != STEPS:
        yield FieldError(field, "To split, the variants' weights must sum to 100.")
    if serve.split and field.startswith("targets"):
        yield FieldError(field, "An individual target gets a value or one variant.")


def _rule_errors(field: str, rule: Rule) -> Iterator[FieldError]:
    if not rule.when:
        yield FieldError(f"{field}.when", "A rule needs a constraint; for everybody use the rollout.")
    if rule.percentage is not None:
        yield from _share_errors(f"{field}.percentage", rule.percentage)
    for number, constraint in enumerate(rule.when):
        wanted = _values_wanted(constraint)
        if not wanted or not 1 <= len(constraint.attribute) <= 100:
            yield FieldError(f"{field}.when.{number}", f"{constraint.op}: the number of values does not fit.")


def _values_wanted(constraint: Constraint) -> bool:
    given = len(constraint.values)
    if constraint.op in NO_VALUE:
        return given == 0
    return given == 1 if constraint.op in ONE_VALUE else 1 <= given <= 200


def _share_errors(field: str, steps: int) -> Iterator[FieldError]:
    if not 0 <= steps <= STEPS:
        yield FieldError(field, "0 to 100 percent.")
