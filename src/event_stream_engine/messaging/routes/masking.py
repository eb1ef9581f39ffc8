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
    return {**fields, "phone": masked(fields["phone"]), "body": HIDDEN if fields.get("body") else fields.get("body")}


def inbound(shown: report_schemas.Inbound, by: Principal) -> report_schemas.Inbound:
    return shown if by.may(REVEAL) or not shown.text else shown.model_copy(update={"text": HIDDEN})


def preflight(found: schemas.Preflight, by: Principal) -> schemas.Preflight:
    if not by.may(REVEAL):
        for preview in found.previews:
            preview.phone, preview.text = masked(preview.phone), HIDDEN
    return found


def live_patch(by: Principal) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    """What is done to each patch of a live stream; None: nothing. What people wrote is the only text in them."""
    if by.may(REVEAL):
        return None
    return lambda patch: {**patch, "text": HIDDEN} if patch.get("text") else patch


def _scrubbed(text: str | None) -> str | None:
    return scrubbed(text) if text else text
