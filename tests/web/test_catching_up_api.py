"""An operator sees up to when inbound messages are known, and has Twilio asked for them."""

from celery.signals import before_task_publish
from sqlalchemy import text

from event_stream_engine.database import Database
from tests.web.client import Client

INBOUND = "/api/v1/monitoring/inbound"


async def test_each_sender_has_its_list(owner: Client) -> None:
    assert (await owner.get(f"{INBOUND}/listings")).json() == {"items": []}
    sender = {"name": "Shop", "channel": "whatsapp", "address": "+14155550100", "messages_per_second": 1}
    assert (await owner.post("/api/v1/senders", json=sender)).status_code == 201
    (found,) = (await owner.get(f"{INBOUND}/listings")).json()["items"]
    assert (found["address"], found["channel"], found["succeeded_at"]) == ("+14155550100", "whatsapp", None)


async def test_a_worker_is_asked_to_catch_up_and_it_is_audited(owner: Client, database: Database) -> None:
    since = "2026-03-01T09:30:00+00:00"
    published: list[tuple[str, str]] = []

    def note(sender: str, headers: dict[str, str], **_: object) -> None:
        published.append((sender, headers["argsrepr"]))

    # The tests of one process share Celery's connections, so what is published is looked at where it is handed over.
    before_task_publish.connect(note, weak=False)
    try:
        assert (await owner.post(f"{INBOUND}/catch-up", json={"since": since})).status_code == 202
        assert (await owner.post(f"{INBOUND}/catch-up", json={"since": "2026-03-01T09:30:00"})).status_code == 422
    finally:
        before_task_publish.disconnect(note)
    ((task, arguments),) = [one for one in published if one[0].startswith("messaging.catch_up_inbound")]
    assert task == "messaging.catch_up_inbound_since"
    assert since in arguments
    async with database.transaction() as tx:
        query = "SELECT detail ->> 'since' FROM audit_entries WHERE action = 'inbound.catch_up'"
        assert (await tx.execute(text(query))).scalar_one() == since
