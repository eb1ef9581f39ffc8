"""Every route times every role: who is let in, who is told what is missing, and that no route forgot to say."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.permissions import PERMISSIONS, ROLES, Permission, Role, roles_with
from event_stream_engine.settings import Settings
from event_stream_engine.web.guards import (
    PUBLIC,
    Declared,
    Person,
    Public,
    SignedIn,
    UndeclaredRoute,
    declared,
    needs,
)
from event_stream_engine.web.unit import Route
from tests.web.client import ORIGIN, Answer, Client

SOMEBODY = "00000000-0000-7000-8000-000000000000"
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}

# Who has no session yet, or is not a person. A new public route is a decision: write it down here too.
OPEN = {
    "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/auth/register", "/livez", "/readyz",
    "/health", "/metrics", "/health/flags", "/webhooks/twilio/status", "/webhooks/twilio/inbound", "/sign-in",
    "/sign-in/link", "/sign-in/code", "/reset-password", "/reset-password/link", "/api/v1/auth/login/code",
    "/api/v1/auth/password-reset", "/api/v1/auth/password-reset/confirm", "/api/v1/auth/confirm-email",
    "/confirm-email/link", "/{path:path}",
}  # fmt: skip


def routes_of(app: FastAPI) -> list[tuple[Declared, str]]:
    """Each route with each of its methods."""
    return [(found, method) for found in declared(app) for method in found.methods if method != "WEBSOCKET"]


def concrete(path: str) -> str:
    for part in path.split("{")[1:]:
        name = part.split("}")[0]
        path = path.replace("{" + name + "}", SOMEBODY)
    return path


async def ask(client: Client, method: str, path: str) -> int | Answer:
    """The answer; of a stream, which does not end, only that it began (200)."""
    if path.endswith(("/live", "/tail")):
        asking = asyncio.create_task(client.request(method, path, params={"topics": "contacts"}))
        with suppress(TimeoutError):
            return await asyncio.wait_for(asking, 0.5)
        return 200
    return await client.request(method, path)


async def key_of(client: Client, *scopes: Permission) -> dict[str, Any]:
    made = await client.post("/api/v1/api-keys", json={"name": "a key", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def with_key(client: Client, secret: str) -> Client:
    return replace(client, headers={"authorization": f"Bearer {secret}"}, cookies={})


def test_the_public_routes_are_exactly_the_listed_ones(app: FastAPI) -> None:
    found = declared(app)
    assert {route.path for route in found if isinstance(route.guard, Public)} == OPEN
    assert len(found) > 100


async def test_nobody_gets_in_without_a_session(app: FastAPI, anonymous: Client) -> None:
    for route, method in routes_of(app):
        if not isinstance(route.guard, Public):
            answer = await anonymous.request(method, concrete(route.path), params={"topics": "contacts"})
            assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), (method, route.path)


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_exactly_what_the_table_says(app: FastAPI, as_role: Any, role: Role) -> None:
    client = await as_role(role)
    for route, method in routes_of(app):
        if isinstance(route.guard, Public) or (method, route.path) == ("PATCH", "/api/v1/auth/me"):
            continue
        answer = await ask(client, method, concrete(route.path))
        where = (role, method, route.path, getattr(answer, "content", b"")[:300])
        permission = route.guard.permission
        if permission is None or permission in ROLES[role]:
            assert answer == 200 or (isinstance(answer, Answer) and answer.status_code not in (401, 403, 500)), where
        else:
            assert isinstance(answer, Answer)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (403, "permission_missing"), where
            assert (problem["permission"], problem["roles"]) == (permission, roles_with(permission)), where
            assert permission in problem["detail"], where
            assert "an admin can make you" in problem["detail"], where


async def test_a_key_may_exactly_what_its_scopes_and_its_makers_role_allow(
    app: FastAPI, owner: Client, as_role: Any
) -> None:
    client = with_key(owner, (await key_of(owner, "flags:read", "contacts:read"))["secret"])
    for route, method in routes_of(app):
        if isinstance(route.guard, Public):
            continue
        answer = await ask(client, method, concrete(route.path))
        status = answer if isinstance(answer, int) else answer.status_code
        allowed = isinstance(route.guard, SignedIn) or route.guard.permission in ("flags:read", "contacts:read")
        assert (status != 403) == (allowed and not isinstance(route.guard, Person)), (method, route.path)


@pytest.mark.parametrize("guards", [[], [PUBLIC, needs("flags:read")]])
def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made(guards: list[Any]) -> None:
    router = APIRouter(route_class=Route)
    with pytest.raises(UndeclaredRoute, match="/forgotten"):
        router.get("/forgotten", dependencies=guards)(lambda: "ok")


def test_an_application_with_an_undeclared_route_does_not_start(settings: Settings) -> None:
    app = create_app(settings)
    app.get("/forgotten")(lambda: "ok")
    with pytest.raises(UndeclaredRoute, match="/forgotten"):
        declared(app)


def test_the_roles_are_nested_and_the_admin_has_everything() -> None:
    assert ROLES["viewer"] < ROLES["operator"] < ROLES["admin"] == PERMISSIONS


async def test_what_a_foreign_page_sends_with_our_cookie_is_refused_on_every_route(
    app: FastAPI, browser: Client
) -> None:
    foreign = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
    for route, method in routes_of(app):
        if method in UNSAFE and not route.path.startswith("/webhooks/"):
            answer = await browser.request(method, concrete(route.path), headers=foreign)
            assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), (method, route.path)
    own = await browser.post("/api/v1/auth/logout", headers={"origin": ORIGIN})
    assert own.status_code == 204, "and our own page's is not"
