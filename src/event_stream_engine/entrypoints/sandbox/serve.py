"""The sandbox as an ASGI application, and as a process."""

import asyncio
import signal
from typing import Any

import structlog
import uvloop
from granian.constants import HTTPModes, Interfaces

from event_stream_engine.backbone.supervising import end
from event_stream_engine.entrypoints import pulse
from event_stream_engine.entrypoints.listening import EmbeddedServer, listen_only
from event_stream_engine.entrypoints.sandbox.account import Account
from event_stream_engine.entrypoints.sandbox.config import SandboxConfig, config_from
from event_stream_engine.entrypoints.sandbox.control import build_control
from event_stream_engine.entrypoints.sandbox.http import Receive, Scope, Send, reply
from event_stream_engine.entrypoints.sandbox.rest import Rest
from event_stream_engine.settings import Settings
from event_stream_engine.telemetry import configure_logging

log = structlog.get_logger()


class SandboxApp:
    """Routes Twilio's paths to `Rest` without a framework between, the rest to Starlette."""

    def __init__(self, account: Account, ready: asyncio.Event) -> None:
        self._rest = Rest(account)
        self._control = build_control(account)
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"].startswith(("/2010-04-01/", "/v1/Services/")):
            await self._rest(scope, receive, send)
        elif _comes_from_a_page(scope):
            await reply(send, 403, b'{"detail":"web pages may not use the sandbox"}')
        else:
            await self._control(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
                self._ready.set()
            else:
                await send({"type": "lifespan.shutdown.complete"})
                return


def _comes_from_a_page(scope: Scope) -> bool:
    """Browsers name the page on every cross-site write; without this any site could play a STOP here."""
    return any(name == b"origin" for name, _ in scope["headers"])


class SandboxServer:
    """A running sandbox: `async with SandboxServer(config) as sandbox`. Listens when the block is entered."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.account = Account(config)
        self.url = f"http://{config.host}:{config.port}"
        self._task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> "SandboxServer":
        await self.account.open()
        ready = asyncio.Event()
        self._server = EmbeddedServer(
            SandboxApp(self.account, ready),
            self.config.host,
            self.config.port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=1024,
            log_enabled=False,
        )
        if (held := self.config.listen_fd) is None:
            held = listen_only(self.config.host, self.config.port, "ESE_SANDBOX_PORT").detach()  # the server closes it
        self._server.inherited_fd = held
        self._task = asyncio.create_task(self._server.serve())
        listening = asyncio.create_task(ready.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            await end(listening)
            await self._task
            raise OSError(f"the sandbox could not listen on {self.url}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.stop()  # type: ignore[no-untyped-call]
        if self._task is not None:
            await self._task
        await self.account.close()

    async def wait_closed(self) -> None:
        """Wait until the server ends on its own."""
        if self._task is not None:
            await asyncio.wait({self._task})


async def serve(config: SandboxConfig) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with pulse.from_loop(), SandboxServer(config) as sandbox:
        log.info("sandbox listens", url=sandbox.url, account_sid=config.account_sid, seed=config.seed)
        waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(sandbox.wait_closed())]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        await end(*waiting)
    log.info("sandbox stopped", accepted=sandbox.account.ledger.accepted)


def run(settings: Settings) -> None:
    """The process `ese sandbox`. Raises `Invalid` for settings that cannot be used."""
    pulse.start(settings.supervision.address)
    configure_logging("sandbox", level=settings.log.level, as_json=settings.log.format == "json")
    uvloop.run(serve(config_from(settings)))
