"""Real sandboxes on free loopback ports, and a webhook receiver that tells when something arrived."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest

from event_stream_engine.entrypoints.sandbox.config import SandboxConfig
from event_stream_engine.entrypoints.sandbox.faults import Faults
from event_stream_engine.entrypoints.sandbox.serve import SandboxServer
from event_stream_engine.messaging.twilio.client import TwilioGateway

ACCOUNT_SID = "AC" + "a1" * 16
AUTH_TOKEN = "sandbox-token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def calm(**changes: Any) -> Faults:
    """No latency, no delays, no failures, no queue: only what a test asks for happens."""
    quiet: dict[str, Any] = {
        "latency_ms": (0, 0),
        "status_delay_seconds": (0, 0),
        "failed": 0,
        "messages_per_second": 0,
    }
    return Faults(**{**quiet, **changes})


@dataclass
class Webhook:
    path: str
    headers: dict[str, str]
    params: list[tuple[str, str]]

    @property
    def form(self) -> dict[str, str]:
        return dict(self.params)


@dataclass
class Receiver:
    """A webhook endpoint over a bare socket. `answers` are used up first, then 204; 0 closes mutely."""

    url: str = ""
    received: list[Webhook] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                request, *lines = head.decode().rstrip().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                params = parse_qsl(body.decode(), keep_blank_values=True)
                answer = self.answers.pop(0) if self.answers else 204
                async with self._arrived:
                    self.received.append(Webhook(request.split(" ")[1], headers, params))
                    self._arrived.notify_all()
                if not answer:
                    break
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def wait_for(self, count: int) -> list[Webhook]:
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    def statuses(self, sid: str) -> list[str]:
        """In order of arrival."""
        return [w.form["MessageStatus"] for w in self.received if w.form.get("MessageSid") == sid]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.handle, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()


StartSandbox = Callable[..., Awaitable[SandboxServer]]


@pytest.fixture
async def start_sandbox() -> AsyncIterator[StartSandbox]:
    """Start a sandbox: keywords are `SandboxConfig` fields; `faults` starts from `calm()`."""
    async with AsyncExitStack() as stack:

        async def start(faults: Faults | None = None, **changes: Any) -> SandboxServer:
            given = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, "port": free_port(), **changes}
            return await stack.enter_async_context(SandboxServer(SandboxConfig(faults=faults or calm(), **given)))

        yield start


@pytest.fixture
async def gateway_to() -> AsyncIterator[Callable[..., TwilioGateway]]:
    """A gateway to a base URL, with the sandbox's credentials."""
    async with AsyncExitStack() as stack:
        made: list[TwilioGateway] = []

        def connect(base_url: str, **changes: Any) -> TwilioGateway:
            given = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN, **changes}
            made.append(TwilioGateway(base_url=base_url, **given))
            return made[-1]

        yield connect
        for gateway in made:
            await stack.enter_async_context(gateway)
