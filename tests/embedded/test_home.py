"""One owner at a time; secrets stay secret; the servers' account reaches what it needs and nothing is opened
for it."""

import json
import os
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from event_stream_engine.embedded import Home, HomeInUse, choose_place, processes
from event_stream_engine.errors import Unavailable

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root does")


def test_a_second_owner_is_refused_and_told_what_runs(home: Path) -> None:
    first, second = Home.at(home), Home.at(home)
    with first.hold():
        first.record_running({"pid": 42, "state": "ready"})
        with pytest.raises(HomeInUse) as refused, second.hold():
            pass
        assert refused.value.running["pid"] == 42
    with second.hold():
        assert second.is_held()


def test_the_lock_of_a_killed_owner_is_free(home: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert Home.at(home).is_held()
    holder.kill()
    holder.wait()
    assert not Home.at(home).is_held()


HOLD = """
import sys, pathlib
from event_stream_engine.embedded import Home
with Home.at(pathlib.Path(sys.argv[1])).hold():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_secret_is_made_once_and_only_its_owner_reads_it(home: Path) -> None:
    made = Home.at(home).secret("password")
    assert Home.at(home).secret("password") == made
    assert Home.at(home).secret("other") != made
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600


def test_damaged_secrets_are_reported_and_not_replaced(home: Path) -> None:
    (home / "secrets.json").write_text("{half")
    with pytest.raises(Unavailable, match=r"secrets\.json"):
        Home.at(home).secret("password")
    assert (home / "secrets.json").read_text() == "{half"


@needs_root
def test_under_a_closed_folder_the_data_goes_elsewhere_and_the_folder_stays_closed(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    outside = home / "outside"
    inside = Home.at(closed / ".ese").path

    place = choose_place(inside, outside=[outside])

    assert place.data.parent == outside
    assert place.account not in (None, 0)
    assert str(place.data) in (place.note or "")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert json.loads((inside / "place.json").read_text())["data"] == str(place.data)
    assert choose_place(inside, outside=[]) == place, "the next start must find the same data"


@needs_root
def test_a_program_that_the_account_cannot_reach_is_copied_with_its_libraries(home: Path) -> None:
    closed = home / "closed"
    program = closed / "site" / "wheel" / "install" / "bin" / "program"
    library = closed / "site" / "wheel.libs" / "library.so"
    for file in (program, library):
        file.parent.mkdir(parents=True)
        file.write_text("#!/bin/sh\nexit 0\n")
        file.chmod(0o755)
    closed.chmod(0o700)
    place = choose_place(Home.at(home / ".ese").path)

    copied = place.executable(program.parent.parent, "bin/program", beside=(library.parent,))

    assert copied.is_relative_to(place.data)
    assert (copied / "../../../../wheel.libs/library.so").resolve().exists()
    assert subprocess.run([copied], user=place.account, check=False, cwd="/").returncode == 0


@needs_root
def test_where_no_folder_is_reachable_the_error_says_what_to_do(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="ESE_HOME"):
        choose_place(Home.at(closed / ".ese").path, outside=[closed / "elsewhere"])


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_a_server_dies_with_its_killed_owner(home: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWN], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert processes.find_orphan(pid, "sleep") is not None
    with _Watched(pid) as watched:
        owner.kill()
        owner.wait()
        assert watched.ended(within=10)


OWN = """
import signal, subprocess, sys
from event_stream_engine.embedded import processes
child = processes.spawn(["sleep", "600"], log=subprocess.DEVNULL, account=None, death_signal=signal.SIGTERM)
print(child.pid, flush=True)
child.wait()
"""


class _Watched:
    """Tells when a process that is not our child has ended (a pidfd becomes readable)."""

    def __init__(self, pid: int) -> None:
        self.handle = os.pidfd_open(pid)

    def __enter__(self) -> "_Watched":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.handle)

    def ended(self, *, within: float) -> bool:
        readable, _, _ = select.select([self.handle], [], [], within)
        return bool(readable)
