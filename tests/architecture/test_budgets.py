"""Files and functions stay small enough to be read in one go."""

import statistics

from tests.architecture.sources import FunctionNode, Source, explain, in_tests, package

FUNCTION_LINES_MEDIAN = 10
FUNCTION_LINES_P95 = 40
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 500
TEST_FILE_LINES_MAX = 800


def lines(function: FunctionNode) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def all_functions() -> list[tuple[Source, FunctionNode]]:
    return [(source, function) for source in package() for function in source.functions()]


def test_no_function_is_longer_than_its_bound() -> None:
    long = [
        f"{source.name}:{function.lineno} {function.name} has {lines(function)} lines"
        for source, function in all_functions()
        if lines(function) > FUNCTION_LINES_MAX
    ]
    assert not long, explain(
        long,
        f"A function has at most {FUNCTION_LINES_MAX} lines. Let the top one read as a story of named steps; "
        "push loops down into the steps and keep the decisions above them.",
    )


def test_the_usual_function_is_short() -> None:
    lengths = [lines(function) for _, function in all_functions()]
    median, p95 = statistics.median(lengths), statistics.quantiles(lengths, n=20)[-1]
    assert median <= FUNCTION_LINES_MEDIAN, f"the median function has {median} lines, over {FUNCTION_LINES_MEDIAN}"
    assert p95 <= FUNCTION_LINES_P95, f"one function in twenty has over {p95} lines; the bound is {FUNCTION_LINES_P95}"


def test_no_file_is_longer_than_its_bound() -> None:
    bounds = [(package(), FILE_LINES_MAX), (in_tests(), TEST_FILE_LINES_MAX)]
    long = [
        f"{source.name} has {len(source.text.splitlines())} lines, over {bound}"
        for sources, bound in bounds
        for source in sources
        if len(source.text.splitlines()) > bound
    ]
    assert not long, explain(
        long,
        "Past ~300 lines a file becomes a folder of the same name: `actions.py` -> `actions/<verb>.py`.",
    )
