"""What every route of the API promises: sessions, origins, retries, versions, pages, problems."""

import asyncio
import re
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI

from event_stream_engine.database import Database
from tests.web.client import Client
from tests.web.conftest import add_contact, unique

CONTACTS = "/api/v1/contacts"
SOMEBODY = "00000000-0000-7000-8000-000000000000"


async def test_every_answer_names_its_request_and_keeps_the_given_id(owner: Client, anonymous: Client) -> None:
    given = str(uuid4())
    kept = await anonymous.get("/api/v1/auth/me", headers={"x-request-id": given})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == given
    other = await owner.get(CONTACTS, headers={"x-request-id": "not an id"})
    assert UUID(other.headers["x-request-id"])


ERRORS = (
    ("GET", f"{CONTACTS}/{SOMEBODY}", 404, "contact_not_found"),
    ("GET", f"{CONTACTS}/not-a-uuid", 422, "invalid"),
    ("GET", "/api/v1/nowhere", 404, "not_found"),
    ("PUT", CONTACTS, 405, "method_not_allowed"),
    ("POST", f"/api/v1/campaigns/{SOMEBODY}/launch", 404, "campaign_not_found"),
    ("GET", f"{CONTACTS}?limit=0", 422, "invalid"),
    ("GET", f"{CONTACTS}?limit=201", 422, "invalid"),
    ("GET", f"{CONTACTS}?search=a%00b", 422, "invalid"),
    ("GET", "/api/v1/live?topics=", 422, "invalid"),
)


async def test_an_error_is_a_problem_document(owner: Client, subtests: pytest.Subtests) -> None:
    for method, path, status, code in ERRORS:
        with subtests.test(method=method, path=path):
            answer = await owner.request(method, path)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
            problem = answer.json()
            assert (problem["status"], problem["code"]) == (status, code)
            assert problem["detail"]
            assert problem["type"] == f"urn:ese:problem:{code}"
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_cannot_be_read_is_refused_by_field(owner: Client, subtests: pytest.Subtests) -> None:
    for content in (b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"phone": 5}', b'{"phone": "\\u0000"}'):
        with subtests.test(content=content):
            answer = await owner.post(CONTACTS, content=content, headers={"content-type": "application/json"})
            assert answer.status_code in (400, 422), answer.text
            assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_no_number_of_json_is_refused(owner: Client, subtests: pytest.Subtests) -> None:
    for number in ("NaN", "Infinity", "-Infinity", "1e400", "-1e400"):
        with subtests.test(number=number):
            rule = f'{{"field": "attributes.age", "operator": "greater_than", "value": {number}}}'
            body = f'{{"name": "{unique("segment")}", "definition": {{"all": [{rule}]}}}}'
            answer = await owner.post(
                "/api/v1/segments", content=body.encode(), headers={"content-type": "application/json"}
            )
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), answer.text
            assert answer.json()["errors"][0]["field"] == "body"


async def test_an_address_names_every_method_that_it_takes(
    app: FastAPI, owner: Client, subtests: pytest.Subtests
) -> None:
    """Also one that looks like the address of something else: POST /imports/x beside GET /imports/{id}."""
    methods = {"get", "post", "put", "patch", "delete"}
    for path, item in app.openapi()["paths"].items():
        for method in sorted(methods - item.keys()):
            with subtests.test(method=method, path=path):
                answer = await owner.request(method.upper(), re.sub(r"\{[^}]+\}", SOMEBODY, path))
                assert answer.status_code == 405, answer.text
                assert answer.headers["allow"] == ", ".join(sorted(name.upper() for name in methods & item.keys()))


