"""`ese sign-in` and `ese secrets`, as an operator runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from event_stream_engine import clock
from event_stream_engine.database import Database
from event_stream_engine.encryption import Keyring
from event_stream_engine.identity.model import Account
from event_stream_engine.identity.store import accounts, second_factors
from event_stream_engine.ids import new_id


def ese(*command: str, database_url: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = {**os.environ, "DATABASE_URL": database_url, "ESE_HOME": str(home), **environment}
    called = [sys.executable, "-m", "event_stream_engine.entrypoints.cli", *command]
    return subprocess.run(called, env=given, capture_output=True, text=True, check=False, timeout=60)


async def add_account(database: Database, email: str) -> Account:
    account = Account(new_id(), email, "Bo", "operator", None, clock.now())
    async with database.transaction() as tx:
        await accounts.add_account(tx, account)
    return account


async def test_a_link_for_one_account_signs_in_that_account(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    account = await add_account(database, "bo@example.com")
    done = ese("sign-in", "--email", "Bo@example.com", database_url=database_url, home=tmp_path)
    assert re.search(r"/sign-in/link\?token=\S+", done.stdout), done.stderr
    async with database.transaction() as tx:
        link = (await tx.execute(text("SELECT account_id FROM sign_in_links"))).scalar_one()
    assert link == account.id
    unknown = ese("sign-in", "--email", "nobody@example.com", database_url=database_url, home=tmp_path)
    assert (unknown.returncode, unknown.stderr) == (1, "ese: No account has this email address.\n")


async def test_secrets_are_rotated_and_a_wrong_key_is_told_with_what_to_do(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    account = await add_account(database, "bo@example.com")
    async with database.transaction() as tx:
        stored = Keyring.of("o" * 40).encrypt(b"secret", f"totp:{account.id}")
        await second_factors.put(tx, account.id, stored, clock.now())
    lost = ese("secrets", "rotate", database_url=database_url, home=tmp_path, ESE_SECRET_KEY="n" * 40)
    assert lost.returncode == 1
    assert "ESE_SECRET_KEY_PREVIOUS" in lost.stderr
    keys = {"ESE_SECRET_KEY": "n" * 40, "ESE_SECRET_KEY_PREVIOUS": "o" * 40}
    done = ese("secrets", "rotate", database_url=database_url, home=tmp_path, **keys)
    assert "Stored secrets: 1. Encrypted anew: 1." in done.stdout, done.stderr
    async with database.transaction() as tx:
        ((_, secret),) = await second_factors.stored_secrets(tx)
    assert Keyring.of("n" * 40).decrypt(secret, f"totp:{account.id}") == b"secret"
