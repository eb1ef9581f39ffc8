"""The sandbox as a process: what it accepted outlives its killing, and SIGTERM ends it cleanly."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from event_stream_engine.messaging.gateway import Accepted, NotSent, OutgoingMessage, SendOutcome
from event_stream_engine.messaging.twilio.client import TwilioGateway
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN, free_port

PROGRAM = """
from event_stream_engine.entrypoints.sandbox.serve import run
from event_stream_engine.settings import load_settings
run(load_settings())
"""
FROM = "+14155550100"


@asynccontextmanager
async def process(home: Path, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        "ESE_HOME": str(home), "ESE_SANDBOX_PORT": str(port), "ESE_SANDBOX_ACCOUNT_SID": ACCOUNT_SID,
        "ESE_SANDBOX_AUTH_TOKEN": AUTH_TOKEN, "ESE_SANDBOX_FAULTS": '{"latency_ms": [0, 0]}',
    }  # fmt: skip
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert started.stderr is not None
    while b"listens" not in (line := await started.stderr.readline()):
        assert line, "the sandbox ended before it listened"
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def send(gateway: TwilioGateway, number: int) -> SendOutcome:
    return await gateway.send(OutgoingMessage(f"+1415555{number:04d}", FROM, "sms", body="Hi"))


async def test_every_message_that_was_answered_survives_a_kill(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    began = datetime.now(UTC)
    async with TwilioGateway(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN, base_url=url) as gateway:
        async with process(tmp_path, port) as sandbox:
            sends = [asyncio.create_task(send(gateway, number)) for number in range(400)]
            await sends[50]
            sandbox.kill()
            outcomes = await asyncio.gather(*sends)
        accepted = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Accepted)]
        unsent = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, NotSent)]
        assert accepted

        async with process(tmp_path, port) as again:
            for number in accepted:
                found = await gateway.find(to=f"+1415555{number:04d}", sender=FROM, channel="sms", sent_after=began)
                assert len(found) == 1
            for number in unsent[:50]:
                assert not await gateway.find(to=f"+1415555{number:04d}", sender=FROM, channel="sms", sent_after=began)
            again.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(again.wait(), 20) == 0
