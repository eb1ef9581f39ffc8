"""Stored secrets: unreadable without the key, bound to their row, and carried over to a new key."""

from base64 import b32decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.encryption import Keyring, SecretUnreadable
from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.entrypoints.doctor import Verdict, examine
from event_stream_engine.identity.actions import two_step
from event_stream_engine.settings import Settings
from tests.identity.test_sessions import CREDENTIALS
from tests.identity.test_two_step import CODE, LOGIN, turn_on
from tests.web.client import Client
from tests.web.settings import settings_for

OLD, NEW = Keyring.of("k" * 40), Keyring.of("n" * 40, "k" * 40)


@given(some.binary(max_size=200), some.text(max_size=50))
def test_what_was_encrypted_is_read_again(plain: bytes, about: str) -> None:
    stored = OLD.encrypt(plain, about)
    assert OLD.decrypt(stored, about) == plain
    assert stored != OLD.encrypt(plain, about), "the same secret twice does not look the same"


def test_a_wrong_key_is_named_with_what_to_do() -> None:
    with pytest.raises(SecretUnreadable, match="ESE_SECRET_KEY_PREVIOUS"):
        Keyring.of("x" * 40).decrypt(OLD.encrypt(b"secret", "totp:1"), "totp:1")


def test_a_secret_moved_to_another_row_cannot_be_read() -> None:
    with pytest.raises(SecretUnreadable, match="moved"):
        OLD.decrypt(OLD.encrypt(b"secret", "totp:1"), "totp:2")


@pytest.mark.parametrize("at", [15, -8])
def test_a_changed_secret_cannot_be_read(at: int) -> None:
    stored = OLD.encrypt(b"secret", "totp:1")
    other = "A" if stored[at] != "A" else "B"
    with pytest.raises(SecretUnreadable, match="damaged"):
        OLD.decrypt(stored[:at] + other + stored[at:][1:], "totp:1")


@pytest.mark.parametrize("stored", ["", "v1", "v1.", "v2.x.y", "nonsense"])
def test_what_is_no_stored_secret_says_so(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        OLD.decrypt(stored, "totp:1")


async def test_a_rotation_carries_secrets_over_to_the_new_key(browser: Client, database: Database) -> None:
    phone = await turn_on(browser)
    async with database.transaction() as tx:
        assert await two_step.rotate(tx, NEW, "ana") == (1, 1)
        assert await two_step.rotate(tx, NEW, "ana") == (0, 1), "again changes nothing"
    only_new = Keyring.of("n" * 40)
    async with database.transaction() as tx:
        assert await two_step.readable(tx, only_new) == 1
        query = text("SELECT account_id, secret FROM second_factors")
        account_id, secret = (await tx.execute(query)).one()
        with pytest.raises(SecretUnreadable):
            await two_step.readable(tx, OLD)
    assert only_new.decrypt(secret, f"totp:{account_id}") == b32decode(phone.secret)


async def test_a_wrong_key_lets_nobody_in_and_says_why(
    browser: Client, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    phone = await turn_on(browser)
    wrong = settings_for(database_url, redis_url, tmp_path, ESE_SECRET_KEY="w" * 40)
    application = create_app(wrong)
    async with application.router.lifespan_context(application):
        client = Client(application)
        challenge = (await client.post(LOGIN, json=CREDENTIALS)).json()["challenge"]
        refused = await client.post(CODE, json={"challenge": challenge, "code": phone.code()})
    assert (refused.status_code, refused.json()["code"]) == (503, "secret_unreadable")
    assert "ESE_SECRET_KEY" in refused.json()["detail"]


async def test_the_doctor_sees_a_wrong_key(
    browser: Client, settings: Settings, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    await turn_on(browser)
    wrong = settings_for(database_url, redis_url, tmp_path, ESE_SECRET_KEY="w" * 40)
    verdicts = [
        next(found.verdict for found in await examine(given) if found.subject == "stored secrets")
        for given in (settings, wrong)
    ]
    assert verdicts == [Verdict.GOOD, Verdict.MISSING]
