"""Every GET of the API, with every filter, page by page: which requests there are to make of a platform."""

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from sqlalchemy import text

from event_stream_engine.database import Database

PAGES = 4
_NOT_ASKED = ("/api/v1/live", "/api/v1/backbone/tail", "/preview")
"""Streams that do not end, and a file that only an upload leaves."""

_KNOWN = {
    "contact_id": "SELECT id FROM contacts ORDER BY phone LIMIT 2",
    "import_id": "SELECT id FROM imports ORDER BY created_at LIMIT 2",
    "message_id": "SELECT id FROM messages ORDER BY created_at LIMIT 2",
    "template_id": "SELECT id FROM templates ORDER BY name LIMIT 1",
    "segment_id": "SELECT id FROM segments ORDER BY name LIMIT 3",
    "account_id": "SELECT id FROM accounts LIMIT 1",
    # The largest, and one of each state and of each length.
    "campaign_id": """
        SELECT id FROM (SELECT DISTINCT ON (c.status, extract(epoch FROM completed_at - launched_at)) c.id, k.audience
                        FROM campaigns c LEFT JOIN campaign_counts k ON k.campaign_id = c.id
                        ORDER BY c.status, extract(epoch FROM completed_at - launched_at)) AS shapes
        ORDER BY audience DESC NULLS LAST LIMIT 12
    """,
}
_WORDS = {
    "search": ("Joao", "ana", "212", "(212) 000-0178", "nobody at all", "50%_'\\"), "topic": ("offers",),
    "reason": ("opted_out",), "error_code": ("30003",), "action": ("account.register",),
    "stream": ("messaging.message.v1",), "group": ("messaging.count",), "type": ("MessageStatusChanged",),
    "limit": ("1", "200"), "name": ("EseDeadLetters",),
}  # fmt: skip
_MOMENTS = ("since", "until", "start_date", "end_date")


@dataclass(frozen=True)
class Request:
    """`operation` is the path of the OpenAPI document; `is_known`: whether its ids are those of something there."""

    operation: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    is_known: bool = True

    @property
    def url(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


async def known_ids(database: Database) -> dict[str, list[str]]:
    """Ids to ask for, by the name of their parameter."""
    async with database.transaction() as tx:
        return {name: [str(row[0]) for row in await tx.execute(text(query))] for name, query in _KNOWN.items()}


def requests(openapi: dict[str, Any], known: dict[str, list[str]], now: datetime) -> Iterator[Request]:
    """One without filters and one for each value of each filter, for each known id."""
    for operation, methods in openapi["paths"].items():
        if "get" not in methods or operation.endswith(_NOT_ASKED):
            continue
        parameters = methods["get"].get("parameters", [])
        names = [p["name"] for p in parameters if p["in"] == "path"]
        values = [known.get(name) or list(_WORDS.get(name, ())) or [str(uuid4())] for name in names]
        is_known = all(name in known or (name in _WORDS and "flags" not in operation) for name in names)
        for chosen in itertools.product(*values):
            path = operation
            for name, value in zip(names, chosen, strict=True):
                path = path.replace(f"{{{name}}}", value)
            yield Request(operation, path, is_known=is_known)
            for parameter in parameters:
                if parameter["in"] == "query":
                    for value in _filters(parameter, known, now):
                        yield Request(operation, path, {parameter["name"]: value}, is_known)


def _filters(parameter: dict[str, Any], known: dict[str, list[str]], now: datetime) -> list[str]:
    name, schema = parameter["name"], parameter["schema"]
    if name in _MOMENTS:
        return [(now - timedelta(days=300)).isoformat(), (now - timedelta(hours=1)).isoformat()]
    if found := _choices(schema):
        return found
    return [*_WORDS.get(name, ()), *known.get(name, ())[:3]]


def _choices(schema: dict[str, Any]) -> list[str]:
    for each in (schema, schema.get("items", {}), *schema.get("anyOf", [])):
        if "enum" in each:
            return [str(value) for value in each["enum"]]
        if each is not schema and each.get("type") == "array":
            return _choices(each)
    return []


async def pages(request: Request, ask: Callable[[str], Awaitable[Any]]) -> list[Any]:
    """The answers to a request, the following pages of a list included."""
    answers = [await ask(request.url)]
    while len(answers) < PAGES and answers[-1].status_code == 200:
        if "json" not in answers[-1].headers.get("content-type", ""):
            break
        body = answers[-1].json()
        cursor = body.get("next_cursor") if isinstance(body, dict) else None
        if not cursor:
            break
        following = Request(request.operation, request.path, {**request.query, "cursor": cursor})
        answers.append(await ask(following.url))
    return answers
