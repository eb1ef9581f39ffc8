"""Real servers for every test: one PostgreSQL and one Valkey per run, a fresh database and keyspace per test.

`ESE_TEST_DATABASE_URL` (a role that may create databases) and `ESE_TEST_REDIS_URL` (logical databases 1 to 15
are flushed) name servers of your own; without them throw-away ones start from the wheels. DATABASE_URL and
REDIS_URL are not used: tests must never touch a platform in use."""

import asyncio
import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import asyncpg
import pytest
import redis.asyncio
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from event_stream_engine.database import Database, migrate
from event_stream_engine.embedded import throwaway_servers

if TYPE_CHECKING:
    from tests.web.owner import OwnedTemplate

NOTHING_SKIPPED = os.environ.get("ESE_TEST_NOTHING_SKIPPED") == "1" or os.environ.get("CI") == "true"
WORKER, WORKERS = (int(os.environ.get(name, default).removeprefix("gw")) for name, default in (
    ("PYTEST_XDIST_WORKER", "0"), ("PYTEST_XDIST_WORKER_COUNT", "1"),
))  # fmt: skip
LOGICAL_DATABASES = itertools.cycle(range(1 + WORKER, 16, WORKERS))
"""Workers of one run may share a server of yours, but no logical database of it."""
ONE_WORKER = ("browser", "conformance")
"""Folders whose tests share something that is slow to start: a platform with Chromium, a Kafka broker."""


def pytest_configure(config: pytest.Config) -> None:
    """A developer's own settings, and a platform that runs in this folder, stay out of the tests."""
    for name in [name for name in os.environ if name.startswith(("ESE_", "TWILIO_", "DATABASE_URL", "REDIS_URL"))]:
        if not name.startswith("ESE_TEST_"):
            del os.environ[name]
    os.environ["ESE_HOME"] = tempfile.mkdtemp(prefix="ese-test-home-")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(os.environ["ESE_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share them, what takes long begins first: else one of them ends the run alone."""
    if WORKERS > 1:
        long = {*ONE_WORKER, *(shared_as(item.nodeid) for item in items if item.get_closest_marker("slow"))}
        items.sort(key=lambda item: shared_as(item.nodeid) not in long)


def shared_as(nodeid: str) -> str:
    """What one worker takes together: a file, or a whole folder."""
    file = PurePosixPath(nodeid.partition("::")[0])
    return file.parent.name if file.parent.name in ONE_WORKER else str(file)


class Sharing(LoadScopeScheduling):
    """Several workers (`-n 2`) take whole files, and some whole folders."""

    def _split_scope(self, nodeid: str) -> str:
        return shared_as(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing:
    return Sharing(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where nothing may be skipped (CI), a skip is a failure: an untested promise is not a kept one."""
    report = yield
    if NOTHING_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    return report


@dataclass(frozen=True)
class Addresses:
    """Where the servers of this run listen; `database_url` is of a role that may create databases."""

    database_url: str
    redis_url: str


@pytest.fixture(scope="session")
def servers() -> Iterator[Addresses]:
    """PostgreSQL and Valkey for the whole run."""
    given = os.environ.get("ESE_TEST_DATABASE_URL"), os.environ.get("ESE_TEST_REDIS_URL")
    if given[0] and given[1]:
        yield Addresses(given[0], given[1])
        return
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        started = throwaway_servers()
        ours = runner.run(started.__aenter__())
        try:
            yield Addresses(given[0] or ours.database_url, given[1] or ours.redis_url)
        finally:
            runner.run(started.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def template(servers: Addresses) -> Iterator[str]:
    """The name of a migrated database that others are copied from."""
    name = f"ese_template_{secrets.token_hex(4)}"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(execute(servers.database_url, f"CREATE DATABASE {name}"))
        runner.run(migrate(in_database(servers.database_url, name)))
        yield name
        runner.run(drop(servers.database_url, name))


@pytest.fixture(scope="session")
def owned_template(
    servers: Addresses, template: str, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[OwnedTemplate]":
    """A migrated database with the first account, which others are copied from."""
    from tests.web.owner import OwnedTemplate, add_owner  # the application is slow to import: only where it is needed

    name = f"ese_template_{secrets.token_hex(4)}"
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        redis_url = f"{servers.redis_url.rsplit('/', 1)[0]}/{next(LOGICAL_DATABASES)}"
        home = tmp_path_factory.mktemp("owner")
        access_token = runner.run(add_owner(in_database(servers.database_url, name), redis_url, home))
        yield OwnedTemplate(name, access_token)
        runner.run(drop(servers.database_url, name))


@pytest.fixture
async def database_url(servers: Addresses, template: str, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a fresh, migrated database. It is empty, or has the first account where a test signs in as it."""
    owned = request.getfixturevalue("owned_template") if "owner" in request.fixturenames else None
    source = owned.name if owned else template
    name = f"ese_test_{secrets.token_hex(6)}"
    await execute(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
    yield in_database(servers.database_url, name)
    await drop(servers.database_url, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on a fresh, migrated, empty database."""
    pool = Database(database_url, pool_size=10, application="test")
    yield pool
    await pool.close()


@pytest.fixture
async def redis_url(servers: Addresses) -> str:
    """The address of an empty logical database."""
    url = f"{servers.redis_url.rsplit('/', 1)[0]}/{next(LOGICAL_DATABASES)}"
    client = redis.asyncio.Redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    return url


def in_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return f"{url.rsplit('/', 1)[0]}/{name}"


async def drop(url: str, name: str) -> None:
    """Drop a database. FORCE may not end an autovacuum worker (a superuser's); the plain command waits for it."""
    try:
        await execute(url, f"DROP DATABASE {name} WITH (FORCE)")
    except asyncpg.InsufficientPrivilegeError:
        await execute(url, f"DROP DATABASE {name}")


async def execute(url: str, statement: str) -> None:
    """One statement outside any transaction, as CREATE DATABASE needs it."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
