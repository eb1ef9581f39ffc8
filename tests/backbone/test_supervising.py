"""Tasks that are ended are ended, whoever is impatient."""

import asyncio

import pytest

from event_stream_engine.backbone import supervising
from event_stream_engine.backbone.supervising import end, pause, until_one_fails, until_set


async def deaf(times: int) -> None:
    """Loses so many cancellations, as what waits inside of a library may."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_nobody_is_left_behind_when_the_parent_is_canceled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent is still ending its children when it is canceled anew: they end all the same, before it does."""
    monkeypatch.setattr(supervising, "_AGAIN_SECONDS", 0.02)
    before = asyncio.all_tasks()
    parent = asyncio.create_task(until_one_fails(deaf(3), deaf(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await end(parent)
    assert parent.cancelled()
    assert asyncio.all_tasks() == before


async def test_ending_gives_up_when_told_so() -> None:
    task = asyncio.create_task(deaf(1000))
    await asyncio.sleep(0)
    await end(task, within=0.05)
    assert not task.done()
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)


async def test_a_cancellation_that_meets_the_end_of_a_pause_is_not_lost() -> None:
    for later in range(4):  # the event is set; so many steps later the cancellation comes
        stop = asyncio.Event()
        task = asyncio.create_task(pause(stop, 60))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        stop.set()
        for _ in range(later):
            await asyncio.sleep(0)
        over = task.done()
        task.cancel()
        await asyncio.wait([task])
        assert over or task.cancelled()


async def test_work_ends_by_itself_or_when_its_event_is_set() -> None:
    stop, before = asyncio.Event(), asyncio.all_tasks()

    async def failing() -> None:
        raise LookupError("by itself")

    with pytest.raises(LookupError, match="by itself"):
        await until_set(stop, failing())
    endless = asyncio.create_task(until_set(stop, deaf(0)))
    await asyncio.sleep(0)
    assert not endless.done()
    stop.set()
    await endless
    assert asyncio.all_tasks() == before
