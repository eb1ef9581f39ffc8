"""Flag evaluations a second with details, in a mix of static, targeted and shared flags, against bare look-ups."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.stage.figures import record
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.model import Held, unplanned
from event_stream_engine.flags.model.definition import checked
from event_stream_engine.flags.store import Loaded

ROUNDS = 5
COUNT = 200_000
GOAL_PER_SECOND = 300_000
GOAL_P99_MICROSECONDS = 20.0

VARIANTS = [{"name": name, "value": name, "weight": 2500} for name in "abcd"]
RULES = [
    {"when": [{"attribute": "country", "op": "in", "values": ["DE", "AT", "CH"]},
              {"attribute": "messages", "op": "gte", "values": [100]}], "serve": {"value": True}},
    {"when": [{"attribute": "plan", "op": "eq", "values": ["team"]}], "percentage": 5000, "serve": {"value": True}},
]  # fmt: skip
DEFINITIONS: dict[str, dict[str, Any]] = {
    "static": {"type": "bool", "value": True},
    "shared": {"type": "bool", "value": False, "rollout": {"percentage": 2500, "serve": {"value": True}}},
    "ruled": {"type": "bool", "value": False, "rules": RULES},
    "dependent": {"type": "bool", "value": True, "prerequisites": [{"flag": "static", "value": True}], "rules": RULES},
    "split": {
        "type": "string", "value": "-", "variants": VARIANTS,
        "rollout": {"percentage": 10_000, "serve": {"split": True}},
    },
}  # fmt: skip
CONTEXTS = [
    {"targeting_key": f"contact-{n}", "country": ("DE", "FR", "US")[n % 3], "plan": ("team", "free")[n % 2],
     "messages": n}
    for n in range(1000)
]  # fmt: skip


async def measure() -> None:
    kept = {name: Held(checked(name, given), 1) for name, given in DEFINITIONS.items()}
    flags = Flags()
    flags.offer(Loaded(1, unplanned() | kept))
    asked = [(name, CONTEXTS[n % len(CONTEXTS)]) for n in range(COUNT) for name in [list(DEFINITIONS)[n % len(kept)]]]
    plain = {name: flags.evaluate(name) for name in kept}
    bare, ours = [], []
    for _ in range(ROUNDS):
        bare.append(rate(lambda name, _: plain.get(name), asked))
        ours.append(rate(flags.evaluate, asked))
    mine, limit = statistics.median(ours), statistics.median(bare)
    record(
        "flags", mine, "evaluations/s", beside="look-ups/s in a dict", beside_value=limit, ratio=mine / limit,
        goal=f">= {GOAL_PER_SECOND:,}/s with details", met=mine >= GOAL_PER_SECOND,
    )  # fmt: skip
    ours_p99, bare_p99 = p99(flags.evaluate, asked), p99(lambda name, _: plain.get(name), asked)
    record(
        "flags_p99", ours_p99, "µs", beside="µs of a look-up in a dict", beside_value=bare_p99,
        ratio=ours_p99 / bare_p99, goal=f"p99 <= {GOAL_P99_MICROSECONDS:.0f} µs", met=ours_p99 <= GOAL_P99_MICROSECONDS,
    )  # fmt: skip


Ask = Callable[[str, dict[str, Any]], object]


def rate(ask: Ask, asked: list[tuple[str, dict[str, Any]]]) -> float:
    begin = time.perf_counter()
    for name, context in asked:
        ask(name, context)
    return len(asked) / (time.perf_counter() - begin)


def p99(ask: Ask, asked: list[tuple[str, dict[str, Any]]]) -> float:
    """Microseconds; the clock's own two readings are in it."""
    took = []
    for name, context in asked:
        begin = time.perf_counter_ns()
        ask(name, context)
        took.append(time.perf_counter_ns() - begin)
    return sorted(took)[int(len(took) * 0.99)] / 1000
