"""What a viewer is shown of people: enough to tell them apart, nothing to call, write to or read them by."""

from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.actions.inbound import receive
from event_stream_engine.messaging.model.personal import hidden, scrubbed
from event_stream_engine.messaging.routes.masking import live_patch
from event_stream_engine.messaging.twilio.webhooks import parse_inbound
from event_stream_engine.permissions import ROLES
from event_stream_engine.web.auth import Principal
from tests.web.client import Client
from tests.web.conftest import add_contact
from tests.web.test_access import ask, routes_of

NUMBER, NAME, MAIL, WORDS = "4152347788", "Zoltan Nagy", "zoltan@example.net", "the house is burning"
SECRETS = (NUMBER, NAME, MAIL, WORDS)
BACKBONE, GROUP = "/api/v1/backbone", "messaging.apply_receipts"
BURY = """
INSERT INTO dead_letters (id, group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, failed, crashed,
                          taken_over, error_class, error, stack, history, release, first_failed_at)
VALUES (:letter, :group, :event, 'messaging.callback.v1', '1-1', 1, 1, 'StatusCallbackReceived', 'k',
        jsonb_build_object('data', '{}'::jsonb, 'time', now()), 1, 0, 0, 'ValueError', :error, :error,
        jsonb_build_array(jsonb_build_object('at', now(), 'kind', 'failed', 'error', CAST(:error AS text))), '0', now())
"""
PARK = """
INSERT INTO parked_events (group_name, event_id, stream, entry_id, tick, seq, type, key, envelope, next_attempt_at,
                           failed, error)
VALUES (:group, :event, 'messaging.callback.v1', '1-1', 1, 1, 'StatusCallbackReceived', 'k', '{}'::jsonb, now(), 1,
        :error)
"""


@pytest.fixture
async def ids(owner: Client, database: Database) -> dict[str, str]:
    """One person in every place: a contact, a message to them and from them, events, a campaign with a preview."""
    contact = await add_contact(owner, 7788, consent="opted_in", attributes={"name": NAME, "mail": MAIL})
    template = await owner.post("/api/v1/templates", json={"name": "T", "body": "Hi {name}"})
    sender = {"name": "S", "address": "+14155550100", "messages_per_second": 10}
    sent_by = await owner.post("/api/v1/senders", json=sender)
    parts = {"template_id": template.json()["id"], "sender_id": sent_by.json()["id"]}
    campaign = (await owner.post("/api/v1/campaigns", json={"name": "C", **parts})).json()["id"]
    message = new_id()
    pairs = [("MessageSid", "SM" + "0" * 32), ("From", f"+1{NUMBER}"), ("To", "+14155550100"), ("Body", WORDS)]
    async with database.transaction() as tx:
        row = {"id": message, "campaign": campaign, "contact": contact["id"], "phone": f"+1{NUMBER}", "body": WORDS}
        await tx.execute(
            text("INSERT INTO messages (id, campaign_id, contact_id, phone, status, body, error_code) "
                 "VALUES (:id, :campaign, :contact, :phone, 'sent', :body, NULL)"), row,
        )  # fmt: skip
        await receive(tx, parse_inbound(pairs))
        failed = {"letter": (letter := new_id()), "group": GROUP, "error": f"no +1{NUMBER} of {MAIL}"}
        for event_id, statement in ((new_id(), BURY), (new_id(), PARK)):
            await tx.execute(text(statement), {**failed, "event": event_id})
    found = (await owner.get("/api/v1/backbone/events", params={"type": "InboundReceived"})).json()["items"]
    return {"contact_id": contact["id"], "campaign_id": campaign, "message_id": str(message),
            "template_id": parts["template_id"], "sender_id": parts["sender_id"], "event_id": found[0]["event_id"],
            "letter_id": str(letter), "group": GROUP, "name": "MONITORING_BATCH_SIZE"}  # fmt: skip


async def seen_by(app: FastAPI, client: Client, ids: dict[str, str]) -> dict[str, str]:
    """What each route that reads answers, of those the role may ask."""
    seen = {}
    for route, method in routes_of(app):
        reads = method == "GET" or route.path.endswith("/preflight")
        if not reads or not route.path.startswith("/api/"):
            continue
        answer = await ask(client, method, route.path.format_map({**dict.fromkeys(PARTS, str(UUID(int=1))), **ids}))
        if not isinstance(answer, int) and answer.status_code == 200:
            seen[f"{method} {route.path}"] = answer.text
    return seen


PARTS = ("segment_id", "import_id", "replay_id", "stream", "account_id", "key_id", "alert_id")


