"""`ese alerts …` as it is typed, and the health that `ese doctor` prints."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text

from event_stream_engine.alerts import actions
from event_stream_engine.alerts.catalogue import BY_NAME
from event_stream_engine.alerts.model import Alert, Judged
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.doctor import health_of, health_table
from tests.entrypoints.command_line import Done, run_ese

Ese = Callable[..., Done]


@pytest.fixture
def ese(database_url: str, redis_url: str, tmp_path: Path) -> Ese:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    environment = {**servers, "ESE_HOME": str(tmp_path), "SUDO_USER": "", "USER": "bo"}

    def run(*words: str) -> Done:
        return run_ese("alerts", *words, environment=environment)

    return run


WRONG = (
    ("silence", "--reason", "Why"),
    ("silence", "--rule", "EseNothing", "--reason", "Why"),
    ("silence", "--rule", "EseDeadLetters", "--reason", "Why", "--hours", "721"),
    ("silence", "--rule", "EseDeadLetters", "--reason", "Why", "--hours", "1e300"),
    ("silence", "01a1fdc7-a84b-74d1-9d42-3560d1da347d", "--rule", "EseDeadLetters", "--reason", "Why"),
    ("unsilence", "--rule", "EseNothing"),
    ("test-webhook",),
)


async def a_dead_letter(database: Database) -> Alert:
    async with database.transaction() as tx:
        found = await actions.settle(tx, [Judged(BY_NAME["EseDeadLetters"], (("group", "a.b"),), 2)], None)
    return found[0]


async def test_an_alert_is_listed_acknowledged_and_silenced(ese: Ese, database: Database) -> None:
    alert = await a_dead_letter(database)
    listed = ese("list").stdout
    assert listed.startswith(f"{alert.id}  firing  ticket  ")
    assert listed.endswith("  EseDeadLetters: Dead letters of a.b: 2\n")
    assert "  acknowledged  " in ese("ack", str(alert.id), "--by", "ana").stdout
    silenced = ese("silence", str(alert.id), "--reason", "Known", "--hours", "2").stdout
    assert ("  silenced  " in silenced, "silent until" in silenced) == (True, True)
    assert (ese("list", "--state", "firing").stdout, ese("list", "--state", "silenced").stdout[:36]) == (
        "No alert is firing.\n",
        str(alert.id),
    )
    async with database.transaction() as tx:
        told = await tx.execute(text("SELECT action, detail ->> 'by' FROM audit_entries ORDER BY id"))
        assert told.all() == [("alert.acknowledge", "ana"), ("alert.silence", "bo")], "typed, and logged in"


async def test_a_rule_is_silenced_before_it_fires(ese: Ese, database: Database) -> None:
    assert "silenced until" in ese("silence", "--rule", "EseDeadLetters", "--reason", "Upgrade", "--by", "ana").stdout
    (line,) = [line for line in ese("rules").stdout.splitlines() if "silenced until" in line]
    assert line.startswith("ticket  EseDeadLetters  (silenced until ")
    assert (await a_dead_letter(database)).rule == "EseDeadLetters"
    assert "  silenced  " in ese("list").stdout
    assert ese("unsilence", "--rule", "EseDeadLetters").stdout == "EseDeadLetters is no longer silenced\n"
    assert ese("unsilence", "--rule", "EseDeadLetters").stdout == "EseDeadLetters was not silenced\n"
    assert "  firing  " in ese("list").stdout


async def test_what_cannot_be_done_is_said_in_one_line(ese: Ese, database: Database) -> None:
    for words in (
        ("ack", "nothing"),
        ("ack", "01a1fdc7-a84b-74d1-9d42-3560d1da347d"),
        ("list", "--state", "loud"),
        *WRONG,
    ):
        done = ese(*words)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_the_doctor_prints_the_health_that_the_platform_says() -> None:
    check = {
        "status": "warn",
        "observedValue": 3.5,
        "observedUnit": "s",
        "output": "paused",
        "since": "2026-11-21T10:00",
    }
    table = health_table({"status": "warn", "ageSeconds": 2.0, "checks": {"group a.b:lag": [check]}})
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(table)
    printed = console.export_text()
    for word in ("Health: warn", "group a.b:lag", "3.5 s", "paused", "2026-11-21 10:00"):
        assert word in printed
    assert health_of("http://127.0.0.1:1") is None
