"""Nobody is refused while the API restarts: the socket stays, and whoever connects waits for the next process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from event_stream_engine.embedded import processes
from event_stream_engine.entrypoints.listening import listen

PROGRAM = """
import sys
from granian.constants import Interfaces
from event_stream_engine.entrypoints.listening import server_of
server_of(
    int(sys.argv[1]), "tests.entrypoints.test_listening:answer", interface=Interfaces.ASGI, port=1, log_enabled=False,
    workers_kill_timeout=2,
).serve()
"""


async def answer(
    scope: dict[str, Any], _: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Says which process it is of."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(os.getppid()).encode()})


def serve(listener: socket.socket) -> "subprocess.Popen[bytes]":
    return processes.spawn(
        [sys.executable, "-c", PROGRAM, str(listener.fileno())], log=sys.stderr.fileno(), account=None,
        death_signal=signal.SIGKILL, environment=dict(os.environ), folder=os.getcwd(), inherited=(listener.fileno(),),
    )  # fmt: skip


async def ask(port: int) -> str:
    """What one request is answered; a refused connection raises."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    async with asyncio.timeout(30):
        answered = await reader.read()
    writer.close()
    return answered.decode().rpartition("\r\n\r\n")[2]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_request_that_comes_while_no_process_serves_is_answered_by_the_next(number: signal.Signals) -> None:
    with listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        first = serve(listener)
        second = None
        try:
            assert str(first.pid) in await ask(port)
            os.killpg(first.pid, number)
            assert await processes.ended(first, within=20)
            waiting = [asyncio.create_task(ask(port)) for _ in range(5)]
            second = serve(listener)
            assert set(await asyncio.gather(*waiting)) == {str(second.pid)}
        finally:
            for process in (first, second):
                if process is not None:
                    await processes.stop(process, ((signal.SIGKILL, 5.0),))
