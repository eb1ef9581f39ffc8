"""The generated documents say what the code says."""

import subprocess
import sys

from tests.architecture.sources import ROOT


def test_the_generated_documents_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/documents.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"Run `make docs` and commit what it writes:\n{done.stdout}{done.stderr[-2000:]}"
