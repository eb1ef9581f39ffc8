"""Templates: add, change, remove, preview."""

from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.model.contacts import ContactNotFound
from event_stream_engine.messaging.model.templates import (
    BUILT_IN,
    Rendered,
    Template,
    TemplateInUse,
    TemplateNameTaken,
    TemplateNotFound,
    checked_body,
    placeholders,
    render,
)
from event_stream_engine.messaging.store import contacts as contacts_store
from event_stream_engine.messaging.store import templates as store
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.pages import require_version

Channel = Literal["sms", "whatsapp"]


@dataclass(frozen=True)
class TemplateChange:
    """What to set; None leaves a field as it is. An empty `content_sid` removes it."""

    name: str | None = None
    channel: Channel | None = None
    locale: str | None = None
    body: str | None = None
    content_sid: str | None = None


@dataclass(frozen=True)
class Preview:
    """A rendered text, the placeholders in it, and those no contact has an attribute for."""

    rendered: Rendered
    placeholders: list[str]
    unknown: list[str]


async def add_template(tx: Transaction, given: TemplateChange, *, by: Principal) -> Template:
    """Raises `TemplateNameTaken` or `Invalid`."""
    now = clock.now()
    template = Template(
        id=new_id(),
        name=(given.name or "").strip(),
        channel=given.channel or "sms",
        locale=given.locale or "en_US",
        body=checked_body(given.body or ""),
        content_sid=given.content_sid or None,
        created_at=now,
        updated_at=now,
        version=1,
    )
    _check_content(template)
    if not await store.add(tx, template):
        raise TemplateNameTaken(f"There is a template called {template.name!r} already.")
    await audit.record(tx, by.account_id, "template.add", template.id, {"name": template.name})
    return template


async def change_template(
    tx: Transaction, template_id: UUID, given: TemplateChange, *, by: Principal, if_match: str | None
) -> Template:
    """Running campaigns keep the text they were launched with.

    Raises `TemplateNotFound`, `TemplateNameTaken`, `Stale` or `Invalid`.
    """
    template = await find_template(tx, template_id)
    require_version(if_match, template.version)
    if given.body is not None:
        checked_body(given.body)
    set_ = {name: value for name, value in vars(given).items() if value is not None}
    if "content_sid" in set_:
        set_["content_sid"] = set_["content_sid"] or None
    changed = replace(template, **set_, updated_at=clock.now(), version=template.version + 1)
    _check_content(changed)
    if await store.name_taken(tx, changed.name, template.id):
        raise TemplateNameTaken(f"There is another template called {changed.name!r}.")
    await store.save(tx, changed)
    await audit.record(tx, by.account_id, "template.change", template.id, {"fields": sorted(set_)})
    return changed


async def remove_template(tx: Transaction, template_id: UUID, *, by: Principal) -> None:
    """Raises `TemplateNotFound`, or `TemplateInUse` while a campaign refers to it."""
    template = await find_template(tx, template_id)
    if await store.is_used(tx, template_id):
        raise TemplateInUse("A campaign uses this template. Delete the draft campaign first.")
    await store.remove(tx, template_id)
    await audit.record(tx, by.account_id, "template.remove", template_id, {"name": template.name})


async def find_template(tx: Transaction, template_id: UUID) -> Template:
    """Raises `TemplateNotFound`."""
    template = await store.template(tx, template_id)
    if template is None:
        raise TemplateNotFound("This template does not exist. It may have been deleted.")
    return template


async def preview(tx: Transaction, body: str, *, contact_id: UUID | None, attributes: dict[str, str] | None) -> Preview:
    """The text as a contact would read it, or with the attributes given. Raises `ContactNotFound`."""
    values, phone = dict(attributes or {}), "+12025550100"
    if contact_id is not None:
        contact = await contacts_store.contact(tx, contact_id)
        if contact is None:
            raise ContactNotFound("Choose another contact: this one does not exist any more.")
        values, phone = {**contact.attributes, **values}, contact.phone
    names = placeholders(body)
    known = {row["name"] for row in await contacts_store.attributes(tx)} | set(BUILT_IN)
    return Preview(render(body, values, phone), names, [name for name in names if name not in known])


def _check_content(template: Template) -> None:
    if not template.content_sid:
        return
    if template.channel != "whatsapp":
        raise Invalid.field("content_sid", "Only a WhatsApp template has a Content SID.")
    sid = template.content_sid
    if not (sid.startswith("HX") and len(sid) == 34 and sid[2:].isalnum()):
        raise Invalid.field("content_sid", "A Content SID is HX and 32 characters, from Twilio's console.")
