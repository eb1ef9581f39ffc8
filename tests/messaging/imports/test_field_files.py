"""Files as real systems export them: the suggested mapping is accepted as it stands and gives the right contacts."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from tests.messaging.imports.calling import Caller, call, start_body, upload
from tests.messaging.imports.conftest import DATA, Importer

__all__ = ["call"]


@dataclass(frozen=True)
class Right:
    """What a file must come to: consent by number, attributes of some, rejected lines, and warnings that are given."""

    consents: dict[str, str]
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    rejected: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def opted_in(*phones: str) -> dict[str, str]:
    return dict.fromkeys(phones, "opted_in")


FILES = {
    "excel_sep_line.csv": Right(opted_in("+12025550100", "+12025550101"), {"+12025550101": {"name": "b"}}),
    "short_rows.csv": Right(
        opted_in("+12025550102", "+12025550103", "+12025550104", "+12025550105"),
        {"+12025550103": {"name": "a", "city": "b"}, "+12025550105": {}},
        warnings=("row_padded",),
    ),
    "surplus_comma.csv": Right(opted_in("+12025550106", "+12025550107"), {"+12025550107": {"name": "b"}}),
    "two_email_columns.csv": Right(
        opted_in("+12025550108"),
        {"+12025550108": {"Name": "a", "Email": "b@example.org", "Email_2": "c@example.org"}},
    ),
    "japanese_headings.csv": Right(
        opted_in("+12025550109", "+12025550110"),
        {"+12025550109": {"電話": "1", "氏名": "山田太郎"}, "+12025550110": {"電話": "2", "氏名": "鈴木花子"}},
    ),
    "hubspot_250_columns.csv": Right(opted_in("+12025550111"), notes=("left out",)),
    "google_contacts.csv": Right(opted_in("+12025550112", "+12025550115"), warnings=("several_numbers",)),
    "hubspot.csv": Right({"+12025550116": "opted_out", "+12025550118": "opted_in"}),
    "mailchimp.csv": Right({"+12025550120": "opted_out", "+12025550121": "opted_in"}),
    "shopify.csv": Right(
        {"+12025550122": "opted_out", "+12025550123": "opted_in"}, {"+12025550122": {"Customer_ID": "77"}}
    ),
    "salesforce_report.csv": Right({"+12025550124": "opted_out", "+12025550125": "opted_in"}, rejected=(6, 7)),
    "pandas_floats.csv": Right(opted_in("+12025550123", "+493012345678", "+4366412345678", "+6281234567890")),
    "long_note.csv": Right(opted_in("+12025550126", "+12025550127"), warnings=("value_cut",)),
    "mixed_encodings.csv": Right(
        opted_in("+12025550128", "+12025550129", "+12025550130"),
        {"+12025550128": {"name": "Émile"}, "+12025550129": {"name": "Søren"}, "+12025550130": {"name": "Zoë"}},
        warnings=("read_as_windows_1252",),
        notes=("Windows-1252",),
    ),
    "whatsapp_spellings.csv": Right(opted_in("+525512345678", "+5511987654321", "+541123456781")),
}


async def taken_in(call: Caller, importer: Importer, name: str) -> tuple[Any, Any]:
    """Upload, preview, and import with the suggestion as it stands; the preview, and the import when it has ended."""
    added = await upload(call, (DATA / "field" / name).read_bytes())
    assert added.status == 201, added.json
    path = f"/imports/{added.json['id']}"
    preview = (await call("GET", f"{path}/preview")).json
    started = await call("POST", f"{path}/start", start_body(preview, default_consent="opted_in"))
    assert started.status == 202, started.json
    found = (await importer.sql("SELECT * FROM imports WHERE id = :id", id=UUID(added.json["id"])))[0]
    return preview, await importer.finish(found)


@pytest.mark.parametrize("name", FILES)
async def test_a_real_file_gives_the_right_contacts(call: Caller, importer: Importer, name: str) -> None:
    right = FILES[name]
    preview, done = await taken_in(call, importer, name)
    contacts = await importer.contacts()
    assert {phone: contact.consent for phone, contact in contacts.items()} == right.consents
    for phone, attributes in right.attributes.items():
        held = contacts[phone].attributes
        assert {key: held.get(key) for key in attributes} == attributes
    assert tuple(line for line, _ in await importer.rejects(done)) == right.rejected
    given = {warning.code for warning in done.warnings}
    assert set(right.warnings) <= given, given
    for note in right.notes:
        assert note in " ".join(preview["notes"]), preview["notes"]


async def test_a_vcard_is_named_and_said_what_to_do_with(call: Caller) -> None:
    added = await upload(call, (DATA / "field/contact.vcf").read_bytes(), file_name="contact.vcf")
    assert added.status == 422
    assert "vCard" in added.json["detail"]
    assert "CSV" in added.json["detail"]


async def test_what_a_file_says_about_consent_is_counted_before_the_start(call: Caller) -> None:
    rows = "phone,SMS Opt Out\n+14155550101,TRUE\n+14155550102,FALSE\n+14155550103,\n+14155550104,perhaps\n"
    added = await upload(call, rows.encode())
    path = f"/imports/{added.json['id']}"
    preview = (await call("GET", f"{path}/preview")).json
    assert [column["suggested"] for column in preview["columns"]] == ["phone", "opt_out"]
    counted = (await call("POST", f"{path}/consent", start_body(preview, default_consent="opted_in"))).json
    assert counted == {
        "opted_in": 2, "opted_out": 1, "unknown": 1, "not_understood": 1, "samples": ["perhaps"], "rows": 4,
        "is_whole_file": True,
    }  # fmt: skip
    left = {"mapping": [{"column": "phone", "target": "phone"}], "default_consent": "unknown"}
    counted = (await call("POST", f"{path}/consent", start_body(preview, **left))).json
    assert (counted["opted_in"], counted["unknown"]) == (0, 4)


async def test_a_column_that_speaks_of_consent_and_stays_an_attribute_is_marked(call: Caller) -> None:
    rows = "phone,Marketing contact status,Accepts Email Marketing,city\n+14155550101,Marketing contact,yes,Oslo\n"
    added = await upload(call, rows.encode())
    columns = (await call("GET", f"/imports/{added.json['id']}/preview")).json["columns"]
    assert {column["name"]: column["looks_like_consent"] for column in columns} == {
        "phone": False, "Marketing contact status": True, "Accepts Email Marketing": False, "city": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "consent"),
    [
        ("Non-subscribed", "opted_out"), ("Not subscribed", "opted_out"), ("Nein", "opted_out"), ("DND", "opted_out"),
        ("blocked", "opted_out"), ("non", "opted_out"), ("Não", "opted_out"), ("oui", "opted_in"), ("Ja", "opted_in"),
        ("Cleaned", "unknown"), ("Pending", "unknown"), ("STOP", "stopped"),
    ],
)  # fmt: skip
async def test_words_of_consent_are_read_in_many_languages(importer: Importer, word: str, consent: str) -> None:
    await importer.run(f"phone,consent\n+14155550101,{word}\n".encode(), default_consent="opted_in")
    assert (await importer.contacts())["+14155550101"].consent == consent


async def test_consent_counts_from_the_moment_that_the_file_names(importer: Importer) -> None:
    rows = b"phone,sms_consent,sms_consent_at\n+14155550101,yes,2025-03-01 10:00:00\n+14155550102,yes,2999-01-01\n"
    done = await importer.run(rows)
    contacts = await importer.contacts()
    assert contacts["+14155550101"].consent_changed_at.isoformat() == "2025-03-01T10:00:00+00:00"
    assert contacts["+14155550102"].consent_changed_at.year < 2999
    assert [w.code for w in done.warnings] == ["consent_time_not_understood"]


async def test_special_numbers_are_said(importer: Importer) -> None:
    done = await importer.run(b"phone\n+18005550199\n+19005550123\n+14155550101\n+448081570192\n")
    (warning,) = [warning for warning in done.warnings if warning.code == "special_number"]
    assert warning.count == done.created - 1
    assert "+18005550199 (toll-free)" in warning.samples


async def test_two_columns_of_opt_outs_both_count(importer: Importer) -> None:
    rows = b"Mobile,Do Not Call,SMS Opt Out\n+14155550101,1,FALSE\n+14155550102,0,TRUE\n+14155550103,0,FALSE\n"
    await importer.run(rows, default_consent="opted_in")
    consents = {phone: contact.consent for phone, contact in (await importer.contacts()).items()}
    assert list(consents.values()).count("opted_out") == 2
    assert consents["+14155550103"] == "opted_in"


async def test_names_of_attributes_may_have_letters_of_any_script(call: Caller) -> None:
    added = await upload(call, "phone,Имя,名前\n+14155550101,Анна,アナ\n".encode())
    preview = (await call("GET", f"/imports/{added.json['id']}/preview")).json
    assert [json.dumps(c["suggested"], ensure_ascii=False) for c in preview["columns"][1:]] == [
        '{"attribute": "Имя", "dates": null}', '{"attribute": "名前", "dates": null}',
    ]  # fmt: skip
