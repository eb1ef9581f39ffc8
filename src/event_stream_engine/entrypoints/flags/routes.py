"""`/api/v1/flags`: read, change, kill, roll back, try a context. `/flags/status` and `/health/flags`: this process."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Path, Query, Response

from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.people import named
from event_stream_engine.entrypoints.flags import shapes
from event_stream_engine.entrypoints.flags.shapes import FlagName, FlagShape
from event_stream_engine.errors import Invalid, Stale
from event_stream_engine.flags import actions, store
from event_stream_engine.flags.api import Flags
from event_stream_engine.flags.following import Follower, nudge
from event_stream_engine.flags.model import Change
from event_stream_engine.flags.model.planning import Unknown
from event_stream_engine.flags.store import AuditRow
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Moment
from event_stream_engine.web.guards import PUBLIC, needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, IfMatch, Limit, Page, decode_cursor, encode_cursor, set_version
from event_stream_engine.web.platform import Platform, ThePlatform
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/flags", tags=["flags"], route_class=Route)
status = Router(tags=["flags"], route_class=Route)

FLAGS, FOLLOWER = "flags", "flags_follower"
_ETAG = re.compile(r'(?:W/)?"(\d{1,15})"')
Name = Annotated[FlagName, Path()]


Apply = Callable[[Sequence[Change], str], Awaitable[list[AuditRow]]]


async def _applying(by: Account, tx: Tx, platform: ThePlatform, background: BackgroundTasks) -> Apply:
    """Changes by this request's account; every process is told once they are committed."""

    async def apply(changes: Sequence[Change], reason: str) -> list[AuditRow]:
        account = by.account_id
        facts = _flags(platform).facts
        background.add_task(_tell, platform)  # runs after the commit, and only then
        return await actions.change(tx, changes, actor=str(account), account_id=account, reason=reason, facts=facts)

    return apply


Applying = Annotated[Apply, Depends(_applying)]


async def _tell(platform: Platform) -> None:
    follower: Follower = platform.shared[FOLLOWER]
    follower.hurry()
    await nudge(platform.redis)


def _flags(platform: Platform) -> Flags:
    flags: Flags = platform.shared[FLAGS]
    return flags


@router.get("", summary="Feature flags", dependencies=[needs("flags:read")])
async def list_flags(tx: Tx) -> Page[FlagShape]:
    """All of them, by name; at most 1,000."""
    found = await _shown(tx, None)
    return Page(items=found, total=len(found))


@router.get("/{name}", summary="A feature flag", dependencies=[needs("flags:read")])
async def show_flag(name: Name, tx: Tx, response: Response) -> FlagShape:
    return await _one(tx, name, response)


@router.put("/{name}", summary="Make a flag, or replace its definition", dependencies=[needs("flags:write")])
async def put_flag(
    name: Name, body: shapes.FlagPutIn, apply: Applying, tx: Tx, response: Response, if_match: IfMatch = None
) -> FlagShape:
    """`If-Match: "0"` makes a new one only."""
    await apply([Change(name, body.given(), "create", whole=True, expected=_version(if_match))], body.reason)
    return await _one(tx, name, response)


@router.patch("/{name}", summary="Change a flag", dependencies=[needs("flags:write")])
async def change_flag(
    name: Name, body: shapes.FlagPatchIn, apply: Applying, tx: Tx, response: Response, if_match: IfMatch = None
) -> FlagShape:
    """What is left out stays. `killed: false` lifts the kill switch."""
    await apply([Change(name, body.given(), expected=_version(if_match))], body.reason)
    return await _one(tx, name, response)


@router.delete("/{name}", status_code=204, summary="Remove a flag", dependencies=[needs("flags:write")])
async def remove_flag(
    name: Name, apply: Applying, reason: Annotated[shapes.Reason, Query()], if_match: IfMatch = None
) -> None:
    """Its history stays. A flag of the product's own cannot be removed."""
    await apply([Change(name, None, "remove", expected=_version(if_match))], reason)


@router.post(
    "/change-sets", summary="Change several flags at once", responses={412: {}}, dependencies=[needs("flags:write")]
)
async def change_set(body: shapes.FlagChangeSetIn, apply: Applying, tx: Tx) -> Page[FlagShape]:
    """All of the changes or none, judged together. The answer holds the flags that are there afterwards."""
    await apply([_change(one) for one in body.changes], body.reason)
    found = await _shown(tx, {change.name for change in body.changes})
    return Page(items=found, total=len(found))


