"""Which methods an address takes (RFC 9110, 15.5.6): all of them are named in `Allow`, and no other address answers for
it."""

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Route


class Refusal(Route):
    """Answers 405 to methods that an address does not take."""


def methods_at(app: FastAPI, path: str) -> list[str]:
    """Sorted; empty where there is nothing at this path."""
    return sorted(
        {method for route in _documented(app) if route.path_regex.match(path) for method in route.methods or ()}
    )


def refuse_other_methods(app: FastAPI) -> None:
    """`/contacts/imports` that only takes POST must not be taken for the contact `imports` by GET `/contacts/{id}`: the
    address is there, so the answer is 405."""
    routes = _documented(app)
    plain = {route.path for route in routes if "{" not in route.path}
    for path in sorted(plain):
        own = {method for route in routes if route.path == path for method in route.methods or ()}
        others = set(methods_at(app, path)) - own
        if others:
            app.router.routes.insert(0, Refusal(path, refused, methods=sorted(others), include_in_schema=False))


async def refused(request: Request) -> Response:
    """Raises 405, whose `Allow` the handler of errors writes."""
    raise HTTPException(405, "Method Not Allowed")


def allowed(app: FastAPI, path: str) -> dict[str, str]:
    """The header of a 405. What `refuse_other_methods` refuses is not among it."""
    plain = [route for route in _documented(app) if route.path == path]
    methods = sorted({method for route in plain for method in route.methods or ()}) or methods_at(app, path)
    return {"allow": ", ".join(methods)} if methods else {}


def _documented(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.router.routes if isinstance(route, APIRoute) and route.include_in_schema]
