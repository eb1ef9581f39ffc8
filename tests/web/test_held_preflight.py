"""The preflight of a campaign refuses a launch that would come to nothing because somebody holds sending."""

from typing import Any

from fastapi import FastAPI

from event_stream_engine.resilience import circuits_of
from tests.web.client import Client
from tests.web.conftest import add_contact

API = "/api/v1"


async def campaign_of(owner: Client) -> str:
    await add_contact(owner, consent="opted_in")
    template = {"name": "Autumn", "channel": "sms", "body": "Hi {name|there}."}
    sender = {"name": "Shop", "channel": "sms", "address": "+14155550100", "messages_per_second": 10}
    parts = {
        "template_id": (await owner.post(f"{API}/templates", json=template)).json()["id"],
        "sender_id": (await owner.post(f"{API}/senders", json=sender)).json()["id"],
    }
    return str((await owner.post(f"{API}/campaigns", json={"name": "Autumn", **parts})).json()["id"])


async def errors(owner: Client, campaign: str) -> tuple[bool, list[tuple[str, str]]]:
    found: dict[str, Any] = (await owner.post(f"{API}/campaigns/{campaign}/preflight")).json()
    problems = [(one["code"], one["message"]) for one in found["problems"] if one["level"] == "error"]
    return found["can_launch"], problems


async def test_a_held_circuit_and_a_paused_group_forbid_the_launch(app: FastAPI, owner: Client) -> None:
    campaign = await campaign_of(owner)
    assert await errors(owner, campaign) == (True, [])

    breaker = circuits_of(app.state.platform.shared).breaker("twilio")
    breaker.force_open()
    can_launch, problems = await errors(owner, campaign)
    assert (can_launch, [code for code, _ in problems]) == (False, ["sending_held"])
    breaker.reset()

    group = "messaging.freeze_audience"
    paused = await owner.post(f"{API}/backbone/groups/{group}/pause", json={"reason": "A look"})
    assert paused.status_code == 200, paused.text
    can_launch, problems = await errors(owner, campaign)
    assert (can_launch, [code for code, _ in problems]) == (False, ["group_paused"])
    assert group in problems[0][1]
