"""How often one may ask, from where a page may ask, and what headers every answer carries."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from event_stream_engine import jobs
from event_stream_engine.entrypoints.api import create_app
from event_stream_engine.errors import Invalid
from event_stream_engine.settings import load_settings
from event_stream_engine.web.addresses import client_address, networks
from event_stream_engine.web.body_limits import BodyLimits
from tests.web.client import Client
from tests.web.settings import settings_for

ME = "/api/v1/auth/me"


@pytest.fixture
def app_with(database_url: str, redis_url: str, tmp_path: Path) -> Callable[..., Any]:
    """The application, started with other settings."""

    @asynccontextmanager
    async def start(**changes: str) -> AsyncIterator[FastAPI]:
        settings = settings_for(database_url, changes.pop("redis", redis_url), tmp_path, **changes)
        jobs.configure(settings)
        application = create_app(settings)
        async with application.router.lifespan_context(application):
            yield application

    return start


async def test_who_asks_too_often_is_told_when_to_go_on(app_with: Callable[..., Any]) -> None:
    async with app_with(ESE_RATE_PER_ADDRESS="3") as app:
        answers = [await Client(app).get(ME) for _ in range(8)]
        last = answers[-1]
        assert [a.status_code for a in answers[:3]] == [401, 401, 401]
        assert (last.status_code, last.json()["code"]) == (429, "rate_limited")
        assert last.headers["ratelimit-policy"] == '"address";q=3;w=60'
        assert last.headers["ratelimit"].startswith('"address";r=0;t=')
        assert 0 < int(last.headers["retry-after"]) <= 60
        for exempt in ("/livez", "/metrics", "/webhooks/twilio/status", "/sign-in"):
            answer = await Client(app).request("POST" if "webhooks" in exempt else "GET", exempt)
            assert answer.status_code != 429, exempt
            assert "ratelimit" not in answer.headers


async def test_a_key_has_a_limit_of_its_own(app_with: Callable[..., Any]) -> None:
    async with app_with(ESE_RATE_PER_KEY="2") as app:
        one, other = (Client(app, headers={"authorization": f"Bearer ese_{n}"}) for n in "ab")
        assert {(await one.get(ME)).status_code for _ in range(6)} == {401, 429}
        answer = await other.get(ME)
        assert answer.status_code == 401
        assert answer.headers["ratelimit-policy"] == '"address";q=30000;w=60, "key";q=2;w=60'


async def test_while_redis_does_not_answer_nobody_is_held_up(app_with: Callable[..., Any]) -> None:
    async with app_with(ESE_RATE_PER_ADDRESS="1") as app:
        await app.state.platform.redis.aclose()
        app.state.platform.redis.connection_pool.connection_kwargs["port"] = 1
        answers = [await Client(app).get(ME) for _ in range(5)]
        assert {a.status_code for a in answers} == {401}
        metrics = (await Client(app).get("/metrics")).text
        counted = next(line for line in metrics.splitlines() if line.startswith("ese_rate_uncounted_total{"))
        assert float(counted.split()[1]) >= 5


async def test_pages_of_listed_origins_may_call_with_a_token_and_others_may_not(app_with: Callable[..., Any]) -> None:
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with app_with(ESE_CORS_ORIGINS="https://app.example.com") as app:
        ours = await Client(app, headers={"origin": "https://app.example.com"}).request("OPTIONS", ME, headers=asking)
        assert ours.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "access-control-allow-credentials" not in ours.headers, "cookies are never sent"
        other = await Client(app, headers={"origin": "https://evil.example.com"}).request("OPTIONS", ME, headers=asking)
        assert "access-control-allow-origin" not in other.headers


async def test_no_other_origin_may_call_unless_it_is_listed(anonymous: Client) -> None:
    answer = await anonymous.get(ME, headers={"origin": "https://app.example.com"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", [ME, "/api/v1/nowhere", "/livez", "/sign-in", "/"])
async def test_every_answer_forbids_what_it_does_not_need(anonymous: Client, path: str) -> None:
    headers = (await anonymous.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self';" in policy or "script-src" not in policy
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "strict-transport-security" not in headers, "this platform's address is http"


async def test_over_https_browsers_are_told_to_stay_with_it(app_with: Callable[..., Any]) -> None:
    async with app_with(ESE_PUBLIC_URL="https://ese.example.com") as app:
        assert "max-age=" in (await Client(app).get(ME)).headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
def test_only_a_trusted_proxy_says_who_asked(peer: str, forwarded: str, address: str) -> None:
    scope = {"type": "http", "client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
    assert client_address(scope, networks("10.0.0.0/8")) == address


@pytest.mark.parametrize(
    ("name", "value"),
    [("ESE_CORS_ORIGINS", "*"), ("ESE_CORS_ORIGINS", "https://a.example/path"), ("ESE_TRUSTED_PROXIES", "somewhere")],
)
def test_a_list_that_cannot_be_meant_is_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=name):
        load_settings({name: value, "ESE_HOME": "/nonexistent"})


@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/sign-in", "/api/v1/segments"])
async def test_a_body_that_is_too_large_is_refused_before_anybody_signed_in(
    app_with: Callable[..., Any], path: str
) -> None:
    body = b'{"email": "' + b"a" * 2**20 + b'"}'
    async with app_with() as app:
        typed = {"content-type": "application/json"}
        declared = await Client(app).post(path, headers={**typed, "content-length": str(len(body))})
        undeclared = await Client(app).post("/api/v1/auth/login", content=body, headers=typed)
    for answer in (declared, undeclared):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "1,048,576 bytes" in answer.json()["detail"]


async def test_a_body_that_does_not_arrive_is_not_waited_for(app_with: Callable[..., Any]) -> None:
    never = asyncio.get_running_loop().create_future()
    refused: list[Any] = []

    async def reading(scope: Any, receive: Any, send: Any) -> None:
        try:
            while (await receive()).get("more_body"):
                pass
        except HTTPException as error:
            refused.append(error)

    parts = [{"type": "http.request", "body": b"{", "more_body": True}]

    async def receive() -> Any:
        return parts.pop() if parts else await never

    limits = BodyLimits(reading, max_bytes=100, seconds=0.05)
    await limits({"type": "http", "path": "/", "headers": []}, receive, receive)
    assert [error.status_code for error in refused] == [408]


async def test_an_address_that_is_no_file_name_is_not_found(app_with: Callable[..., Any]) -> None:
    async with app_with() as app:
        answer = await Client(app).get("/\0")
    assert answer.status_code == 404
