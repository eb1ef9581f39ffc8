"""Answers as the caller may see them: whole with `contacts:reveal`, else with personal data masked."""

from collections.abc import Callable
from typing import Any

from event_stream_engine.messaging.model.contacts import masked
from event_stream_engine.messaging.model.personal import HIDDEN, scrubbed
from event_stream_engine.messaging.routes import report_schemas, schemas
from event_stream_engine.permissions import Permission
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.guards import PermissionMissing

REVEAL: Permission = "contacts:reveal"


def check_search(by: Principal, *given: str | None) -> None:
    """Searching personal data tells it, piece by piece. Raises `PermissionMissing`."""
    if any(given) and not by.may(REVEAL):
        raise PermissionMissing(by, REVEAL)


def contact(shown: schemas.Contact, by: Principal) -> schemas.Contact:
    if by.may(REVEAL):
        return shown
    attributes = dict.fromkeys(shown.attributes, HIDDEN)
    return shown.model_copy(update={"phone": masked(shown.phone), "attributes": attributes})


def attributes(found: schemas.AttributeList, by: Principal) -> schemas.AttributeList:
    if not by.may(REVEAL):
        for item in found.items:
            item.sample = []
    return found


def timeline(found: schemas.Timeline, by: Principal) -> schemas.Timeline:
    if not by.may(REVEAL):
        for entry in found.items:
            entry.title = scrubbed(entry.title)
            entry.detail = HIDDEN if entry.detail and entry.kind in ("inbound", "message") else _scrubbed(entry.detail)
    return found


def message(fields: dict[str, Any], by: Principal) -> dict[str, Any]:
    """The fields of a message or recipient."""
    if by.may(REVEAL):
        return fields
    hidden = {name: HIDDEN if fields.get(name) else fields.get(name) for name in ("body", "name")}
    return {**fields, **hidden, "phone": masked(fields["phone"])}


def inbound(shown: report_schemas.Inbound, by: Principal) -> report_schemas.Inbound:
    return shown if by.may(REVEAL) else shown.model_copy(update=_of_writer(shown.model_dump()))


def preflight(found: schemas.Preflight, by: Principal) -> schemas.Preflight:
    if not by.may(REVEAL):
        for preview in found.previews:
            preview.phone, preview.text = masked(preview.phone), HIDDEN
    return found


def live_patch(by: Principal) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """What is done to each patch of a live stream; None: nothing. Those of inbound messages alone tell of a person."""
    if by.may(REVEAL):
        return None
    return lambda patch: {**patch, **_of_writer(patch)}


def _of_writer(fields: dict[str, Any]) -> dict[str, str]:
    """Those of an inbound message's fields that tell who wrote what, as they are shown without contacts:reveal. The
    patch of a campaign or an import has a `name` too, and no `phone`."""
    if "phone" not in fields:
        return {"text": HIDDEN} if fields.get("text") else {}
    given = {name: HIDDEN for name in ("name", "text") if fields.get(name)}
    return {**given, "phone": masked(fields["phone"])}


def _scrubbed(text: str | None) -> str | None:
    return scrubbed(text) if text else text
