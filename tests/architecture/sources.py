"""The project's own files, as the rules look at them."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "event_stream_engine"
FEATURES = ("flags", "identity", "messaging", "documents", "studio", "automation", "monitoring")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """The path as it is written in messages: `messaging/actions.py` below the package, else from the
        root."""
        return str(self.path.relative_to(PACKAGE if self.path.is_relative_to(PACKAGE) else ROOT))

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def functions(self) -> Iterator[FunctionNode]:
        return (node for node in self.nodes() if isinstance(node, FunctionNode))


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project: tracked by git, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


@cache
def package() -> tuple[Source, ...]:
    """The package without its migrations, which are a record and not code to be read."""
    return tuple(
        _parsed(path)
        for path in tracked()
        if path.suffix == ".py" and path.is_relative_to(PACKAGE) and "versions" not in path.parts
    )


@cache
def in_tests() -> tuple[Source, ...]:
    return tuple(_parsed(path) for path in tracked() if path.suffix == ".py" and "tests" in path.parts)


def readable(path: Path) -> str | None:
    """The text of a file, None for a binary one."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


def called_name(node: ast.AST) -> str | None:
    """`f` of `f(…)` and of `module.f(…)`."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else None


def explain(found: list[str], what_to_do: str) -> str:
    """The message of a rule: first what to do, then where."""
    return what_to_do + "\n  " + "\n  ".join(found)


def words(identifier: str) -> set[str]:
    return set(re.split(r"[_\W]+", identifier.lower()))


def _parsed(path: Path) -> Source:
    text = path.read_text()
    return Source(path, text, ast.parse(text, filename=str(path)))
