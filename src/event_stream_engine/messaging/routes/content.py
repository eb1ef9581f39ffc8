"""Templates, segments and senders."""

from typing import Any
from uuid import UUID

from fastapi import Response

from event_stream_engine.messaging import sms
from event_stream_engine.messaging.actions import segments, senders, templates
from event_stream_engine.messaging.model.segments import Segment
from event_stream_engine.messaging.model.templates import Template, placeholders
from event_stream_engine.messaging.routes import masking, schemas
from event_stream_engine.messaging.routes import segment_schemas as shapes
from event_stream_engine.messaging.store import segments as segment_store
from event_stream_engine.messaging.store import senders as sender_store
from event_stream_engine.messaging.store import templates as template_store
from event_stream_engine.web.auth import Account
from event_stream_engine.web.guards import needs
from event_stream_engine.web.openapi import Router
from event_stream_engine.web.pages import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
    set_version,
)
from event_stream_engine.web.unit import Route, Tx

router = Router(prefix="/api/v1", route_class=Route)


@router.get("/templates", tags=["templates"], summary="List templates", dependencies=[needs("campaigns:read")])
async def list_templates(tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[schemas.Template]:
    after = decode_cursor(cursor, str)
    found = await template_store.page(tx, after[0] if after else None, limit + 1)
    return _page([_template(item) for item in found], limit)


@router.post(
    "/templates", tags=["templates"], status_code=201, summary="Add a template", dependencies=[needs("campaigns:write")]
)
async def add_template(body: schemas.TemplateInput, by: Account, tx: Tx, response: Response) -> schemas.Template:
    """`{name}` takes an attribute of the contact, `{name|there}` has a default."""
    template = await templates.add_template(tx, templates.TemplateChange(**body.model_dump()), by=by)
    set_version(response, template.version)
    return _template(template)


@router.post(
    "/templates/preview", tags=["templates"], summary="Preview a text", dependencies=[needs("campaigns:write")]
)
async def preview_template(body: schemas.PreviewInput, tx: Tx) -> schemas.TemplatePreview:
    """The text as one contact reads it, and what it costs as SMS."""
    preview = await templates.preview(tx, body.body, contact_id=body.contact_id, attributes=body.attributes)
    length = sms.measure(preview.rendered.text)
    return schemas.TemplatePreview(
        text=preview.rendered.text,
        missing=list(preview.rendered.missing),
        unknown=preview.unknown,
        placeholders=preview.placeholders,
        encoding=length.encoding,
        segments=length.segments,
        units=length.units,
        units_left_in_segment=length.units_left,
        non_gsm_characters=list(length.non_gsm_characters),
    )


@router.get(
    "/templates/{template_id}", tags=["templates"], summary="One template", dependencies=[needs("campaigns:read")]
)
async def get_template(template_id: UUID, tx: Tx, response: Response) -> schemas.Template:
    template = await templates.find_template(tx, template_id)
    set_version(response, template.version)
    return _template(template)


@router.patch(
    "/templates/{template_id}", tags=["templates"], summary="Change a template", dependencies=[needs("campaigns:write")]
)
async def change_template(
    template_id: UUID,
    body: schemas.TemplatePatch,
    by: Account,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.Template:
    """Campaigns that run keep the text they were launched with."""
    change = templates.TemplateChange(**body.model_dump())
    template = await templates.change_template(tx, template_id, change, by=by, if_match=if_match)
    set_version(response, template.version)
    return _template(template)


@router.delete(
    "/templates/{template_id}",
    tags=["templates"],
    status_code=204,
    summary="Delete a template",
    dependencies=[needs("campaigns:write")],
)
async def remove_template(template_id: UUID, by: Account, tx: Tx) -> None:
    await templates.remove_template(tx, template_id, by=by)


@router.get("/segments", tags=["segments"], summary="List segments", dependencies=[needs("campaigns:read")])
async def list_segments(tx: Tx, limit: Limit = 50, cursor: Cursor = None) -> Page[shapes.Segment]:
    after = decode_cursor(cursor, str)
    found = await segment_store.page(tx, after[0] if after else None, limit + 1)
    return _page([_segment(item) for item in found], limit)


@router.post(
    "/segments", tags=["segments"], status_code=201, summary="Add a segment", dependencies=[needs("campaigns:write")]
)
async def add_segment(body: shapes.SegmentInput, by: Account, tx: Tx, response: Response) -> shapes.Segment:
    segment = await segments.add_segment(tx, segments.SegmentChange(**body.model_dump()), by=by)
    set_version(response, segment.version)
    return _segment(segment)


@router.post(
    "/segments/evaluate",
    tags=["segments"],
    summary="Size and sample of a rule",
    dependencies=[needs("campaigns:write")],
)
async def evaluate_segment(body: shapes.EvaluateInput, by: Account, tx: Tx) -> shapes.SegmentEvaluation:
    found = await segments.evaluate(tx, body.definition, body.sample)
    return shapes.SegmentEvaluation(
        size=found.size,
        sample=[masking.contact(schemas.Contact.model_validate(contact), by) for contact in found.sample],
        took_ms=found.took_ms,
        warnings=found.warnings,
        unreadable=[shapes.Unreadable.model_validate(entry) for entry in found.unreadable],
    )


@router.get("/segments/{segment_id}", tags=["segments"], summary="One segment", dependencies=[needs("campaigns:read")])
async def get_segment(segment_id: UUID, tx: Tx, response: Response) -> shapes.Segment:
    segment = await segments.find_segment(tx, segment_id)
    set_version(response, segment.version)
    return _segment(segment)


@router.patch(
    "/segments/{segment_id}", tags=["segments"], summary="Change a segment", dependencies=[needs("campaigns:write")]
)
async def change_segment(
    segment_id: UUID,
    body: shapes.SegmentPatch,
    by: Account,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> shapes.Segment:
    """A campaign that was launched keeps its audience."""
    change = segments.SegmentChange(**body.model_dump())
    segment = await segments.change_segment(tx, segment_id, change, by=by, if_match=if_match)
    set_version(response, segment.version)
    return _segment(segment)


@router.delete(
    "/segments/{segment_id}",
    tags=["segments"],
    status_code=204,
    summary="Delete a segment",
    dependencies=[needs("campaigns:write")],
)
async def remove_segment(segment_id: UUID, by: Account, tx: Tx) -> None:
    await segments.remove_segment(tx, segment_id, by=by)


@router.get("/senders", tags=["senders"], summary="List senders", dependencies=[needs("campaigns:read")])
async def list_senders(tx: Tx) -> schemas.SenderList:
    found = await sender_store.all_senders(tx)
    return schemas.SenderList(items=[schemas.Sender.model_validate(item) for item in found])


@router.post(
    "/senders", tags=["senders"], status_code=201, summary="Add a sender", dependencies=[needs("senders:write")]
)
async def add_sender(body: schemas.SenderInput, by: Account, tx: Tx, response: Response) -> schemas.Sender:
    """A number, short code or Messaging Service that Twilio lets this account send from."""
    sender = await senders.add_sender(tx, senders.SenderChange(**body.model_dump()), by=by)
    set_version(response, sender.version)
    return schemas.Sender.model_validate(sender)


@router.patch(
    "/senders/{sender_id}", tags=["senders"], summary="Change a sender", dependencies=[needs("senders:write")]
)
async def change_sender(
    sender_id: UUID,
    body: schemas.SenderPatch,
    by: Account,
    tx: Tx,
    response: Response,
    if_match: IfMatch = None,
) -> schemas.Sender:
    """A new rate applies to running campaigns within seconds."""
    change = senders.SenderChange(**body.model_dump())
    sender = await senders.change_sender(tx, sender_id, change, by=by, if_match=if_match)
    set_version(response, sender.version)
    return schemas.Sender.model_validate(sender)


@router.delete(
    "/senders/{sender_id}",
    tags=["senders"],
    status_code=204,
    summary="Delete a sender",
    dependencies=[needs("senders:write")],
)
async def remove_sender(sender_id: UUID, by: Account, tx: Tx) -> None:
    await senders.remove_sender(tx, sender_id, by=by)


def _page(found: list[Any], limit: int) -> Page[Any]:
    items = found[:limit]
    return Page(items=items, next_cursor=encode_cursor(items[-1].name) if len(found) > limit else None)


def _template(template: Template) -> schemas.Template:
    return schemas.Template.model_validate({**vars(template), "placeholders": placeholders(template.body)})


def _segment(segment: Segment) -> shapes.Segment:
    return shapes.Segment.model_validate(segment)
