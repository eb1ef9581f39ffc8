"""`ese doctor` names what is wrong with a server that answers, or would."""

from pathlib import Path

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.entrypoints import doctor
from event_stream_engine.entrypoints.doctor import Verdict
from tests.conftest import Addresses, execute
from tests.web.settings import settings_for


async def test_a_server_without_free_connections_is_told_from_one_that_is_away(
    servers: Addresses, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = settings_for(database_url, redis_url, tmp_path)
    assert (await doctor._postgres(settings)).verdict == Verdict.GOOD
    await execute(servers.database_url, f"ALTER DATABASE {database_url.rsplit('/', 1)[1]} CONNECTION LIMIT 0")
    found = await doctor._postgres(settings)
    assert (found.verdict, found.found.partition(":")[0]) == (Verdict.MISSING, "no free connection")
    assert "max_connections" in found.advice


async def test_a_redis_that_evicts_keys_is_named(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = settings_for(database_url, redis_url, tmp_path)
    assert (await doctor._redis(settings)).verdict == Verdict.GOOD
    client = connect(redis_url)
    try:
        await client.config_set("maxmemory", "8gb")
        await client.config_set("maxmemory-policy", "allkeys-random")
        found = await doctor._redis(settings)
    finally:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "0")
        await client.aclose()
    assert (found.verdict, "allkeys-random" in found.found) == (Verdict.MISSING, True)
    assert "noeviction" in found.advice
