"""PostgreSQL from a wheel keeps what was committed, whatever ends it."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable

import asyncpg
import psutil
import pytest

from event_stream_engine.embedded import Place, Postgres, processes
from event_stream_engine.errors import Unavailable

New = Callable[..., Postgres]


async def query(server: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(server.url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def write_one(server: Postgres) -> None:
    await query(server, "CREATE TABLE kept (value int)")
    await query(server, "INSERT INTO kept VALUES (7)")


async def test_what_was_committed_is_there_after_a_restart(new_postgres: New) -> None:
    first = new_postgres()
    await first.start()
    await write_one(first)
    await first.stop()
    assert not first.is_running()

    second = new_postgres()
    await second.start()
    assert await query(second, "SELECT value FROM kept") == 7


async def test_a_killed_server_recovers_what_was_committed(new_postgres: New) -> None:
    server = new_postgres(durable=True)
    await server.start()
    await write_one(server)
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    await processes.ended(server.process, within=10)

    await server.start()
    assert await query(server, "SELECT value FROM kept") == 7


async def test_a_server_that_an_earlier_owner_left_running_is_stopped_first(new_postgres: New) -> None:
    left, told = new_postgres(), []
    await left.start()
    await write_one(left)

    ours = new_postgres(tell=told.append)
    await ours.start()
    assert left.process is not None
    assert await processes.ended(left.process, within=10)
    assert await query(ours, "SELECT value FROM kept") == 7
    assert f"process {left.process.pid}" in told[0]


async def test_a_pid_file_whose_process_is_another_program_does_not_stop_the_start(new_postgres: New) -> None:
    first = new_postgres()
    await first.start()
    pid_file = first.data / "postmaster.pid"
    content = pid_file.read_text()
    await first.stop()
    other = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(content.replace(content.splitlines()[0], str(other.pid), 1))
        await new_postgres().start()
        assert other.poll() is None, "another program was ended because its number was in a stale file"
    finally:
        other.kill()
        other.wait()


async def test_a_taken_port_is_walked_around(new_postgres: New) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = new_postgres(port=taken.getsockname()[1])
        await server.start()
        assert server.port != taken.getsockname()[1]
        assert await query(server, "SELECT 1") == 1


async def test_the_platform_signs_in_with_a_password_and_is_no_superuser(new_postgres: New) -> None:
    server = new_postgres()
    await server.start()
    assert await query(server, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url.replace(server.password, "wrong"))


async def test_it_listens_on_loopback_only_and_never_runs_as_root(new_postgres: New) -> None:
    server = new_postgres()
    await server.start()
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    assert process.uids().effective != 0


async def test_the_password_is_not_readable_by_others(new_postgres: New, place: Place) -> None:
    server = new_postgres()
    await server.start()
    assert server.process is not None
    assert not any(server.password in part for part in psutil.Process(server.process.pid).cmdline())
    assert place.folder("postgres").stat().st_mode & 0o077 == 0
    assert not (place.folder("postgres") / "password").exists()


async def test_a_first_start_that_was_killed_half_way_starts_anew(new_postgres: New, place: Place) -> None:
    half = place.folder("postgres") / "data.partial"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = new_postgres()
    await server.start()
    assert await query(server, "SELECT 1") == 1


async def test_passwords_that_do_not_fit_the_data_are_named_as_the_cause(new_postgres: New, place: Place) -> None:
    first = new_postgres()
    await first.start()
    await first.stop()
    stranger = Postgres(place, "other", "other", first.port)
    with pytest.raises(Unavailable, match=r"secrets\.json"):
        await stranger.start()
    assert not stranger.is_running()


async def test_data_of_another_major_version_is_refused_with_the_way_out(new_postgres: New) -> None:
    server = new_postgres()
    await server.start()
    await server.stop()
    owner = server.data.stat()
    (server.data / "PG_VERSION").write_text("11\n")
    os.chown(server.data / "PG_VERSION", owner.st_uid, owner.st_gid)
    with pytest.raises(Unavailable, match="pg_dump"):
        await server.start()
