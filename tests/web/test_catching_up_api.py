"""An operator sees up to when inbound messages are known, and has Twilio asked for them."""

import msgspec
from sqlalchemy import text

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database
from event_stream_engine.jobs.app import queue_key
from tests.web.client import Client

INBOUND = "/api/v1/monitoring/inbound"


async def test_each_sender_has_its_list(owner: Client) -> None:
    assert (await owner.get(f"{INBOUND}/listings")).json() == {"items": []}
    sender = {"name": "Shop", "channel": "whatsapp", "address": "+14155550100", "messages_per_second": 1}
    assert (await owner.post("/api/v1/senders", json=sender)).status_code == 201
    (found,) = (await owner.get(f"{INBOUND}/listings")).json()["items"]
    assert (found["address"], found["channel"], found["succeeded_at"]) == ("+14155550100", "whatsapp", None)


async def test_a_worker_is_told_to_catch_up_and_it_is_audited(
    owner: Client, database: Database, redis_url: str
) -> None:
    since = "2026-03-01T09:30:00+00:00"
    assert (await owner.post(f"{INBOUND}/catch-up", json={"since": since})).status_code == 202
    assert (await owner.post(f"{INBOUND}/catch-up", json={"since": "2026-03-01T09:30:00"})).status_code == 422
    redis = connect(redis_url)
    (queued,) = [msgspec.json.decode(one) for one in await redis.lrange(queue_key("default"), 0, -1)]
    await redis.aclose()
    assert queued["headers"]["task"] == "messaging.catch_up_inbound_since"
    assert since in queued["headers"]["argsrepr"]
    async with database.transaction() as tx:
        query = "SELECT detail ->> 'since' FROM audit_entries WHERE action = 'inbound.catch_up'"
        assert (await tx.execute(text(query))).scalar_one() == since
