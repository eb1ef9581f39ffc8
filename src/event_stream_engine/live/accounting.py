"""Where every event went: accepted = delivered + conflated + dropped{reason, category} + dead-lettered + pending.

Each stage (publishing, each adapter, the clients, the persister) keeps one ledger, as long as the process lives.
`pending` is not counted but asked of what really waits, so a stage that loses an event without saying so is out of
balance, and shows it in `ese_monitoring_stage_imbalance`.
"""

from collections import Counter as Counts
from collections.abc import Callable, Iterable
from typing import Self
from weakref import WeakSet

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from event_stream_engine.events.monitoring import Category


class Ledger:
    """One stage's account. The four ways out are counted where they happen."""

    def __init__(self, stage: str, pending: Callable[[], int] = lambda: 0) -> None:
        """`pending` asks how many events wait in the stage."""
        self.stage = stage
        self.accepted = 0
        self.delivered = 0
        self.conflated = 0
        self.dead_lettered = 0
        self.dropped: Counts[tuple[str, Category]] = Counts()
        self._pending = pending

    def export(self) -> Self:
        """Shown to Prometheus from here on, and asked by whichever thread collects: the stage must be whole."""
        _LEDGERS.add(self)
        return self

    @property
    def pending(self) -> int:
        return self._pending()

    @property
    def dropped_total(self) -> int:
        return sum(self.dropped.values())

    @property
    def imbalance(self) -> int:
        """0, or how many events the stage cannot account for."""
        out = self.delivered + self.conflated + self.dropped_total + self.dead_lettered
        return self.accepted - out - self.pending

    def drop(self, reason: str, category: Category, count: int = 1) -> None:
        self.dropped[reason, category] += count

    def as_dict(self) -> dict[str, object]:
        return {
            "accepted": self.accepted,
            "delivered": self.delivered,
            "conflated": self.conflated,
            "dropped": {f"{reason}/{category}": count for (reason, category), count in self.dropped.items()},
            "dead_lettered": self.dead_lettered,
            "pending": self.pending,
            "imbalance": self.imbalance,
        }


_LEDGERS: "WeakSet[Ledger]" = WeakSet()


class _Export(Collector):
    """The ledgers of this process as Prometheus sees them; those of one stage are added up."""

    def collect(self) -> Iterable[Metric]:
        sums: Counts[tuple[str, str]] = Counts()
        dropped: Counts[tuple[str, str, str]] = Counts()
        for ledger in list(_LEDGERS):
            for name in ("accepted", "delivered", "conflated", "dead_lettered", "pending", "imbalance"):
                sums[ledger.stage, name] += getattr(ledger, name)
            for (reason, category), count in dict(ledger.dropped).items():  # its stage counts on in another thread
                dropped[ledger.stage, reason, category] += count
        moved = CounterMetricFamily(
            "ese_monitoring_stage_events", "Events, by what became of them", labels=["stage", "outcome"]
        )
        lost = CounterMetricFamily(
            "ese_monitoring_stage_dropped", "Events dropped", labels=["stage", "reason", "category"]
        )
        waiting = GaugeMetricFamily("ese_monitoring_stage_pending", "Events that wait", labels=["stage"])
        missing = GaugeMetricFamily("ese_monitoring_stage_imbalance", "Events nobody accounts for: 0", labels=["stage"])
        for (stage, name), count in sums.items():
            gauge = {"pending": waiting, "imbalance": missing}.get(name)
            if gauge is not None:
                gauge.add_metric([stage], count)
            else:
                moved.add_metric([stage, name], count)
        for labels, count in dropped.items():
            lost.add_metric(list(labels), count)
        return [moved, lost, waiting, missing]


REGISTRY.register(_Export())
