"""What docs/guides/adding-an-event.md tells a developer to write does what it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import text

from event_stream_engine.backbone import outbox
from event_stream_engine.backbone.consumers import Consumer
from event_stream_engine.backbone.relay import Relay
from event_stream_engine.backbone.streams.redis import RedisStreams
from event_stream_engine.backbone.subscriptions import GROUPS, subscribe
from event_stream_engine.database import Database, Transaction
from event_stream_engine.events.base import REGISTRY, Event
from tests.backbone.conftest import SETTINGS, working
from tests.backbone.test_consumers import consuming
from tests.backbone.test_failing_reactions import wait_rows

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "adding-an-event.md"
GROUP = "messaging.count_coupons"


@pytest.fixture
def written() -> Iterator[dict[str, Any]]:
    """The guide's code, as a developer would have it."""
    names: dict[str, Any] = {
        "ClassVar": ClassVar, "Event": Event, "Transaction": Transaction, "outbox": outbox, "subscribe": subscribe,
        "text": text, "__name__": "guide",
    }  # fmt: skip
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        exec(compile(block, str(GUIDE), "exec"), names)  # the guide is ours
    yield names
    del REGISTRY["CouponRedeemed"], GROUPS[GROUP]


async def test_the_guides_event_is_heard_once_by_the_guides_reaction(
    database: Database, streams: RedisStreams, written: dict[str, Any]
) -> None:
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE coupons (contact_id text, code text)"))
        await tx.execute(text("CREATE TABLE coupon_counts (code text, used int)"))
        await tx.execute(text("INSERT INTO coupon_counts VALUES ('SPRING', 0)"))
    async with (
        working(Relay(database, streams, SETTINGS)),
        consuming(Consumer(GROUPS[GROUP], database, streams, SETTINGS)),
    ):
        async with database.transaction() as tx:
            await written["redeem"](tx, "a contact", "SPRING")
        (row,) = await wait_rows(database, "SELECT used FROM coupon_counts WHERE used > 0")
    assert row["used"] == 1
