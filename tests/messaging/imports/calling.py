"""Requests to the application of imports as its server receives them, and the bodies they carry."""

import json
from collections.abc import Callable, Iterable
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
from event_stream_engine.messaging.routes import imports as routes
from event_stream_engine.settings import load_settings
from event_stream_engine.web import problems
from event_stream_engine.web.auth import issue_access_token
from event_stream_engine.web.openapi import serve
from event_stream_engine.web.platform import Platform
from tests.messaging.imports.conftest import Importer

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
