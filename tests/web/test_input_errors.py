"""Refused input is told in sentences: which field, what was wrong, what is accepted; never in a validator's words."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from event_stream_engine.flags.model.definition import Flag
from event_stream_engine.wording import of_msgspec
from tests.web.client import Client

RAW = (
    "Input should", "should have", "should match", "Value error", "Field required", "valid dictionary", "Expected `",
    "Object missing", "Object contains", "Extra inputs", "[type=", "pydantic", "unable to parse", "is not valid under",
)  # fmt: skip


def bodies(schema: dict[str, Any], shapes: dict[str, Any]) -> Iterator[Any]:
    """Wrong ones: no object, nothing in it, and in each field what no field takes."""
    yield from ([], {}, "text")
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    yield {field: {"no": {"such": "thing"}} for field in shapes.get(name, schema).get("properties", {})}
    yield {field: [[0.5]] for field in shapes.get(name, schema).get("properties", {})}
    yield dict.fromkeys(shapes.get(name, schema).get("properties", {}), "\x00" * 5000)


def said(answer: Any) -> str:
    problem = answer.json()
    return " ".join([problem["detail"], *(error["message"] for error in problem.get("errors") or [])])


async def test_no_operation_answers_in_a_validators_words(owner: Client) -> None:
    described = (await owner.get("/api/v1/openapi.json")).json()
    shapes, refused = described["components"]["schemas"], 0
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if not content or not path.startswith("/api/"):
                continue
            where = path.replace("{name}", "a").replace("{", "").replace("}", "")
            for body in bodies(content["schema"], shapes):
                answer = await owner.request(method.upper(), where, json=body)
                if answer.status_code == 422:
                    refused += 1
                    told = said(answer)
                    assert not [words for words in RAW if words in told], (method, path, body, told)
    assert refused > 100, "the operations were asked"


@pytest.mark.parametrize(
    ("path", "query", "field", "message"),
    [
        ("/api/v1/contacts", {"limit": "many"}, "limit", "Must be a whole number."),
        ("/api/v1/contacts", {"limit": "0"}, "limit", "Must be 1 or more."),
        ("/api/v1/audit", {"since": "2026-03-01T00:00:00"}, "since",
         "Needs its time zone, such as 2026-03-01T09:30:00Z."),
        ("/api/v1/audit", {"actor_id": "12"}, "actor_id",
         "Must be an id, such as 01890a5d-ac96-774b-bcce-b302099a8057."),
        ("/api/v1/audit", {"until": "0.5"}, "until",
         "Must be a date and a time, such as 2026-03-01T09:30:00Z, and is a number."),
        ("/api/v1/reporting/messages/status", {"start_date": "0"}, "start_date",
         "Must be a date and a time, such as 2026-03-01T09:30:00Z, and is a number."),
        ("/api/v1/backbone/dead-letters", {"status": "lost"}, "status", "Must be one of open, redriven or discarded."),
        ("/api/v1/backbone/dead-letters", {"group": "a\x00"}, "group", "Must not hold a zero byte."),
    ],
)  # fmt: skip
async def test_a_query_is_told_what_is_accepted(
    owner: Client, path: str, query: dict[str, str], field: str, message: str
) -> None:
    problem = (await owner.get(path, params=query)).json()
    assert problem["errors"] == [{"field": field, "message": message}]
    assert problem["detail"] == f"{field}: {message}"


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({}, "phone", "Is required, and was not given."),
        ({"phone": 5}, "phone", "Must be text."),
        ([], "body", "Must be a JSON object."),
    ],
)
async def test_a_body_is_told_what_is_accepted(owner: Client, body: Any, field: str, message: str) -> None:
    problem = (await owner.post("/api/v1/contacts", json=body)).json()
    assert problem["errors"] == [{"field": field, "message": message}]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ("", "The field type is required, and was not given.")),
        ({"type": "bool", "value": True, "zzz": 1}, ("", "The field zzz is not known here; leave it out.")),
        ({"type": "bool", "value": 1, "rollout": {"percentage": "a"}},
         ("rollout.percentage", "Must be a whole number, and is text.")),
    ],
)  # fmt: skip
def test_a_flags_definition_is_told_what_is_wrong(given: dict[str, Any], told: tuple[str, str]) -> None:
    with pytest.raises(msgspec.MsgspecError) as caught:
        msgspec.convert(given, Flag)
    assert of_msgspec(caught.value) == told


async def test_a_number_is_no_true_or_false_where_it_decides_what_is_done(owner: Client) -> None:
    body = {"group": "messaging.count", "dry_run": 0}
    problem = (await owner.post("/api/v1/backbone/replays", json=body)).json()
    assert problem["errors"] == [{"field": "dry_run", "message": "Must be true or false."}]
