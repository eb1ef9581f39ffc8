"""A campaign's report: all of its figures are of one moment, whatever was counted meanwhile."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from event_stream_engine.database import Transaction
from event_stream_engine.messaging.reports import campaigns as reports
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.messaging.conftest import World, calm
from tests.sandbox.conftest import StartSandbox

Connect = Callable[..., TwilioGateway]


async def report(world: World, campaign: UUID) -> dict[str, Any]:
    async def read(tx: Transaction) -> dict[str, Any]:
        await reports.at_one_moment(tx)
        return await reports.summary(tx, campaign, "running", 100)

    found: dict[str, Any] = await world.act(read)
    return found


async def test_the_chart_the_funnel_and_the_states_tell_the_same_while_the_counters_follow(
    world: World, start_sandbox: StartSandbox, gateway_to: Connect
) -> None:
    gateway = gateway_to((await start_sandbox(calm())).url)
    await world.add_contact(90, consent="opted_out")
    campaign = await world.launched(6)
    await world.send_round(campaign, gateway, limit=3)
    await world.count()
    await world.send_round(campaign, gateway, limit=2)  # not counted yet
    shown = await report(world, campaign)
    assert sum(point["accepted"] for point in shown["timeline"]) == shown["funnel"]["accepted"] == 5
    assert (shown["counts"]["accepted"], shown["counts"]["queued"]) == (5, 1)
    assert [(r["reason"], r["count"]) for r in shown["refusals"]] == [("opted_out", 1)]
    before = {name: shown[name] for name in ("counts", "funnel", "rates", "refusals", "errors")}
    await world.count()
    after = await report(world, campaign)
    assert {name: after[name] for name in before} == before
    assert sum(after["counts"].values()) - after["counts"]["audience"] == after["funnel"]["audience"] == 7
