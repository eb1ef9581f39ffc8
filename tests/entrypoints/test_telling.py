"""What the operator reads: how to sign in, and what answers."""

from sqlalchemy import text

from event_stream_engine.database import Database
from event_stream_engine.entrypoints.doctor import Verdict, platform_finding
from event_stream_engine.entrypoints.sign_in_command import sign_in_line
from event_stream_engine.entrypoints.supervisor import probe

NOBODY = "http://127.0.0.1:9"


async def test_a_password_that_is_set_is_not_asked_for_again(database: Database, database_url: str) -> None:
    first = await sign_in_line(database_url, NOBODY)
    assert first.startswith(f"Sign in (once, then set a password): {NOBODY}/")
    async with database.transaction() as tx:
        await tx.execute(text("UPDATE accounts SET password_hash = 'x', email = 'ana@example.com'"))
    later = await sign_in_line(database_url, NOBODY)
    assert later.startswith(f"Sign in with your password, or once with this link: {NOBODY}/")


def test_a_platform_that_starts_is_no_connection_refused() -> None:
    starting = platform_finding({"url": NOBODY, "pid": 7, "state": "starting"})
    assert (starting.verdict, starting.found) == (Verdict.NOTE, f"starting at {NOBODY} (process 7)")
    assert probe(f"{NOBODY}/readyz") == (False, "no answer (Connection refused)")
