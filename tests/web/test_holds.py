"""What operators hold open or have paused is known at once: to the banner, to the overview and to /health."""

from typing import Any

from fastapi import FastAPI

from event_stream_engine.entrypoints.health import probes
from event_stream_engine.live import circuits
from event_stream_engine.resilience import circuits_of
from tests.web.client import Client

API = "/api/v1"
GROUP = "messaging.start_sending"


async def holds(owner: Client) -> list[dict[str, Any]]:
    return list((await owner.get(f"{API}/monitoring/holds")).json()["items"])


async def tell(app: FastAPI) -> None:
    """As the process does as soon as a breaker changes."""
    platform = app.state.platform
    await circuits.tell(platform.redis, "work host:1", circuits_of(platform.shared))


async def test_a_held_circuit_is_named_with_who_and_why(app: FastAPI, owner: Client) -> None:
    assert await holds(owner) == []
    for name in ("twilio", "smtp"):
        circuits_of(app.state.platform.shared).breaker(name)
    await tell(app)
    for name, body in (("smtp", {"process": "work"}), ("twilio", {"reason": "Their incident 7"})):
        assert (await owner.post(f"{API}/monitoring/breakers/{name}/open", json=body)).status_code == 200
    first, second = await holds(owner)
    assert (first["kind"], first["name"], first["process"]) == ("circuit", "twilio", "")
    assert (first["by"], first["reason"], first["stops_sending"]) == ("Ana", "Their incident 7", True)
    assert (second["name"], second["process"], second["stops_sending"]) == ("smtp", "work", False)
    await owner.post(f"{API}/monitoring/breakers/twilio/reset")
    assert [one["name"] for one in await holds(owner)] == ["smtp"]


async def test_a_paused_group_is_named_until_it_is_resumed(owner: Client) -> None:
    await owner.post(f"{API}/backbone/groups/{GROUP}/pause", json={"reason": "A look"})
    (found,) = await holds(owner)
    assert (found["kind"], found["name"], found["reason"], found["stops_sending"]) == ("group", GROUP, "A look", True)
    await owner.post(f"{API}/backbone/groups/{GROUP}/resume")
    assert await holds(owner) == []


async def test_the_overview_names_holds_before_anything_has_come_of_them(app: FastAPI, owner: Client) -> None:
    breaker = circuits_of(app.state.platform.shared).breaker("twilio")
    breaker.force_open()
    await tell(app)
    await owner.post(f"{API}/backbone/groups/{GROUP}/pause", json={"reason": "A look"})
    found = (await owner.get(f"{API}/monitoring/dashboard")).json()["attention"]
    messages = [one["message"] for one in found if one["level"] == "error" and one["link"]]
    assert messages == [
        "An operator holds the circuit twilio open: no message leaves until it is reset.",
        f"An operator has paused the consumer group {GROUP}.",
    ]


async def test_the_system_status_has_a_row_for_each_hold(app: FastAPI, owner: Client) -> None:
    circuits_of(app.state.platform.shared).breaker("twilio")
    await tell(app)
    await owner.post(f"{API}/monitoring/breakers/twilio/open", json={"reason": "secret"})
    await owner.post(f"{API}/backbone/groups/{GROUP}/pause", json={"reason": "secret"})
    readings = {one.key: one for one in await probes.backbone(app.state.platform)}
    for key in ("circuit twilio:hold", f"group {GROUP}:pause"):
        said = readings[key].output or ""
        assert (readings[key].status, " by an operator since 20" in said, "secret" in said) == ("warn", True, False)
