"""A platform that is a year old: how long its slowest answers take, with a million contacts and ten million messages.

What `make large` does, in figures: the 95th percentile of all answers to a kind of request, filters and pages included.
An answer that took over a second is asked for again, and the second one counts.
SCALE=0.1 is a tenth of it."""

import os

from tests.large.__main__ import EXPORTS, Took, asked, scaled
from tests.large.aged import LARGE

from benchmarks.stage.figures import record

GOALS = {
    "lists": (150, None),
    "recipients": (150, ("/recipients",)),
    "contact_search": (200, ("/api/v1/contacts",)),
    "segment_count": (300, ("/segments/evaluate",)),
    "summary": (50, ("/summary",)),
    "dashboard": (100, ("/monitoring/dashboard",)),
    "streams": (150, ("/backbone/streams",)),
    "metrics": (150, ("/metrics",)),
}
"""Milliseconds, and how the paths end that are meant; None: all others that end in no id."""

FEW_ADDRESSES = ("/monitoring/dashboard", "/backbone/streams", "/metrics", "/summary")
"""They are asked repeatedly: one answer is no percentile."""


async def measure() -> None:
    scale = scaled(float(os.environ.get("SCALE", "1")))
    took, failed = await asked(scale, FEW_ADDRESSES)
    for name, (goal, endings) in GOALS.items():
        times = sorted(seconds * 1000 for seconds in _of(took, name, endings))
        if times:
            p95 = times[min(len(times) - 1, int(len(times) * 0.95))]
            record(
                f"large_{name}", p95, f"ms, p95 of {len(times)} answers; {scale.contacts:,} contacts",
                beside="ms allowed", beside_value=goal, ratio=p95 / goal,
                goal=f"<= {goal} ms with {LARGE.contacts:,} contacts",
                met=p95 <= goal and scale == LARGE,
            )  # fmt: skip
    slowest = sorted((max(times) for operation, times in took.items() if not operation.endswith(EXPORTS)), reverse=True)
    for seconds, url in slowest[:25]:
        print(f"{seconds * 1000:8.0f} ms  {url[:140]}", flush=True)
    print(f"{len(failed)} failed: {failed[:5]}", flush=True)


def _of(took: Took, name: str, endings: tuple[str, ...] | None) -> list[float]:
    if endings is None:
        named = tuple(ending for _, others in GOALS.values() for ending in others or ())
        chosen = [key for key in took if not key.endswith((*named, *EXPORTS, "}"))]
    else:
        chosen = [key for key in took if key.endswith(endings) and not key.endswith(EXPORTS)]
    found = [answer for key in chosen for answer in took[key]]
    return [seconds for seconds, url in found if name != "contact_search" or "search=" in url]
