"""Browsers that lose their server all at once come back, and miss nothing."""

import pytest
from benchmarks.stage.storm import storm

from event_stream_engine.live.websocket import RESTARTING


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_clients_that_lose_their_server_together_come_back_without_gap_or_repetition() -> None:
    found = await storm(clients=40, kicks=2)
    assert (found.told.missing, found.told.doubled, found.told.unrecovered) == (0, 0, 0)
    assert found.told.live == 40
    assert len(found.told.reconnected) >= 2 * 40
    assert found.told.closed[RESTARTING] == 40, "the server that was asked to stop said when to come back"
