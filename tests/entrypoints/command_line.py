"""`ese …` within the test's process: a process of its own takes a second to start (tests/entrypoints/
test_account_commands.py starts some)."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from typer.testing import CliRunner

from event_stream_engine.entrypoints.cli import app
from event_stream_engine.errors import EseError


@dataclass(frozen=True)
class Done:
    """What a command answered and printed."""

    returncode: int
    stdout: str
    stderr: str


def run_ese(*words: str, environment: Mapping[str, str]) -> Done:
    """Run a command in a thread, as commands start event loops. An expected error ends it as `main` does."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(CliRunner().invoke, app, words, env=dict(environment)).result()
    if isinstance(done.exception, EseError):
        return Done(1, done.stdout, f"{done.stderr}ese: {done.exception.detail}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Done(done.exit_code, done.stdout, done.stderr)
