"""What the backbone relies on, kept by every transport."""

import asyncio

import msgspec
import pytest

from event_stream_engine.backbone.consumers.inbox import by_place, ends
from event_stream_engine.backbone.streams import Entry, LastIdMismatch, StreamBusy, position
from event_stream_engine.backbone.streams.opening import Transport
from event_stream_engine.events.base import Envelope
from tests.conformance.conftest import entries

GROUP, CONSUMER = "proof", "one"
ROUNDS_MAX = 40


async def read_all(transport: Transport, stream: str, count: int, *, group: str = GROUP) -> list[Envelope]:
    """Until `count` were read; then nothing more may come."""
    found: list[Envelope] = []
    for _ in range(ROUNDS_MAX):
        read = (await transport.read(group, CONSUMER, [stream], 50, 500)).entries
        assert len(read) <= 50
        found += read
        if read:
            await transport.acknowledge(group, ends(by_place(read)))
        if len(found) >= count:
            break
    assert (await transport.read(group, CONSUMER, [stream], 50, 100)).entries == []
    return found


def ids(found: list[Entry]) -> list[str]:
    return [entry.entry_id for entry in found]


def in_order(found: list[Envelope]) -> list[str]:
    return sorted((entry.entry_id for entry in found), key=position)


async def test_a_stream_nobody_wrote_to_is_empty(transport: Transport, stream: str) -> None:
    assert await transport.last_id(stream) == "0-0"
    assert await transport.first_id(stream) is None
    assert await transport.length(stream) == 0
    assert await transport.ids_after(stream, "0-0", 10) == []
    assert await transport.trim(stream, "5-5") == 0


async def test_what_was_appended_is_read_back_equal_byte_for_byte(transport: Transport, stream: str) -> None:
    given = entries(1, 700)
    await transport.append(stream, "0-0", given[:300])
    await transport.append(stream, given[299].entry_id, given[300:])
    assert await transport.entries_after(stream, "0-0", 1000) == given
    assert await transport.entries_after(stream, given[98].entry_id, 10) == given[99:109]
    assert await transport.ids_after(stream, given[690].entry_id, 100) == ids(given[691:])
    assert await transport.first_id(stream) == given[0].entry_id
    assert await transport.last_id(stream) == given[-1].entry_id
    assert await transport.length(stream) == 700


async def test_an_append_that_expects_another_end_adds_nothing(transport: Transport, stream: str) -> None:
    given = entries(1, 20)
    await transport.append(stream, "0-0", given[:10])
    for expected in ("0-0", given[4].entry_id, given[15].entry_id):
        with pytest.raises(LastIdMismatch) as mismatch:
            await transport.append(stream, expected, given[10:])
        assert mismatch.value.actual == given[9].entry_id
    assert await transport.entries_after(stream, "0-0", 100) == given[:10]
    await transport.append(stream, given[9].entry_id, given[10:])
    assert await transport.entries_after(stream, "0-0", 100) == given


async def test_trimming_removes_what_is_older_and_keeps_the_end(transport: Transport, stream: str) -> None:
    given = entries(1, 100)
    await transport.append(stream, "0-0", given)
    assert await transport.trim(stream, given[40].entry_id) == 40
    assert await transport.first_id(stream) == given[40].entry_id
    assert await transport.length(stream) == 60
    await transport.trim(stream, "9999999999999-0")
    assert await transport.last_id(stream) == given[-1].entry_id
    following = entries(101, 103)
    await transport.append(stream, given[-1].entry_id, following)
    assert await transport.entries_after(stream, given[-1].entry_id, 10) == following


async def test_a_group_that_begins_at_a_trimmed_stream_gets_all_that_is_left(transport: Transport, stream: str) -> None:
    given = entries(1, 90)
    for start in range(0, 90, 30):
        await transport.append(stream, given[start - 1].entry_id if start else "0-0", given[start : start + 30])
    await transport.trim(stream, given[60].entry_id)
    for after in ("0-0", given[20].entry_id):
        await transport.seek(GROUP, CONSUMER, {(stream, number): after for number in range(3)})
        assert in_order(await read_all(transport, stream, 30)) == ids(given[60:])
    assert await transport.entries_after(stream, given[20].entry_id, 100) == given[60:]