async def test_no_route_shows_a_viewer_what_is_personal(
    app: FastAPI,
    owner: Client,
    as_role: Any,
    ids: dict[str, str],
) -> None:
    whole = await seen_by(app, owner, ids)
    viewed = await seen_by(app, await as_role("viewer"), ids)
    told = {secret: [where for where, said in whole.items() if secret in said] for secret in SECRETS}
    assert all(told.values()), "otherwise nothing would be tested"
    assert len(viewed) > 25
    leaks = [(where, secret) for where, said in viewed.items() for secret in SECRETS if secret in said]
    assert leaks == []
    assert "•••• 7788" in viewed["GET /api/v1/contacts"]
    assert viewed[f"GET {BACKBONE}/dead-letters/{{letter_id}}"].count("no •••• 7788 of •••") == 3
    parked = viewed[f"GET {BACKBONE}/groups/{{group}}/parked"]
    assert "no •••• 7788 of •••" in parked


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/v1/contacts", {"search": NUMBER}),
        ("/api/v1/contacts", {"sort": "phone"}),
        ("/api/v1/monitoring/inbound", {"search": "house"}),
        ("/api/v1/backbone/events", {"key": f"+1{NUMBER}"}),
        ("/api/v1/backbone/dead-letters", {"search": f"+1{NUMBER}"}),
    ],
)
async def test_a_viewer_cannot_find_out_by_asking(
    owner: Client,
    as_role: Any,
    path: str,
    query: dict[str, str],
) -> None:
    assert (await owner.get(path, params=query)).status_code == 200
    refused = await (await as_role("viewer")).get(path, params=query)
    assert (refused.status_code, refused.json()["permission"]) == (403, "contacts:reveal")


async def test_exports_stand_in_the_audit_trail(owner: Client, ids: dict[str, str], database: Database) -> None:
    await owner.get("/api/v1/contacts/export.csv", params={"search": "Zoltan"})
    await owner.get(f"/api/v1/reporting/campaigns/{ids['campaign_id']}/recipients.csv")
    async with database.transaction() as tx:
        query = "SELECT action, detail FROM audit_entries WHERE action LIKE '%export%' ORDER BY id"
        found = [(row[0], row[1]) for row in await tx.execute(text(query))]
    assert found == [
        ("contact.export", {"filter": {"search": "Zoltan"}, "rows": 1}),
        ("campaign.export_recipients", {"filter": {}, "rows": 1}),
    ]  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_what_people_write_is_masked_in_a_viewers_live_stream(role: Any) -> None:
    shown = live_patch(Principal(new_id(), role))
    campaign = {"name": "Spring", "counts": {}}
    assert (shown(campaign) if shown else campaign) == campaign
    patch = {"text": WORDS, "phone": f"+1{NUMBER}", "name": NAME, "phone_masked": "•••• 7788"}
    masked = {"text": "•••", "phone": "•••• 7788", "name": "•••", "phone_masked": "•••• 7788"}
    assert (shown(patch) if shown else patch) == (masked if role == "viewer" else patch)


async def test_who_may_see_people_sees_them_in_every_list(owner: Client, ids: dict[str, str], as_role: Any) -> None:
    people = f"/api/v1/reporting/campaigns/{ids['campaign_id']}/recipients"
    operator = await as_role("operator")
    for client, phone, name in ((owner, f"+1{NUMBER}", NAME), (operator, f"+1{NUMBER}", NAME)):
        for path in ("/api/v1/monitoring/inbound", people):
            first = (await client.get(path)).json()["items"][0]
            if path != people:  # who wrote is linked to a contact once the message is applied
                assert first["phone"] == phone
            else:
                assert (first["phone"], first["name"]) == (phone, name)
    first = (await (await as_role("viewer")).get(people)).json()["items"][0]
    assert (first["phone"], first["name"]) == ("•••• 7788", "•••")


@pytest.mark.parametrize(
    ("whole", "masked"),
    [
        ({"phone": f"+1{NUMBER}", "count": 3}, {"phone": "•••• 7788", "count": 3}),
        ({"attributes": {"name": NAME, "n": None}}, {"attributes": {"name": "•••", "n": None}}),
        ({"note": f"call +1{NUMBER} or {MAIL}"}, {"note": "call •••• 7788 or •••"}),
        ({"id": str(UUID(int=7))}, {"id": str(UUID(int=7))}),
        ({"list": [{"body": "x"}]}, {"list": [{"body": "•••"}]}),
    ],
)
def test_data_is_hidden_by_its_name_and_by_its_looks(whole: Any, masked: Any) -> None:
    assert hidden(whole) == masked


def test_a_text_keeps_what_is_not_personal() -> None:
    assert scrubbed("error 30007 on 2026-01-01 for +14152347788") == "error 30007 on 2026-01-01 for •••• 7788"
