"""The hold on sending over HTTP."""

import pytest

from event_stream_engine.backbone import life
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.health import probes
from tests.web.client import Client

RESTORE = "/api/v1/restore"


@pytest.fixture
async def held(database: Database) -> None:
    async with database.transaction() as tx:
        await life.hold(tx, "It is older than what was sent.")


async def test_everybody_signed_in_sees_why_sending_is_held(owner: Client, database: Database) -> None:
    assert (await owner.get(RESTORE)).json()["state"] == "normal"
    async with database.transaction() as tx:
        await life.hold(tx, "It is older than what was sent.")
    found = (await owner.get(RESTORE)).json()
    assert (found["state"], found["reason"]) == ("held", "It is older than what was sent.")
    assert found["since"] >= found["known_until"]


async def test_the_hold_stays_while_twilio_does_not_answer(owner: Client, database: Database, held: None) -> None:
    sender = {"name": "Main", "channel": "sms", "address": "+14155550100", "messages_per_second": 10}
    assert (await owner.post("/api/v1/senders", json=sender)).status_code == 201
    answer = await owner.post(f"{RESTORE}/release", json={"reason": "the right one"})
    assert (answer.status_code, answer.json()["code"]) == (503, "still_held")
    async with database.transaction() as tx:
        assert (await life.read(tx)).is_held


async def test_a_release_says_why_and_needs_a_hold(owner: Client) -> None:
    assert (await owner.post(f"{RESTORE}/release", json={"reason": "  "})).status_code == 422
    answer = await owner.post(f"{RESTORE}/release", json={"reason": "the right one"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_held")


async def test_health_names_the_hold(owner: Client, held: None) -> None:
    readings = await probes.backbone(owner.app.state.platform)
    (reading,) = [reading for reading in readings if reading.key == "sending:hold"]
    assert reading.status == "fail"
    assert "older than what was sent" in (reading.output or "")
