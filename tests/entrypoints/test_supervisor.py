"""`ese up`, as a newcomer meets it: one link, one Ctrl-C, and nothing left behind whatever ends it."""

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from event_stream_engine.entrypoints.supervisor import probe

START_SECONDS_MAX = 90
LINK = re.compile(r"https?://(?:127\.0\.0\.1|localhost)\S*")
UP = [sys.executable, "-m", "event_stream_engine.entrypoints.cli", "up"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Platform:
    """One `ese up` and its terminal."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        environment = {**os.environ, "ESE_HOME": str(home), "PYTHONUNBUFFERED": "1", **settings}
        self.process = subprocess.Popen(
            UP, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.text = ""
        self.family: list[psutil.Process] = []

    def shows(self, pattern: str) -> str:
        """Read the terminal until the pattern stands in it; everything read so far."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while not re.search(pattern, self.text):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            assert part, f"the terminal never showed {pattern!r}:\n{self.text}"
            self.text += part.decode(errors="replace")
        return self.text

    def ready(self) -> str:
        """The sign-in link, once it is printed."""
        self.shows(r"Sign in.*http\S+\n")
        self.family = psutil.Process(self.process.pid).children(recursive=True)
        return LINK.findall(self.text)[-1]

    def left_running(self, *, within: float = 30) -> list[psutil.Process]:
        """Of everything it had started, what still runs after that many seconds."""
        _, alive = psutil.wait_procs(self.family, within)
        return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]

    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="ese-up-"))
    path.chmod(0o755)
    yield path / ".ese"
    shutil.rmtree(path)


@pytest.fixture
def up(home: Path) -> Iterator[Callable[..., Platform]]:
    started: list[Platform] = []

    def start(**settings: str) -> Platform:
        started.append(Platform(home, **settings))
        return started[-1]

    yield start
    for platform in started:
        platform.end()


def test_one_link_that_works_and_one_ctrl_c_that_leaves_nothing(up: Callable[..., Platform], home: Path) -> None:
    platform = up()
    link = platform.ready()
    assert LINK.findall(platform.text) == [link], "the sign-in link is the only address that is shown"
    assert probe(f"{link.split('/sign-in')[0]}/readyz") == (True, "200")
    with urllib.request.urlopen(link) as page:
        assert b"<html" in page.read().lower()

    os.killpg(platform.process.pid, signal.SIGINT)
    assert platform.left_running() == []
    assert platform.process.wait(10) == 0
    assert not (home / "runtime.json").exists()


def test_a_second_start_says_who_runs_and_a_killed_one_leaves_nothing_behind(
    up: Callable[..., Platform], home: Path
) -> None:
    first = up()
    first.ready()
    second = up()
    assert "already runs" in second.shows(r"already runs.*\n")
    assert second.process.wait(30) == 0
    record = json.loads((home / "runtime.json").read_text())
    assert str(record["pid"]) in second.text

    first.process.kill()
    first.process.wait(10)
    assert first.left_running() == []

    third = up()
    third.ready()
    assert (home / "runtime.json").stat().st_mode & 0o077 == 0


def test_a_killed_database_and_a_killed_process_are_started_again(up: Callable[..., Platform], home: Path) -> None:
    platform = up()
    link = platform.ready()
    os.kill(json.loads((home / "runtime.json").read_text())["processes"]["relay"], signal.SIGKILL)
    platform.shows("relay was killed by SIGKILL; starting it again")
    postmaster = next(home.rglob("postmaster.pid")).read_text().splitlines()[0]
    os.kill(int(postmaster), signal.SIGKILL)
    platform.shows("Postgres is ready again")
    assert wait_until_ready(f"{link.split('/sign-in')[0]}/readyz")


def test_a_stopped_process_and_a_stopped_child_of_the_worker_are_replaced(
    up: Callable[..., Platform], home: Path
) -> None:
    """And nothing else is, though Redis stands still for longer than the limit."""
    platform = up(ESE_HUNG_SECONDS="5")
    link = platform.ready()
    before = running(home)
    (valkey,) = [one for one in platform.family if one.name().startswith("valkey")]
    valkey.suspend()
    os.kill(before["relay"], signal.SIGSTOP)
    platform.shows(r"relay was killed: process \d+ \(stopped\) did not respond for [5-9] s; starting it again")
    after = until(lambda: running(home), lambda found: found["relay"] != before["relay"])
    assert {name: pid for name, pid in after.items() if name != "relay"} == {
        name: pid for name, pid in before.items() if name != "relay"
    }

    platform.shows("relay was killed[^\n]*\n")
    valkey.resume()
    assert platform.text.count("was killed") == 1

    doing = psutil.Process(before["work"]).children()[0]
    doing.suspend()
    platform.shows(rf"work was killed: process {doing.pid} \(stopped\)")
    last = until(lambda: running(home), lambda found: found["work"] != before["work"])
    assert last["relay"] == after["relay"], "the relay that was started again responds"
    assert not doing.is_running() or doing.status() == psutil.STATUS_ZOMBIE
    with urllib.request.urlopen(f"{link.split('/sign-in')[0]}/metrics") as page:
        figures = page.read().decode()
    assert 'ese_process_restarts_total{process="relay",reason="hung"} 1' in figures
    assert 'ese_process_restarts_total{process="consume",reason="hung"} 0' in figures
    check = until(lambda: hung(f"{link.split('/sign-in')[0]}/health"), lambda found: found["observedValue"] == 2)
    assert check["lastReading"] == "warn"
    assert re.match(r"hung and was restarted: work at \S+ \S+Z \(1 so far\), relay at ", check["output"])


def running(home: Path) -> dict[str, int]:
    return dict(json.loads((home / "runtime.json").read_text())["processes"])


def hung(url: str) -> dict[str, Any]:
    """The check of `/health`, which looks every five seconds."""
    with urllib.request.urlopen(url) as answer:
        return dict(json.load(answer)["checks"]["restarts:hung"][0])


def until(look: Callable[[], dict[str, Any]], holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not holds(found := look()):
        assert time.monotonic() < deadline, found
    return found


def wait_until_ready(url: str) -> bool:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        if probe(url)[0]:
            return True
    return False
