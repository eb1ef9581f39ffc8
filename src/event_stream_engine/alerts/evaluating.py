"""The evaluator: judges the rules over figures as they come, as Prometheus does over its samples.

Figures are held no longer than the longest window asks: a growth keeps at most `POINTS` points, however long it is.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from event_stream_engine.alerts.model import (
    BUDGET,
    ERRORS,
    ERRORS_MIN,
    REQUESTS,
    Burn,
    Condition,
    Grown,
    Judged,
    Labels,
    Level,
    Rule,
    Sample,
    Selector,
)

POINTS = 240
_FORGOTTEN_SECONDS = 3600.0
_MET: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "==": lambda value, bound: value == bound,
}

Values = dict[Labels, float]


class Growth:
    """How much counters grew within a window, per group of labels, resets taken out.

    What the first look finds is where counting begins; a series that appears later began at 0, unless it is foreign.
    """

    def __init__(self, of: Selector, window: float, by: tuple[str, ...] = (), *, is_foreign: bool = False) -> None:
        self._is_foreign = is_foreign
        self.of, self._window, self._by = of, window, by
        self._last: dict[Labels, tuple[float, float]] = {}
        self._totals: Values = {}
        self._points: dict[Labels, deque[tuple[float, float]]] = {}
        self._began: float | None = None

    def observe(self, at: float, samples: Iterable[Sample]) -> None:
        for sample in samples:
            if self.of.takes(sample):
                self._add(at, sample)
        self._began = at if self._began is None else self._began
        for series, (seen, _) in list(self._last.items()):
            if at - seen > _FORGOTTEN_SECONDS:
                del self._last[series]
        for group, total in self._totals.items():
            self._keep(group, at, total)

    def _add(self, at: float, sample: Sample) -> None:
        group = grouped(sample.labels, self._by)
        known = self._last.get(sample.labels)
        before = known[1] if known else sample.value if self._began is None or self._is_foreign else 0.0
        grown = sample.value - before if sample.value >= before else sample.value
        if group not in self._totals:  # before it was there it was 0
            self._totals[group] = 0.0
            self._points[group] = deque() if self._began is None else deque([(at - 1, 0.0)])
        self._totals[group] += grown
        self._last[sample.labels] = (at, sample.value)

    def _keep(self, group: Labels, at: float, total: float) -> None:
        points = self._points[group]
        if not points or at - points[-1][0] >= self._window / POINTS:
            points.append((at, total))
        while len(points) > 1 and points[1][0] <= at - self._window:
            points.popleft()

    def now(self) -> Values:
        """The growth of each group over the window, or since it is looked at."""
        return {group: total - self._points[group][0][1] for group, total in self._totals.items()}


class Evaluator:
    """Judge with `observe`; `firing` are the fingerprints that fired when another judge stopped."""

    def __init__(self, rules: Sequence[Rule], firing: Collection[str] = ()) -> None:
        self.rules = [rule for rule in rules if rule.is_judged_here]
        self._firing = set(firing)
        self._since: dict[str, float] = {}
        self._growths: dict[tuple[Selector, float, tuple[str, ...]], Growth] = {}
        for rule in self.rules:
            is_foreign = isinstance(rule.condition, Grown) and rule.condition.is_foreign
            for of, window, by in _windows(rule.condition):
                self._growths.setdefault((of, window, by), Growth(of, window, by, is_foreign=is_foreign))

    def observe(self, at: float, samples: Sequence[Sample]) -> list[Judged]:
        """Everything that fires at `at` (seconds on any clock that only goes forward)."""
        for growth in self._growths.values():
            growth.observe(at, samples)
        found = [Judged(rule, labels, value) for rule in self.rules for labels, value in self._met(rule, samples)]
        self._since = {one.fingerprint: self._since.get(one.fingerprint, at) for one in found}
        firing = [
            one
            for one in found
            if one.fingerprint in self._firing or at - self._since[one.fingerprint] >= one.rule.hold
        ]
        self._firing = {one.fingerprint for one in firing}
        return firing

    def _met(self, rule: Rule, samples: Sequence[Sample]) -> Iterable[tuple[Labels, float]]:
        condition = rule.condition
        if isinstance(condition, Level):
            met = _MET[condition.op]
            return [(k, v) for k, v in levels(condition, samples).items() if met(v, condition.bound)]
        if isinstance(condition, Grown):
            grown = self._growths[condition.of, condition.over, condition.by].now()
            return [(labels, value) for labels, value in grown.items() if value > condition.bound]
        return self._burnt(condition) if isinstance(condition, Burn) else []

    def _burnt(self, burn: Burn) -> Iterable[tuple[Labels, float]]:
        shares = [self._share(window) for window in (burn.long, burn.short)]
        errors = self._growths[ERRORS, burn.long, ()].now().get((), 0.0)
        if errors >= ERRORS_MIN and all(share > burn.factor * BUDGET for share in shares):
            yield (), shares[0]

    def _share(self, window: float) -> float:
        requests = self._growths[REQUESTS, window, ()].now().get((), 0.0)
        errors = self._growths[ERRORS, window, ()].now().get((), 0.0)
        return errors / requests if requests else 0.0


def inhibited(firing: Sequence[Judged]) -> dict[str, str]:
    """Fingerprint -> the alert whose consequence it is."""
    causes = {one.rule.name for one in firing}
    found = {}
    for one in firing:
        cause = next((name for name in one.rule.silenced_by if name in causes), None)
        if cause is not None:
            found[one.fingerprint] = cause
    return found


def levels(level: Level, samples: Sequence[Sample]) -> Values:
    found: dict[Labels, list[float]] = {}
    for sample in samples:
        if level.of.takes(sample):
            found.setdefault(grouped(sample.labels, level.by), []).append(sample.value)
    pick = max if level.pick == "max" else min
    return {labels: pick(values) for labels, values in found.items()}


def grouped(labels: Labels, by: tuple[str, ...]) -> Labels:
    return tuple(pair for pair in labels if pair[0] in by)


def _windows(condition: Condition) -> Iterable[tuple[Selector, float, tuple[str, ...]]]:
    if isinstance(condition, Grown):
        yield condition.of, condition.over, condition.by
    elif isinstance(condition, Burn):
        for window in (condition.long, condition.short):
            yield ERRORS, window, ()
            yield REQUESTS, window, ()
