"""How much a group reads at a time follows what it is given."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from event_stream_engine.backbone.consumers.reading import Batches
from event_stream_engine.backbone.streams import Read
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import BackboneSettings

SETTINGS = BackboneSettings(ESE_CONSUME_BATCH=300)


class Endless:
    """A stream that always has more; `asked` is how much each read wanted."""

    def __init__(self, size: int) -> None:
        self.data = msgspec.Raw(b"x" * size)
        self.asked: list[int] = []

    async def read(self, group: str, consumer: str, streams: Any, count: int, block_ms: int) -> Read:
        self.asked.append(count)
        one = Envelope(id=uuid4(), type="ProofFact", subject="k", time="", data=self.data)
        return Read([one] * count, {})


class Held:
    paused = False


async def asked(size: int, seconds: float, rounds: int, *, careful: bool = False) -> list[int]:
    """What is wanted, batch by batch, when each event has `size` bytes and each batch takes `seconds`."""
    stream, stop = Endless(size), asyncio.Event()
    batches = Batches("g", stream, "r", ["s"], SETTINGS, Held(), stop, careful)  # type: ignore[arg-type]
    following = batches.follow({})
    for _ in range(rounds):
        read = await anext(following)
        batches.applied(read.entries, seconds)
    await following.aclose()
    return stream.asked


async def test_small_and_fast_batches_grow_to_the_bound() -> None:
    grown = await asked(100, 0.01, 8)
    assert grown[0] == 50
    assert grown == sorted(grown)
    assert grown[-1] == 300


@pytest.mark.parametrize(("size", "seconds"), [(100, 5.0), (2**20, 0.01)], ids=["slow", "large"])
async def test_slow_or_large_batches_shrink(size: int, seconds: float) -> None:
    shrunk = await asked(size, seconds, 10)
    assert shrunk[0] == 50
    assert shrunk[-1] <= 32


async def test_neither_fast_nor_slow_stays_as_it_is() -> None:
    assert set(await asked(100, 1.0, 5)) == {50}


async def test_what_the_last_owner_may_have_died_of_is_read_at_once() -> None:
    assert (await asked(100, 1.0, 1, careful=True))[0] == 300
