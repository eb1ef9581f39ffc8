"""Figures as they travel between processes and as Prometheus reads them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from event_stream_engine.alerts.model import Labels, Sample

KINDS = ("counter", "gauge", "histogram", "summary")
_LEFT_OUT = ("python_",)


class Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric with its samples: name, labels, value."""

    name: str
    kind: str
    help: str
    samples: list[tuple[str, dict[str, str], float]]

    def of(self, process: str, pid: str) -> "Family":
        """The same, saying which process it is of."""
        own = {"process": process, "pid": pid}
        return Family(self.name, self.kind, self.help, [(n, {**labels, **own}, v) for n, labels, v in self.samples])


def own() -> list[Family]:
    """What this process counted."""
    return [family(metric) for metric in REGISTRY.collect() if not metric.name.startswith(_LEFT_OUT)]


def family(metric: Metric) -> Family:
    samples = [
        (one.name, dict(one.labels), float(one.value))
        for one in metric.samples
        if not one.name.endswith("_created") and math.isfinite(one.value)
    ]
    return Family(metric.name, metric.type, metric.documentation, samples)


def merged(found: Iterable[Family]) -> list[Family]:
    """One family per name, its samples in the order they came."""
    by_name: dict[str, Family] = {}
    for one in found:
        first = by_name.get(one.name)
        if first is None:
            by_name[one.name] = Family(one.name, one.kind, one.help, list(one.samples))
        else:
            first.samples.extend(one.samples)
    return list(by_name.values())


def samples_of(found: Iterable[Family]) -> list[Sample]:
    return [Sample(name, _sorted(labels), value) for one in found for name, labels, value in one.samples]


def _sorted(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def text_of(found: Sequence[Family], most: int) -> tuple[bytes, int]:
    """Prometheus's text format of at most `most` series, and how many were left out."""
    lines: list[str] = []
    room = most
    left_out = 0
    for one in found:
        shown = one.samples[: max(0, room)]
        left_out += len(one.samples) - len(shown)
        room -= len(shown)
        if shown:
            lines += _lines(one, shown)
    return ("\n".join(lines) + "\n").encode(), left_out


def _lines(one: Family, shown: Sequence[tuple[str, dict[str, str], float]]) -> Iterator[str]:
    title = f"{one.name}_total" if one.kind == "counter" else one.name
    yield f"# HELP {title} {_escaped(one.help)}"
    yield f"# TYPE {title} {one.kind if one.kind in KINDS else 'untyped'}"
    for name, labels, value in shown:
        inside = ",".join(f'{key}="{_quoted(said)}"' for key, said in labels.items())
        yield f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}"


def _number(value: float) -> str:
    return repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: Any) -> str:
    return _escaped(str(text)).replace('"', '\\"')
