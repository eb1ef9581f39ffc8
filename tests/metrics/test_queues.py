"""How long tasks wait is told by the tasks themselves."""

from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from event_stream_engine import clock
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.evaluating import Evaluator
from event_stream_engine.entrypoints.bootstrap import register_tasks
from event_stream_engine.entrypoints.metrics import gathering
from event_stream_engine.jobs import start


async def test_a_task_that_nobody_takes_is_seen_to_wait_and_fires(app: FastAPI) -> None:
    register_tasks()
    from event_stream_engine.messaging.tasks import send_campaign

    platform: Any = app.state.platform
    await start(send_campaign, "00000000-0000-7000-8000-000000000000")
    with clock.frozen(clock.now() + timedelta(seconds=400)):
        lengths, ages = await gathering.queues(platform.redis)
        assert (lengths["sending"], lengths["imports"], ages["imports"]) == (1, 0, 0)
        assert 399 <= ages["sending"] <= 410
        evaluator = Evaluator([BY_NAME["EseQueueOld"]])
        found = [evaluator.observe(at, await gathering.samples(platform)) for at in (0, 119, 120)]
    assert [[dict(one.labels) for one in judged] for judged in found] == [[], [], [{"queue": "sending"}]]
