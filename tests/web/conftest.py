"""The application in this process, on real servers, and clients that are signed in or not."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fastapi import FastAPI

from event_stream_engine import jobs
from event_stream_engine.database import Database
from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.identity.actions import accounts as identity
from event_stream_engine.permissions import Role
from event_stream_engine.settings import Settings
from tests.web.client import ORIGIN, Client
from tests.web.owner import OWNER, OwnedTemplate
from tests.web.settings import PASSWORD, settings_for


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return settings_for(database_url, redis_url, tmp_path)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """Started, as Granian starts it."""
    jobs.configure(settings)
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture
def client_of(app: FastAPI) -> Callable[..., Client]:
    """Clients with cookies of their own, as browsers have them."""

    def make(**given: Any) -> Client:
        return Client(app, **given)

    return make


@pytest.fixture
def anonymous(client_of: Callable[..., Client]) -> Client:
    return client_of()


@pytest.fixture
async def owner(client_of: Callable[..., Client], owned_template: OwnedTemplate) -> Client:
    """The first account, which every database of a test with this fixture has, signed in by an access token."""
    return client_of(headers={"authorization": f"Bearer {owned_template.access_token}"})


@pytest.fixture
async def browser(client_of: Callable[..., Client], owner: Client) -> Client:
    """The same account, signed in by cookies on the platform's own page."""
    client = client_of(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    body = {"email": OWNER["email"], "password": PASSWORD}
    assert (await client.post("/api/v1/auth/login", json=body)).status_code == 200
    return client


@pytest.fixture
def link_token(database: Database) -> Callable[..., Any]:
    """Makes the token of a one-time sign-in link."""

    async def make(valid_for: timedelta = timedelta(hours=1)) -> str:
        async with database.transaction() as tx:
            return await identity.make_sign_in_link(tx, valid_for=valid_for)

    return make


@pytest.fixture
async def as_role(owner: Client, client_of: Callable[..., Client]) -> Callable[[Role], Any]:
    """Makes a signed-in client of a role."""

    async def make(role: Role) -> Client:
        body = {"email": f"{role}@example.com", "password": PASSWORD, "display_name": role, "role": role}
        added = await owner.post("/api/v1/accounts", json=body)
        assert added.status_code == 201, added.text
        client = client_of()
        session = await client.post("/api/v1/auth/login", json={"email": body["email"], "password": PASSWORD})
        client.cookies.clear()
        client.headers["authorization"] = f"Bearer {session.json()['access_token']}"
        return client

    return make


async def add_contact(client: Client, number: int = 0, **given: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/contacts", json={"phone": f"+1415234{number:04d}", **given})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def unique(name: str) -> str:
    return f"{name} {uuid4().hex[:8]}"
