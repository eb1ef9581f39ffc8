"""The documents say what the code says."""

import re
import subprocess
import sys

from tests.architecture.sources import ROOT, explain, in_tests


def test_the_generated_documents_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "tools/documents.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"Run `make docs` and commit what it writes:\n{done.stdout}{done.stderr[-2000:]}"


def test_every_test_that_a_guide_names_is_there() -> None:
    there = {function.name for source in in_tests() for function in source.functions()}
    found = [
        f"{guide.name}: {name}"
        for guide in sorted((ROOT / "docs" / "guides").glob("*.md"))
        for name in re.findall(r"`(test_\w+)`", guide.read_text())
        if name not in there
    ]
    assert not found, explain(found, "Name the test that shows it now, or say that none does.")
