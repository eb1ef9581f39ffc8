"""The way of a file through the API: upload, preview, start, progress, rejects, cancel."""

import csv
import os
import resource
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from event_stream_engine.ids import new_id
from event_stream_engine.messaging.files.uploads import save_upload
from event_stream_engine.messaging.model.imports import DiskFull
from tests.messaging.imports.calling import (
    FORM,
    LIMIT,
    Caller,
    call,
    kept,
    multipart,
    start_body,
    upload,
)
from tests.messaging.imports.conftest import DATA, Importer

__all__ = ["call"]


async def test_a_file_goes_from_upload_to_contacts(call: Caller, importer: Importer) -> None:
    added = await upload(call, (DATA / "contacts.csv").read_bytes(), name="Spring fair")
    assert (added.status, added.json["name"], added.json["status"]) == (201, "Spring fair", "uploaded")
    path = f"/imports/{added.json['id']}"
    preview = (await call("GET", f"{path}/preview")).json
    assert (preview["format"], preview["encoding"], preview["delimiter"]) == ("csv", "utf-8", ",")
    suggested = {column["name"]: column["suggested"] for column in preview["columns"]}
    assert suggested["phone_number"] == "phone"
    assert (suggested["timezone"], suggested["consent_state"]) == ("timezone", "consent")
    assert suggested["city"] == {"attribute": "city", "dates": None}
    assert all(len(column["samples"]) <= 5 for column in preview["columns"])
    started = await call("POST", f"{path}/start", start_body(preview))
    assert (started.status, started.json["status"]) == (202, "running")
    assert (await call("POST", f"{path}/start", start_body(preview))).json["code"] == "import_state"
    await importer.finish(await importer.read(type("Known", (), {"id": added.json["id"]})))  # type: ignore[arg-type]
    done = (await call("GET", path)).json
    assert (done["status"], done["progress"]) == ("completed", 1.0)
    assert done["rows_read"] == 46
    assert done["rows_per_second"] > 0
    assert [item["id"] for item in (await call("GET", "/imports")).json["items"]] == [added.json["id"]]
    first = (await call("GET", f"{path}/rejects?limit=5")).json
    rest = (await call("GET", f"{path}/rejects?limit=200&cursor={first['next_cursor']}")).json
    assert len(first["items"]) + len(rest["items"]) == done["rejected"] == first["total"]


