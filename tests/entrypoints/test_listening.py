"""Nobody is refused while the API restarts: the socket stays, and whoever connects waits for the next process."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from event_stream_engine.embedded import ports, processes
from event_stream_engine.entrypoints.listening import listen, listen_from
from event_stream_engine.entrypoints.supervisor import probe
from event_stream_engine.errors import Unavailable
from tests.sandbox.conftest import StartSandbox, start_sandbox
from tests.waiting import until

__all__ = ["start_sandbox"]

PROGRAM = """
import sys
from granian.constants import Interfaces
from event_stream_engine.entrypoints import listening
listening.IDLE_SECONDS = 1
listening.server_of(
    int(sys.argv[1]), "tests.entrypoints.test_listening:answer", interface=Interfaces.ASGI, log_enabled=False,
    address="127.0.0.1", port=1, setting="ESE_HTTP_PORT",
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


SERVE = [sys.executable, "-m", "event_stream_engine.entrypoints.cli", "serve"]


async def test_a_second_server_on_the_same_port_is_refused_and_a_killed_one_leaves_no_worker(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    port = ports.any_free()
    environment = {
        **os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ESE_HTTP_PORT": str(port),
        "ESE_HOME": str(tmp_path), "ESE_SECRET_KEY": "k" * 40,
    }  # fmt: skip
    first = subprocess.Popen(SERVE, env=environment)
    try:
        await until(lambda: probe(f"http://127.0.0.1:{port}/livez")[0])
        second = await asyncio.to_thread(subprocess.run, SERVE, env=environment, capture_output=True, text=True)
        assert second.returncode == 1
        assert f"Port {port} on 127.0.0.1 is taken" in second.stderr
        assert "ESE_HTTP_PORT" in second.stderr
        workers = psutil.Process(first.pid).children(recursive=True)
        assert workers
        first.kill()
        first.wait()
        assert psutil.wait_procs(workers, timeout=10)[1] == []
    finally:
        first.kill()
        first.wait()


async def test_a_second_sandbox_on_the_same_port_is_refused(start_sandbox: StartSandbox) -> None:
    first = await start_sandbox()
    with pytest.raises(Unavailable, match="ESE_SANDBOX_PORT"):
        await start_sandbox(port=first.config.port)


@pytest.fixture
async def short_of_patience() -> AsyncIterator[int]:
    """The port of a server that waits a second for a request."""
    with listen("127.0.0.1", 0) as listener:
        server = serve(listener)
        try:
            port = listener.getsockname()[1]
            await ask(port)
            yield port
        finally:
            await processes.stop(server, ((signal.SIGTERM, 5.0),))


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")
async def test_a_connection_that_sends_no_request_is_closed(short_of_patience: int, subtests: pytest.Subtests) -> None:
    whole = b"GET / HTTP/1.1\r\nhost: x\r\n"
    for name, sent in (("nothing", b""), ("half a header", whole), ("one request", whole + b"\r\n")):
        with subtests.test(sent=name):
            reader, writer = await asyncio.open_connection("127.0.0.1", short_of_patience)
            writer.write(sent)
            async with asyncio.timeout(30):
                await reader.read()  # until the server closes
            writer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked")
async def test_a_request_header_that_is_too_large_is_refused(short_of_patience: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", short_of_patience)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"x" * 150_000 + b"\r\n\r\n")
    async with asyncio.timeout(30):
        assert (await reader.readline()).startswith(b"HTTP/1.1 431 ")
    writer.close()


def test_a_port_is_held_from_the_choice_on() -> None:
    """Two that choose in the same moment get one each, though neither serves yet."""
    preferred = ports.any_free()
    with listen_from("127.0.0.1", preferred) as first, listen_from("127.0.0.1", preferred) as second:
        chosen = [socket_.getsockname()[1] for socket_ in (first, second)]
        assert chosen[0] == preferred != chosen[1]
        with listen_from("127.0.0.1", preferred, frozenset({chosen[1] + 1})) as third:
            assert third.getsockname()[1] not in (*chosen, chosen[1] + 1)
