"""What a set of changes would make of the flags: all of it, or a refusal that names every reason."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from event_stream_engine.errors import Conflict, FieldError, Invalid, NotFound, Stale
from event_stream_engine.flags.model.catalogue import CATALOGUE, Facts, misuse
from event_stream_engine.flags.model.combinations import Issue, issues_of
from event_stream_engine.flags.model.definition import Flag, checked

FLAGS_MAX = 1000
CHANGES_MAX = 50


class Refused(Conflict):
    code = "flag_combination"
    title = "These flags do not go together"

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(
            f"Nothing was changed. {' '.join(issue.message for issue in issues)} Change them together, as one set.",
            errors=tuple(FieldError(issue.flag, issue.message) for issue in issues),
        )
        self.issues = tuple(issues)


class Unknown(NotFound):
    code = "flag_not_found"


class Held(msgspec.Struct, frozen=True):
    """A flag as it is kept; version 0 is a flag of the catalogue that nobody has changed."""

    flag: Flag
    version: int


class Change(msgspec.Struct, frozen=True):
    """`fields` over what is kept, or `whole`: instead of it; None removes the flag. `expected`: the version that was
    read, None for whatever is kept now. `action` is kept in the audit."""

    name: str
    fields: dict[str, Any] | None
    action: str = "change"
    whole: bool = False
    expected: int | None = None


class Planned(msgspec.Struct, frozen=True):
    """One flag's step; `after` is None for a removal."""

    name: str
    action: str
    before: Held | None
    after: Flag | None


def unplanned() -> dict[str, Held]:
    """The flags of the catalogue as they are declared."""
    return {name: Held(flag, 0) for name, flag in CATALOGUE.items()}


def plan(held: Mapping[str, Held], changes: Sequence[Change], facts: Facts) -> list[Planned]:
    """The steps that change something. Raises `Invalid`, `Unknown`, `Stale` or `Refused`, for the set as a whole."""
    _require_set(changes)
    steps = [_step(held.get(change.name), change) for change in changes]
    steps = [step for step in steps if _changes_something(step)]
    flags = {name: kept.flag for name, kept in held.items()} | _after(steps)
    flags = {name: flag for name, flag in flags.items() if not _is_removed(name, steps)}
    if len(flags) > FLAGS_MAX:
        raise Invalid(f"There may be at most {FLAGS_MAX} flags: remove some first.")
    issues = issues_of(flags, facts) if steps else []
    if issues:
        raise Refused(issues)
    return steps


def _changes_something(step: Planned) -> bool:
    """Compared as they are kept: to Python, True equals 1."""
    before = step.before.flag if step.before else None
    return msgspec.json.encode(before, order="sorted") != msgspec.json.encode(step.after, order="sorted")


def _require_set(changes: Sequence[Change]) -> None:
    names = [change.name for change in changes]
    if not 1 <= len(names) <= CHANGES_MAX:
        raise Invalid(f"A change set has 1 to {CHANGES_MAX} changes.")
    if len(set(names)) < len(names):
        raise Invalid("A change set names each flag once.")


def _after(steps: Iterable[Planned]) -> dict[str, Flag]:
    return {step.name: step.after for step in steps if step.after is not None}


def _is_removed(name: str, steps: Iterable[Planned]) -> bool:
    return any(step.name == name and step.after is None for step in steps)


def _step(kept: Held | None, change: Change) -> Planned:
    version = kept.version if kept else 0
    if change.expected is not None and change.expected != version:
        raise Stale(f"{change.name} has version {version}, not {change.expected}. Load it, then change it again.")
    if kept is None and not change.whole:
        raise Unknown(f"There is no flag {change.name}.")
    if change.fields is None:
        return _removal(kept, change)
    base = {} if change.whole or kept is None else msgspec.to_builtins(kept.flag)
    flag = checked(change.name, base | change.fields)
    _require_same_kind(change.name, kept, flag)
    return Planned(change.name, change.action, kept, flag)


def _removal(kept: Held | None, change: Change) -> Planned:
    if change.name in CATALOGUE:
        raise Conflict(f"{change.name} is the product's own and cannot be removed; roll it back to version 0 instead.")
    return Planned(change.name, change.action, kept, None)


def _require_same_kind(name: str, kept: Held | None, flag: Flag) -> None:
    wrong = list(misuse(name, flag))
    if kept is not None and kept.flag.type != flag.type:
        wrong.append(FieldError("type", f"{name} is of type {kept.flag.type}; make a new flag for another type."))
    if wrong:
        raise Invalid(wrong[0].message, errors=tuple(wrong))
