"""Dates in a file: recognised, read in one order for the column, and what was changed or not understood is told."""

import pytest

from event_stream_engine.messaging.model.dates import DateColumn, date_column, read_date
from event_stream_engine.messaging.model.imports import Column
from tests.messaging.imports.conftest import Importer, csv_of

HEADER = "phone,signup_date"


def rows(*dates: str) -> bytes:
    return csv_of(*(f"+1415555{1000 + number:04d},{date}" for number, date in enumerate(dates)), header=HEADER)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["2023-10-10", "08/02/2025", "15/06/2025"], DateColumn("day_first", False, "15/06/2025")),
        (["2023-10-10", "08/02/2025", "06/15/2025"], DateColumn("month_first", False, "06/15/2025")),
        (["08/02/2025", "03.04.2024"], DateColumn("day_first", True, "08/02/2025")),
        (["06/15/2025", "15/06/2025", "15/07/2025"], DateColumn("day_first", True, "15/06/2025")),
        (["05/05/2025"], DateColumn("day_first", False, "05/05/2025")),
        (["2023-10-10", "2024-02-29T08:30:00Z"], DateColumn("iso", False, None)),
        (["2023-10-10", "Oslo", "Rome"], None),
        (["31/02/2025"], None),
        ([], None),
    ],
)
def test_a_column_says_how_its_dates_are_read(values: list[str], found: DateColumn | None) -> None:
    assert date_column(values) == found


@pytest.mark.parametrize(
    ("written", "dates", "read"),
    [
        ("08/02/2025", "day_first", "2025-02-08"),
        ("08/02/2025", "month_first", "2025-08-02"),
        (" 8.2.2025 ", "day_first", "2025-02-08"),
        ("2025/6/5 14:30", "iso", "2025-06-05T14:30:00"),
        ("08/02/2025", "iso", None),
        ("06/15/2025", "day_first", None),
        ("30-02-2025", "day_first", None),
        ("08/02-2025", "day_first", None),
        ("8/2/25", "day_first", None),
    ],
)
def test_a_date_is_read_in_the_order_of_its_column_or_not_at_all(written: str, dates: str, read: str | None) -> None:
    assert read_date(written, dates) == read  # type: ignore[arg-type]


async def test_dates_of_a_column_are_stored_in_one_form_and_the_report_shows_what_stood_there(
    importer: Importer,
) -> None:
    done = await importer.run(rows("2023-10-10", "08/02/2025", "15/06/2025", "08/03/2025", "06/25/2025", ""))
    stored = [contact.attributes.get("signup_date") for _, contact in sorted((await importer.contacts()).items())]
    assert stored == ["2023-10-10", "2025-02-08", "2025-06-15", "2025-03-08", "06/25/2025", None]
    told = {warning.code: warning for warning in done.warnings}
    read = told["dates_read_day_first"]
    assert (read.about, read.count) == ("signup_date", 3)
    assert read.samples == ["08/02/2025 → 2025-02-08", "15/06/2025 → 2025-06-15", "08/03/2025 → 2025-03-08"]
    assert "08/02/2025 → 2025-02-08" in read.message
    kept = told["date_not_understood"]
    assert (kept.about, kept.count, kept.samples) == ("signup_date", 1, ["06/25/2025"])


async def test_a_person_decides_the_order_or_keeps_the_text(importer: Importer) -> None:
    content = rows("08/02/2025")
    phone = Column("phone", "phone")
    await importer.run(content, columns=[phone, Column("signup_date", "attribute", "us", "month_first")])
    await importer.run(content, columns=[phone, Column("signup_date", "attribute", "text")])
    (contact,) = (await importer.contacts()).values()
    assert contact.attributes == {"us": "2025-08-02", "text": "08/02/2025"}


async def test_a_dry_run_tells_of_dates_as_the_run_does(importer: Importer) -> None:
    uploaded = await importer.upload(rows("2023-10-10", "08/02/2025", "15/06/2025", "soon", "2024-01-01"))
    tried = await importer.finish(await importer.start(uploaded, dry_run=True))
    done = await importer.finish(await importer.start(uploaded))
    assert done.warnings == tried.warnings
    assert [(w.code, w.count) for w in done.warnings] == [("dates_read_day_first", 2), ("date_not_understood", 1)]
