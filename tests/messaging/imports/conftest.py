"""What the tests of imports share: a runtime on real servers, and a file's way through it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.ids import new_id
from event_stream_engine.jobs import Runtime
from event_stream_engine.messaging import import_tasks
from event_stream_engine.messaging.actions import imports as actions
from event_stream_engine.messaging.files import inspect, open_rows
from event_stream_engine.messaging.files.chunks import ROWS_MAX
from event_stream_engine.messaging.files.sampling import path_of, sample
from event_stream_engine.messaging.model.import_columns import suggest
from event_stream_engine.messaging.model.imports import Column, Import, Options
from event_stream_engine.messaging.store import imports as store
from event_stream_engine.settings import load_settings
from event_stream_engine.web.auth import Principal

DATA = Path(__file__).parents[2] / "data"


@dataclass
class Importer:
    """Takes files in as the API does and runs the task as a worker does."""

    runtime: Runtime
    by: Principal

    async def upload(self, content: bytes, name: str = "contacts") -> Import:
        import_id = new_id()
        path = path_of(self.runtime.settings.home, import_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        async with self.runtime.database.transaction() as tx:
            return await actions.add_upload(tx, import_id, name, len(content), inspect(path), by=self.by)

    async def start(self, uploaded: Import, *, dry_run: bool = False, **options: Any) -> Import:
        path = path_of(self.runtime.settings.home, uploaded.id)
        sampled = sample(open_rows(str(path), actions.shape_of(uploaded)))
        columns: list[Column] = options.pop("columns", None) or suggest(sampled.columns, sampled.values).columns
        given = Options(**{"columns": columns, "default_region": "US", "consent_source": "test", **options})
        async with self.runtime.database.transaction() as tx:
            return await actions.start_import(tx, uploaded.id, given, sampled.columns, dry_run=dry_run, by=self.by)

    async def finish(self, started: Import, rows_max: int = ROWS_MAX) -> Import:
        """Work on it as a worker does, and read how it stands."""
        await import_tasks.work_on(self.runtime, str(started.id), rows_max)
        return await self.read(started)

    async def read(self, known: Import) -> Import:
        async with self.runtime.database.transaction() as tx:
            return await actions.the_import(tx, known.id)

    async def run(self, content: bytes, **options: Any) -> Import:
        return await self.finish(await self.start(await self.upload(content), **options))

    async def rejects(self, done: Import) -> list[tuple[int, str]]:
        """(line, code) of each refused row."""
        async with self.runtime.database.transaction() as tx:
            rows = await store.rejects_page(tx, done.id, after=None, limit=1000)
        return [(row.line, row.code) for row in rows]

    async def merges(self, done: Import) -> list[tuple[int, int, str, dict[str, str]]]:
        """(line, first line, number, what it says) of each merged row."""
        async with self.runtime.database.transaction() as tx:
            rows = await store.merges_page(tx, done.id, after=None, limit=1000)
        return [(row.line, row.first_line, row.phone, row.stated) for row in rows]

    async def sql(self, statement: str, **values: Any) -> list[Any]:
        async with self.runtime.database.transaction() as tx:
            result = await tx.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    async def contacts(self) -> dict[str, Any]:
        """Every contact by number."""
        rows = await self.sql("SELECT * FROM contacts")
        return {row.phone: row for row in rows}


@pytest.fixture
async def importer(database: Database, tmp_path: Path) -> Importer:
    settings = load_settings({"ESE_HOME": str(tmp_path)})
    runtime = Runtime(settings, database, None)  # type: ignore[arg-type]  # imports use no Redis of their own
    return Importer(runtime, Principal(new_id(), "admin"))


def counted(done: Import) -> dict[str, int]:
    return {
        name: getattr(done, name)
        for name in ("rows_read", "created", "updated", "unchanged", "merged", "rejected", "consent_kept")
    }


def csv_of(*rows: str, header: str = "phone,consent,city") -> bytes:
    return "\n".join([header, *rows, ""]).encode()
