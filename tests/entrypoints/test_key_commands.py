"""`ese keys …` as it is typed: the secret is printed once and opens what it should; what is done is audited."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from event_stream_engine.database import Database
from tests.entrypoints.command_line import run_ese
from tests.web.client import Client
from tests.web.conftest import anonymous, app, client_of, owner, settings

__all__ = ["anonymous", "app", "client_of", "owner", "settings"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def keys(database_url: str, tmp_path: Path) -> Run:
    def run(*words: str) -> tuple[int, str, str]:
        done = run_ese("keys", *words, environment={"DATABASE_URL": database_url, "ESE_HOME": str(tmp_path)})
        return done.returncode, done.stdout, done.stderr

    return run


async def test_a_key_is_made_used_listed_and_revoked(
    keys: Run, owner: Client, client_of: Callable[..., Client], database: Database
) -> None:
    assert keys("list")[1].startswith("There is no API key.")
    status, secret, told = keys("create", "Nightly", "--scope", "contacts:read", "--days", "30", "--by", "bo")
    assert (status, secret.count("\n"), "Nightly" in told) == (0, 1, True), told
    program = client_of(headers={"authorization": f"Bearer {secret.strip()}"})
    assert (await program.get("/api/v1/contacts")).status_code == 200
    assert (await program.get("/api/v1/flags")).status_code == 403
    listed = keys("list", "--account", "ana@example.com", "--json")[1]
    key = json.loads(listed)
    assert (key["name"], key["account_name"], key["scopes"], key["status"]) == (
        "Nightly", "Ana", ["contacts:read"], "active"
    )  # fmt: skip
    assert secret.strip() not in listed
    assert "secret_hash" not in key
    assert keys("revoke", key["id"], "--by", "bo")[0] == 0
    assert (await program.post("/api/v1/contacts", json={})).status_code == 401
    async with database.transaction() as tx:
        query = "SELECT action, actor_id, detail ->> 'by' AS by FROM audit_entries WHERE entity = 'api_key' ORDER BY id"
        audited = [tuple(row) for row in await tx.execute(text(query))]
    assert audited == [("api_key.make", None, "bo"), ("api_key.revoke", None, "bo")]


IMPOSSIBLE = (
    (("create", "x", "--scope", "no:such"), "ese: no:such is nothing that an API key may hold. It may hold:"),
    (("create", "x", "--scope", "accounts:manage"), "ese: accounts:manage is nothing that an API key may hold."),
    (("create", "x", "--scope", "flags:read", "--days", "400"), "Choose 1 to 365 days."),
    (("create", " ", "--scope", "flags:read"), "Give the key a name"),
    (("create", "x", "--scope", "flags:read", "--account", "no@example.com"), "No account has"),
    (("revoke", "12"), "ese: 12 is not the id of an API key. `ese keys list` prints the ids: copy one whole."),
)


async def test_what_cannot_be_is_refused_with_what_can(keys: Run, owner: Client, subtests: pytest.Subtests) -> None:
    for words, said in IMPOSSIBLE:
        with subtests.test(words=words):
            status, _, told = keys(*words)
            assert (status, said in told) == (1, True), told
    assert keys("list")[1].startswith("There is no API key.")


async def test_a_viewers_key_never_does_more_than_a_viewer(keys: Run, owner: Client) -> None:
    body = {"email": "vi@example.com", "password": "correct horse battery", "display_name": "Vi", "role": "viewer"}
    await owner.post("/api/v1/accounts", json=body)
    status, _, told = keys("create", "x", "--scope", "flags:write", "--account", "vi@example.com")
    assert (status, "does not have flags:write" in told) == (1, True)
