"""A file may write a number as WhatsApp does: it is the same contact."""

import pytest

from tests.messaging.imports.conftest import Importer, counted, csv_of

TEAM = ("+52 1 55 1234 5678", "+5511987654321", "+541123456781")
WHATSAPP = ("+5215512345678", "+551187654321", "+5491123456781")
STORED = ("+525512345678", "+5511987654321", "+541123456781")


def rows(numbers: tuple[str, ...], consent: str, city: str) -> list[str]:
    return [f"{number},{consent},{city}" for number in numbers]


async def test_whatsapps_export_merges_with_the_contacts_that_exist(importer: Importer) -> None:
    first = await importer.run(csv_of(*rows(TEAM, "yes", "Oslo")))
    assert (first.created, first.rejected) == (3, 0)
    assert set(await importer.contacts()) == set(STORED)
    again = await importer.run(csv_of(*rows(WHATSAPP, "no", "Rome")))
    assert (again.created, again.updated, again.rejected) == (0, 3, 0)
    contacts = await importer.contacts()
    assert {phone: (c.consent, c.attributes["city"]) for phone, c in contacts.items()} == dict.fromkeys(
        STORED, ("opted_out", "Rome")
    )


@pytest.mark.parametrize("rows_max", [1, 2, 10])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_both_spellings_in_one_file_are_one_contact(importer: Importer, rows_max: int, dry_run: bool) -> None:
    """In one chunk or in several."""
    content = csv_of(*rows(TEAM, "yes", "Oslo"), *rows(WHATSAPP, "", "Rome"))
    done = await importer.finish(await importer.start(await importer.upload(content), dry_run=dry_run), rows_max)
    assert done.status == "completed", done.error
    assert counted(done) == {
        "rows_read": 6, "created": 3, "updated": 0, "unchanged": 0, "merged": 3, "rejected": 0, "consent_kept": 0,
    }  # fmt: skip
    if not dry_run:
        assert {p: c.attributes["city"] for p, c in (await importer.contacts()).items()} == dict.fromkeys(
            STORED, "Rome"
        )
        assert [phone for _, _, phone, _ in await importer.merges(done)] == list(STORED)
