"""`ese doctor` says whether Twilio can hand over what people write."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.entrypoints.doctor import Finding, Verdict, inbound_webhooks
from tests.messaging.conftest import start_sandbox
from tests.sandbox.conftest import StartSandbox, free_port
from tests.web.client import ORIGIN
from tests.web.settings import settings_for

__all__ = ["start_sandbox"]

NUMBER, SERVICE = "+14155550100", "MG" + "d4" * 16
URL = f"{ORIGIN}/webhooks/twilio/inbound"
GOOD = f"{URL}#rc=5&rp=all"


async def look(database: Database, urls: tuple[str, str], home: Path, port: int, *addresses: str) -> Finding:
    database_url, redis_url = urls
    async with database.transaction() as tx:
        for address in addresses:
            channel = "whatsapp" if address == "+14155550199" else "sms"
            query = """INSERT INTO senders (id, name, channel, address, messages_per_second)
            VALUES (gen_random_uuid(), CAST(:address AS text), :channel, CAST(:address AS text), 1)"""
            await tx.execute(text(query), {"address": address, "channel": channel})
    base_url = f"http://127.0.0.1:{port}"
    return await inbound_webhooks(settings_for(database_url, redis_url, home, TWILIO_API_BASE_URL=base_url))


@pytest.mark.parametrize(
    ("given", "addresses", "verdict", "said"),
    [
        ({"webhook_inbound_url": GOOD, "webhook_fallback_url": URL}, (NUMBER, SERVICE), Verdict.GOOD, "senders: 2"),
        ({"webhook_inbound_url": URL, "webhook_fallback_url": URL}, (NUMBER,), Verdict.NOTE, "tries once more only"),
        ({"webhook_inbound_url": GOOD}, (SERVICE,), Verdict.NOTE, "has no fallback URL"),
        ({"webhook_inbound_url": "https://x.example/sms"}, (NUMBER,), Verdict.NOTE, "posts to https://x.example/sms"),
        ({"senders": frozenset({"+14155550111"})}, (NUMBER,), Verdict.NOTE, "is not this account's"),
        ({"webhook_inbound_url": GOOD, "webhook_fallback_url": URL}, ("+14155550199",), Verdict.GOOD, "1 not examined"),
    ],
)
async def test_what_is_set_at_twilio_for_each_sender_is_examined(
    database: Database, database_url: str, redis_url: str, tmp_path: Path, start_sandbox: StartSandbox,
    given: dict[str, Any], addresses: tuple[str, ...], verdict: Verdict, said: str,
) -> None:  # fmt: skip
    sandbox = await start_sandbox(**given)
    found = await look(database, (database_url, redis_url), tmp_path, sandbox.config.port, *addresses)
    assert (found.verdict, said in found.found) == (verdict, True), found.found


async def test_without_an_answer_nothing_is_claimed(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    found = await look(database, (database_url, redis_url), tmp_path, free_port(), NUMBER)
    assert found.verdict is Verdict.NOTE
    assert found.found.startswith("not examined: Twilio did not answer")
