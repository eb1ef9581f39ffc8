"""What each column of a file most likely holds, judged by its heading and its first values.

Headings are those of exports that people really have (Shopify, HubSpot, Mailchimp, Salesforce, Google Contacts) and
what their words have in common. A suggestion is always accepted as it stands.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from event_stream_engine.messaging.model.contacts import ATTRIBUTE_NAME, ATTRIBUTES_MAX
from event_stream_engine.messaging.model.dates import date_column
from event_stream_engine.messaging.model.imports import ABOUT_CONSENT, ABOUT_REJECTS, Column

_PHONE_RANKS = (
    re.compile(r"whatsapp"),
    re.compile(r"sms.*(phone|number|tel)|textnumber"),
    re.compile(r"mobil|mobile|movil|cell|celular|handy|gsm|portable|手机|手機|携帯|جوال|محمول"),
)
"""Words of headings whose numbers can receive messages, the best first."""

_PHONE = re.compile(
    r"phone|phonenumber|phonenumbers?|tel|telephone|telephonenumber|msisdn|number|contactnumber|primaryphone|mainphone"
    r"|phone\d*|telefon|telefone|telefono|telefonnummer|numerotelefono|电话|電話|電話番号|هاتف"
)
_LABELLED = re.compile(r"(?P<base>.*phone\s*\d+)\s*-\s*(?:value|number)\s*", re.IGNORECASE)
"""Google Contacts: `Phone 1 - Value` beside `Phone 1 - Label` (or `- Type`)."""

_NOT_A_PHONE = re.compile(
    r"label|type|country|code|verified|carrier|status|consent|optin|optout|subscri|market|date|time|fax|landline"
)
_OPT_OUT = re.compile(
    r"optout|optedout|optingout|donotcall|donottext|donotsms|donotcontact|donotmessage|donotdisturb|dnd|dnc|unsubscrib"
    r"|suppressed|blacklist|blocklist|blocked|nosms|nomarketing|nocontact"
)
_CONSENT = re.compile(
    r"consent|consentstate|consentstatus|optin|optedin|optinstatus|subscribed|subscription|subscriptionstatus|permission"
    r"|.*(sms|whatsapp|text|phone|mobile).*(consent|optin|optedin|permission|subscri|marketing|agree).*"
    r"|.*(accepts|marketingconsent|marketingpermission|marketingoptin|einwilligung|consentimiento|consentement).*"
)
_CONSENT_TIME = re.compile(
    r".*(optin|optedin|consent|subscri|confirm|agree).*(time|date|timestamp|since|at|on)"
    r"|(time|date)of(consent|optin)|datesubscribed|dateconsent"
)
_EMAIL = re.compile(r"email|mail|newsletter")
_ABOUT_MESSAGES = re.compile(r"sms|whatsapp|text|phone|mobile")
_LOOKS_LIKE_CONSENT = re.compile(
    r"opt.?in|opt.?out|consent|subscri|donot|dnd|permission|marketing|gdpr|dsgvo|einwillig"
)
_OTHER = {
    "timezone": frozenset(("timezone", "tz", "zone", "ianatimezone")),
    "locale": frozenset(("locale", "language", "lang", "preferredlanguage")),
    "topics": frozenset(("topics", "topic", "tags", "interests", "lists")),
}
_PHONE_LIKE = re.compile(r"\s*'?(whatsapp:|sms:|tel:)?[+＋(]?[0-9][0-9 ().-]{6,20}(\D.*)?\s*")


@dataclass(frozen=True)
class Suggestion:
    """A target for each column in the order of the file; `notes` say what a person should know of it."""

    columns: list[Column]
    notes: list[str]


@dataclass(frozen=True)
class _Heading:
    number: int
    name: str
    folded: str
    values: list[str]

    @property
    def is_about_email(self) -> bool:
        return bool(_EMAIL.search(self.folded)) and not _ABOUT_MESSAGES.search(self.folded)

    def holds_phones(self) -> bool:
        return sum(_PHONE_LIKE.fullmatch(value) is not None for value in self.values) * 2 > len(self.values)


def suggest(names: Sequence[str], samples: Sequence[list[str]]) -> Suggestion:
    """Targets for the columns `names`; `samples` holds the values found in each, empty ones left out."""
    headings = [
        _Heading(number, name, _folded(name), values)
        for number, (name, values) in enumerate(zip(names, samples, strict=True))
    ]
    targets: dict[int, str] = {h.number: "ignore" for h in headings if h.name in (*ABOUT_REJECTS, ABOUT_CONSENT[0])}
    targets |= dict.fromkeys(_phones(headings), "phone")
    targets |= _consents([h for h in headings if h.number not in targets])
    for target, words in _OTHER.items():
        found = next((h for h in headings if h.number not in targets and h.folded in words), None)
        targets |= {found.number: target} if found else {}
    rest = [h for h in headings if h.number not in targets]
    attributes, notes = _attributes(rest)
    columns = [attributes.get(h.number) or Column(h.name, targets.get(h.number, "ignore")) for h in headings]
    return Suggestion(columns, notes)


def looks_like_consent(column: Column) -> bool:
    """Whether a column that becomes an attribute may well say who agreed to messages."""
    folded = _folded(column.name)
    is_about_email = _EMAIL.search(folded) and not _ABOUT_MESSAGES.search(folded)
    return column.target in ("attribute", "ignore") and not is_about_email and bool(_LOOKS_LIKE_CONSENT.search(folded))


def phone_rank(name: str) -> int:
    """How well the numbers below a heading receive messages: 0 is best."""
    folded = _folded(name)
    return next((rank for rank, words in enumerate(_PHONE_RANKS) if words.search(folded)), len(_PHONE_RANKS))


def label_of(name: str, names: Sequence[str]) -> str | None:
    """The column that says what kind of number `name` holds in each row, as Google Contacts has it."""
    found = _LABELLED.fullmatch(name)
    if found is None:
        return None
    kinds = {f"{found['base']} - {kind}".casefold() for kind in ("label", "type")}
    return next((other for other in names if other.casefold() in kinds), None)


def _phones(headings: list[_Heading]) -> list[int]:
    """The columns to take the number from: those made for messages if any has values, else one for phones."""
    possible = [h for h in headings if not _NOT_A_PHONE.search(h.folded) and h.holds_phones()]
    for_messages = [h for h in possible if phone_rank(h.name) < len(_PHONE_RANKS) and h.values]
    if for_messages:
        return [h.number for h in for_messages]
    labelled = [h for h in headings if _LABELLED.fullmatch(h.name) and h.holds_phones()]
    if labelled:
        return [h.number for h in labelled]
    named = [h for h in headings if _PHONE.fullmatch(h.folded) or phone_rank(h.name) < len(_PHONE_RANKS)]
    named = [h for h in named if not _NOT_A_PHONE.search(h.folded)]
    by_values = [h for h in headings if h.values and h.holds_phones() and not date_column(h.values)]
    named.sort(key=lambda h: (not h.holds_phones(), not h.values, h.number))
    best = named if named and named[0].holds_phones() else by_values or named
    return [best[0].number] if best else []


def _consents(headings: list[_Heading]) -> dict[int, str]:
    """Every column of opt-outs, the best one of consent, and the one of its moment. E-mail has consent of its own."""
    ours = [h for h in headings if not h.is_about_email]
    found = {h.number: "opt_out" for h in ours if _OPT_OUT.search(h.folded) and not date_column(h.values)}
    rest = [h for h in ours if h.number not in found]
    times = [h for h in rest if _CONSENT_TIME.fullmatch(h.folded) and date_column(h.values)]
    if times:
        found[times[0].number] = "consent_at"
    named = [h for h in rest if h.number not in found and _CONSENT.fullmatch(h.folded) and not date_column(h.values)]
    if named:
        best = min(named, key=lambda h: (not _ABOUT_MESSAGES.search(h.folded), h.number))
        found[best.number] = "consent"
    return found


def _attributes(headings: list[_Heading]) -> tuple[dict[int, Column], list[str]]:
    """Names of their own in any script; what is empty, or beyond the limit, is left out and said."""
    columns: dict[int, Column] = {}
    taken: set[str] = set()
    empty, beyond = [], []
    for heading in headings:
        if not heading.values:
            empty.append(heading.name)
        elif len(columns) == ATTRIBUTES_MAX:
            beyond.append(heading.name)
        else:
            column = _attribute(heading, taken)
            taken.add((column.attribute or "").casefold())
            columns[heading.number] = column
    notes = []
    if empty:
        notes.append(f"{_count(empty)} left out: the rows looked at hold nothing there ({_names(empty)}).")
    if beyond:
        notes.append(
            f"{_count(beyond)} left out: a contact has at most {ATTRIBUTES_MAX} attributes ({_names(beyond)})."
        )
    return columns, notes


def _attribute(heading: _Heading, taken: set[str]) -> Column:
    name = re.sub(r"\W+", "_", unicodedata.normalize("NFC", heading.name.strip())).strip("_")[:60] or "column"
    name = name if ATTRIBUTE_NAME.fullmatch(name) else f"_{name}"
    unique, number = name, 1
    while unique.casefold() in taken:
        number += 1
        unique = f"{name}_{number}"
    found = date_column(heading.values)
    return replace(Column(heading.name, "attribute", unique), dates=found.dates if found else None)


def _count(names: list[str]) -> str:
    return "1 column is" if len(names) == 1 else f"{len(names)} columns are"


def _names(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _folded(name: str) -> str:
    """`SMS opt-out` and `Sms_Opt_Out` become `smsoptout`; accents go."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in plain if c.isalnum())
