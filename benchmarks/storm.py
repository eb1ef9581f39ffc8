"""500 dashboards lose their server at once, ten times: what they miss, when they are back, and how they spread."""

import statistics

from benchmarks.stage.figures import record
from benchmarks.stage.storm import storm

CLIENTS = 500
KICKS = 10
GOAL_SECONDS = 5.0
GOAL_SHARE = 0.2


async def measure() -> None:
    found = await storm(CLIENTS, KICKS)
    told, worst = found.told, max(found.seconds)
    wrong = told.missing + told.doubled + told.unrecovered
    evenly = 0.1 / 0.75  # of 100 ms, were all of them spread evenly over the delays of a first failure
    record(
        "storm", worst,
        f"s until all of {CLIENTS} were live again, worst of {KICKS} (median {statistics.median(found.seconds):.1f} s; "
        f"lost {told.missing}, doubled {told.doubled} of {found.published:,} each; {told.unrecovered} not resumed)",
        beside="s that `reconnect` asks for at most", beside_value=3.0, ratio=worst / 3.0,
        goal=f"0 lost, 0 doubled, <= {GOAL_SECONDS:.0f} s", met=worst <= GOAL_SECONDS and not wrong,
    )  # fmt: skip
    record(
        "storm_spread", found.most_at_once * 100, "% of them came back within the same 100 ms, at most",
        beside="% were they spread evenly", beside_value=evenly * 100, ratio=found.most_at_once / evenly,
        goal=f"<= {GOAL_SHARE:.0%}", met=found.most_at_once <= GOAL_SHARE,
    )  # fmt: skip
