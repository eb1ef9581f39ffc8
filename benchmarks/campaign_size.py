"""A campaign to a million people beside one to 100,000, by the whole platform, with a carrier that answers at once.

What a message costs must not depend on how many others its campaign has."""

from benchmarks.campaign_platform import RUNS, SENDERS, WARM_PEOPLE, platform_at, run
from benchmarks.stage.figures import record

PEOPLE, MORE_PEOPLE = 100_000, 1_000_000
GOAL = 0.9


async def measure() -> None:
    rate, _ = RUNS[0]
    async with platform_at(0, MORE_PEOPLE) as (database, _, _):
        await run(database, SENDERS[0], rate, WARM_PEOPLE)
        before = await run(database, SENDERS[0], rate, PEOPLE)
        million = await run(database, SENDERS[0], rate, MORE_PEOPLE)
        after = await run(database, SENDERS[0], rate, PEOPLE)
    beside = (before + after) / 2
    record(
        "campaign_size", million, f"messages/s to {MORE_PEOPLE:,} people",
        beside=f"messages/s to {PEOPLE:,}, before and after", beside_value=beside, ratio=million / beside,
        goal=f">= {GOAL}", met=million >= GOAL * beside,
    )  # fmt: skip