async def test_refused_rows_come_as_csv_that_no_spreadsheet_runs(call: Caller, importer: Importer) -> None:
    rows = b'phone,note\n=cmd|calc,x\n@SUM(1),y\n"\t=1",z\n-2+3,w\n'
    done = await importer.run(rows)
    answer = await call("GET", f"/imports/{done.id}/rejects.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(answer.body.decode("utf-8-sig").splitlines()))
    assert list(lines[0]) == ["phone", "note", "rejected_line", "rejected_reason", "rejected_row"]
    assert [line["rejected_line"] for line in lines] == ["2", "3", "4", "5"]
    assert [line["phone"] for line in lines] == ["'=cmd|calc", "'@SUM(1)", "'\t=1", "'-2+3"]


async def test_refused_rows_can_be_corrected_and_uploaded_again(call: Caller, importer: Importer) -> None:
    rows = b'phone,name,city\n12,"Lu, Ana",Oslo\n+14155550101,Ben,Rome\n34,Di,Nice,x\n"5"6,Ed,Bern\n'
    done = await importer.run(rows)
    assert (done.created, done.rejected) == (1, 3)
    rejects = (await call("GET", f"/imports/{done.id}/rejects.csv")).body.decode("utf-8-sig")
    lines = list(csv.DictReader(rejects.splitlines()))
    assert [lines[0][name] for name in ("phone", "name", "city", "rejected_row")] == ["12", "Lu, Ana", "Oslo", ""]
    assert [line["rejected_row"] for line in lines[1:]] == ["34,Di,Nice,x", '"5"6,Ed,Bern']
    corrected = rejects.replace("12,", "+14155550103,", 1).encode()
    again = await importer.run(corrected)
    assert (again.created, again.rejected) == (1, 2)
    assert (await importer.contacts())["+14155550103"].attributes == {"name": "Lu, Ana", "city": "Oslo"}


async def test_merged_rows_are_listed_and_downloaded_like_refused_ones(call: Caller, importer: Importer) -> None:
    done = await importer.run(b"phone,name\n+14155550101,Ana\n+14155550101,Anna\n+14155550101,=1+1\n")
    first = (await call("GET", f"/imports/{done.id}/merges?limit=1")).json
    rest = (await call("GET", f"/imports/{done.id}/merges?cursor={first['next_cursor']}")).json
    assert first["total"] == 2
    assert first["items"] == [{"line": 3, "first_line": 2, "phone": "+14155550101", "stated": {"name": "Anna"}}]
    assert [item["line"] for item in rest["items"]] == [4]
    answer = (await call("GET", f"/imports/{done.id}/merges.csv")).body.decode("utf-8-sig")
    assert answer.splitlines() == [
        "line,merged_into_line,phone,what_it_says", "3,2,+14155550101,name: Anna", "4,2,+14155550101,name: =1+1",
    ]  # fmt: skip


async def test_a_file_over_the_limit_is_refused_before_it_is_read(call: Caller, importer: Importer) -> None:
    def never() -> Iterable[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await call("POST", "/imports", never(), content_type=FORM, content_length=str(LIMIT * 10))
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert "MiB" in answer.json["detail"]
    assert kept(importer) == []


async def test_a_file_that_turns_out_too_large_leaves_nothing(call: Caller, importer: Importer) -> None:
    body = multipart(b"phone\n" + b"1" * LIMIT)
    answer = await call("POST", "/imports", [body[:1000], body[1000:]], content_type=FORM)
    assert (answer.status, answer.json["code"]) == (413, "too_large")
    assert kept(importer) == []


async def test_an_upload_that_breaks_off_leaves_nothing(call: Caller, importer: Importer) -> None:
    answer = await call("POST", "/imports", [multipart(b"phone\n1\n")[:-20]], content_type=FORM)
    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    with pytest.raises(Exception, match=r"ClientDisconnect|^$"):
        await call("POST", "/imports", [multipart(b"phone\n1\n")[:-20], b"disconnect"], content_type=FORM)
    assert kept(importer) == []


@pytest.mark.parametrize(
    ("content", "code", "advice"),
    [
        (b"%PDF-1.4", "file_unreadable", "PDF"),
        (b"PK\x03\x04xl/workbook.xml", "file_unreadable", "CSV"),
        (b"", "file_unreadable", "empty"),
        (b"phone,name\n", "file_unreadable", "no contacts below"),
        (b"BEGIN:VCARD\r\nFN:Ana\r\nEND:VCARD\r\n", "file_unreadable", "vCard"),
        (b"+14155550101,Ana\n+14155550102,Ben\n", "file_unreadable", "add a line"),
    ],
)
async def test_what_is_no_contact_file_changes_nothing(
    call: Caller, importer: Importer, content: bytes, code: str, advice: str
) -> None:
    answer = await upload(call, content)
    assert (answer.status, answer.json["code"]) == (422, code)
    assert advice in answer.json["detail"]
    assert kept(importer) == []
    assert (await call("GET", "/imports")).json["items"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"mapping": [{"column": "name", "target": {"attribute": "name"}}]}, "mapping"),
        ({"mapping": [{"column": "nowhere", "target": "phone"}]}, "mapping.0.column"),
        ({"mapping": [{"column": "phone", "target": "locale"}, {"column": "name", "target": "locale"}]}, "mapping"),
        ({"mapping": [{"column": "name", "target": {"attribute": "1 x"}}]}, "mapping.0.target"),
        ({"default_region": "ZZ"}, "default_region"),
        ({"consent_source": "  "}, "consent_source"),
    ],
)
async def test_a_start_that_cannot_work_names_the_field(call: Caller, change: dict[str, Any], field: str) -> None:
    added = await upload(call, b"phone,name\n+14155550101,Ana\n")
    path = f"/imports/{added.json['id']}"
    preview = (await call("GET", f"{path}/preview")).json
    answer = await call("POST", f"{path}/start", start_body(preview, **change))
    assert answer.status == 422
    assert field in [error["field"] for error in answer.json["errors"]]
    assert (await call("GET", path)).json["status"] == "uploaded"


async def test_the_preview_says_how_dates_would_be_read_and_what_is_assumed(call: Caller) -> None:
    added = await upload(call, b"phone,day,born,since\n+14155550101,15/06/2025,03/04/1990,2024-01-01\n")
    preview = (await call("GET", f"/imports/{added.json['id']}/preview")).json
    _, day, born, since = preview["columns"]
    assert day["suggested"] == {"attribute": "day", "dates": "day_first"}
    decided = {"dates": "day_first", "assumed": False, "example": "15/06/2025", "reads_as": "2025-06-15"}
    assumed = {"dates": "day_first", "assumed": True, "example": "03/04/1990", "reads_as": "1990-04-03"}
    assert (day["dates"], born["dates"]) == (decided, assumed)
    assert since["dates"] == {"dates": "iso", "assumed": False, "example": None, "reads_as": None}
    assert preview["columns"][0]["dates"] is None


async def test_an_upload_is_canceled_once(call: Caller) -> None:
    added = await upload(call, b"phone\n+14155550101\n")
    path = f"/imports/{added.json['id']}"
    assert (await call("DELETE", path)).json["status"] == "canceled"
    assert (await call("DELETE", path)).json["code"] == "import_state"
    assert (await call("GET", f"/imports/{new_id()}")).json["code"] == "import_not_found"


async def test_nobody_imports_without_a_session(call: Caller) -> None:
    assert (await call("GET", "/imports", authorization="Bearer no")).status == 401
    answer = await call("POST", "/imports", [b"x"], authorization="Bearer no", content_type=FORM)
    assert answer.status == 401


async def test_a_disk_without_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    async def blocks() -> AsyncIterator[bytes]:
        yield multipart(os.urandom(3_000_000))

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # writing beyond fails as on a full disk
    try:
        with pytest.raises(DiskFull, match="free some space"):
            await save_upload(blocks(), FORM, tmp_path / "uploads" / "x", 10_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / "uploads").iterdir()) == []
