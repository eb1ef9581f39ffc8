"""One worker process at a time starts what is due, and only what has something to do."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from redis.asyncio import Redis
from sqlalchemy import text
from structlog.testing import capture_logs

from event_stream_engine import jobs
from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.backbone.supervising import holder_name
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.bootstrap import register_tasks
from event_stream_engine.jobs import CELERY, Schedule
from event_stream_engine.jobs.app import SCHEDULES, queue_key
from event_stream_engine.jobs.scheduling import KEY, Scheduler
from event_stream_engine.settings import load_settings
from tests.waiting import until

MAIL = "EXISTS (SELECT FROM mails WHERE settled_at IS NULL)"
ALWAYS, CONDITIONAL = Schedule("monitoring.roll_up", 1), Schedule("identity.send_mail", 1, MAIL)

MakeScheduler = Callable[..., Scheduler]


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def make_scheduler(database: Database, redis: "Redis", redis_url: str) -> MakeScheduler:
    register_tasks()
    jobs.configure(load_settings({"REDIS_URL": redis_url}))

    def make(holder: str, *schedules: Schedule) -> Scheduler:
        return Scheduler(database, redis, schedules, holder)

    return make


async def waiting(redis: "Redis") -> int:
    return int(await redis.llen(queue_key("default")))  # type: ignore[misc]


async def test_what_is_due_is_started_by_one_process_at_a_time(make_scheduler: MakeScheduler, redis: "Redis") -> None:
    first, second = (make_scheduler(name, ALWAYS) for name in ("one", "two"))
    assert [await first.step(), await second.step()] == [["monitoring.roll_up"], []]
    assert await waiting(redis) == 1


async def test_a_task_is_not_started_again_before_its_time(make_scheduler: MakeScheduler) -> None:
    scheduler = make_scheduler("one", Schedule("monitoring.roll_up", 60))
    assert [await scheduler.step(), await scheduler.step()] == [["monitoring.roll_up"], []]


async def test_tasks_that_come_seldom_are_started_one_after_the_other(make_scheduler: MakeScheduler) -> None:
    often = Schedule("imports.resume", 1)
    seldom = [Schedule(f"monitoring.{name}", 60) for name in ("forget", "roll_up")]
    scheduler = make_scheduler("one", often, *seldom)
    assert await scheduler.step() == ["imports.resume", "monitoring.forget"]
    assert await scheduler.step() == ["monitoring.roll_up"]
    assert await scheduler.step() == []


async def test_a_task_with_nothing_to_do_is_not_started(
    make_scheduler: MakeScheduler, database: Database, redis: "Redis"
) -> None:
    assert await make_scheduler("one", CONDITIONAL).step() == []
    assert await waiting(redis) == 0
    async with database.transaction() as tx:
        await tx.execute(
            text("""
            INSERT INTO mails (id, recipient, kind, detail, created_at, due_at, expires_at)
            VALUES (gen_random_uuid(), 'a@b.cd', 'password_reset', '{}', now(), now(), now() + interval '1 hour')
        """)
        )
    assert await make_scheduler("one", CONDITIONAL).step() == ["identity.send_mail"]


async def test_another_process_goes_on_when_the_first_has_fallen_silent(
    make_scheduler: MakeScheduler, redis: "Redis"
) -> None:
    await make_scheduler("one", ALWAYS).step()
    assert 0 < await redis.pttl(KEY) <= 5000, "the lease ends by itself"
    await redis.delete(KEY)  # as its end would
    assert await make_scheduler("two", ALWAYS).step() == ["monitoring.roll_up"]


async def test_a_process_of_this_host_that_was_killed_is_not_waited_for(make_scheduler: MakeScheduler) -> None:
    killed = await asyncio.create_subprocess_exec("true")
    await killed.wait()
    await make_scheduler(f"{socket.gethostname()}:{killed.pid}", ALWAYS).step()
    assert await make_scheduler(holder_name(), ALWAYS).step() == ["monitoring.roll_up"]


async def test_a_process_that_stops_leaves_the_lease_to_others(make_scheduler: MakeScheduler, redis: "Redis") -> None:
    running = asyncio.create_task(make_scheduler("one", ALWAYS).run())

    async def taken() -> bool:
        return bool(await redis.exists(KEY))

    await until(taken)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not await redis.exists(KEY)


async def test_a_process_does_not_take_the_lease_of_another_along(
    make_scheduler: MakeScheduler, redis: "Redis"
) -> None:
    await make_scheduler("one", ALWAYS).step()
    await make_scheduler("two", ALWAYS)._release()
    assert await redis.get(KEY) in (b"one", "one")


async def test_a_server_that_fails_is_told_once(database: Database, make_scheduler: MakeScheduler) -> None:
    scheduler = make_scheduler("one", Schedule("identity.send_mail", 1, "EXISTS (SELECT FROM no_such_table)"))
    with capture_logs() as logs:
        for _ in range(3):
            await scheduler.try_step()
        scheduler.schedules = [ALWAYS]
        await scheduler.try_step()
    assert [entry["event"] for entry in logs] == ["schedule interrupted", "schedule resumed"]


async def test_every_condition_of_the_schedule_is_answered_without_reading_a_large_table_whole(
    make_scheduler: MakeScheduler, database: Database
) -> None:
    make_scheduler("one")  # registers all tasks
    conditions = [schedule.when for schedule in SCHEDULES if schedule.when]
    assert len(conditions) >= 5
    for condition in conditions:
        async with database.transaction() as tx:
            await tx.execute(text("SET LOCAL enable_seqscan = off"))
            plan = "\n".join((await tx.execute(text(f"EXPLAIN SELECT {condition}"))).scalars())
        assert "Seq Scan on messages" not in plan, plan
        assert "Seq Scan on imports" not in plan, plan
        assert "Seq Scan on mails" not in plan, plan


async def test_tasks_go_to_the_broker_that_was_configured_last(
    make_scheduler: MakeScheduler, redis: "Redis", redis_url: str
) -> None:
    """Celery itself would go on with the first."""
    await make_scheduler("one", ALWAYS).step()
    elsewhere = f"{redis_url.rsplit('/', 1)[0]}/0"  # no test has it for its own
    jobs.configure(load_settings({"REDIS_URL": elsewhere}))
    other = connect(elsewhere)
    before = await waiting(other)
    await jobs.start(CELERY.tasks["monitoring.forget"])
    assert (await waiting(redis), await waiting(other) - before) == (1, 1)
    await other.aclose()
