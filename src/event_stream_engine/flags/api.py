"""The one door to the flags: `Flags`, which a process is given and asks; nothing else reads flags."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from event_stream_engine import clock
from event_stream_engine.flags.model import (
    CATALOGUE,
    Compiled,
    Context,
    Evaluation,
    Facts,
    Flag,
    Issue,
    Value,
    issues_of,
    unplanned,
)
from event_stream_engine.flags.store import Loaded

__all__ = ["CATALOGUE", "Context", "Evaluation", "Facts", "Flags", "Status", "Value", "get_flag_manager", "install"]

_NOTHING: dict[str, Any] = {}
Source = Literal["declared", "database", "file"]


class Status(msgspec.Struct, frozen=True):
    """Where the flags in force come from. `confirmed_at` is when the source last agreed; `age_seconds` since then."""

    source: Source
    revision: int
    flags: int
    is_stale: bool
    confirmed_at: datetime | None
    age_seconds: float | None
    issues: tuple[Issue, ...]

    @property
    def health(self) -> Literal["healthy", "degraded"]:
        return "degraded" if self.issues or self.is_stale else "healthy"


class Flags:
    """The flags in force in this process. Asking never raises, never waits and touches nothing but memory; any thread
    may ask. New flags come by `offer`."""

    def __init__(self, facts: Facts | None = None) -> None:
        self.facts = facts or Facts()
        self._compiled: dict[str, Compiled] = {}
        self._source: Source = "declared"
        self._revision = 0
        self._confirmed_at: datetime | None = None
        self._issues: tuple[Issue, ...] = ()
        self._is_stale = False
        self._told: list[Callable[[], None]] = []
        self._put(Loaded(0, unplanned()))

    def offer(self, loaded: Loaded, source: Source = "database", confirmed_at: datetime | None = None) -> bool:
        """Put these flags in force, unless a rule forbids them: then the last good ones stay, and health says why."""
        found = [*_damage(loaded), *issues_of({name: held.flag for name, held in loaded.flags.items()}, self.facts)]
        self._issues = tuple(found)
        if source == "database":
            self._confirmed_at = clock.now()
            self._set_stale(False)
        if found:
            return False
        if source == "file":
            self._confirmed_at = confirmed_at
            self._set_stale(True)
        self._source = source
        self._put(loaded)
        return True

    def doubt(self) -> None:
        """The source did not answer: from now on answers carry the reason STALE, until it does."""
        self._set_stale(True)

    def when_staleness_changes(self, tell: Callable[[], None]) -> None:
        """Call `tell` whenever the flags become stale, and when they no longer are."""
        self._told.append(tell)

    def _set_stale(self, is_stale: bool) -> None:
        if is_stale is not self._is_stale:
            self._is_stale = is_stale
            for tell in self._told:
                tell()

    def _put(self, loaded: Loaded) -> None:
        known = self._compiled
        self._compiled = {
            name: known[name] if name in known and _is_same(known[name], held.flag, held.version)
            else Compiled(name, held.flag, held.version)
            for name, held in loaded.flags.items()
        }  # fmt: skip
        self._revision = loaded.revision

    def evaluate(self, name: str, context: Context | None = None) -> Evaluation:
        """What a flag gives, whatever its type. For an unknown flag value None with the reason ERROR."""
        flags = self._compiled
        found = flags.get(name)
        if found is None:
            return Evaluation(None, None, "ERROR", 0, f"there is no flag {name}", "FLAG_NOT_FOUND")
        if context is None:
            context = _NOTHING
        elif not isinstance(context, Mapping):
            return Evaluation(found.flag.value, None, "ERROR", found.version, "no mapping", "INVALID_CONTEXT")
        answer = found.evaluate(context, flags)
        if found.flag.type == "json":  # the caller may change what it is given
            answer = msgspec.structs.replace(answer, value=msgspec.json.decode(msgspec.json.encode(answer.value)))
        return _stale(answer) if self._is_stale else answer

    def details(self, name: str, fallback: Value, context: Context | None = None) -> Evaluation:
        """What a flag gives if it is of `fallback`'s type; else `fallback`, with the reason ERROR."""
        answer = self.evaluate(name, context)
        if answer.error_code == "FLAG_NOT_FOUND":
            return msgspec.structs.replace(answer, value=fallback)
        if _kind(answer.value) is not _kind(fallback):
            detail = f"not of the type that was asked for ({_kind(fallback).__name__})"
            return Evaluation(fallback, None, "ERROR", answer.version, detail, "TYPE_MISMATCH")
        return answer

    def boolean(self, name: str, fallback: bool = False, context: Context | None = None) -> bool:
        return bool(self.details(name, fallback, context).value)

    def integer(self, name: str, fallback: int, context: Context | None = None) -> int:
        return int(self.details(name, fallback, context).value)

    def number(self, name: str, fallback: float, context: Context | None = None) -> float:
        return float(self.details(name, float(fallback), context).value)

    def string(self, name: str, fallback: str, context: Context | None = None) -> str:
        return str(self.details(name, fallback, context).value)

    def json(self, name: str, fallback: dict[str, Any] | list[Any], context: Context | None = None) -> Any:
        return self.details(name, fallback, context).value

    def get_all(self) -> dict[str, Value]:
        """Every flag's value where the context says nothing."""
        return {name: compiled.flag.in_force for name, compiled in self._compiled.items()}

    def issues(self) -> tuple[Issue, ...]:
        """Why the flags that were last loaded are not in force; empty when they are."""
        return self._issues

    def status(self) -> Status:
        at = self._confirmed_at
        return Status(
            source=self._source,
            revision=self._revision,
            flags=len(self._compiled),
            is_stale=self._is_stale,
            confirmed_at=at,
            age_seconds=None if at is None else max(0.0, (clock.now() - at).total_seconds()),
            issues=self._issues,
        )


def _is_same(compiled: Compiled, flag: Flag, version: int) -> bool:
    return compiled.version == version and compiled.flag == flag


def _damage(loaded: Loaded) -> list[Issue]:
    return [Issue("unreadable", name, f"The kept definition of {name} cannot be read.") for name in loaded.damaged]


def _stale(answer: Evaluation) -> Evaluation:
    detail = answer.reason if answer.detail is None else f"{answer.reason} {answer.detail}"
    return msgspec.structs.replace(answer, reason="STALE", detail=detail)


def _kind(value: object) -> type:
    """bool, int, float and str as they are; dict and list are both JSON. A bool is no int."""
    return dict if type(value) is list else type(value)


_manager: Flags | None = None


def install(flags: Flags) -> Flags:
    """Make these the process's flags; done once, where the process starts."""
    global _manager
    _manager = flags
    return flags


def get_flag_manager() -> Flags:
    """The process's flags; before a process has installed any, the declared ones."""
    return _manager if _manager is not None else install(Flags())
