"""`ese flags …` as it is typed, on a real database."""

from collections.abc import Callable
from pathlib import Path

import pytest

from event_stream_engine import clock
from event_stream_engine.database import Database
from tests.entrypoints.command_line import Done, run_ese
from tests.entrypoints.test_account_commands import add_account

Ese = Callable[..., Done]


@pytest.fixture
def ese(database_url: str, redis_url: str, tmp_path: Path) -> Ese:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    environment = {**servers, "ESE_HOME": str(tmp_path), "SUDO_USER": "", "USER": "bo"}

    def run(*words: str) -> Done:
        return run_ese("flags", *words, environment=environment)

    return run


async def test_a_flags_life_from_the_command_line(ese: Ese) -> None:
    made = ese("set", "new-form=false", "--type", "bool", "--percentage", "25", "--reason", "try", "--by", "ana")
    assert (made.returncode, made.stdout) == (0, "new-form: version 1\n"), made.stderr
    assert "new-form: on, bool false, 25 %, version 1\n" in ese("list").stdout
    assert ese("evaluate", "new-form").stdout == "false  DEFAULT (no_key)\n"
    assert ese("kill", "new-form", "--reason", "errors").stdout == "new-form: version 2\n"
    assert ese("evaluate", "new-form", "targeting_key=a").stdout == "false  DISABLED (killed)\n"
    assert ese("rollback", "new-form", "1", "--reason", "back").stdout == "new-form: version 3\n"
    assert '"percentage": 25,' in ese("show", "new-form").stdout
    told = ese("history", "new-form").stdout.splitlines()
    assert [line.split("  ", 1)[1] for line in told] == [
        "version 2 -> 3  rollback by bo: back",
        "version 1 -> 2  kill by bo: errors",
        "version 0 -> 1  create by ana: try",
    ]
    assert ese("verify").stdout == "All 3 rows of the flags' audit are as they were written.\n"


async def test_a_set_is_taken_or_refused_whole(ese: Ese) -> None:
    refused = ese("set", "MONITORING_DUAL_MODE=true", "MONITORING_BATCH_SIZE=5", "--reason", "x")
    assert (refused.returncode, "MONITORING_ADAPTER_TYPE" in refused.stderr) == (1, True)
    assert ese("list").stdout.count("version 0") == 8
    taken = ese("set", "MONITORING_DUAL_MODE=true", "--reason", "x")
    assert taken.returncode == 1
    one = ese("set", "MONITORING_BATCH_SIZE=five", "--reason", "x")
    assert (one.returncode, one.stderr) == (1, "ese: five is no int.\n")


async def test_the_history_names_people_and_keeps_to_a_range(ese: Ese, database: Database) -> None:
    bo = await add_account(database, "bo@example.com")
    assert ese("set", "a=true", "--type", "bool", "--reason", "try", "--by", str(bo.id)).returncode == 0
    assert ese("history", "a").stdout.endswith("create by Bo: try\n")
    today = f"{clock.now():%Y-%m-%d}"
    assert ese("history", "a", "--from", today).stdout.endswith("create by Bo: try\n")
    assert ese("history", "a", "--to", "2026-01-01").stdout.startswith("Nobody has changed a in this time.")
    assert ese("history", "a", "--from", "noon").returncode == 1
