"""What becomes of a row: created, updated, unchanged, merged or refused, and what happens to consent."""

from event_stream_engine.messaging.model.imports import Column
from tests.messaging.imports.conftest import Importer, counted, csv_of

ANA, BEN, CY = "+14155550101", "+14155550102", "+14155550103"


async def test_new_numbers_become_contacts_with_the_consent_of_the_file(importer: Importer) -> None:
    done = await importer.run(csv_of(f"{ANA},OPT_IN,Oslo", f"{BEN},,", f"{CY},STOP,Rome"))
    assert done.status == "completed", done.error
    assert counted(done) == {
        "rows_read": 3, "created": 3, "updated": 0, "unchanged": 0, "merged": 0, "rejected": 0, "consent_kept": 0,
    }  # fmt: skip
    contacts = await importer.contacts()
    assert (contacts[ANA].consent, contacts[ANA].attributes) == ("opted_in", {"city": "Oslo"})
    assert contacts[ANA].consent_source == f"import:{done.id}"
    assert contacts[ANA].consent_changed_at is not None
    assert (contacts[BEN].consent, contacts[BEN].consent_changed_at) == ("unknown", None)
    assert contacts[CY].consent == "stopped"
