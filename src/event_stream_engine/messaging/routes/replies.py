"""How replies are read: reviews of possible opt-outs, and the list of keywords."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, Field

from event_stream_engine.messaging.actions import keywords, reviews
from event_stream_engine.messaging.model.replies import Basis, InboundKind, read_reply
from event_stream_engine.messaging.model.replies.keywords import LONGEST, Origin
from event_stream_engine.messaging.routes import masking
from event_stream_engine.messaging.routes.report_schemas import Inbound
from event_stream_engine.messaging.store import contacts as contact_store
from event_stream_engine.messaging.store import keywords as keywords_store
from event_stream_engine.web.auth import Account
from event_stream_engine.web.bodies import Body
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1", tags=["inbound"], route_class=Route)

Word = Annotated[str, Path(max_length=LONGEST, pattern=r"^[^\x00]+$", description="As it was written, in any case.")]


class ReviewInput(Body):
    decision: Literal["opt_out", "not_opt_out"]


class KeywordOut(BaseModel):
    """`origin`: `required` stays for ever, `default` can be taken out, `removed` was, `added` is the team's own."""

    word: str
    language: str | None = Field(description="A language code; null for a keyword of the team's own.")
    origin: Origin


class KeywordList(BaseModel):
    items: list[KeywordOut]


class ReplyInput(Body):
    text: str = Field(max_length=1600, description="What a person might write.")


class ReadingOut(BaseModel):
    """How a reply is read. `score`: how likely its wording asks for no more messages, from 0 to 1."""

    kind: InboundKind
    basis: Basis | None
    score: float | None
    needs_review: bool


@router.post(
    "/inbound/{inbound_id}/review", summary="Decide about a possible opt-out", dependencies=[needs("contacts:write")]
)
async def review_inbound(inbound_id: UUID, body: ReviewInput, by: Account, tx: Tx) -> Inbound:
    """Any reply can be marked as an opt-out. `not_opt_out` restores the consent from before the reply; it is refused
    (409 `opt_out_stands`) where the person opted out with a keyword. The other decision takes the first one back."""
    row = await reviews.review(tx, inbound_id, body.decision, by=by)
    names = await contact_store.names(tx, [row.contact_id])
    return masking.inbound(Inbound.of(row, names.get(row.contact_id)), by)


@router.get("/opt-out-keywords", summary="List opt-out keywords", dependencies=[needs("contacts:read")])
async def list_keywords(tx: Tx) -> KeywordList:
    """Replies that opt a person out as they stand, in any case and with words of politeness."""
    found = await keywords.list_keywords(tx)
    return KeywordList(items=[KeywordOut(word=k.word, language=k.language, origin=k.origin) for k in found])


@router.put(
    "/opt-out-keywords/{word}",
    status_code=204,
    summary="Add an opt-out keyword",
    dependencies=[needs("contacts:write")],
)
async def add_keyword(word: Word, by: Account, tx: Tx) -> None:
    """From the next reply on; adding it twice changes nothing."""
    await keywords.add_keyword(tx, word, by=by.account_id)


@router.delete(
    "/opt-out-keywords/{word}",
    status_code=204,
    summary="Take an opt-out keyword off the list",
    dependencies=[needs("contacts:write")],
)
async def remove_keyword(word: Word, by: Account, tx: Tx) -> None:
    """Replies with it are still judged by their wording. STOP and the other required words stay (409)."""
    await keywords.remove_keyword(tx, word, by=by.account_id)


@router.post("/opt-out-keywords/try", summary="Try how a reply is read", dependencies=[needs("contacts:read")])
async def try_reply(body: ReplyInput, tx: Tx) -> ReadingOut:
    """Nothing is stored."""
    reading = read_reply(body.text, await keywords_store.stop_words(tx))
    return ReadingOut(kind=reading.kind, basis=reading.basis, score=reading.score, needs_review=reading.needs_review)
