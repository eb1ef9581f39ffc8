"""The way of a file through the API: upload, preview, start, progress, rejects, cancel."""

import csv
import json
import os
import resource
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from event_stream_engine import clock
from event_stream_engine.identity import model as identity
from event_stream_engine.identity.access.directory import Directory
from event_stream_engine.identity.store import accounts as account_store
from event_stream_engine.identity.store import sessions as session_store
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.files.uploads import save_upload
from event_stream_engine.messaging.model.imports import DiskFull
from event_stream_engine.messaging.routes import imports as routes
from event_stream_engine.settings import load_settings
from event_stream_engine.web import problems
from event_stream_engine.web.auth import issue_access_token
from event_stream_engine.web.openapi import serve
from event_stream_engine.web.platform import Platform
from tests.messaging.imports.conftest import DATA, Importer

LIMIT = 200_000
SECRET = "s" * 32
BOUNDARY = "xyzzy"


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Caller = Callable[..., Any]


@pytest.fixture
async def call(importer: Importer) -> Caller:
    """Sends requests to the application as its server does, blocks of the body one by one."""
    home = str(importer.runtime.settings.home)
    settings = load_settings({"ESE_HOME": home, "ESE_SECRET_KEY": SECRET, "ESE_MAX_UPLOAD_BYTES": str(LIMIT)})
    app = FastAPI()
    serve(app, routes.router)
    problems.install(app)
    nothing: Any = None  # imports use neither Redis nor streams
    now, lifetime = clock.now(), timedelta(hours=1)
    account = identity.Account(new_id(), None, "Ana", "admin", None, now)
    session = identity.Session(new_id(), account.id, "link", "a test", "unknown", now, now, now + lifetime)
    async with importer.runtime.database.transaction() as tx:
        await account_store.add_account(tx, account)
        await session_store.add(tx, session)
    directory = Directory(importer.runtime.database)
    app.state.platform = Platform(settings, importer.runtime.database, nothing, nothing, directory)
    token = issue_access_token(SECRET, account.id, session.id, lifetime)

    async def send(method: str, path: str, body: Iterable[bytes] = (), **headers: str) -> Answer:
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        given = {"authorization": f"Bearer {token}", "content-type": "application/json", **own}
        return await _call(app, method, path, body, given)

    return send


async def _call(app: FastAPI, method: str, path: str, body: Iterable[bytes], given: dict[str, str]) -> Answer:
    path, _, query = path.partition("?")
    blocks = iter([*body] if not hasattr(body, "__next__") else body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        block = next(blocks, None)
        if block is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        if block == b"disconnect":
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": block, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http",
        "path": f"/api/v1{path}", "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(k.encode(), v.encode()) for k, v in given.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], headers, b"".join(m.get("body", b"") for m in sent[1:]))


def multipart(content: bytes, file_name: str = "people.csv", name: str | None = None) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{file_name}"\r\n'
        "Content-Type: text/csv\r\n\r\n".encode()
        + content
        + b"\r\n"
    ]
    if name is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'
        parts.insert(0, head.encode())
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FORM = f"multipart/form-data; boundary={BOUNDARY}"


async def upload(call: Caller, content: bytes, **options: Any) -> Answer:
    body = multipart(content, **options)
    blocks = [body[at : at + 1000] for at in range(0, len(body), 1000)]
    answer: Answer = await call("POST", "/imports", blocks, content_type=FORM, content_length=str(len(body)))
    return answer


def kept(importer: Importer) -> list[Path]:
    return list((importer.runtime.settings.home / "uploads").glob("*"))


def start_body(preview: Any, **more: Any) -> list[bytes]:
    mapping = [{"column": c["name"], "target": c["suggested"]} for c in preview["columns"]]
    body = {"mapping": mapping, "default_region": "US", "consent_source": "web form", **more}
    return [json.dumps(body).encode()]


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
    rows = b'phone,name,city\n12,"Lu, Ana",Oslo\n+14155550101,Ben,Rome\n+14155550102,Cy\n34,Di,Nice,x\n"5"6,Ed,Bern\n'
    done = await importer.run(rows)
    assert (done.created, done.rejected) == (1, 4)
    rejects = (await call("GET", f"/imports/{done.id}/rejects.csv")).body.decode("utf-8-sig")
    lines = list(csv.DictReader(rejects.splitlines()))
    assert [lines[0][name] for name in ("phone", "name", "city", "rejected_row")] == ["12", "Lu, Ana", "Oslo", ""]
    assert [lines[1][name] for name in ("phone", "name", "city", "rejected_row")] == ["+14155550102", "Cy", "", ""]
    assert [line["rejected_row"] for line in lines[2:]] == ["34,Di,Nice,x", '"5"6,Ed,Bern']
    corrected = rejects.replace("12,", "+14155550103,", 1).encode()
    again = await importer.run(corrected)
    assert (again.created, again.rejected) == (2, 2)
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
        (b"phone,phone\n1,2\n", "file_unreadable", "name of its own"),
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
        ({"mapping": [{"column": "phone", "target": "phone"}, {"column": "name", "target": "phone"}]}, "mapping"),
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