async def test_of_two_writers_with_the_same_batch_one_appends(
    transport: Transport, other: Transport, stream: str
) -> None:
    """A relay that was paused past its lease, and the one that took over."""
    given = entries(1, 30)
    await transport.append(stream, "0-0", given[:10])
    await other.append(stream, given[9].entry_id, given[10:20])
    with pytest.raises((LastIdMismatch, StreamBusy)):
        await transport.append(stream, given[9].entry_id, given[10:20])
    with pytest.raises(LastIdMismatch) as mismatch:
        await transport.append(stream, given[9].entry_id, given[10:20])
    assert mismatch.value.actual == given[19].entry_id
    assert await other.entries_after(stream, "0-0", 100) == given[:20]


async def test_following_while_it_is_written_gives_all_in_order(
    transport: Transport, other: Transport, stream: str
) -> None:
    given = entries(1, 200)

    async def write() -> None:
        for start in range(0, 200, 5):
            await other.append(stream, given[start - 1].entry_id if start else "0-0", given[start : start + 5])

    async def follow() -> list[str]:
        found: list[str] = []
        while len(found) < 200:
            found += [e.entry_id for e in await transport.tail(stream, found[-1] if found else "0-0", 7, 2000)]
        return found

    _, found = await asyncio.wait_for(asyncio.gather(write(), follow()), 60)
    assert found == ids(given)


async def test_a_cleared_stream_is_filled_again_from_its_beginning(transport: Transport, stream: str) -> None:
    given = entries(1, 30)
    await transport.append(stream, "0-0", given)
    await transport.clear(stream)
    assert await transport.last_id(stream) == "0-0"
    await transport.append(stream, "0-0", given[:10])
    assert await transport.entries_after(stream, "0-0", 100) == given[:10]


async def test_streams_do_not_touch_each_other(transport: Transport, stream: str) -> None:
    names = [f"{stream}.{number}" for number in range(6)]
    for number, name in enumerate(names, 1):
        await transport.append(name, "0-0", entries(1, number))
    assert [await transport.length(name) for name in names] == [1, 2, 3, 4, 5, 6]


async def test_a_group_gets_everything_once_in_the_order_of_each_key(transport: Transport, stream: str) -> None:
    given = entries(1, 230)
    await transport.seek(GROUP, CONSUMER, {(stream, 0): "0-0"})  # before anybody wrote
    await transport.append(stream, "0-0", given)
    found = await read_all(transport, stream, 230)
    assert in_order(found) == ids(given)
    for key in {entry.subject for entry in found}:
        numbers = [msgspec.json.decode(entry.data)["number"] for entry in found if entry.subject == key]
        assert numbers == sorted(numbers)
    for place in {entry.partition for entry in found}:
        positions = [position(entry.entry_id) for entry in found if entry.partition == place]
        assert positions == sorted(positions)


async def test_a_group_that_seeks_continues_after_the_given_positions(transport: Transport, stream: str) -> None:
    given = entries(1, 90)
    await transport.append(stream, "0-0", given)
    await transport.seek(GROUP, CONSUMER, {(stream, 0): "0-0"})
    first = (await transport.read(GROUP, CONSUMER, [stream], 20, 2000)).entries
    assert first, "nothing was read"
    places = {(stream, partition): given[49].entry_id for partition in range(3)}
    await transport.seek(GROUP, CONSUMER, places)
    assert in_order(await read_all(transport, stream, 40)) == ids(given[50:])


async def test_what_was_read_and_not_acknowledged_comes_again_after_a_seek(transport: Transport, stream: str) -> None:
    await transport.append(stream, "0-0", entries(1, 40))
    await transport.seek(GROUP, CONSUMER, {(stream, 0): "0-0"})
    assert (await transport.read(GROUP, CONSUMER, [stream], 50, 2000)).entries
    await transport.seek(GROUP, CONSUMER, {(stream, 0): "0-0"})
    assert len(await read_all(transport, stream, 40)) == 40
