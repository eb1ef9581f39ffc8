"""The OpenAPI document: what its operations are called, and their errors, as the toolkit's own rules make them
possible."""

from typing import Any

from fastapi import APIRouter, FastAPI

from event_stream_engine.web.problems import MEDIA_TYPE, Problem

_METHODS = ("get", "post", "put", "patch", "delete")
_PROBED = ("/livez", "/readyz", "/health", "/health/flags", "/metrics")

_MEANINGS = {
    400: "The request cannot be understood",
    401: "Not signed in",
    403: "Not allowed, or sent by a page of another site",
    404: "There is no such thing",
    409: "The current state does not allow this",
    412: "Somebody changed it in the meantime",
    413: "Too large",
    422: "The input is not valid",
    429: "Too many requests",
    503: "A server that this needs does not answer",
}


class Router(APIRouter):
    """Routes with their whole path; operations are called as their functions. `serve` puts them into an application."""

    def __init__(self, **given: Any) -> None:
        described: dict[int | str, dict[str, Any]] = {401: {"model": Problem}}  # `with_problems` says more of it
        super().__init__(responses=described, generate_unique_id_function=lambda route: route.name, **given)


def serve(app: FastAPI, router: Router) -> None:
    """The routes themselves: `include_router` would analyse each of them once more, for a prefix that they have, which
    takes 0.3 s in every process."""
    app.router.routes.extend(router.routes)


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document, each operation completed by the problems it may answer; a second call changes nothing."""
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete(path, method, item[method])
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if path in _PROBED:
        for never in ("401", "422"):
            responses.pop(never, None)
        if path in ("/readyz", "/health"):
            responses["503"] = {**responses["200"], "description": "Something that this needs does not answer"}
        return
    for status in _possible(path, method, operation):
        responses[str(status)] = {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _possible(path: str, method: str, operation: dict[str, Any]) -> set[int]:
    parameters = {(given["in"], given["name"].lower()) for given in operation.get("parameters", [])}
    declared = {int(status) for status in operation["responses"]} & _MEANINGS.keys()
    possible = {401, 422, 503} | declared
    if any(place == "path" for place, _ in parameters) or ("query", "segment_id") in parameters:
        possible.add(404)
    if path.startswith("/api/"):
        possible |= {403, 429}  # a permission is missing; a rate limit is used up
    if method != "get":
        possible |= {400, 403, 404, 409}
    if ("header", "if-match") in parameters:
        possible.add(412)
    if "requestBody" in operation or path.startswith("/webhooks/"):
        possible.add(413)
    return possible
