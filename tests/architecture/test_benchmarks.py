"""The comparison with public relays says what it left out, and keeps no figure of it."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.stage import peers
from benchmarks.stage.figures import RESULTS

from tests.architecture.sources import ROOT

# A process of its own: the benchmark's event must not stand among the platform's.
MEASURE = """
import asyncio, pathlib, sys
from benchmarks.relay_peers import measure
asyncio.run(measure(pathlib.Path(sys.argv[1])))
"""


def test_a_peer_that_is_not_installed_is_named_and_leaves_no_figure(tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in RESULTS.glob("*.json")}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert all(f"{peer} is left out" in done.stdout and needs in done.stdout for peer, needs in peers.NEEDS.items())
    assert "make peers" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in RESULTS.glob("*.json")} == before


def test_a_peer_whose_program_was_removed_counts_as_not_installed(tmp_path: Path) -> None:
    programs = {peers.DEBEZIUM: str(tmp_path / "java"), peers.OUTBOX: "sh"}
    (tmp_path / "installed.json").write_text(json.dumps(programs))
    assert peers.installed(tmp_path) == {peers.OUTBOX: "sh"}
