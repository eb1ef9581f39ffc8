"""What a column is taken for, by its heading and its values."""

import pytest

from event_stream_engine.messaging.files.delimited import _numbered
from event_stream_engine.messaging.model.consent_words import consent_said, opt_out_said
from event_stream_engine.messaging.model.contacts import PhoneInvalid, parse_phone
from event_stream_engine.messaging.model.dates import read_date
from event_stream_engine.messaging.model.import_columns import looks_like_consent, suggest
from event_stream_engine.messaging.model.phones import PhoneReader, special_kind


def targets(header: str, *rows: str) -> list[str]:
    """The suggestion for each column; `flagged` for an attribute that looks like consent."""
    names = header.split(",")
    values = [[cell for row in rows if (cell := row.split(",")[index])] for index in range(len(names))]
    columns = suggest(names, values).columns
    return ["flagged" if looks_like_consent(column) else column.target for column in columns]


@pytest.mark.parametrize(
    ("heading", "target"),
    [
        *dict.fromkeys(
            ("SMS consent withdrawn", "SMS consent refused", "Text opt-in declined", "Exclude from SMS marketing"),
            "opt_out",
        ).items(),
        *dict.fromkeys(("unsubscribed_at", "opted_out_at", "UNSUB_TIME", "smsOptOut", "Do Not Text", "DND"), "opt_out")
        .items(),
        *dict.fromkeys(("Abgemeldet", "Baja", "Désabonné", "Not opted in to SMS", "STOP SMS"), "opt_out").items(),
        *dict.fromkeys(("SMS Status", "subscriber_status", "Consent given", "Allow SMS"), "consent").items(),
        *dict.fromkeys(("Status", "Marketing status", "GDPR", "Accepts Marketing", "SMS consent source"), "flagged")
        .items(),
        *dict.fromkeys(("Teléfono SMS", "Casino SMS", "Email opt out", "Accepts Email Marketing", "City"), "attribute")
        .items(),
    ],
)  # fmt: skip
def test_a_heading_says_whether_a_column_is_about_consent(heading: str, target: str) -> None:
    assert targets(f"phone,{heading}", "+12125550123,yes", "+12125550124,no") == ["phone", target]


def test_every_column_of_consent_counts_and_the_moment_is_another() -> None:
    header = "phone,WhatsApp opt-in,SMS opt-in,sms_opt_in_at"
    assert targets(header, "+12125550123,yes,no,2025-03-01 10:00:00") == ["phone", "consent", "consent", "consent_at"]


@pytest.mark.parametrize(
    ("header", "row", "found"),
    [
        ("Customer ID,Home Phone", "2125550199,(212) 555-0123", ["attribute", "phone"]),
        ("Record ID,Phone (with country code)", "2125550199,+12125550123", ["attribute", "phone"]),
        ("user_id,billing_phone", "1234567,+12125550123", ["attribute", "phone"]),
        ("Phone,Cancelled order id", "+12125550123,2125550199", ["phone", "attribute"]),
        ("Phone,Mobile", "(212) 555-0100,+12125550123", ["phone", "phone"]),
        ("Last WhatsApp message,Phone", "2025-03-01,+12125550123", ["attribute", "phone"]),
    ],
)
def test_the_number_is_taken_from_a_column_of_phones(header: str, row: str, found: list[str]) -> None:
    assert targets(header, row) == found


@pytest.mark.parametrize(
    ("written", "said"),
    [("1.0", True), ("0.0", False), ("checked", True), ("2024-01-01 10:00:00 UTC", True), ("None", False),
     ("Not opted out", False), ("Opted out via STOP", True), ("hayır", False), ("1700000000", True), ("perhaps", None)],
)  # fmt: skip
def test_a_cell_of_opt_outs_is_read_as_a_word_or_as_a_date(written: str, said: bool | None) -> None:
    assert opt_out_said(written) is said


@pytest.mark.parametrize(
    ("written", "said"),
    [("1.0", "opted_in"), ("0.0", "opted_out"), ("нет", "opted_out"), ("active", None), ("Not opted out", None),
     ("Unsubscribed (link)", "opted_out"), ("stopped", "stopped")],
)  # fmt: skip
def test_a_cell_of_consent_is_read_in_many_forms(written: str, said: str | None) -> None:
    assert consent_said(written) == said


@pytest.mark.parametrize("written", ["0664 1234567 Max", "+49 30 123456 Tel", "0664 1234567 Büro", "+39 06 123456 Ugo"])
def test_letters_behind_a_number_are_never_dialed(written: str) -> None:
    with pytest.raises(PhoneInvalid):
        parse_phone(written, "AT")
    with pytest.raises(PhoneInvalid):
        PhoneReader("AT").read(written)


def test_a_number_without_a_country_is_no_special_one() -> None:
    assert special_kind(PhoneReader(None).read("+800 1234 5678")) is None


@pytest.mark.parametrize("written", ["2024-01-01 25:61:00", "2024-01-01 10:00:60", "2024-01-01 10:00:00+99:99"])
def test_a_time_that_does_not_exist_is_no_date(written: str) -> None:
    assert read_date(written, "iso") is None


def test_doubled_headings_are_numbered_once_each() -> None:
    assert _numbered(["Email", "email", "Email_2", "Email"]) == ["Email", "email_3", "Email_2", "Email_4"]
