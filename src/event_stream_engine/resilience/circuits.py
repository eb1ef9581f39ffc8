"""The breakers and connection pools of one process, by name, and what operators ordered of them.

Made once per process and handed to whoever calls something outside; of one event loop, as its breakers are.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import Gauge

from event_stream_engine.resilience.breaker import Breaker, State, Thresholds, Transition

POOL = Gauge(
    "ese_pool_connections", "Connections of a pool: its size, those in use, callers that wait", ["pool", "what"]
)


class Action(StrEnum):
    """What an operator may order."""

    OPEN = "open"
    DISABLE = "disable"
    RESET = "reset"


_LEFT_IN = {Action.OPEN: State.FORCED_OPEN, Action.DISABLE: State.DISABLED, Action.RESET: State.CLOSED}


@dataclass(frozen=True)
class Order:
    """The newest word of an operator about one breaker; `number` grows with each."""

    number: int
    breaker: str
    action: Action


@dataclass(frozen=True)
class Pool:
    """Connections: how many there may be (None: no bound), how many are in use, how many callers wait for one."""

    size: int | None
    in_use: int
    waiting: int


class Circuits:
    """A breaker that is added later is put at once into the state that was ordered of it."""

    def __init__(self) -> None:
        self.breakers: dict[str, Breaker] = {}
        self.listeners: list[Callable[[Transition], None]] = []
        self._pools: dict[str, Callable[[], Pool]] = {}
        self._ordered: dict[str, Order] = {}
        self._obeyed: dict[str, int] = {}

    def breaker(self, name: str, thresholds: Thresholds | None = None) -> Breaker:
        """The one of this name, made on first use."""
        return self.breakers.get(name) or self.add(Breaker(name, thresholds=thresholds))

    def add(self, breaker: Breaker) -> Breaker:
        """Replaces one of the same name."""
        self.breakers[breaker.name] = breaker
        breaker.listeners.append(self._tell)
        self._obeyed.pop(breaker.name, None)
        self._obey(breaker.name)
        return breaker

    def add_pool(self, name: str, look: Callable[[], Pool]) -> None:
        """The first of a name stays: it is the one that the process works with."""
        self._pools.setdefault(name, look)

    def pools(self) -> Mapping[str, Pool]:
        """As they are now; exported on the way."""
        found = {name: look() for name, look in self._pools.items()}
        for name, pool in found.items():
            for what, number in (("size", pool.size), ("in_use", pool.in_use), ("waiting", pool.waiting)):
                if number is not None:
                    POOL.labels(name, what).set(number)
        return found

    def obey(self, orders: Iterable[Order]) -> None:
        """Carry out what was not carried out before. A reset that is older than the breaker asks for nothing."""
        self._ordered = {order.breaker: order for order in orders}
        for name in self._ordered:
            self._obey(name)

    def _obey(self, name: str) -> None:
        order, breaker = self._ordered.get(name), self.breakers.get(name)
        if order is None or breaker is None or self._obeyed.get(name, 0) >= order.number:
            return
        is_first = name not in self._obeyed
        self._obeyed[name] = order.number
        if breaker.state is _LEFT_IN[order.action] and (is_first or order.action is not Action.RESET):
            return
        {Action.OPEN: breaker.force_open, Action.DISABLE: breaker.disable, Action.RESET: breaker.reset}[order.action]()

    def _tell(self, transition: Transition) -> None:
        for listener in self.listeners:
            listener(transition)


CIRCUITS = "circuits"


def circuits_of(shared: dict[str, object]) -> Circuits:
    """Those of the process whose long-lived things these are; made on first use."""
    found = shared.setdefault(CIRCUITS, Circuits())
    assert isinstance(found, Circuits), "the key is ours"
    return found
