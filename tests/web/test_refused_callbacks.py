"""Callbacks that PostgreSQL did not take: their messages are asked about as soon as it answers again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from fastapi import FastAPI

from event_stream_engine import clock
from event_stream_engine.messaging.refused_callbacks import REFUSALS, REFUSED, RefusedCallbacks
from event_stream_engine.settings import Settings
from tests.faults.proxy import Proxy, proxied
from tests.web.client import Client
from tests.web.settings import settings_for
from tests.web.test_webhooks import STATUS, call, receipt

NOWHERE = ("127.0.0.1", 1)


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with proxied(database_url) as found:
        yield found


@pytest.fixture
def settings(proxy: Proxy, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(proxy.address(database_url), redis_url, tmp_path)


async def test_twilio_is_asked_once_after_an_outage_however_many_callbacks_it_cost(
    app: FastAPI, anonymous: Client, proxy: Proxy
) -> None:
    asked: asyncio.Queue[datetime] = asyncio.Queue()
    refused = RefusedCallbacks(app.state.platform.database, asked.put, grace_seconds=0)
    app.state.platform.shared[REFUSALS] = refused
    assert (await call(anonymous, STATUS, receipt())).status_code == 204
    before = REFUSED._value.get()
    there, proxy.target = proxy.target, NOWHERE
    proxy.cut()
    answers = [await call(anonymous, STATUS, receipt()) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {503}
    assert REFUSED._value.get() - before == 3
    assert asked.empty()

    back = clock.now()
    proxy.target = there
    async with asyncio.timeout(30):
        assert await asked.get() >= back, "what was reported before it answered again may be missing"
    await refused.close()
    assert asked.empty()
