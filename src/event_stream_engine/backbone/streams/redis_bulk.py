"""Many entries at once, at the speed of Redis itself.

A script that calls XADD costs the server twice what the plain command does. Here the commands go as they are: the
stream is watched, its end looked at, and all of a slice are carried out in one transaction, which Redis drops whole
when somebody touched the stream in between. Their replies are switched off; where the stream ends afterwards says
whether they were carried out. A slice's commands are queued there before the answer about the one before it is read,
so that the server need not wait for them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import zip_longest

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from event_stream_engine.backbone.streams import LastIdMismatch, Packed

_QUEUE = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$5\r\nMULTI\r\n"
_EXECUTE = b"*1\r\n$4\r\nEXEC\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"
_DISCARD = b"*1\r\n$7\r\nDISCARD\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n"


async def append_bulk(
    client: "Redis", expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]
) -> None:
    """Append all of `slices`, of one stream, if that ends at `expected`; `appended` is told of each that went in.

    Raises `LastIdMismatch` where it ends elsewhere before one of them, or elsewhere than at its last entry afterwards:
    then none of that one were appended, nor of those behind it. Raises redis-py's errors; then nobody knows.
    """
    async with _borrowed(client) as connection:
        end, wanted = await _carry_out(connection, expected, slices, appended)
    if end != wanted:
        raise LastIdMismatch(slices[0].stream, wanted, end)


@asynccontextmanager
async def _borrowed(client: "Redis") -> AsyncIterator[AbstractConnection]:
    """A connection for the block; where that fails it is cut, for between its replies it is of no use to anybody."""
    connection: AbstractConnection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
    whole = False
    try:
        yield connection
        whole = True
    finally:
        if not whole:
            await connection.disconnect(nowait=True)
        await client.connection_pool.release(connection)


async def _carry_out(
    connection: AbstractConnection, expected: str, slices: Sequence[Packed], appended: Callable[[Packed], None]
) -> tuple[str, str]:
    """Where the stream ends, and where it should."""
    look = connection.pack_command("XINFO", "STREAM", slices[0].stream)
    watch = [*connection.pack_command("WATCH", slices[0].stream), *look]
    await connection.send_packed_command([*watch, _QUEUE, slices[0].commands])
    end, wanted = await _end(connection, 1), expected
    for packed, following in zip_longest(slices, slices[1:]):
        if end != wanted:  # and the next slice is queued
            await connection.send_packed_command([_DISCARD])
            await connection.read_response()
            break
        then = look if following is None else [*watch, _QUEUE, following.commands]
        await connection.send_packed_command([_EXECUTE, *then])
        end, wanted = await _end(connection, 1 if following is None else 2), packed.last_id
        if end == wanted:
            appended(packed)
    return end, wanted


async def _end(connection: AbstractConnection, answers: int) -> str:
    """Where the stream ends, told after some answers to commands before."""
    for _ in range(answers):
        await connection.read_response()
    try:
        info = await connection.read_response()
    except ResponseError as error:
        if "no such key" in str(error):
            return "0-0"
        raise
    pairs = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2], strict=True))
    return str(pairs["last-generated-id"])
