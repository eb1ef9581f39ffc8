"""Templates: text with `{placeholders}` that a contact's attributes fill.

`{name}` takes the attribute `name`; `{name|friend}` says what stands there when it is missing or empty. Any other
brace is text.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from event_stream_engine.errors import Conflict, Invalid, NotFound

BODY_MAX = 1600  # Twilio's limit on Body (error 21617)
BUILT_IN = ("phone",)

BLANK = " \t\n\r\x0b\x0c\x85\xa0\u2028\u2029\u3000"
"""A text of these alone is empty (Twilio's error 21602)."""

BREAKS = "\t\n\r\x0b\x0c\x85\u2028\u2029"
WIDE_GAP = " " * 5
"""Meta refuses template variables with line breaks, tabs, or more than four spaces in a row (Twilio's errors 21656 and
63030). They are not replaced: a text that arrives in another form than it was written is not what was approved."""

_PLACEHOLDER = re.compile(r"\{([^\W\d]\w{0,63})(?:\|([^{}]*))?\}")


class TemplateNotFound(NotFound):
    code = "template_not_found"


class TemplateNameTaken(Conflict):
    code = "template_name_taken"


class TemplateInUse(Conflict):
    code = "template_in_use"


@dataclass(frozen=True)
class Template:
    """`content_sid` names an approved WhatsApp template; its variables are the placeholders in their order."""

    id: UUID
    name: str
    channel: Literal["sms", "whatsapp"]
    locale: str
    body: str
    content_sid: str | None
    created_at: datetime
    updated_at: datetime
    version: int


@dataclass(frozen=True)
class Rendered:
    """The text for one contact; `missing` lists placeholders that had neither value nor default."""

    text: str
    missing: tuple[str, ...]


def placeholders(body: str) -> list[str]:
    """Names in order of first appearance."""
    return list(dict.fromkeys(match.group(1) for match in _PLACEHOLDER.finditer(body)))


def required_placeholders(body: str) -> list[str]:
    """Names that appear somewhere without a default."""
    return list(dict.fromkeys(m.group(1) for m in _PLACEHOLDER.finditer(body) if m.group(2) is None))


def render(body: str, attributes: dict[str, str], phone: str) -> Rendered:
    """Fill the placeholders; a missing one stays visible as written."""
    missing: dict[str, None] = {}

    def fill(match: re.Match[str]) -> str:
        name, default = match.groups()
        value = phone if name == "phone" else attributes.get(name)
        if value:
            return str(value)
        if default is not None:
            return default
        missing[name] = None
        return match.group(0)

    return Rendered(_PLACEHOLDER.sub(fill, body), tuple(missing))


def unsendable(rendered: Rendered, variables: dict[str, str] | None) -> str | None:
    """Why Twilio would refuse this text, as a key of `REFUSALS`; `variables` are those of an approved template.

    `store.preflight.verdict` decides the same in SQL.
    """
    if rendered.missing:
        return "missing_attribute"
    values = variables.values() if variables else ()
    if any(not value.strip(BLANK) for value in values):
        return "variable_empty"
    if any(WIDE_GAP in value or any(mark in value for mark in BREAKS) for value in values):
        return "variable_multiline"
    if not rendered.text.strip(BLANK):
        return "text_empty"
    return "text_too_long" if len(rendered.text) > BODY_MAX else None


def pieces(body: str) -> list[str | tuple[str, str | None]]:
    """The body as literal texts and (placeholder, its default), in their order."""
    found: list[str | tuple[str, str | None]] = []
    end = 0
    for match in _PLACEHOLDER.finditer(body):
        found += [body[end : match.start()], (match.group(1), match.group(2))]
        end = match.end()
    return [piece for piece in [*found, body[end:]] if piece != ""]


def content_variables(body: str, attributes: dict[str, str], phone: str) -> dict[str, str]:
    """The numbered variables of an approved template: placeholder n of the body is variable n."""
    values: dict[str, str] = {}
    for match in _PLACEHOLDER.finditer(body):
        name, default = match.groups()
        values.setdefault(name, str((phone if name == "phone" else attributes.get(name)) or default or ""))
    return {str(number): value for number, value in enumerate(values.values(), 1)}


def checked_body(body: str) -> str:
    """Raises `Invalid` for an empty body, one that is too long, or a placeholder that was mistyped."""
    if not body.strip():
        raise Invalid.field("body", "Write the message.")
    if len(body) > BODY_MAX:
        raise Invalid.field("body", f"At most {BODY_MAX} characters; this has {len(body)}.")
    if "\x00" in body:
        raise Invalid.field("body", "Holds a NUL character, which cannot be sent.")
    leftover = re.search(r"\{[^{}]*\}", _PLACEHOLDER.sub("", body))
    if leftover:
        raise Invalid.field(
            "body",
            f"{leftover.group(0)} is not a placeholder: write {{name}}, or {{name|default}}, "
            "with letters, digits and _ in the name.",
        )
    return body
