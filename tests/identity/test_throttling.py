"""Guessing passwords takes long."""

from collections.abc import Callable

import pytest

from event_stream_engine.backbone.streams.redis import connect
from event_stream_engine.identity.model import TooManySignIns, WrongCredentials
from event_stream_engine.identity.throttling import FREE, WINDOW_SECONDS, throttled
from tests.identity.test_sessions import CREDENTIALS, LOGIN
from tests.web.client import Client

WRONG = {**CREDENTIALS, "password": "wrong wrong wrong"}


async def fail(redis_url: str, email: str, address: str) -> None:
    client = connect(redis_url)
    with pytest.raises(WrongCredentials):
        async with throttled(client, email, address):
            raise WrongCredentials("wrong")
    await client.aclose()


async def test_after_some_failures_the_right_password_has_to_wait_too(
    owner: Client, client_of: Callable[..., Client]
) -> None:
    client = client_of()
    for _ in range(FREE["email"]):
        assert (await client.post(LOGIN, json=WRONG)).status_code == 401
    answer = await client.post(LOGIN, json={**CREDENTIALS, "email": " ANA@example.com"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sign_ins")
    assert int(answer.headers["retry-after"]) == 1
    assert answer.json()["detail"] == "Too many sign-ins failed. Try again in 1 second."


async def test_the_sign_in_page_says_when_to_try_again(owner: Client, client_of: Callable[..., Client]) -> None:
    client = client_of()
    for _ in range(FREE["email"]):
        await client.post(LOGIN, json=WRONG)
    page = await client.post("/sign-in", data=CREDENTIALS)
    assert page.status_code == 429
    assert "Try again in" in page.text


async def test_each_failure_doubles_the_pause_up_to_the_window(redis_url: str) -> None:
    client = connect(redis_url)
    pauses = []
    for _ in range(FREE["email"] + 12):
        await fail(redis_url, "ana@example.com", "10.0.0.1")
        (pause,) = [key async for key in client.scan_iter("ese:sign-in:email:*:pause")] or [None]
        pauses.append(0 if pause is None else await client.ttl(pause))
        if pause:
            await client.delete(pause)
    await client.aclose()
    assert pauses[: FREE["email"] - 1] == [0] * (FREE["email"] - 1)
    assert pauses[FREE["email"] - 1 :][:4] == [1, 2, 4, 8]
    assert pauses[-1] == WINDOW_SECONDS


async def test_one_address_cannot_try_many_accounts(redis_url: str) -> None:
    for number in range(FREE["address"]):
        await fail(redis_url, f"someone-{number}@example.com", "10.0.0.1")
    client = connect(redis_url)
    with pytest.raises(TooManySignIns):
        async with throttled(client, "another@example.com", "10.0.0.1"):
            raise AssertionError("it must not be tried")
    async with throttled(client, "another@example.com", "10.0.0.2"):
        pass
    await client.aclose()


async def test_a_success_forgets_the_failures_of_that_account(redis_url: str) -> None:
    client = connect(redis_url)
    for _ in range(FREE["email"] - 1):
        await fail(redis_url, "ana@example.com", "10.0.0.1")
    async with throttled(client, "ana@example.com", "10.0.0.1"):
        pass
    await fail(redis_url, "ana@example.com", "10.0.0.1")
    async with throttled(client, "ana@example.com", "10.0.0.1"):
        pass
    await client.aclose()


async def test_without_redis_people_still_sign_in() -> None:
    client = connect("redis://127.0.0.1:1/0")
    async with throttled(client, "ana@example.com", "10.0.0.1"):
        pass
    await client.aclose()
