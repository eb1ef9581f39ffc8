"""`ese audit …` as it is typed: names instead of ids, from a time to a time."""

import csv
import io
from pathlib import Path

from sqlalchemy import text

from event_stream_engine import audit
from event_stream_engine.database import Database
from tests.entrypoints.command_line import run_ese
from tests.entrypoints.test_account_commands import add_account


async def test_the_trail_is_listed_by_name_and_range_and_exported(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    bo = await add_account(database, "bo@example.com")
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        async with database.transaction() as tx:
            await audit.record(tx, bo.id, "campaign.launch", day)
            moved = text("UPDATE audit_entries SET at = CAST(entity_id AS timestamptz) WHERE entity_id = :day")
            await tx.execute(moved, {"day": day})

    def run(*words: str) -> str:
        done = run_ese("audit", *words, environment={"DATABASE_URL": database_url, "ESE_HOME": str(tmp_path)})
        return done.stdout + done.stderr

    listed = run("list", "--from", "2026-03-02", "--to", "2026-03-02", "--actor", "Bo@example.com")
    assert listed == "2026-03-02 00:00:00Z  Bo  campaign.launch  2026-03-02\n"
    assert run("list", "--from", "2026-03-03T00:00:01Z", "--action", "campaign.*").startswith("No entry")
    assert run("list", "--from", "2026-03-03", "--to", "2026-03-01").startswith("ese: The range ends before")
    assert run("list", "--from", "yesterday").startswith("ese: --from: yesterday is not a time.")
    assert run("list", "--to", "9999-12-31").startswith("ese: --to: 9999-12-31 is the last day")
    assert run("list", "--actor", "nobody@example.com").startswith("ese: No account has")
    exported = list(csv.DictReader(io.StringIO(run("export", "--to", "2026-03-02"))))
    assert [(row["actor"], row["entity_id"]) for row in exported] == [("Bo", "2026-03-02"), ("Bo", "2026-03-01")]
    assert "audit.export" in run("list", "--subject", "all"), "the export is an entry itself"
