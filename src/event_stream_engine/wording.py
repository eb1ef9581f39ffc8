"""What was wrong with an input, said for people: which field, what was wrong with it, and what is accepted.

The validators (pydantic, msgspec) name an error by its type and limits, or in words of their own that speak of schemas
and regular expressions; the sentences are made here, so that those words reach nobody.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_Context = Mapping[str, Any]

_TYPES = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "bool": "true or false",
    "uuid": "an id, such as 01890a5d-ac96-774b-bcce-b302099a8057",
    "datetime": "a time with its zone, such as 2026-03-01T09:30:00Z",
    "date": "a day, such as 2026-03-01",
    "time_delta": "a length of time, such as PT1H",
    "time": "a time of day, such as 09:30",
    "list": "a list",
    "set": "a list",
    "tuple": "a list",
    "dict": "a JSON object",
    "mapping": "a JSON object",
    "model": "a JSON object",
    "bytes": "a file",
    "url": "an address such as https://example.com",
}

# A pattern's meaning; where one is missing, the field's name and example in the API's description say it.
_PATTERNS = {
    r"^[^\x00]*$": "must not hold a zero byte",
    r"\S": "must not be blank",
    r"^[^\x00]*\S[^\x00]*$": "must not be blank, nor hold a zero byte",
    r"^[^\x00]*[^\x00\s][^\x00]*$": "must not be blank, nor hold a zero byte",
    "^AC[0-9a-f]{32}$": "must be AC and 32 hexadecimal digits",
    r"^\d{1,19}-\d{1,19}$": "must be an entry id, such as 1795231172902-17",
    r"^[A-Za-z][A-Za-z0-9_.\-]{0,99}$": "must be a letter, then letters, digits, `_`, `.` or `-`, at most 100",
}

_SENTENCES: Mapping[str, Callable[[_Context], str]] = {
    "missing": lambda _: "is required, and was not given",
    "extra_forbidden": lambda _: "is not known here; leave it out",
    "json_invalid": lambda _: "is not valid JSON",
    "string_too_short": lambda c: _at_least(c["min_length"], "character"),
    "string_too_long": lambda c: f"must be at most {_counted(c['max_length'], 'character')} long",
    "string_pattern_mismatch": lambda c: _form(c["pattern"]),
    "too_short": lambda c: f"must have at least {_counted(c['min_length'], 'entry')}; it has {c['actual_length']}",
    "too_long": lambda c: f"must have at most {_counted(c['max_length'], 'entry')}",
    "greater_than": lambda c: f"must be more than {c['gt']}",
    "greater_than_equal": lambda c: f"must be {c['ge']} or more",
    "less_than": lambda c: f"must be less than {c['lt']}",
    "less_than_equal": lambda c: f"must be {c['le']} or less",
    "multiple_of": lambda c: f"must be a multiple of {c['multiple_of']}",
    "finite_number": lambda _: "must be a number, neither infinite nor undefined",
    "int_from_float": lambda _: "must be a whole number",
    "literal_error": lambda c: f"must be one of {_listed(c['expected'])}",
    "enum": lambda c: f"must be one of {_listed(c['expected'])}",
    "union_tag_invalid": lambda c: f"must be one of {_listed(c['expected_tags'])}",
    "union_tag_not_found": lambda c: f"must say which kind it is, in {c['discriminator']}",
    "timezone_aware": lambda _: "needs its time zone, such as 2026-03-01T09:30:00Z",
    "datetime_object_invalid": lambda _: f"must be {_TYPES['datetime']}",
    "decimal_max_digits": lambda c: f"must have at most {_counted(c['max_digits'], 'digit')}",
    "decimal_max_places": lambda c: f"must have at most {_counted(c['decimal_places'], 'digit')} after the point",
    "value_error": lambda c: str(c["error"]),
    "assertion_error": lambda c: str(c["error"]),
}


def of_pydantic(error: Mapping[str, Any]) -> str:
    """The sentence for one of `ValidationError.errors()`, without the field's name."""
    context = error.get("ctx") or {}
    if error["type"] in _SENTENCES:
        said = _SENTENCES[error["type"]](context)
    elif kind := next((words for name, words in _TYPES.items() if error["type"].startswith(f"{name}_")), None):
        said = f"must be {kind}"
    else:
        said = "is not of the form that is accepted here; the API's description (/api/v1/openapi.json) shows it"
    return _sentence(said)


def of_msgspec(error: Exception) -> tuple[str, str]:
    """The field (a dotted path, empty for the whole) and the sentence for a `msgspec.MsgspecError`."""
    text, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").lstrip("$").replace("[...]", ".…").lstrip(".")
    for pattern, say in _MSGSPEC:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            return field, _sentence(say(found))
    return field, "It is not valid JSON of the form that is accepted here."


def _sentence(said: str) -> str:
    return f"{said[0].upper()}{said[1:]}" + ("" if said.endswith((".", "?")) else ".")


_KINDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a JSON object", "null": "null",
}  # fmt: skip


def _kinds(text: str) -> str:
    """`int | null` in words."""
    return " or ".join(_KINDS.get(kind, kind) for kind in text.split(" | "))


_MSGSPEC: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"Expected `([^`]+)`, got `([^`]+)`", lambda m: f"must be {_kinds(m[1])}, and is {_kinds(m[2])}"),
    (r"Object missing required field `([^`]+)`", lambda m: f"the field {m[1]} is required, and was not given"),
    (r"Object contains unknown field `([^`]+)`", lambda m: f"the field {m[1]} is not known here; leave it out"),
    (
        r"Invalid enum value (.+)",
        lambda m: f"the value {m[1].strip(chr(39))} is not one of the values that are accepted here",
    ),
    (r"Expected `(?:str|array|object|int|float)` (.+)", lambda m: f"must be {m[1]}"),
)


def _form(pattern: str) -> str:
    if choices := re.fullmatch(r"\^\((\w+(?:\|\w+)+)\)\$", pattern):
        return f"must be one of {', '.join(choices[1].split('|'))}"
    return _PATTERNS.get(pattern, "does not have the form that is accepted here")


def _at_least(count: int, one: str) -> str:
    return "must not be empty" if count == 1 else f"must be at least {_counted(count, one)} long"


def _counted(count: int, one: str) -> str:
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{count:,} {one if count == 1 else many}"


def _listed(expected: str) -> str:
    """pydantic quotes each: `'a', 'b' or 'c'`."""
    return expected.replace("'", "")