def test_every_body_refuses_a_field_that_it_does_not_have(app: FastAPI) -> None:
    """A misspelt filter would choose everything, a misspelt dry run would be none."""
    described = app.openapi()
    schemas = described["components"]["schemas"]
    methods = [method for path in described["paths"].values() for method in path.values()]
    bodies = [
        method["requestBody"]["content"].get("application/json", {}) for method in methods if "requestBody" in method
    ]
    found, left = set[str](), [*named_in(bodies)]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += named_in(schemas[name])
    assert len(found) > 40
    shapes = {name: schemas[name] for name in found if "properties" in schemas[name]}
    assert [name for name, shape in shapes.items() if shape.get("additionalProperties") is not False] == []


def named_in(schema: Any) -> list[str]:
    """The schemas that are referred to anywhere in this one."""
    if isinstance(schema, list):
        return [name for part in schema for name in named_in(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"].rsplit("/", 1)[1]] if isinstance(schema.get("$ref"), str) else []
    return own + [name for part in schema.values() for name in named_in(part)]


async def test_a_misspelt_filter_is_refused_by_its_name(owner: Client) -> None:
    for body in ({"filter": {"grup": "x"}, "dry_run": True}, {"filter": {}, "dryrun": True}):
        refused = await owner.post("/api/v1/backbone/dead-letters/redrive", json=body)
        assert refused.status_code == 422, refused.text
        assert ("grup" if "grup" in str(body) else "dryrun") in refused.text


async def test_a_database_that_is_away_is_a_503_and_says_to_try_again(
    app: FastAPI, owner: Client, database_url: str
) -> None:
    platform = app.state.platform
    working, platform.database = platform.database, Database("postgresql://nobody:x@127.0.0.1:1/none", pool_size=1)
    try:
        answer = await owner.get(CONTACTS)
        for _ in range(3):
            await platform.shared["health"].look()
        ready = await owner.get("/readyz")
    finally:
        await platform.database.close()
        platform.database = working
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"]
    assert ready.status_code == 503
    assert "postgresql" in ready.text


# ---- foreign pages


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example", "sec-fetch-site": ""},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1:9999", "sec-fetch-site": "same-site"},
    ],
)
async def test_a_page_of_another_site_can_change_nothing_with_our_cookie(
    browser: Client, headers: dict[str, str]
) -> None:
    answer = await browser.post(CONTACTS, json={"phone": "+14152340001"}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert (await browser.get(CONTACTS)).json()["total"] == 0


async def test_our_own_page_and_a_program_with_a_token_can(browser: Client, owner: Client) -> None:
    assert (await browser.post(CONTACTS, json={"phone": "+14152340001"})).status_code == 201
    foreign = {"origin": "https://tool.example", "sec-fetch-site": "cross-site"}
    assert (await owner.post(CONTACTS, json={"phone": "+14152340002"}, headers=foreign)).status_code == 201


# ---- Idempotency-Key


async def test_the_same_key_gives_the_same_answer_and_acts_once(owner: Client) -> None:
    key = {"idempotency-key": "order-1"}
    body = {"phone": "+14152340001"}
    first = await owner.post(CONTACTS, json=body, headers=key)
    second = await owner.post(CONTACTS, json=body, headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert (await owner.get(CONTACTS)).json()["total"] == 1


async def test_requests_with_one_key_at_the_same_time_act_once(owner: Client) -> None:
    body = {"phone": "+14152340001"}
    answers = await asyncio.gather(
        *(owner.post(CONTACTS, json=body, headers={"idempotency-key": "k"}) for _ in range(5))
    )  # fmt: skip
    assert [answer.status_code for answer in answers] == [201] * 5
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_key_used_for_another_request_is_refused(owner: Client) -> None:
    key = {"idempotency-key": "k"}
    await owner.post(CONTACTS, json={"phone": "+14152340001"}, headers=key)
    other = await owner.post(CONTACTS, json={"phone": "+14152340002"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    too_long = await owner.post(CONTACTS, json={"phone": "+14152340002"}, headers={"idempotency-key": "k" * 201})
    assert too_long.status_code == 422


async def test_a_failed_request_does_not_use_up_its_key(owner: Client) -> None:
    key = {"idempotency-key": "k"}
    assert (await owner.post(CONTACTS, json={"phone": "nonsense"}, headers=key)).status_code == 422
    assert (await owner.post(CONTACTS, json={"phone": "+14152340001"}, headers=key)).status_code == 201


# ---- ETag and If-Match


async def make(client: Client, kind: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A thing of a kind, and a change to it: (path, thing, change)."""
    if kind == "contacts":
        found = await add_contact(client)
        return f"{CONTACTS}/{found['id']}", found, {"locale": "sv_SE"}
    bodies: dict[str, Any] = {
        "templates": {"name": unique("T"), "body": "Hi"},
        "segments": {"name": unique("S"), "definition": {"all": []}},
        "senders": {"name": unique("N"), "address": "+14155550100", "messages_per_second": 5},
    }
    if kind == "campaigns":
        template = (await client.post("/api/v1/templates", json=bodies["templates"])).json()
        bodies["campaigns"] = {"name": unique("C"), "template_id": template["id"]}
    answer = await client.post(f"/api/v1/{kind}", json=bodies[kind])
    assert answer.status_code == 201, answer.text
    return f"/api/v1/{kind}/{answer.json()['id']}", answer.json(), {"name": unique("changed")}


@pytest.mark.parametrize("kind", ["contacts", "templates", "segments", "senders", "campaigns"])
async def test_of_two_people_who_edit_the_same_thing_the_second_is_told(owner: Client, kind: str) -> None:
    path, thing, change = await make(owner, kind)
    read = f'"{thing["version"]}"'
    first = await owner.patch(path, json=change, headers={"if-match": read})
    assert first.status_code == 200, first.text
    assert first.headers["etag"] == f'"{thing["version"] + 1}"'
    second = await owner.patch(path, json=change, headers={"if-match": read})
    assert (second.status_code, second.json()["code"]) == (412, "stale_version")
    assert (await owner.patch(path, json=change)).status_code == 200
    assert (await owner.patch(path, json=change, headers={"if-match": "*"})).status_code == 200
    assert (await owner.patch(path, json=change, headers={"if-match": "garbage"})).status_code == 412


# ---- lists


async def test_pages_show_everything_once_also_while_rows_are_added(owner: Client) -> None:
    for number in range(7):
        await add_contact(owner, number)
    for sort in ("created_at", "-created_at", "phone"):
        seen: list[str] = []
        cursor = None
        while True:
            query = {"limit": 3, "sort": sort, **({"cursor": cursor} if cursor else {})}
            page = (await owner.get(CONTACTS, params=query)).json()
            seen += [item["phone"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(seen) == [f"+1415234{number:04d}" for number in range(7)]


LISTS = (CONTACTS, "/api/v1/campaigns", "/api/v1/templates", "/api/v1/segments", "/api/v1/monitoring/inbound")
FOREIGN_CURSORS = ("x", "e30", "W10", "WzEsMl0", "bnVsbA", "WyJhIiwiYiJd", "%00", "=" * 9, "å")


async def test_a_cursor_that_is_none_of_ours_is_refused(owner: Client, subtests: pytest.Subtests) -> None:
    for path, cursor in product(LISTS, FOREIGN_CURSORS):
        with subtests.test(path=path, cursor=cursor):
            answer = await owner.get(path, params={"cursor": cursor})
            assert answer.status_code == 422, answer.text
            assert answer.json()["errors"][0]["field"] == "cursor"


async def test_an_export_runs_no_formula(owner: Client) -> None:
    await add_contact(owner, attributes={"name": "=HYPERLINK(1)", "note": "+1", "at": "@x", "minus": "-1"})
    text = (await owner.get(f"{CONTACTS}/export.csv")).text
    assert "=HYPERLINK" in text
    assert not any(cell.startswith(("=", "@")) for line in text.splitlines()[1:] for cell in line.split(","))
