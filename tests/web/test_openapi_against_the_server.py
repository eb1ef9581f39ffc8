"""What the OpenAPI document says is what the server does, for inputs that nobody thought of."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from event_stream_engine.database import migrate
from event_stream_engine.embedded import ports
from event_stream_engine.entrypoints.api import openapi
from event_stream_engine.entrypoints.supervisor import probe
from tests.conftest import Addresses, drop, execute, in_database
from tests.sandbox.conftest import ACCOUNT_SID, AUTH_TOKEN

EXAMPLES = 15
START_SECONDS_MAX = 60
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

schema = (
    schemathesis.openapi.from_dict(openapi())
    .exclude(path_regex="^/webhooks/")  # signed: tests/web/test_webhooks.py
    .exclude(path="/api/v1/live")  # a stream that does not end: tests/live
    .exclude(path="/api/v1/backbone/tail")  # another one: tests/browser/test_streams.py
    .exclude(path=["/api/v1/auth/me"], method="PATCH")  # changes the password of the account that asks
)


@dataclass(frozen=True)
class Server:
    url: str
    token: str


@pytest.fixture(scope="module")
def server(servers: Addresses) -> Iterator[Server]:
    """`ese serve` on an empty database, and an owner's access token."""
    name, port = f"ese_openapi_{secrets.token_hex(4)}", ports.any_free()
    database_url = in_database(servers.database_url, name)
    asyncio.run(execute(servers.database_url, f"CREATE DATABASE {name}"))
    asyncio.run(migrate(database_url))
    with tempfile.TemporaryDirectory(prefix="ese-openapi-") as home:
        process = _serve(database_url, f"{servers.redis_url.rsplit('/', 1)[0]}/0", port, Path(home))
        try:
            yield _signed_in(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            process.wait(20)
    asyncio.run(drop(servers.database_url, name))


def _serve(database_url: str, redis_url: str, port: int, home: Path) -> "subprocess.Popen[bytes]":
    environment = {
        **os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ESE_HTTP_PORT": str(port),
        "ESE_HOME": str(home), "ESE_SECRET_KEY": "k" * 40, "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN, "TWILIO_API_BASE_URL": "http://twilio.invalid", "ESE_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-m", "event_stream_engine.entrypoints.cli", "serve"], env=environment)


def _signed_in(url: str, process: "subprocess.Popen[bytes]") -> Server:
    for _ in range(START_SECONDS_MAX * 10):
        assert process.poll() is None, "the server ended"
        if probe(f"{url}/readyz")[0]:
            break
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
    body = {"email": "ana@example.com", "password": "correct horse battery"}
    account = {**body, "display_name": "Ana"}
    assert requests.post(f"{url}/api/v1/auth/register", json=account, timeout=20).status_code == 201
    session = requests.post(f"{url}/api/v1/auth/login", json=body, timeout=20).json()
    return Server(url, session["access_token"])


@pytest.mark.slow
@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_the_server_answers_as_its_document_says(case: schemathesis.Case, server: Server) -> None:
    headers = {"authorization": f"Bearer {server.token}"}
    case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS, timeout=20)
