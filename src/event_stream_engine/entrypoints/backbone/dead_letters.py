"""`/api/v1/backbone/dead-letters`: look, redrive, discard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field, StrictBool, model_validator

from event_stream_engine import audit
from event_stream_engine.backbone import dead_letters, groups
from event_stream_engine.backbone.dead_letters import Chosen
from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.backbone.people import check_search, named, shown_event, shown_key
from event_stream_engine.messaging.model.personal import scrubbed
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import Cursor, Limit, Page, decode_cursor, encode_cursor
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1/backbone", route_class=Route, tags=["backbone"])

Text = Annotated[str | None, Query(max_length=512, pattern=r"^[^\x00]*$")]


class DeadLetter(BaseModel):
    id: UUID
    group: str
    stream: str
    entry_id: str
    event_id: UUID
    type: str
    key: str
    status: Literal["open", "redriven", "discarded"]
    error_class: str
    error: str
    failed: int
    crashed: int
    taken_over: int
    first_failed_at: datetime
    died_at: datetime
    release: str
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None


class DeadLetterCause(BaseModel):
    id: str = Field(description="To be given as `cause` to the list, a redrive or a discard.")
    group: str
    type: str
    handler: str | None = Field(description="The function that reacts in this release.")
    error_class: str
    error: str = Field(description="Of the newest letter.")
    count: int
    keys: int = Field(description="How many keys the letters are of.")
    first_at: datetime
    last_at: datetime


class HistoryLine(BaseModel):
    at: datetime
    kind: str
    error: str | None = None
    by: str | None = None


class DeadLetterDetail(DeadLetter):
    data: dict[str, Any]
    stack: str
    history: list[HistoryLine]
    correlation_id: UUID | None
    causation_id: UUID | None
    time: datetime


class LetterFilter(Body):
    group: str | None = Field(None, max_length=200)
    type: str | None = Field(None, max_length=200)
    key: str | None = Field(None, max_length=512)
    search: str | None = Field(None, max_length=200)
    cause: str | None = Field(None, max_length=64)


class ChosenIn(Body):
    """`ids`, or a `filter` (`{}`: all open ones)."""

    ids: list[UUID] | None = Field(None, min_length=1, max_length=1000)
    filter: LetterFilter | None = None
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def one_of_both(self) -> "ChosenIn":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either `ids` or `filter`")
        return self

    def chosen(self) -> Chosen:
        if self.ids is not None:
            return Chosen(ids=tuple(self.ids))
        assert self.filter is not None
        return Chosen(**self.filter.model_dump())


class RedriveIn(ChosenIn):
    per_second: int | None = Field(None, ge=1, le=10_000)


class DiscardIn(ChosenIn):
    reason: str = Field(min_length=1, max_length=500, pattern=r"\S")


class Redriven(BaseModel):
    matched: int
    redriven: int
    dry_run: bool
    sample: list[DeadLetter]


class Discarded(BaseModel):
    matched: int
    discarded: int


@router.get("/dead-letters", summary="Dead letters", responses={404: {}}, dependencies=[needs("streams:read")])
async def list_dead_letters(
    by: Account,
    tx: Tx,
    group: Text = None,
    type_: Annotated[str | None, Query(alias="type", max_length=200, pattern=r"^[^\x00]*$")] = None,
    key: Text = None,
    status: Literal["open", "redriven", "discarded"] | None = None,
    search: Text = None,
    cause: Annotated[str | None, Query(max_length=64, pattern=r"^[^\x00]*$")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeadLetter]:
    """Events that a group gave up, newest first."""
    check_search(by, key, search)
    await _check_group(tx, group)
    chosen = Chosen(None, group, type_, key, status, search, cause)
    before = decode_cursor(cursor, UUID)
    found = await dead_letters.page(tx, chosen, before[0] if before else None, limit + 1)
    more = encode_cursor(found[limit - 1]["id"]) if len(found) > limit else None
    total = await dead_letters.count(tx, chosen)
    return Page(items=await named(tx, [_in_list(row) for row in found[:limit]]), next_cursor=more, total=total)


@router.get(
    "/dead-letters/causes",
    summary="What dead letters died of",
    responses={404: {}},
    dependencies=[needs("streams:read")],
)
async def list_causes(
    by: Account,
    tx: Tx,
    group: Text = None,
    type_: Annotated[str | None, Query(alias="type", max_length=200, pattern=r"^[^\x00]*$")] = None,
    key: Text = None,
    status: Literal["open", "redriven", "discarded"] = "open",
    search: Text = None,
) -> Page[DeadLetterCause]:
    """Grouped by group, type of event and error (without the numbers, ids and quoted words in it), the most frequent
    first; at most 100. The newest 10,000 letters are counted; `total` is how many there are."""
    check_search(by, key, search)
    await _check_group(tx, group)
    chosen = Chosen(None, group, type_, key, status, search)
    found = await dead_letters.causes(tx, chosen)
    shapes = [DeadLetterCause.model_validate({**vars(cause), "error": scrubbed(cause.error)}) for cause in found]
    return Page(items=shapes, total=await dead_letters.count(tx, chosen))


@router.get("/dead-letters/{letter_id}", summary="A dead letter, whole", dependencies=[needs("streams:read")])
async def show_dead_letter(letter_id: UUID, by: Account, tx: Tx) -> DeadLetterDetail:
    found = shown_event(await dead_letters.one(tx, letter_id), by)
    return (await named(tx, [DeadLetterDetail.model_validate(found)]))[0]


@router.post(
    "/dead-letters/redrive", summary="Give dead letters back to their groups", dependencies=[needs("streams:operate")]
)
async def redrive_dead_letters(body: RedriveIn, account: Account, tx: Tx) -> Redriven:
    """Each goes to the one group that gave it up, in the order of its key; no other group sees it again."""
    await _check_group(tx, body.filter.group if body.filter else None)
    by = str(account.account_id)
    done = await dead_letters.redrive(tx, body.chosen(), by=by, dry_run=body.dry_run, per_second=body.per_second)
    if done.redriven:
        await audit.record(tx, account.account_id, "dead_letter.redrive", "many", audit_detail(body, done.redriven))
    sample = [_in_list(row) for row in done.sample]
    return Redriven(matched=done.matched, redriven=done.redriven, dry_run=body.dry_run, sample=sample)


@router.post(
    "/dead-letters/discard", summary="Settle dead letters without their effect", dependencies=[needs("streams:operate")]
)
async def discard_dead_letters(body: DiscardIn, account: Account, tx: Tx) -> Discarded:
    await _check_group(tx, body.filter.group if body.filter else None)
    by = str(account.account_id)
    matched, done = await dead_letters.discard(tx, body.chosen(), by=by, reason=body.reason, dry_run=body.dry_run)
    if done:
        detail = {**audit_detail(body, done), "reason": body.reason}
        await audit.record(tx, account.account_id, "dead_letter.discard", "many", detail)
    return Discarded(matched=matched, discarded=done)


async def _check_group(tx: Transaction, group: str | None) -> None:
    if group is not None:
        await groups.check(tx, group)


def _in_list(row: Mapping[str, Any]) -> DeadLetter:
    return DeadLetter.model_validate({**row, "key": shown_key(row["key"]), "error": scrubbed(row["error"])})


def audit_detail(body: ChosenIn, done: int) -> dict[str, Any]:
    """What the audit trail keeps of an order: how many letters, and how they were chosen (ids: the first 100)."""
    return {"count": done, "ids": [str(i) for i in (body.ids or [])[:100]],
            "filter": body.filter.model_dump(exclude_none=True) if body.filter else None}  # fmt: skip
