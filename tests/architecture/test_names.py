"""Names say what is inside, and no file ties the project to one machine or one registry."""

import re
from pathlib import Path

from tests.architecture.sources import ROOT, explain, package, readable, tracked, words

JUNK_DRAWERS = {
    "util",
    "utils",
    "helper",
    "helpers",
    "common",
    "core",
    "manager",
    "managers",
    "misc",
    "shared",
}

# Assembled, so that this file does not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("index", "crates", "io"),
    ]
)
INDEX_OPTION = re.compile(r"^\s*--(extra-)?index-url|\"resolved\":\s*\"http", re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(home|Users|root|work)/\w[\w.-]*")


def test_no_module_is_a_junk_drawer() -> None:
    found = [source.name for source in package() if any(words(part) & JUNK_DRAWERS for part in Path(source.name).parts)]
    assert not found, explain(
        [str(name) for name in found],
        "A name such as `utils` collects what nobody placed. Put each function beside its only caller, or "
        "into a module named after what it does.",
    )


def test_no_file_names_a_registry() -> None:
    found = [f"{path.relative_to(ROOT)}: {host}" for path, text in texts() for host in REGISTRY_HOSTS if host in text]
    found += [f"{path.relative_to(ROOT)}: an index address" for path, text in texts() if INDEX_OPTION.search(text)]
    assert not found, explain(
        found,
        "Pins carry versions and hashes; where packages come from is the machine's own setting. "
        "npm: `omit-lockfile-registry-resolved=true`; pip-compile: `--no-emit-index-url`.",
    )


def test_no_file_names_a_folder_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path, text in texts()
        if path.suffix != ".txt" and path.name != "package-lock.json"
        for match in MACHINE_PATH.finditer(text)
    ]
    assert not found, explain(found, "Build the path from the file's own place or from a setting.")


def texts() -> list[tuple[Path, str]]:
    return [(path, text) for path in tracked() if (text := readable(path)) is not None]
