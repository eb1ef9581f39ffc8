"""What `ese breakers …` does, and the table of breakers that `ese doctor` prints too."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import typer
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.database import Database
from event_stream_engine.errors import Unavailable
from event_stream_engine.live.circuits import Told, ToldBreaker, told
from event_stream_engine.monitoring import circuits
from event_stream_engine.resilience import Action, State
from event_stream_engine.settings import Settings, load_settings

_COLOURS = {State.CLOSED: "green", State.HALF_OPEN: "yellow", State.DISABLED: "yellow"}


def list_breakers() -> None:
    everybody = asyncio.run(heard(load_settings()))
    if not everybody:
        typer.echo("No process tells of its breakers: none runs.")
        return
    _print(Console(), everybody)


def print_breakers(console: Console, settings: Settings) -> None:
    """Nothing where no process tells of its breakers."""
    with suppress(Unavailable):
        everybody = asyncio.run(heard(settings)) if settings.redis.url else []
        if everybody:
            _print(console, everybody)


def _print(console: Console, everybody: Sequence[Told]) -> None:
    console.print(breaker_table(everybody))
    console.print(pool_table(everybody))


def give(name: str, action: str, *, process: str, reason: str, by: str) -> None:
    concerned = asyncio.run(_give(load_settings(), name, Action(action), process, reason, by))
    typer.echo(f"{name}: {action}. {concerned} living processes obey within two seconds, and those that start later.")


async def heard(settings: Settings) -> list[Told]:
    """What every process told. Raises `Unavailable`."""
    client = connect(settings.redis_url)
    try:
        return await told(client)
    except (RedisError, OSError) as error:
        raise Unavailable(f"Redis does not answer, so nothing is known of the breakers: {error}") from error
    finally:
        await client.aclose()


async def _give(settings: Settings, name: str, action: Action, process: str, reason: str, by: str) -> int:
    """How many living processes have the breaker and are concerned."""
    everybody = await heard(settings)
    circuits.known(name, everybody)
    database, client = Database(settings.database_url, pool_size=1, application="ese-cli"), connect(settings.redis_url)
    try:
        async with database.transaction() as tx:
            await circuits.order(tx, name, action, process=process, reason=reason, by=None, who=by)
        await circuits.nudge(client)
    finally:
        await client.aclose()
        await database.close()
    return sum(each.is_alive and process in ("", each.process) and has(each, name) for each in everybody)


def has(each: Told, name: str) -> bool:
    return each.breaker(name) is not None


def breaker_table(everybody: Sequence[Told]) -> Table:
    table = Table("breaker", "process", "state", "says", "last heard", title="Circuit breakers", title_justify="left")
    lines = [(breaker.name, each, breaker) for each in everybody for breaker in each.breakers]
    for name, each, breaker in sorted(lines, key=lambda line: (line[0], line[1].process, line[1].pid)):
        state = f"[{_COLOURS.get(breaker.state, 'red')}]{breaker.state.value}[/]"
        table.add_row(name, _whose(each), state, _says(breaker), _when(each))
    return table


def pool_table(everybody: Sequence[Told]) -> Table:
    table = Table("pool", "process", "size", "in use", "waiting", title="Connection pools", title_justify="left")
    for each in everybody:
        for pool in each.pools:
            size = "no bound" if pool.size is None else str(pool.size)
            table.add_row(pool.name, _whose(each), size, str(pool.in_use), str(pool.waiting))
    return table


def _whose(each: Told) -> str:
    return f"{each.process} {each.host}:{each.pid}"


def _when(each: Told) -> str:
    return f"{each.seen_at:%Y-%m-%d %H:%M:%S}" + ("" if each.is_alive else " (silent)")


def _says(breaker: ToldBreaker) -> str:
    if breaker.state in (State.FORCED_OPEN, State.DISABLED):
        return "until it is reset"
    if breaker.state is State.CLOSED:
        return f"{breaker.failures} failures in a row, {breaker.failed} of {breaker.calls} lately"
    again = "now" if not breaker.retry_after else f"in {breaker.retry_after:.0f} s"
    return f"{breaker.failures} failed probes, tried again {again}"
