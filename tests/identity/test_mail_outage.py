"""The mail server goes away and comes back: it is left alone, and every mail that waits is sent once."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP
from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.identity.actions import mails
from event_stream_engine.identity.smtp import BREAKER
from event_stream_engine.resilience import Breaker, State
from event_stream_engine.settings import Settings
from tests.identity.conftest import send_mails
from tests.identity.mail_server import MailServer
from tests.messaging.conftest import later
from tests.resilience.test_breaker import Time
from tests.sandbox.conftest import free_port
from tests.web.settings import settings_for

MAILS = 12


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path, port: int) -> Settings:
    where = f"smtp+plain://127.0.0.1:{port}"
    return settings_for(database_url, redis_url, tmp_path, ESE_SMTP_URL=where, ESE_MAIL_FROM="ese@example.org")


@pytest.fixture
async def waiting(database: Database) -> None:
    async with database.transaction() as tx:
        for number in range(MAILS):
            await mails.notify(tx, f"p{number}@example.org", "two_step_on")


async def listen(server: MailServer, port: int) -> asyncio.AbstractServer:
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: SMTP(server, loop=loop), "127.0.0.1", port)


async def attempts(database: Database) -> list[int]:
    async with database.transaction() as tx:
        return list((await tx.execute(text("SELECT attempts FROM mails ORDER BY id"))).scalars())


@pytest.mark.usefixtures("waiting")
async def test_a_server_that_is_away_costs_five_attempts_and_one_probe_at_a_time(
    database: Database, settings: Settings, port: int
) -> None:
    time = Time()
    breaker = Breaker(BREAKER, clock=time, uniform=lambda _, high: high)
    await send_mails(database, settings, breaker)
    assert breaker.state == State.OPEN
    assert Counter(await attempts(database)) == {1: 5, 0: MAILS - 5}
    await send_mails(database, settings, breaker)
    assert sum(await attempts(database)) == 5, "while it is open nothing is tried"
    for failed in range(1, mails.ATTEMPTS_MAX + 2):
        time.now += 300
        await send_mails(database, settings, breaker)
        assert breaker.failures == failed
    assert sum(await attempts(database)) == 5, "a probe is no attempt of a mail"

    server = MailServer()
    listening = await listen(server, port)
    time.now += 300
    with later(60):
        for _ in range(4):
            await send_mails(database, settings, breaker)
    listening.close()
    assert breaker.state == State.CLOSED
    assert Counter(mail["To"] for mail in server.mails) == {f"p{number}@example.org": 1 for number in range(MAILS)}


@pytest.mark.usefixtures("waiting")
async def test_recipients_that_are_refused_open_nothing(database: Database, settings: Settings, port: int) -> None:
    listening = await listen(MailServer(answer="550 No such person"), port)
    breaker = Breaker(BREAKER)
    await send_mails(database, settings, breaker)
    listening.close()
    assert breaker.state == State.CLOSED
    async with database.transaction() as tx:
        outcomes = (await tx.execute(text("SELECT DISTINCT outcome FROM mails"))).scalars().all()
    assert outcomes == ["refused"]


@pytest.mark.usefixtures("waiting")
async def test_a_mail_that_is_of_no_use_any_more_is_given_up_also_while_the_circuit_is_open(
    database: Database, settings: Settings
) -> None:
    breaker = Breaker(BREAKER)
    breaker.force_open()
    with clock.frozen(clock.now() + mails.NOTICE_LIFETIME):
        await send_mails(database, settings, breaker)
    async with database.transaction() as tx:
        found = (await tx.execute(text("SELECT outcome, count(*) FROM mails GROUP BY 1"))).all()
    assert [tuple(row) for row in found] == [("given_up", MAILS)]
