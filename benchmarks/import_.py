"""Import 100,000 contacts from a CSV, beside COPY of the same rows into a table with the same indexes."""

import asyncio
import random
import statistics
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from benchmarks.stage.figures import record
from event_stream_engine.database import Database, copy, migrate
from event_stream_engine.embedded import throwaway_servers
from event_stream_engine.ids import new_id
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging import import_tasks
from event_stream_engine.messaging.actions import imports as actions
from event_stream_engine.messaging.files import inspect, open_rows
from event_stream_engine.messaging.files.sampling import path_of, sample
from event_stream_engine.messaging.model.import_columns import suggest
from event_stream_engine.messaging.model.imports import Import, Options
from event_stream_engine.settings import load_settings
from event_stream_engine.web.auth import Principal

ROWS = 100_000
SECONDS_MAX = 10.0
RATIO_MIN = 0.25

_CITIES = ["Austin", "Boston", "Denver", "Paris", "Stockholm", "San Francisco", "Łódź", "München"]
_ZONES = ["America/Chicago", "America/New_York", "Europe/Paris", "Europe/Stockholm", ""]
_COLUMNS = (
    "phone", "country", "attributes", "consent", "consent_source", "consent_changed_at", "topics", "timezone",
)  # fmt: skip


def generated(rows: int) -> bytes:
    """A file such as a shop exports: most numbers in E.164, some written for people, some wrong."""
    random_ = random.Random(7)
    lines = ["phone_number,name,city,timezone,consent,tier,signup_date,note"]
    for number in range(rows):
        phone = _phone(random_, number)
        city, zone = random_.choice(_CITIES), random_.choice(_ZONES)
        consent = random_.choice(["OPT_IN"] * 8 + ["OPT_OUT", ""])
        note = random_.choice(["", "", "", '"likes ""quotes"", commas"', "vip"])
        tier = random_.choice(["standard", "premium"])
        day = f"2025-{random_.randint(1, 12):02}-{random_.randint(1, 28):02}"
        lines.append(f"{phone},Name {number},{city},{zone},{consent},{tier},{day},{note}")
    return ("\r\n".join(lines) + "\r\n").encode()


def _phone(random_: random.Random, number: int) -> str:
    area = (212, 415, 228, 305, 512, 617, 303, 646)[number % 8]
    local = f"{2 + number // 800_000}{number // 8 % 100_000:06}"
    match random_.random():
        case share if share < 0.15:
            return f"+4670{1_000_000 + number:07}"
        case share if share < 0.25:
            return f"({area}) {local[:3]}-{local[3:]}"
        case share if share < 0.30:
            return f"whatsapp:+1{area}{local}"
        case share if share < 0.31:
            return "n/a"
        case _:
            return f"+1{area}{local}"


async def measure() -> None:
    async with throwaway_servers(durable=True) as servers:
        await migrate(servers.database_url)
        database = Database(servers.database_url, pool_size=4)
        try:
            with tempfile.TemporaryDirectory() as home:
                done, seconds = await _import(database, home)
            copied, copy_seconds = await _copy(database)
        finally:
            await database.close()
    _report(done, seconds, copied, copy_seconds)


async def _import(database: Database, home: str) -> tuple[Import, float]:
    """Upload and start are not measured; reading, checking, writing and committing are."""
    runtime = Runtime(load_settings({"ESE_HOME": home}), database, None)  # type: ignore[arg-type]
    by = Principal(new_id(), "admin")
    import_id = new_id()
    path = path_of(Path(home), import_id)
    path.parent.mkdir(parents=True)
    path.write_bytes(generated(ROWS))
    shape = inspect(path)
    sampled = sample(open_rows(str(path), shape))
    options = Options(suggest(sampled.columns, sampled.values).columns, "US", "benchmark")
    async with database.transaction() as tx:
        await actions.add_upload(tx, import_id, "benchmark", path.stat().st_size, shape, by=by)
        await actions.start_import(tx, import_id, options, sampled.columns, dry_run=False, by=by)
    started = time.perf_counter()
    await import_tasks.work_on(runtime, str(import_id))
    seconds = time.perf_counter() - started
    async with database.transaction() as tx:
        return await actions.the_import(tx, import_id), seconds


async def _copy(database: Database) -> tuple[int, float]:
    """The machine's limit: the imported contacts, COPY'd in one transaction, from memory. The median of five runs: one
    takes a second, and differs twofold from the next."""
    async with database.transaction() as tx:
        await tx.execute(text("CREATE TABLE copied (LIKE contacts INCLUDING ALL)"))
        query = (
            "SELECT phone, country, attributes::text, consent, consent_source, consent_changed_at, topics, timezone "
            "FROM contacts ORDER BY id"
        )
        rows = [tuple(row) for row in await tx.execute(text(query))]
    await asyncio.sleep(1)  # let the checkpoint of the import pass
    seconds = []
    for _ in range(5):
        async with database.transaction() as tx:
            await tx.execute(text("TRUNCATE copied"))
        started = time.perf_counter()
        async with database.transaction() as tx:
            await copy(tx, "copied", _COLUMNS, rows)
        seconds.append(time.perf_counter() - started)
    return len(rows), statistics.median(seconds)


def _report(done: Import, seconds: float, copied: int, copy_seconds: float) -> None:
    rate, limit = done.rows_read / seconds, copied / copy_seconds
    record(
        "import", rate, "rows/s", beside="rows/s of COPY, same indexes", beside_value=limit, ratio=rate / limit,
        goal=f">= {RATIO_MIN} of COPY, {ROWS:,} rows in < {SECONDS_MAX:g} s",
        met=ROWS / rate < SECONDS_MAX and rate / limit >= RATIO_MIN,
    )  # fmt: skip
    print(
        f"{done.rows_read:,} rows in {seconds:.2f} s: created {done.created:,}, rejected {done.rejected:,}; "
        f"COPY of {copied:,} rows in {copy_seconds:.2f} s"
    )
