"""A campaign's rate does not depend on how long the carrier takes to answer, and a carrier is not asked too much."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from event_stream_engine.backbone.effects import FOLDER, Effects
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.messaging.actions.sending import SendPlan
from event_stream_engine.messaging.gateway import Accepted, MessageGateway, OutgoingMessage, SendOutcome
from event_stream_engine.messaging.pace import Pace
from event_stream_engine.messaging.pipeline import Pipeline, Window
from tests.messaging.conftest import World
from tests.waiting import until

BOUND = 800


@dataclass
class Carrier:
    """Accepts each message when `may_answer` lets it."""

    may_answer: Callable[[int], "asyncio.Event"]
    under_way: int = 0
    most: int = 0
    numbers: Any = field(default_factory=count)

    def room(self, wanted: int) -> int:
        return wanted

    async def send(self, message: OutgoingMessage) -> SendOutcome:
        number = next(self.numbers)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.may_answer(number).wait()
        self.under_way -= 1
        return Accepted(f"SM{number:032x}", "queued", 1)


async def pipeline_to(carrier: Any, world: World, campaign: Any, redis_url: str, home: Path, **given: Any) -> Pipeline:
    redis = connect(redis_url)
    lock = redis.lock(f"test:{campaign}", timeout=30, thread_local=False)
    await lock.acquire()
    gateway: MessageGateway = carrier
    return Pipeline(
        world.database, Effects(world.database, redis, home / FOLDER), gateway,
        SendPlan.of(await world.campaign(campaign), world.origin), Pace(redis, {f"test:{campaign}": 1000}), 1000, lock,
        world.settings, given.get("window", Window()),
    )  # fmt: skip


async def has(world: World, campaign: Any, statuses: dict[str, int]) -> bool:
    return await world.statuses(campaign) == statuses


async def test_answers_are_recorded_and_more_is_claimed_while_others_are_under_way(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    late, now = asyncio.Event(), asyncio.Event()
    now.set()
    people = 150  # more than one claim takes before the first answer
    campaign = await world.launched(people)
    carrier = Carrier(lambda number: late if number == 0 else now)
    running = asyncio.create_task((await pipeline_to(carrier, world, campaign, redis_url, tmp_path)).run())
    await until(lambda: has(world, campaign, {"accepted": people - 1, "sending": 1}))
    assert not running.done()
    late.set()
    assert await running is False
    assert await world.statuses(campaign) == {"accepted": people}
    await world.assert_counted(campaign)


async def test_no_more_requests_are_under_way_than_the_window_has_room_for(
    world: World, redis_url: str, tmp_path: Path
) -> None:
    may_answer = asyncio.Event()
    campaign = await world.launched(90)
    window = Window(answer_seconds=0.02)
    carrier = Carrier(lambda _: may_answer)
    pipeline = await pipeline_to(carrier, world, campaign, redis_url, tmp_path, window=window)
    running = asyncio.create_task(pipeline.run())
    await until(lambda: has(world, campaign, {"sending": 90}))
    assert carrier.under_way == window.size(1000, BOUND) == 60
    may_answer.set()
    assert await running is False
    assert carrier.most == 60
    assert await world.statuses(campaign) == {"accepted": 90}


def test_the_window_follows_the_rate_and_the_time_of_an_answer() -> None:
    assert Window().size(5000, BOUND) == Window.LEAST, "nothing is known yet"
    assert Window(answer_seconds=0.05).size(2000, BOUND) == 300
    assert Window(answer_seconds=0.2).size(5000, BOUND) == BOUND
    assert Window(answer_seconds=0.2).size(5, BOUND) == Window.LEAST
    assert Window(answer_seconds=0.2).size(5000, 12) == 12


def test_answers_that_wait_for_this_machine_do_not_widen_the_window() -> None:
    window = Window()
    for seconds in [0.02, *[0.5, 0.02] * 500]:
        window.answered(seconds)
    assert window.size(1000, BOUND) < 70


def test_a_carrier_that_became_slower_gets_a_wider_window() -> None:
    window = Window(answer_seconds=0.02)
    for _ in range(20_000):
        window.answered(0.2)
    assert window.size(1000, BOUND) == 600


def test_too_many_at_once_narrows_the_window_and_answers_widen_it_again() -> None:
    window = Window(answer_seconds=0.2)
    window.throttled(100)
    window.throttled(99)
    assert window.size(5000, BOUND) == 69
    for _ in range(70):
        window.answered(0.2)
    assert window.size(5000, BOUND) == 71
    window.throttled(1)
    assert window.size(5000, BOUND) == 1
