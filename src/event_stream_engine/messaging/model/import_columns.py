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
    re.compile(r"\bwhats ?app\b"),
    re.compile(r"^sms$|\bsms\b.*\b(phone|number|tel)\b|\btext number\b"),
    re.compile(
        r"\b(mobile|mobil|mobiltelefon|mobilnummer|mobiel|mobilephone|mobilenumber|movil|cell|cellphone|celular|cellulare"
        r"|handy|handynummer|gsm|portable)\b|手机|手機|携帯|جوال|محمول"
    ),
)
"""Words of headings whose numbers can receive messages, the best first."""

_PHONE = re.compile(
    r"\b(phones?|phone ?numbers?|phone ?\d+|telephone|telephonenumber|tel|msisdn|number|telefon|telefone|telefono"
    r"|telefonnummer)\b|电话|電話|هاتف"
)
_LABELLED = re.compile(r"(?P<base>.*phone\s*\d+)\s*-\s*(?:value|number)\s*", re.IGNORECASE)
"""Google Contacts: `Phone 1 - Value` beside `Phone 1 - Label` (or `- Type`)."""

_NOT_A_PHONE = re.compile(
    r"\b(label|type|verified|carrier|status|consent|opt ?in|opt ?out|subscri\w*|marketing|date|time|fax|landline|last"
    r"|message|created|seen|id|ids|order|zip|postal|record|account|invoice)\b"
)
_REFUSED = r"(withdrawn|withdrew|revoked|refused|declined|denied|cancell?ed|removed|excluded|objected|unconsented)"
_OPT_OUT = re.compile(
    r"\bopt(ed|ing)? ?out\b|\b(do not|dont|don t|donot) ?(call|text|sms|contact|message|disturb|mail)|\bnot opted in\b"
    r"|\b(dnd|dnc|dnt)\b|\bunsub\w*|\bsuppressed\b|\bblack ?list\w*|\bblock ?list\w*|\bblocked\b|\bstopped\b|\bstop\b"
    r"|\bno (sms|marketing|texts?|contact|whatsapp)\b|\bexclude[sd]?\b.*\b(sms|marketing|texts?)\b|\bunconsented\b"
    rf"|\b(consent|opt ?in|marketing|subscription|sms|texts?)\b.*\b{_REFUSED}\b"
    r"|\babgemeldet|\babmeldung|\bwerbesperre|\bbaja\b|\bdesabonn|\bdesinscri|\bdescadastr|\bafgemeld"
)
_MESSAGES = r"(sms|whats ?app|texts?|text messages?|phone|mobile)"
_AGREES = r"(consent|opt ?in|opted in|permission|subscri\w*|marketing|agree\w*|allowed|allow|accepts?|receive|status)"
_CONSENT = re.compile(
    r"(consent|consent (state|status|given|sms)|opt ?in|opted in|opt ?in status|subscribed|subscription"
    r"|subscription (status|state)|subscriber status|permission)"
    rf"|.*\b{_MESSAGES}\b.*\b{_AGREES}\b.*|.*\b{_AGREES}\b.*\b{_MESSAGES}\b.*"
    r"|.*(einwilligung|consentimiento|consentement).*"
)
_ABOUT_CONSENT = re.compile(
    r"\b(source|method|keyword|ip|url|version|language|reason|by|page|form|id|type|name|body|renewal)\b"
)
"""Columns about a consent, such as where it was given: they do not say whether."""

_CONSENT_TIME = re.compile(
    r".*\b(opt ?in|opted in|consent|subscri\w*|confirm\w*|agree\w*)\b.*\b(time|date|timestamp|since|at|on)\b.*"
    r"|.*\b(time|date) of (consent|opt ?in)\b.*|.*\bdate (subscribed|consent)\b.*"
)
_EMAIL = re.compile(r"\be ?mails?\b|\bmails?\b|\bnewsletter\b")
_ABOUT_MESSAGES = re.compile(rf"\b{_MESSAGES}\b")
_LOOKS_LIKE_CONSENT = re.compile(
    r"\bopt(ed|ing)? ?(in|out)\b|consent|subscri|\bunsub|\bdo ?not\b|\b(dnd|dnc|dnt)\b|permission|marketing|\bgdpr\b"
    r"|\bdsgvo\b|einwillig|\b(sms|whats ?app|lead|member|list) status\b|^status$|^sms$"
    r"|\b(allow|can|receive)\b.*\b(sms|texts?)\b"
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
        found = next((h for h in headings if h.number not in targets and h.folded.replace(" ", "") in words), None)
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
    """The columns to take the number from: those made for messages first, then those of other phones."""
    possible = [h for h in headings if not _NOT_A_PHONE.search(h.folded) and h.holds_phones()]
    possible = [h for h in possible if not date_column(h.values)]
    labelled = [h for h in possible if _LABELLED.fullmatch(h.name)]
    for_messages = [h for h in possible if phone_rank(h.name) < len(_PHONE_RANKS)]
    others = [h for h in possible if _PHONE.search(h.folded) and h not in for_messages]
    if for_messages:
        return [h.number for h in (*for_messages, *others)]
    if labelled:
        return [h.number for h in labelled]
    named = [h for h in headings if _PHONE.search(h.folded) or phone_rank(h.name) < len(_PHONE_RANKS)]
    named = [h for h in named if not _NOT_A_PHONE.search(h.folded)]
    best = others or possible or sorted(named, key=lambda h: (not h.values, h.number))
    return [best[0].number] if best else []


def _consents(headings: list[_Heading]) -> dict[int, str]:
    """Every column of opt-outs and of consent, and the moment of consent. E-mail has consent of its own."""
    ours = [h for h in headings if not h.is_about_email and not re.search(r"\bfax\b", h.folded)]
    ours = [h for h in ours if not _ABOUT_CONSENT.search(h.folded)]
    found = {h.number: "opt_out" for h in ours if _OPT_OUT.search(h.folded)}
    rest = [h for h in ours if h.number not in found]
    times = [h for h in rest if _CONSENT_TIME.fullmatch(h.folded) and date_column(h.values)]
    if times:
        best = min(times, key=lambda h: (not _ABOUT_MESSAGES.search(h.folded), h.number))
        found[best.number] = "consent_at"
    for heading in rest:
        if heading.number not in found and _CONSENT.fullmatch(heading.folded) and not date_column(heading.values):
            found[heading.number] = "consent"
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


_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _folded(name: str) -> str:
    """`SMS opt-out`, `Sms_Opt_Out` and `smsOptOut` become `sms opt out`; accents go."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub(" ", name)).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.sub(r"[\W_]+", " ", plain).split())
