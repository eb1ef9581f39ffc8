"""What happens when an import is stopped, killed, run twice, or meets somebody else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from event_stream_engine import clock
from event_stream_engine.messaging import import_tasks
from event_stream_engine.messaging.actions import imports as actions
from event_stream_engine.messaging.actions import inbound
from event_stream_engine.messaging.files.sampling import path_of
from event_stream_engine.messaging.model.imports import Import
from event_stream_engine.messaging.store import imports as store
from event_stream_engine.messaging.twilio.webhooks import InboundForm
from tests.messaging.imports.conftest import Importer, counted, csv_of

ANA = "+14155550101"


def people(count: int, consent: str = "OPT_IN") -> bytes:
    return csv_of(*(f"+1415555{n:04},{consent},Oslo" for n in range(count)))


def stop(phone: str) -> InboundForm:
    return InboundForm(
        sid="SM" + os.urandom(16).hex(), from_=phone, to="+14155559999", channel="sms", body="STOP", num_media=0,
        media=(), profile_name=None, opt_out_type=None, button_text=None, button_payload=None,
        messaging_service_sid=None, raw={"Body": "STOP"},
    )  # fmt: skip


async def until(condition: Callable[[], object], importer: Importer, statement: str) -> None:
    """Ask the database until the first value of its answer satisfies the condition."""
    async with asyncio.timeout(60):
        while not condition((await importer.sql(statement))[0][0]):  # noqa: ASYNC110  # the other side is a database
            await asyncio.sleep(0)


async def waiting_for_a_lock(importer: Importer) -> None:
    await until(bool, importer, "SELECT count(*) FROM pg_locks WHERE NOT granted")


def assert_complete(done: Import, rows: int) -> None:
    assert done.status == "completed", done.error
    assert counted(done) == {
        "rows_read": rows, "created": rows, "updated": 0, "unchanged": 0, "merged": 0, "rejected": 0,
        "consent_kept": 0,
    }  # fmt: skip


async def test_a_stopped_worker_resumes_after_the_last_committed_chunk(importer: Importer) -> None:
    started = await importer.start(await importer.upload(people(300)))
    working = asyncio.create_task(import_tasks.work_on(importer.runtime, str(started.id), rows_max=10))
    await until(lambda rows: 0 < rows < 300, importer, "SELECT rows_read FROM imports")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    halfway = await importer.read(started)
    assert halfway.status == "running"
    assert 0 < halfway.rows_read < 300
    assert halfway.created == halfway.rows_read == len(await importer.contacts())
    await importer.sql("UPDATE imports SET lease_until = now() - interval '1 second'")
    assert_complete(await importer.finish(started, rows_max=7), 300)
    assert len(await importer.contacts()) == 300


async def test_a_killed_worker_loses_nothing_and_counts_nothing_twice(importer: Importer, database_url: str) -> None:
    started = await importer.start(await importer.upload(people(2000)))
    program = (
        "import asyncio, sys\n"
        "from event_stream_engine.database import Database\n"
        "from event_stream_engine.jobs import Runtime\n"
        "from event_stream_engine.messaging.import_tasks import work_on\n"
        "from event_stream_engine.settings import load_settings\n"
        "settings = load_settings({'ESE_HOME': sys.argv[1]})\n"
        "asyncio.run(work_on(Runtime(settings, Database(sys.argv[2]), None), sys.argv[3], 5))\n"
    )
    home = str(importer.runtime.settings.home)
    worker = subprocess.Popen([sys.executable, "-c", program, home, database_url, str(started.id)])
    try:
        await until(lambda rows: 0 < rows < 2000, importer, "SELECT rows_read FROM imports")
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    halfway = await importer.read(started)
    assert 0 < halfway.rows_read < 2000
    async with importer.runtime.database.transaction() as tx:
        assert await store.abandoned(tx, clock.now()) == [], "the lease of the dead worker still holds"
        later = datetime.now(UTC) + actions.LEASE + timedelta(seconds=1)
        assert await store.abandoned(tx, later) == [started.id]
    with clock.frozen(later):
        assert_complete(await importer.finish(started), 2000)
    assert len(await importer.contacts()) == 2000


async def test_two_workers_at_once_import_a_file_once(importer: Importer) -> None:
    started = await importer.start(await importer.upload(people(200)))
    await asyncio.gather(*(importer.finish(started, rows_max=10) for _ in range(3)))
    assert_complete(await importer.read(started), 200)
    finished = await importer.sql("SELECT count(*) FROM outbox WHERE type = 'ContactsImported'")
    assert finished[0][0] == 1


async def test_a_worker_that_lost_its_lease_writes_nothing(importer: Importer) -> None:
    """It slept through its lease with a chunk in hand; another one has written that chunk meanwhile."""
    started = await importer.start(await importer.upload(people(20)))
    async with importer.runtime.database.transaction() as tx:
        stale = await actions.take_up(tx, started.id)
    assert stale is not None
    reader = import_tasks._open(path_of(importer.runtime.settings.home, started.id), stale, 5)
    chunk, staged = reader.next()
    reader.close()
    async with importer.runtime.database.transaction() as tx:
        after = await actions.write_chunk(tx, stale, chunk, staged, show=False)
    with pytest.raises(actions.RunIsOver):
        async with importer.runtime.database.transaction() as tx:
            await actions.write_chunk(tx, stale, chunk, staged, show=False)
    assert counted(await importer.read(started)) == counted(after)
    await importer.sql("UPDATE imports SET lease_until = now() - interval '1 second'")
    assert_complete(await importer.finish(started), 20)


async def test_an_import_that_never_gets_further_fails_instead_of_starting_for_ever(
    importer: Importer,
) -> None:
    started = await importer.start(await importer.upload(people(5)))
    await importer.sql(f"UPDATE imports SET attempts = {actions.ATTEMPTS_MAX}")
    failed = await importer.finish(started)
    assert (failed.status, failed.rows_read) == ("failed", 0)
    assert "row 1" in (failed.error or "")


async def test_a_canceled_import_stops_and_says_what_was_done(importer: Importer) -> None:
    started = await importer.start(await importer.upload(people(500)))
    working = asyncio.create_task(import_tasks.work_on(importer.runtime, str(started.id), rows_max=5))
    await until(lambda rows: rows > 0, importer, "SELECT rows_read FROM imports")
    async with importer.runtime.database.transaction() as tx:
        canceled = await actions.cancel_import(tx, started.id, by=importer.by)
    await working
    assert canceled.status == "canceled"
    assert counted(await importer.read(started)) == counted(canceled)
    assert canceled.created == len(await importer.contacts())
    await import_tasks.tidy_up(importer.runtime)
    assert not path_of(importer.runtime.settings.home, started.id).exists()


async def test_a_file_that_vanished_fails_with_advice(importer: Importer) -> None:
    started = await importer.start(await importer.upload(people(5)))
    path_of(importer.runtime.settings.home, started.id).unlink()
    failed = await importer.finish(started)
    assert failed.status == "failed"
    assert "upload it again" in (failed.error or "")


async def test_overlapping_files_at_once_account_for_every_row(importer: Importer) -> None:
    forwards = csv_of(*(f"+1415555{n:04},OPT_IN,Oslo" for n in range(400)))
    backwards = csv_of(*(f"+1415555{n:04},OPT_OUT,Rome" for n in reversed(range(200, 600))))
    runs = [await importer.start(await importer.upload(content)) for content in (forwards, backwards, forwards)]
    done = await asyncio.gather(*(importer.finish(run, rows_max=40) for run in runs))
    for run in done:
        assert run.status == "completed", run.error
        assert run.rows_read == run.created + run.updated + run.unchanged == 400
    contacts = await importer.contacts()
    assert sum(run.created for run in done) == len(contacts) == 600
    assert {contacts[f"+1415555{n:04}"].consent for n in range(200, 600)} == {"opted_out"}


async def test_a_stop_that_is_being_written_wins_over_the_import(importer: Importer) -> None:
    await importer.run(csv_of(f"{ANA},,"))
    started = await importer.start(await importer.upload(csv_of(f"{ANA},OPT_IN,Oslo")))
    async with importer.runtime.database.transaction() as tx:
        await inbound.receive(tx, stop(ANA))
        working = asyncio.create_task(importer.finish(started))
        await waiting_for_a_lock(importer)
    done = await working
    assert (done.updated, done.consent_kept) == (1, 1)
    ana = (await importer.contacts())[ANA]
    assert (ana.consent, ana.attributes) == ("stopped", {"city": "Oslo"})


async def test_a_stop_of_somebody_unknown_wins_over_the_import_that_adds_them(importer: Importer) -> None:
    started = await importer.start(await importer.upload(csv_of(f"{ANA},OPT_IN,Oslo")))
    async with importer.runtime.database.transaction() as tx:
        await inbound.receive(tx, stop(ANA))
        working = asyncio.create_task(importer.finish(started))
        await waiting_for_a_lock(importer)
    done = await working
    assert (done.created, done.updated, done.consent_kept) == (0, 1, 1)
    assert (await importer.contacts())[ANA].consent == "stopped"


async def test_a_stop_during_the_import_is_in_force_after_it(importer: Importer) -> None:
    started = await importer.start(await importer.upload(csv_of(f"{ANA},OPT_IN,Oslo")))
    async with importer.runtime.database.transaction() as tx:
        run = await actions.take_up(tx, started.id)
    assert run is not None
    reader = import_tasks._open(path_of(importer.runtime.settings.home, run.id), run, 10)
    chunk, staged = reader.next()
    reader.close()

    async def person_says_stop() -> None:
        async with importer.runtime.database.transaction() as other:
            await inbound.receive(other, stop(ANA))

    async with importer.runtime.database.transaction() as tx:
        await actions.write_chunk(tx, run, chunk, staged, show=True)
        stopping = asyncio.create_task(person_says_stop())
        await waiting_for_a_lock(importer)
    await stopping
    assert (await importer.contacts())[ANA].consent == "stopped"


async def test_screens_hear_of_an_import_and_the_trail_keeps_who_did_it(importer: Importer) -> None:
    done = await importer.run(people(30))
    updates = await importer.sql("SELECT data FROM outbox WHERE type = 'LiveUpdate' ORDER BY seq")
    shown = [row.data for row in updates if row.data["topic"] == "imports"]
    assert [update["patch"]["status"] for update in shown] == ["uploaded", "running", "running", "completed"]
    assert shown[-1]["patch"]["progress"] == 1.0
    assert shown[-1]["version"] == done.version
    assert [row.data["topic"] for row in updates][-1] == "contacts"
    trail = await importer.sql("SELECT action, actor_id FROM audit_entries ORDER BY id")
    assert [tuple(row) for row in trail] == [
        ("import.upload", importer.by.account_id), ("import.start", importer.by.account_id),
    ]  # fmt: skip


async def test_uploads_that_nobody_imports_are_removed_after_a_week(importer: Importer) -> None:
    uploaded = await importer.upload(people(3))
    await import_tasks.tidy_up(importer.runtime)
    assert (await importer.read(uploaded)).status == "uploaded"
    with clock.frozen(datetime.now(UTC) + timedelta(days=8)):
        await import_tasks.tidy_up(importer.runtime)
    assert (await importer.read(uploaded)).status == "canceled"
    assert not path_of(importer.runtime.settings.home, uploaded.id).exists()
