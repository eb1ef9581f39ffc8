"""Readings, and the state that follows from them: worse after three readings that say so, better after two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from event_stream_engine import clock

Status = Literal["pass", "warn", "fail"]
Kind = Literal["datastore", "component", "system"]

BAD_BEFORE_WORSE = 3
GOOD_BEFORE_BETTER = 2
BUFFER_FULL = 0.8
"""Up to this fill an outage of the database is buffered, and so only a warning."""
NEEDED = ("postgresql", "redis")
"""Without these nothing can be served; everything else makes the platform worse, not dead."""
_RANK: Mapping[Status, int] = {"pass": 0, "warn": 1, "fail": 2}


@dataclass(frozen=True)
class Reading:
    """What one look at a component found. `key` is `component:measure`."""

    component: str
    measure: str
    status: Status
    kind: Kind = "component"
    observed: float | None = None
    unit: str | None = None
    output: str | None = None
    at: datetime = field(default_factory=clock.now)

    @property
    def key(self) -> str:
        return f"{self.component}:{self.measure}"


@dataclass
class Held:
    """A check's state. `against` are the readings in a row that say something else."""

    reading: Reading
    status: Status
    since: datetime
    against: list[Status] = field(default_factory=list)
    changes: int = 0

    def note(self, reading: Reading) -> None:
        """A reading that agrees clears the doubt, so a component that flaps stays what it was."""
        self.reading = reading
        if reading.status == self.status or (self.against and self._is_other_way(reading.status)):
            self.against.clear()
        if reading.status == self.status:
            return
        self.against.append(reading.status)
        if self._is_worse(reading.status):
            if len(self.against) >= BAD_BEFORE_WORSE:
                self._become(min(self.against, key=_RANK.__getitem__))
        elif len(self.against) >= GOOD_BEFORE_BETTER:
            self._become(max(self.against, key=_RANK.__getitem__))

    def _is_worse(self, status: Status) -> bool:
        return _RANK[status] > _RANK[self.status]

    def _is_other_way(self, status: Status) -> bool:
        return self._is_worse(status) != self._is_worse(self.against[-1])

    def _become(self, status: Status) -> None:
        """The nearest state that all the readings speak for; those that speak for one further on still count."""
        self.status, self.since, self.changes = status, self.reading.at, self.changes + 1
        agreeing = [index for index, other in enumerate(self.against) if other == status]
        self.against = self.against[agreeing[-1] + 1 :]

    def as_check(self) -> dict[str, Any]:
        """As application/health+json has it, with the doubt beside the state."""
        reading = self.reading
        found = {
            "componentType": reading.kind,
            "status": self.status,
            "time": reading.at.isoformat(),
            "since": self.since.isoformat(),
            "lastReading": reading.status,
            "readingsAgainst": len(self.against),
        }
        if reading.observed is not None:
            found |= {"observedValue": reading.observed, "observedUnit": reading.unit}
        return found | ({"output": reading.output} if reading.output else {})


class Board:
    """Every check's state."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def note(self, readings: Iterable[Reading]) -> None:
        """The first reading is believed; a check that is no longer read is forgotten."""
        found = list(readings)
        for reading in found:
            known = self.held.get(reading.key)
            if known is None:
                self.held[reading.key] = Held(reading, reading.status, reading.at)
            else:
                known.note(reading)
        keys = {reading.key for reading in found}
        self.held = {key: held for key, held in sorted(self.held.items()) if key in keys}

    def of(self, component: str) -> Status:
        """The worst state of a component's checks; `pass` where there are none."""
        states = [held.status for held in self.held.values() if held.reading.component == component]
        return max(states, key=_RANK.__getitem__, default="pass")

    def down(self) -> list[str]:
        """What is needed and fails."""
        return [component for component in NEEDED if self.of(component) == "fail"]

    def overall(self, buffer_fill: float | None) -> Status:
        """`fail` where something needed fails; an outage of the database that is buffered is a warning."""
        down = self.down()
        if down == ["postgresql"] and buffer_fill is not None and buffer_fill < BUFFER_FULL:
            return "warn"
        if down:
            return "fail"
        return "pass" if all(held.status == "pass" for held in self.held.values()) else "warn"


def over(value: float, warn: float, fail: float) -> Status:
    return "fail" if value > fail else "warn" if value > warn else "pass"


def under(value: float, warn: float, fail: float) -> Status:
    return "fail" if value < fail else "warn" if value < warn else "pass"
