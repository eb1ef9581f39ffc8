"""What is stored about one person: shown with its source, handed out whole, erased."""

import csv
import io
import json
from pathlib import Path

from sqlalchemy import text

from event_stream_engine.database import Database
from tests.entrypoints.command_line import run_ese
from tests.web.client import Client
from tests.web.conftest import add_contact
from tests.web.test_webhooks import INBOUND, call, written

CONTACTS = "/api/v1/contacts"
PHONE = "+14152340000"


async def imported(database: Database, contact_id: str) -> None:
    """As the import of a file that says where its consent comes from left the contact."""
    async with database.transaction() as tx:
        row = await tx.execute(
            text("""
            INSERT INTO imports (id, name, size_bytes, status, options, finished_at)
            VALUES (gen_random_uuid(), 'checkout.csv', 1, 'completed',
                    '{"consent_source": "Checkout form, November 2026"}', now()) RETURNING id
            """)
        )
        import_id = row.scalar_one()
        await tx.execute(text("DELETE FROM consent_changes"))
        await tx.execute(
            text("UPDATE contacts SET import_id = :id, consent_source = :source WHERE id = :contact"),
            {"id": import_id, "source": f"import:{import_id}", "contact": contact_id},
        )


async def test_the_source_and_moment_of_consent_are_shown(owner: Client, database: Database) -> None:
    added = await add_contact(owner, consent="opted_in")
    assert added["consent_origin"] == "set by the team"
    await imported(database, added["id"])
    shown = (await owner.get(f"{CONTACTS}/{added['id']}")).json()
    assert shown["consent_origin"] == "Checkout form, November 2026"
    (row,) = csv.DictReader(io.StringIO((await owner.get(f"{CONTACTS}/export.csv")).text))
    assert row["consent_source"] == "Checkout form, November 2026"
    assert row["consent_since"][:19] == shown["consent_changed_at"][:19]
    timeline = (await owner.get(f"{CONTACTS}/{added['id']}/timeline")).json()["items"]
    (consent,) = [entry for entry in timeline if entry["kind"] == "consent"]
    assert (consent["title"], consent["detail"]) == ("unknown → opted_in", "Checkout form, November 2026")


async def test_a_person_gets_all_that_is_stored_about_them(
    owner: Client, anonymous: Client, database: Database
) -> None:
    added = await add_contact(owner, consent="opted_in", attributes={"name": "Ana"})
    assert (await call(anonymous, INBOUND, written("STOP"))).status_code == 200
    answer = await owner.get(f"{CONTACTS}/{added['id']}/record.json")
    assert answer.status_code == 200, answer.text
    assert "attachment" in answer.headers["content-disposition"]
    found = answer.json()
    assert (found["contact"]["phone"], found["contact"]["attributes"]) == (PHONE, {"name": "Ana"})
    assert [change["consent"] for change in found["consent_history"]] == ["stopped", "opted_in"]
    assert [message["body"] for message in found["inbound_messages"]] == ["STOP"]
    assert found["left_out"] == []
    async with database.transaction() as tx:
        query = "SELECT entity_id FROM audit_entries WHERE action = 'contact.export_record'"
        assert (await tx.execute(text(query))).scalar_one() == added["id"]


async def test_a_stop_stands_when_the_number_is_added_again(owner: Client, anonymous: Client) -> None:
    added = await add_contact(owner, consent="opted_in")
    assert added["consent_kept"] is False
    await call(anonymous, INBOUND, written("STOP"))
    assert (await owner.delete(f"{CONTACTS}/{added['id']}")).status_code == 204
    again = await add_contact(owner, consent="opted_in")
    assert (again["consent"], again["consent_kept"], again["consent_origin"]) == ("stopped", True, "wrote STOP")


async def test_the_command_line_prints_and_erases_one_person(
    owner: Client, database: Database, database_url: str, tmp_path: Path
) -> None:
    added = await add_contact(owner, consent="opted_out", attributes={"name": "Ana"})

    def run(*words: str) -> tuple[int, str]:
        given = {"DATABASE_URL": database_url, "ESE_HOME": str(tmp_path), "ESE_SECRET_KEY": "k" * 40}
        done = run_ese("contacts", *words, "--by", "bo", environment=given)
        return done.returncode, done.stdout + done.stderr

    status, printed = run("record", "+1 415 234-0000")
    assert status == 0, printed
    assert json.loads(printed)["contact"]["attributes"] == {"name": "Ana"}
    assert run("erase", added["id"])[0] == 0
    assert (await owner.get(f"{CONTACTS}/{added['id']}")).status_code == 404
    assert (await add_contact(owner, consent="opted_in"))["consent"] == "opted_out"
    assert run("record", "+14155550199") == (1, "ese: No contact has this id or number.\n")
