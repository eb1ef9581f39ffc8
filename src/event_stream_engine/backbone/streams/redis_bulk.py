"""Many entries at once, at the speed of Redis itself.

A script that calls XADD costs the server twice what the plain command does. Here the commands go as they are: the
stream is watched, its end looked at, and all of them are carried out in one transaction, which Redis drops whole
when somebody touched the stream in between. Their replies are switched off; where the stream ends afterwards says
whether they were carried out.
"""

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from event_stream_engine.backbone.streams import LastIdMismatch, Packed

_BEGIN = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$5\r\nMULTI\r\n"
_COMMIT = b"*1\r\n$4\r\nEXEC\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"


async def append_bulk(client: "Redis", expected: str, packed: Packed) -> None:
    """Append all of `packed` if its stream ends at `expected`.

    Raises `LastIdMismatch` where it ends elsewhere before, or elsewhere than at the last of them afterwards: then
    none were appended. Raises redis-py's errors; then nobody knows.
    """
    connection: AbstractConnection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    whole = False
    try:
        end, wanted = await _watch(connection, packed.stream), expected
        if end == expected:
            end, wanted = await _carry_out(connection, packed), packed.last_id
        else:
            await connection.send_command("UNWATCH")
            await connection.read_response()
        whole = True
    finally:
        if not whole:  # between its replies a connection is of no use to anybody
            await connection.disconnect(nowait=True)
        await client.connection_pool.release(connection)
    if end != wanted:
        raise LastIdMismatch(packed.stream, wanted, end)


async def _carry_out(connection: AbstractConnection, packed: Packed) -> str:
    await connection.send_packed_command([_BEGIN, packed.commands, _COMMIT, *_info(connection, packed.stream)])
    await connection.read_response()
    return await _end(connection)


async def _watch(connection: AbstractConnection, stream: str) -> str:
    watch = connection.pack_command("WATCH", stream)
    await connection.send_packed_command([*watch, *_info(connection, stream)])
    await connection.read_response()
    return await _end(connection)


def _info(connection: AbstractConnection, stream: str) -> list[bytes]:
    return list(connection.pack_command("XINFO", "STREAM", stream))


async def _end(connection: AbstractConnection) -> str:
    try:
        info = await connection.read_response()
    except ResponseError as error:
        if "no such key" in str(error):
            return "0-0"
        raise
    pairs = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2], strict=True))
    return str(pairs["last-generated-id"])
