"""What each route asks of its caller, declared beside its path: `dependencies=[needs("contacts:read")]`.

Exactly one of `needs(permission)`, `SIGNED_IN` (any account, for its own affairs), `PERSON` (the same, but never an
API key) and `PUBLIC` stands on every route; `declared` finds them, and an application in which a route has none does
not start.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from fastapi import Depends, FastAPI, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from starlette.routing import Mount

from event_stream_engine.errors import Forbidden
from event_stream_engine.permissions import MEANINGS, Permission, Role, roles_with
from event_stream_engine.web.auth import Account, Principal, require_own_origin
from event_stream_engine.web.methods import Refusal

OUTSIDE_ROUTES = frozenset({"/api/v1/openapi.json", "/assets"})
"""Served by the framework itself, and public: the API's description, and the built files of the UI."""


class PermissionMissing(Forbidden):
    """`members` name the permission and the roles that have it."""

    code = "permission_missing"
    title = "Your role does not allow this"

    def __init__(self, principal: Principal, permission: Permission) -> None:
        able = roles_with(permission)
        wanted = f"`{permission}` ({MEANINGS[permission][0].lower()}{MEANINGS[permission][1:]})"
        if principal.key_id is not None:
            said = f"This API key does not have {wanted}. Its maker can make one that does, within their own role."
        else:
            said = f"This needs {wanted}. You are {_a(principal.role)}; an admin can make you {_a(able[0])}."
        super().__init__(said, members={"permission": permission, "roles": able})


class PersonNeeded(Forbidden):
    code = "person_needed"
    title = "An API key may not do this"


class UndeclaredRoute(TypeError):
    """A route says nothing, or two things, of who may call it."""


def _a(role: Role) -> str:
    return f"an {role}" if role[0] in "ao" else f"a {role}"


@dataclass(frozen=True)
class Guard:
    """The declaration of a route and the check itself; `permission` None: none is needed."""

    permission: Permission | None = None
    kind: ClassVar[str] = "permission"

    async def __call__(self, principal: Account) -> None:
        self.check(principal)

    def check(self, principal: Principal) -> None:
        """Raises `PermissionMissing`."""
        if self.permission is not None and not principal.may(self.permission):
            raise PermissionMissing(principal, self.permission)


@dataclass(frozen=True)
class SignedIn(Guard):
    kind = "signed in"


@dataclass(frozen=True)
class Person(Guard):
    kind = "person"

    def check(self, principal: Principal) -> None:
        if principal.key_id is not None:
            raise PersonNeeded("This is for people only: sign in, an API key may not do it.")


@dataclass(frozen=True)
class Public(Guard):
    """Nobody is asked who they are; what a foreign page sends is refused all the same."""

    kind = "public"

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        require_own_origin(request)


def needs(permission: Permission) -> Dependency:
    return cast(Dependency, Depends(Guard(permission)))


SIGNED_IN = cast(Dependency, Depends(SignedIn()))
PERSON = cast(Dependency, Depends(Person()))
PUBLIC = cast(Dependency, Depends(Public()))


_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def socket_needs(permission: Permission) -> Callable[[_Endpoint], _Endpoint]:
    """Declares what a WebSocket needs. It asks by itself, with `socket_guard`, and closes with a code."""

    def declare(endpoint: _Endpoint) -> _Endpoint:
        vars(endpoint)["guard"] = Guard(permission)
        return endpoint

    return declare


def socket_guard(endpoint: Callable[..., Any]) -> Guard:
    """Raises `UndeclaredRoute`."""
    found = vars(endpoint).get("guard")
    if not isinstance(found, Guard):
        raise UndeclaredRoute(f"{endpoint.__name__} declares no guard: put @socket_needs(…) below its route.")
    return found


@dataclass(frozen=True)
class Declared:
    """A route with its guard; `methods` without HEAD."""

    path: str
    methods: tuple[str, ...]
    guard: Guard
    summary: str
    in_document: bool


def guard_of(route: APIRoute) -> Guard:
    """Raises `UndeclaredRoute`."""
    found = [dependency.dependency for dependency in route.dependencies if isinstance(dependency.dependency, Guard)]
    if len(found) != 1:
        raise UndeclaredRoute(
            f"{sorted(route.methods or ())} {route.path} declares {len(found)} guards: put exactly one of "
            "needs(…), SIGNED_IN, PERSON and PUBLIC into its `dependencies`."
        )
    return found[0]


def declared(app: FastAPI) -> list[Declared]:
    """Every route with what it asks. Raises `UndeclaredRoute`."""
    return list(_declared(app))


def _declared(app: FastAPI) -> Iterator[Declared]:
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            methods = tuple(sorted(set(context.methods or ()) - {"HEAD"}))
            summary = context.summary or ""
            yield Declared(str(context.path), methods, guard_of(route), summary, bool(context.include_in_schema))
        elif isinstance(route, APIWebSocketRoute):
            yield Declared(str(context.path), ("WEBSOCKET",), socket_guard(route.endpoint), "", in_document=False)
        elif isinstance(route, Refusal):
            continue
        elif not (context.path in OUTSIDE_ROUTES or (isinstance(route, Mount) and route.path in OUTSIDE_ROUTES)):
            raise UndeclaredRoute(f"{context.path} is no route of ours: declare it in OUTSIDE_ROUTES, or remove it.")
