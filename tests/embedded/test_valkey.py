"""Valkey from a wheel keeps its streams over a restart and a kill."""

import signal
import socket
from collections.abc import Callable

import psutil
import pytest
import redis.asyncio
import redis.exceptions

from event_stream_engine.embedded import Valkey, processes

New = Callable[..., Valkey]


async def add(server: Valkey) -> None:
    async with redis.asyncio.Redis.from_url(server.url) as client:
        await client.xadd("stream", {"value": "7"}, id="5-1")
        await client.waitaof(1, 0, 5000)


async def last_id(server: Valkey) -> bytes:
    async with redis.asyncio.Redis.from_url(server.url) as client:
        return (await client.xinfo_stream("stream"))["last-generated-id"]


async def test_streams_are_there_after_a_restart_and_after_a_kill(new_valkey: New) -> None:
    server = new_valkey()
    await server.start()
    await add(server)
    await server.stop()

    await server.start()
    assert await last_id(server) == b"5-1"
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    await processes.ended(server.process, within=10)

    await server.start()
    assert await last_id(server) == b"5-1"


async def test_a_server_that_an_earlier_owner_left_running_is_stopped_first(new_valkey: New) -> None:
    left = new_valkey()
    await left.start()
    await add(left)
    ours = new_valkey()
    await ours.start()
    assert left.process is not None
    assert await processes.ended(left.process, within=10)
    assert await last_id(ours) == b"5-1"


async def test_it_asks_for_a_password_and_evicts_nothing(new_valkey: New) -> None:
    server = new_valkey()
    await server.start()
    async with redis.asyncio.Redis.from_url(server.url) as client:
        settings = await client.config_get("*")
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["appendonly"] == "yes"
    assert settings["bind"] == "127.0.0.1"
    async with redis.asyncio.Redis(port=server.port) as stranger:
        with pytest.raises(redis.exceptions.AuthenticationError):
            await stranger.ping()
    assert server.process is not None
    assert not any(server.password in part for part in psutil.Process(server.process.pid).cmdline())


async def test_a_taken_port_is_walked_around(new_valkey: New) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = new_valkey(port=taken.getsockname()[1])
        await server.start()
        assert server.port != taken.getsockname()[1]