@router.post("/evaluate", summary="What flags give in a context", dependencies=[needs("flags:read")])
async def evaluate_flags(body: shapes.FlagEvaluateIn, platform: ThePlatform) -> shapes.FlagEvaluations:
    """As this process has them in force, with the reason of each."""
    flags = _flags(platform)
    names = sorted(flags.get_all()) if body.names is None else body.names
    given = [{"name": name, **_fields(flags, name, body)} for name in names]
    now = flags.status()
    return shapes.FlagEvaluations(
        items=[shapes.FlagEvaluationShape.model_validate(one) for one in given],
        is_stale=now.is_stale,
        age_seconds=now.age_seconds,
    )


@router.post("/{name}/kill", summary="The kill switch", dependencies=[needs("flags:write")])
async def kill_flag(name: Name, body: shapes.FlagKillIn, apply: Applying, tx: Tx, response: Response) -> FlagShape:
    """From now on the flag gives `off` to everybody, whatever version you read."""
    await apply([actions.kill(name)], body.reason)
    return await _one(tx, name, response)


@router.post("/{name}/rollback", summary="Go back to an earlier version", dependencies=[needs("flags:write")])
async def roll_flag_back(
    name: Name, body: shapes.FlagRollbackIn, apply: Applying, tx: Tx, response: Response, if_match: IfMatch = None
) -> FlagShape:
    """Makes a new version with the earlier one's definition."""
    await apply([await actions.rollback(tx, name, body.version, _version(if_match))], body.reason)
    return await _one(tx, name, response)


@router.get("/{name}/history", summary="Who changed a flag, when and why", dependencies=[needs("flags:read")])
async def flag_history(
    name: Name,
    tx: Tx,
    since: Annotated[Moment | None, Query(description="From this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[shapes.FlagChangeShape]:
    """Newest first, of all time or from `since` until `until`; also of a flag that was removed."""
    if since and until and until <= since:
        raise Invalid.field("until", "The range ends before it begins: give an `until` that is later than `since`.")
    after = decode_cursor(cursor, int)
    rows = await store.history(tx, name, after[0] if after else None, limit + 1, since=since, until=until)
    items = await named(tx, [shapes.change_shape(row) for row in rows[:limit]])
    return Page(items=items, next_cursor=encode_cursor(items[-1].id) if len(rows) > limit else None)


@status.get("/flags/status", summary="The flags in force in this process", dependencies=[needs("flags:read")])
async def flags_status(platform: ThePlatform) -> shapes.FlagsStatus:
    flags = _flags(platform)
    return shapes.FlagsStatus.model_validate({**_health(flags).model_dump(), "values": flags.get_all()})


@status.get("/health/flags", summary="Whether the flags in force are new and go together", dependencies=[PUBLIC])
async def flags_health(platform: ThePlatform) -> shapes.FlagsHealth:
    """`degraded` is still 200: the last good flags are in force. Needs no session, and gives no values."""
    return _health(_flags(platform))


def _health(flags: Flags) -> shapes.FlagsHealth:
    return shapes.FlagsHealth.model_validate(flags.status(), from_attributes=True)


def _fields(flags: Flags, name: str, body: shapes.FlagEvaluateIn) -> dict[str, object]:
    answer = flags.evaluate(name, body.context)
    return {field: getattr(answer, field) for field in answer.__struct_fields__}


def _change(given: shapes.FlagChangeIn) -> Change:
    if given.action == "kill":
        return Change(given.name, {"killed": True}, "kill", expected=given.version)
    if given.action == "remove":
        return Change(given.name, None, "remove", expected=given.version)
    fields = given.fields.given() if given.fields else {}
    return Change(given.name, fields, given.action, given.action == "create", given.version)


def _version(if_match: str | None) -> int | None:
    if if_match in (None, "*"):
        return None
    found = _ETAG.fullmatch(if_match or "")
    if found is None:
        raise Stale("If-Match must hold the ETag that you read. Load the flag, then change it again.")
    return int(found[1])


async def _one(tx: Transaction, name: str, response: Response) -> FlagShape:
    found = await _shown(tx, {name})
    if not found:
        raise Unknown(f"There is no flag {name}.")
    set_version(response, found[0].version)
    return found[0]


async def _shown(tx: Transaction, names: set[str] | None) -> list[FlagShape]:
    loaded, changes = await store.load(tx), await store.last_changes(tx)
    wanted = [(name, held) for name, held in sorted(loaded.flags.items()) if names is None or name in names]
    return await named(tx, [shapes.flag_shape(name, held, changes.get(name)) for name, held in wanted])
