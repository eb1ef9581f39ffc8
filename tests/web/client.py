"""A client that calls the application without a socket, and keeps cookies as a browser does."""

import json as json_
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI
from starlette.datastructures import Headers

ORIGIN = "http://127.0.0.1:8700"


@dataclass(frozen=True)
class Answer:
    status_code: int
    headers: Headers
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json_.loads(self.content)


@dataclass
class Client:
    """`cookies` by name; each is sent only below the path it was set for."""

    app: FastAPI
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **given: Any) -> Answer:
        return await self.request("GET", path, **given)

    async def post(self, path: str, **given: Any) -> Answer:
        return await self.request("POST", path, **given)

    async def patch(self, path: str, **given: Any) -> Answer:
        return await self.request("PATCH", path, **given)

    async def delete(self, path: str, **given: Any) -> Answer:
        return await self.request("DELETE", path, **given)

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        json: Any = None,
        data: dict[str, str] | None = None,
        content: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """`json`, a form's `data`, or `content` as it is."""
        typed: dict[str, str] = {}
        if json is not None:
            content, typed = json_.dumps(json).encode(), {"content-type": "application/json"}
        if data is not None:
            content, typed = urlencode(data).encode(), {"content-type": "application/x-www-form-urlencoded"}
        path, _, query = path.partition("?")
        sent = {"host": ORIGIN.split("//")[1], **typed, **self.headers, **(headers or {})}
        cookie = "; ".join(f"{k}={v}" for k, v in self.cookies.items() if path.startswith(self.paths.get(k, "/")))
        if cookie:
            sent["cookie"] = cookie
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "root_path": "", "client": ("127.0.0.1", 1), "server": None,
            "query_string": (query or urlencode(params or {}, doseq=True)).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        answer = await self._call(scope, content)
        self._keep_cookies(answer)
        return answer

    async def _call(self, scope: dict[str, Any], content: bytes) -> Answer:
        messages: list[Any] = [{"type": "http.request", "body": content, "more_body": False}]
        started: dict[str, Any] = {}
        body = bytearray()

        async def receive() -> Any:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            started.update(message) if message["type"] == "http.response.start" else body.extend(message.get("body", b""))

        with suppress(Exception):  # an error that was answered with a 500 is raised again for the server's log
            await self.app(scope, receive, send)
        assert started, "the application answered nothing"
        return Answer(started["status"], Headers(raw=list(started["headers"])), bytes(body))

    def _keep_cookies(self, answer: Answer) -> None:
        for header in answer.headers.getlist("set-cookie"):
            for name, morsel in SimpleCookie(header).items():
                self.cookies[name], self.paths[name] = morsel.value, morsel["path"]
                if morsel["max-age"] == "0":
                    del self.cookies[name]
