"""Which transport the settings name."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from event_stream_engine.backbone.streams import Reach, StreamReader, StreamWriter
from event_stream_engine.backbone.streams.redis import RedisStreams, connect
from event_stream_engine.errors import Invalid
from event_stream_engine.events.base import Envelope
from event_stream_engine.settings import Settings


class Transport(StreamWriter, StreamReader, Protocol):
    """Both halves, and following a stream outside any group."""

    async def first_id(self, stream: str, partition: int | None = None) -> str | None:
        """As `StreamReader` has it."""
        ...

    async def tail(self, stream: str, after: str, count: int, block_ms: int) -> list[Envelope]:
        """Entries after a position; waits up to `block_ms` for the first."""
        ...

    async def reach(self, streams: Sequence[str], seconds: float) -> Reach:
        """Whether it answers within that time; raises `StreamBusy` or `StreamRefused` where it does not."""
        ...


@asynccontextmanager
async def open_transport(settings: Settings) -> AsyncIterator[Transport]:
    """The transport for the length of the block; a blocking read holds up other calls on Redis, so a group that
    reads opens its own. Raises `Invalid` where a setting or the Kafka client is missing."""
    if settings.kafka.streams == "kafka":
        async with _kafka(settings) as transport:
            yield transport
        return
    client = connect_cluster(settings.redis_url) if settings.redis.cluster else connect(settings.redis_url)
    try:
        yield RedisStreams(client)
    finally:
        await client.aclose()


def connect_cluster(url: str) -> "Redis":
    """A cluster's client; it follows redirections (MOVED, ASK), and sends no command twice for another reason."""
    client: Redis = RedisCluster.from_url(  # type: ignore[assignment]  # the commands are the same
        url, decode_responses=True, encoding_errors="replace", retry=Retry(NoBackoff(), 0), socket_connect_timeout=5,
        socket_timeout=10,
    )  # fmt: skip
    return client


@asynccontextmanager
async def _kafka(settings: Settings) -> AsyncIterator[Transport]:
    try:
        from event_stream_engine.backbone.streams.kafka import KafkaStreams  # an extra: not everybody has it
    except ImportError as error:
        raise Invalid("ESE_STREAMS is kafka: install the extra, event-stream-engine[kafka].") from error
    chosen = settings.kafka
    streams = KafkaStreams(chosen.configuration(), partitions=chosen.partitions, replicas=chosen.replicas)
    try:
        yield streams
    finally:
        await streams.close()
