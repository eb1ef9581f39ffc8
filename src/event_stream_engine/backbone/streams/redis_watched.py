"""A Redis client whose commands a circuit breaker learns of.

Only single commands are: pipelines, subscriptions and the transport's own clients have waits of their own, and the
breaker needs no more than the commands that every process sends each second or two.
"""

from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import MaxConnectionsError, RedisError
from redis.exceptions import TimeoutError as NoAnswer

from event_stream_engine.backbone.streams.redis import unretried
from event_stream_engine.database.watching import OWN_SERVER
from event_stream_engine.resilience import Breaker, CircuitOpen, Circuits, Pool, Verdict

REDIS = "redis"
CONNECTIONS_MAX = 100
CONNECTION_WAIT_SECONDS = 5.0


class LeftAlone(NoConnection):
    """Not sent: Redis failed too often a moment ago. For callers it is as if no connection came about."""


class WatchedRedis(Redis):
    """With `fail_fast` a command is refused at once while the circuit is open."""

    breaker: Breaker
    fail_fast: bool

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            permit = self.breaker.admit() if self.fail_fast else self.breaker.observe()
        except CircuitOpen as error:
            raise LeftAlone(error.detail) from error
        verdict = Verdict.NEUTRAL
        try:
            answer = await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            verdict = Verdict.SUCCESS
        except (RedisError, OSError) as error:
            verdict = _verdict(error)
            raise
        finally:
            self.breaker.report(permit, verdict)
        return answer

    def pool(self) -> Pool:
        connections = cast("_PatientPool", self.connection_pool)
        in_use = sum(count for count, labels in connections.get_connection_count() if "used" in labels.values())
        return Pool(connections.max_connections, in_use, connections.waiting)


class _PatientPool(BlockingConnectionPool):
    """Who finds all connections in use waits for one: hundreds of browsers that come back together ask at once.
    After `CONNECTION_WAIT_SECONDS` it is refused with `MaxConnectionsError`."""

    waiting = 0

    async def get_connection(self, *_: Any, **__: Any) -> Any:
        self.waiting += 1
        try:
            return await super().get_connection()  # type: ignore[no-untyped-call]
        except NoConnection as error:
            if isinstance(error.__cause__, TimeoutError):
                raise MaxConnectionsError("all connections to Redis are in use") from error
            raise
        finally:
            self.waiting -= 1


def _verdict(error: Exception) -> Verdict:
    if isinstance(error, MaxConnectionsError):  # ours are all in use, which says nothing of the server
        return Verdict.NEUTRAL
    return Verdict.FAILURE if isinstance(error, NoConnection | NoAnswer | OSError) else Verdict.REFUSED


def watched(circuits: Circuits, url: str, *, fail_fast: bool = False) -> "Redis":
    """As `connect`, with the breaker `redis` and the pool's figures among the process's `circuits`."""
    connections = _PatientPool.from_url(
        url, max_connections=CONNECTIONS_MAX, timeout=CONNECTION_WAIT_SECONDS, **unretried()
    )
    client = cast("WatchedRedis", WatchedRedis.from_pool(connections))
    client.breaker, client.fail_fast = circuits.breaker(REDIS, OWN_SERVER), fail_fast
    circuits.add_pool(REDIS, client.pool)
    return client
