"""Each kind of code has its place: SQL, the broad except, the environment, vendors."""

import ast
import re
from collections.abc import Iterator

from tests.architecture.sources import Source, called_name, explain, in_tests, package

SQL_FOLDERS = {"database", "backbone"}
SQL_FILES = {"store", "reports"}  # `store.py` or a folder `store/`
SQL_ALSO = {"embedded/postgres.py"}  # makes the role and the database that everything else connects with
TABLES = "tables"
STATEMENT = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s*\(|"
    r"(CREATE|ALTER|DROP)\s+(TABLE|INDEX|ROLE|DATABASE|SCHEMA)\s|TRUNCATE\s)",
    re.DOTALL,
)
SQL_BUILDERS = {
    "select",
    "insert",
    "update",
    "delete",
    "text",
    "func",
    "exists",
    "union_all",
    "literal_column",
}

# The edges: here, and only here, an unexpected error is met. One per kind of process.
# The pauses between random faults are what that test is about; a foreign server says nobody that it is ready.
MAY_SLEEP = (
    "faults/test_random_faults.py",
    "faults/test_databases.py",
    "faults/test_servers.py",
    "faults/scene.py",
    "waiting.py",
    "faults/proxy.py",
    "conformance/conftest.py",
)
EDGES = (
    "web/", "backbone/consumers/", "entrypoints/worker.py", "jobs/", "entrypoints/cli.py",
    "backbone/relay/lanes.py",  # a task of its own for each stream, which nobody awaits
)  # fmt: skip

ENVIRONMENT_READERS = {
    "settings.py",  # the one reader
    "entrypoints/supervisor.py",  # hands the environment on to the processes it starts
    "entrypoints/doctor.py",  # says where a setting came from
}


def may_hold_sql(source: Source) -> bool:
    parts = source.path.with_suffix("").relative_to(source.path.anchor).parts
    return source.name in SQL_ALSO or bool(SQL_FOLDERS & set(parts)) or bool(SQL_FILES & set(parts))


def test_sql_stands_only_where_it_is_looked_for() -> None:
    found = [line for source in package() if not may_hold_sql(source) for line in sql_in(source)]
    assert not found, explain(
        found,
        "SQL belongs into the feature's `store.py` (state) or `reports.py` (reads over projections): give it "
        "a name and a sentence there, and call that function here.",
    )


def sql_in(source: Source) -> Iterator[str]:
    documentation = set(docstrings(source.tree))
    for node in source.nodes():
        if isinstance(node, ast.Constant) and node not in documentation:
            if isinstance(node.value, str) and STATEMENT.match(node.value):
                yield f"{source.name}:{node.lineno} {' '.join(node.value.split())[:60]}"
        elif isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy" and TABLES not in source.path.parts:
            builders = SQL_BUILDERS & {alias.name for alias in node.names}
            if builders and source.path.stem != TABLES:
                yield f"{source.name}:{node.lineno} imports {', '.join(sorted(builders))} from sqlalchemy"


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                yield statement.value


def test_only_the_edges_meet_the_unexpected() -> None:
    found = [
        f"{source.name}:{node.lineno}"
        for source in package()
        if not source.name.startswith(EDGES)
        for node in source.nodes()
        if isinstance(node, ast.ExceptHandler) and is_broad(node.type)
    ]
    assert not found, explain(
        found,
        "Name the errors you can do something about; let the others rise to the edges, which turn them into "
        f"a problem document, a retry or a dead letter ({', '.join(EDGES)}). "
        "A broad except in between hides which of them it was.",
    )


def is_broad(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names)


def test_only_the_settings_read_the_environment() -> None:
    found = [
        f"{source.name}:{node.lineno}"
        for source in package()
        if source.name not in ENVIRONMENT_READERS
        for node in source.nodes()
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    ]
    assert not found, explain(
        found,
        "Add a field to a section of `settings.py` and pass it in: the environment is read once, at start.",
    )


def test_nothing_but_an_edge_commits() -> None:
    found = [
        f"{source.name}:{node.lineno}"
        for source in package()
        if source.path.stem in {"actions", "store", "reports", "model"} or {"actions", "store"} & set(source.path.parts)
        for node in source.nodes()
        if isinstance(node, ast.Attribute) and node.attr in {"commit", "rollback", "transaction"}
    ]
    assert not found, explain(
        found,
        "A request, a consumed batch or a step of a task is one transaction; take `tx` as a parameter.",
    )


def test_tests_wait_on_signals_and_do_not_sleep() -> None:
    found = [
        f"{source.name}:{node.lineno}"
        for source in in_tests()
        if not str(source.path).endswith(MAY_SLEEP)
        for node in source.nodes()
        if called_name(node) == "sleep" and isinstance(node, ast.Call) and not is_yield(node)
    ]
    assert not found, explain(
        found, "A sleep is too short on a busy machine and too long on all others: wait for the thing itself."
    )


def is_yield(sleep: ast.Call) -> bool:
    """`asyncio.sleep(0)` lets others run; it waits for nothing."""
    return bool(sleep.args) and isinstance(sleep.args[0], ast.Constant) and sleep.args[0].value == 0
