"""What a process counts and nobody would otherwise be told of, as events: looked at every two seconds."""

import asyncio
from collections.abc import Mapping

from prometheus_client import Counter

from event_stream_engine.monitoring.api import Broadcaster, Category

LOOK_SECONDS = 2.0

Seen = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def tell_counts(broadcaster: Broadcaster, watched: Mapping[str, Counter]) -> None:
    """Publish an event of the given type whenever one of its counters rose, with the labels and by how much; until
    canceled."""
    seen = sample(watched)
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        seen = tell_risen(broadcaster, seen, sample(watched))


def tell_risen(broadcaster: Broadcaster, before: Seen, now: Seen) -> Seen:
    for (event_type, labels), value in now.items():
        rose = value - before.get((event_type, labels), 0.0)
        if rose:
            broadcaster.tell(event_type, {**dict(labels), "count": int(rose)}, category=Category.CRITICAL)
    return now


def sample(watched: Mapping[str, Counter]) -> Seen:
    return {
        (event_type, tuple(sorted(found.labels.items()))): found.value
        for event_type, counter in watched.items()
        for metric in counter.collect()
        for found in metric.samples
        if found.name.endswith("_total")
    }
