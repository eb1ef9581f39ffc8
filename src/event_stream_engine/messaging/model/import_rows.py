"""One row of a file, read as a contact or refused with a reason. Nothing is silently corrected."""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import msgspec

from event_stream_engine import clock
from event_stream_engine.messaging.model.consent_words import consent_said, opt_out_said
from event_stream_engine.messaging.model.contacts import (
    ATTRIBUTE_VALUE_MAX,
    TOPICS_MAX,
    Consent,
    Phone,
    PhoneInvalid,
    is_timezone,
)
from event_stream_engine.messaging.model.dates import Dates, read_date
from event_stream_engine.messaging.model.import_columns import label_of, phone_rank
from event_stream_engine.messaging.model.imports import SAMPLES_MAX, Options
from event_stream_engine.messaging.model.phones import PhoneReader, special_kind
from event_stream_engine.messaging.model.spellings import spellings

LOCALE_MAX = 35
TOPIC_MAX = 100
RAW_MAX = 2000
"""Characters of a refused row that are kept to be shown."""

CELLS_MAX = 20_000
"""Characters of a refused row that are kept to be corrected; of a longer one only what is shown."""

RANK: dict[Consent, int] = {"unknown": 0, "opted_in": 1, "opted_out": 2, "stopped": 3}
"""Merging two statements about consent keeps the higher one, so no file takes an opt-out back."""

_SEVERAL_NUMBERS = re.compile(r"\s*(?::::|[;|,/\n]|\bor\b)\s*", re.IGNORECASE)
_DIGITS_MIN = 7
_TEXT_MARK = re.compile(r"'(?=[0-9+=@-])")
"""Excel writes ' before what is to stay text."""

_MOBILE_LABELS = re.compile(r"whatsapp|mobil|mobile|cell|handy|celular|movil|sms", re.IGNORECASE)
_TOPIC_ENDS = re.compile(r"[,;|]")


@dataclass(slots=True)
class Row:
    """A contact as the file states it; empty cells are absent. `number` and `line` as in `Refused`."""

    number: int
    line: int
    phone: str
    country: str | None
    attributes: dict[str, str]
    consent: Consent
    topics: list[str]
    timezone: str | None
    locale: str | None
    consent_at: datetime | None = None


class RowRefused(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True)
class Refused:
    """A row that is not imported. `number` counts the file's rows from 1, `line` its physical lines.

    `row` is the row as it stood, cut to be shown; `cells` are its whole cells, in the order of the file's columns, or
    None where it could not be read as such.
    """

    number: int
    line: int
    code: str
    reason: str
    row: str
    cells: list[str] | None = None


@dataclass(frozen=True)
class Merged:
    """A row whose number stood earlier in the file, at `first_line`; `stated` is what it says about the contact."""

    number: int
    line: int
    first_line: int
    phone: str
    stated: dict[str, str]


@dataclass
class Chunk:
    """What some thousand rows come to.

    `first` holds the first row of each number within the chunk, `repeats` the further rows of the same numbers, and
    `whole` what all rows of a number come to: what is written, so that no earlier row is ever written over a later.
    """

    rows_read: int = 0
    bytes_read: int = 0
    first: dict[str, Row] = field(default_factory=dict)
    whole: dict[str, Row] = field(default_factory=dict)
    repeats: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def warn(self, code: str, sample: str, count: int = 1) -> None:
        self.counts[code] += count
        samples = self.samples[code]
        if len(samples) < SAMPLES_MAX and sample not in samples:
            samples.append(sample)

    def add(self, row: Row) -> None:
        earlier = self.first.get(row.phone) or self._in_other_spelling(row)
        if earlier is None:
            self.first[row.phone] = self.whole[row.phone] = row
            return
        both = merged(self.whole[row.phone], row)
        self.whole[row.phone] = replace(both, number=earlier.number, line=earlier.line)
        self.repeats.append(row)

    def _in_other_spelling(self, row: Row) -> Row | None:
        """The first row of the same line, if it is written otherwise; the row takes its spelling."""
        for spelling in spellings(row.phone)[1:]:
            if spelling in self.first:
                row.phone = spelling
                return self.first[spelling]
        return None

    def keep_consent(self, said: Mapping[str, Consent]) -> set[str]:
        """Let what people said before stand; those of whom the file states that they opted in."""
        stated = {phone for phone in said if self.whole[phone].consent == "opted_in"}
        for phone, consent in said.items():
            row = self.whole[phone]
            self.whole[phone] = replace(row, consent=max(row.consent, consent, key=RANK.__getitem__))
        return stated

    def respell(self, known: Mapping[str, str]) -> None:
        """Write numbers in the spelling that is known already; keys are this chunk's."""
        for written, spelling in known.items():
            self.first[spelling], self.whole[spelling] = self.first.pop(written), self.whole.pop(written)
            self.first[spelling].phone = self.whole[spelling].phone = spelling
        for row in self.repeats:
            row.phone = known.get(row.phone, row.phone)


def stated(row: Row, default: Consent) -> dict[str, str]:
    """What a row says about its contact, by the name of each field; nothing for what it leaves empty, nor for the
    consent that was chosen for all rows."""
    fields = {
        "consent": row.consent if row.consent not in ("unknown", default) else None,
        "topics": ", ".join(row.topics),
        "timezone": row.timezone,
        "locale": row.locale,
    }
    return {**row.attributes, **{name: value for name, value in fields.items() if value}}


def merged(earlier: Row, later: Row) -> Row:
    """Both rows as one: the later value wins, except that consent goes by rank."""
    return replace(
        later,
        attributes=earlier.attributes | later.attributes,
        consent=max(earlier.consent, later.consent, key=RANK.__getitem__),
        topics=list(dict.fromkeys([*earlier.topics, *later.topics])),
        timezone=later.timezone or earlier.timezone,
        locale=later.locale or earlier.locale,
        consent_at=_consent_at(earlier, later),
    )


def _consent_at(earlier: Row, later: Row) -> datetime | None:
    """The moment of the consent that holds; of equal ones the first that is known."""
    if earlier.consent == later.consent:
        return earlier.consent_at or later.consent_at
    return max(earlier, later, key=lambda row: RANK[row.consent]).consent_at


class RowReader:
    """Turns the cells of a file's rows into contacts, as the options say."""

    def __init__(self, options: Options, columns: list[str]) -> None:
        place = {column.target: columns.index(column.name) for column in options.columns if not column.attribute}
        phones = sorted((c.name for c in options.columns if c.target == "phone"), key=phone_rank)
        labels = [label_of(name, columns) for name in phones]
        self._phone_cells = [
            (columns.index(name), columns.index(label) if label else None)
            for name, label in zip(phones, labels, strict=True)
        ]
        self._consents = [columns.index(column.name) for column in options.columns if column.target == "consent"]
        self._consent_at = place.get("consent_at")
        self._opt_outs = [columns.index(column.name) for column in options.columns if column.target == "opt_out"]
        self._timezone = place.get("timezone")
        self._locale = place.get("locale")
        self._topics = place.get("topics")
        self._attributes = [
            (columns.index(column.name), column.attribute, column.dates)
            for column in options.columns
            if column.attribute
        ]
        self._default_consent: Consent = options.default_consent
        self._phones = PhoneReader(options.default_region)

    def read(self, number: int, line: int, cells: list[object], chunk: Chunk) -> Row:
        """Raises `RowRefused`; what is odd but no reason to refuse is added to the chunk's warnings."""
        try:
            phone = self._read_phone(cells, chunk)
        except PhoneInvalid as error:
            raise RowRefused(_PHONE_CODES[error.code], str(error)) from error
        consent = self.read_consent(cells, chunk)
        return Row(
            number,
            line,
            phone.e164,
            phone.country,
            self._read_attributes(cells, chunk),
            consent,
            _topics(cells[self._topics]) if self._topics is not None else [],
            self._read_timezone(cells, chunk),
            self._read_locale(cells),
            self._read_consent_at(cells, chunk) if consent != "unknown" else None,
        )

    def _read_phone(self, cells: list[object], chunk: Chunk) -> Phone:
        """The first number that can be read, in the order of the columns; mobile labels come before others."""
        if len(self._phone_cells) == 1:
            return self._one_number(_text(cells[self._phone_cells[0][0]], "phone"), chunk)
        written = [
            (self._is_for_messages(cells, label), _text(cells[index], "phone")) for index, label in self._phone_cells
        ]
        refused: PhoneInvalid | None = None
        for _, text in sorted((one for one in written if one[1].strip()), key=lambda one: not one[0]):
            try:
                return self._one_number(text, chunk)
            except PhoneInvalid as error:
                refused = refused or error
        raise refused or PhoneInvalid("missing", "There is no phone number.")

    @staticmethod
    def _is_for_messages(cells: list[object], label: int | None) -> bool:
        return label is None or _MOBILE_LABELS.search(_text(cells[label], "label")) is not None

    def _one_number(self, written: str, chunk: Chunk) -> Phone:
        text = written.strip().removeprefix("'")
        plain = self._phones.read_plain(text)
        phone = plain or self._first_of_several(text, chunk) or self._phones.read(text)
        if kind := special_kind(phone):
            chunk.warn("special_number", f"{phone.e164} ({kind})")
        return phone

    def _first_of_several(self, text: str, chunk: Chunk) -> Phone | None:
        parts = _SEVERAL_NUMBERS.split(text)
        numbers = [part for part in parts if sum(map(str.isdigit, part)) >= _DIGITS_MIN]
        if len(numbers) < 2:
            return None
        for part in numbers:
            with contextlib.suppress(PhoneInvalid):
                phone = self._phones.read(part)
                chunk.warn("several_numbers", f"{text[:60]} → {phone.e164}")
                return phone
        return None

    def _read_attributes(self, cells: list[object], chunk: Chunk) -> dict[str, str]:
        found = {}
        for index, name, dates in self._attributes:
            cell = cells[index]
            value = cell if type(cell) is str else _text(cell, name)
            if value and not value.isspace():
                if value[0] == "'":
                    value = _TEXT_MARK.sub("", value, count=1)
                if len(value) > ATTRIBUTE_VALUE_MAX:
                    chunk.warn(f"value_cut:{name}", f"{value[:40]}… ({len(value)} characters)")
                    value = value[:ATTRIBUTE_VALUE_MAX]
                found[name] = _dated(name, value, dates, chunk) if dates else value
        return found

    def read_consent(self, cells: list[object], chunk: Chunk) -> Consent:
        """An opt-out in any of its columns counts most. A word that is not understood is no consent: unknown, and
        counted."""
        is_unclear = False
        for index in self._opt_outs:
            written = _text(cells[index], "opt-out").strip()
            is_out = opt_out_said(written) if written else False
            if is_out:
                return "opted_out"
            if is_out is None:
                is_unclear = True
                chunk.warn("consent_not_understood", written[:60])
        said_in = [_text(cells[index], "consent").strip() for index in self._consents]
        said = [self._consent_of(written, chunk) for written in said_in if written]
        if "opted_out" in said or "stopped" in said:
            return "stopped" if "stopped" in said else "opted_out"
        if is_unclear or "unknown" in said:
            return "unknown"
        return said[0] if said else self._default_consent

    @staticmethod
    def _consent_of(written: str, chunk: Chunk) -> Consent:
        known = consent_said(written)
        if known is None:
            chunk.warn("consent_not_understood", written[:60])
        return known or "unknown"

    def _read_consent_at(self, cells: list[object], chunk: Chunk) -> datetime | None:
        """When the person agreed or refused, where the file says it; a time without a zone is UTC."""
        written = _text(cells[self._consent_at], "time of consent").strip() if self._consent_at is not None else ""
        if not written:
            return None
        iso = read_date(written, "iso")
        at = datetime.fromisoformat(iso) if iso else None
        at = at.replace(tzinfo=UTC) if at and at.tzinfo is None else at
        if at is None or at > clock.now():
            chunk.warn("consent_time_not_understood", written[:60])
            return None
        return at

    def _read_timezone(self, cells: list[object], chunk: Chunk) -> str | None:
        written = _text(cells[self._timezone], "timezone").strip() if self._timezone is not None else ""
        if not written:
            return None
        if not is_timezone(written):
            chunk.warn("timezone_unknown", written[:60])
            return None
        return written

    def _read_locale(self, cells: list[object]) -> str | None:
        written = _text(cells[self._locale], "locale").strip() if self._locale is not None else ""
        if len(written) > LOCALE_MAX:
            raise RowRefused("value_too_long", f"A locale has at most {LOCALE_MAX} characters, such as en_US.")
        return written or None


def _dated(name: str, written: str, dates: Dates, chunk: Chunk) -> str:
    """The value as an ISO date; what is none stays as it stands. Either is counted and shown."""
    read = read_date(written, dates)
    if read is None:
        chunk.warn(f"date_not_understood:{name}", written[:60])
        return written
    if read != written:
        chunk.warn(f"dates_read_{dates}:{name}", f"{written[:60]} → {read}")
    return read


_PHONE_CODES = {
    "missing": "phone_missing",
    "invalid": "phone_invalid",
    "scientific": "phone_scientific",
    "extension": "phone_extension",
    "region": "phone_needs_region",
}


def _text(cell: object, name: str) -> str:
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case _:
            raise RowRefused("nested_value", f"{name} holds a list or an object: write it as text.")


def _topics(cell: object) -> list[str]:
    """A JSON list of texts, or texts between commas, semicolons or bars."""
    parts: Iterable[str]
    if isinstance(cell, list):
        parts = [_text(part, "topics") for part in cell]
    else:
        parts = _TOPIC_ENDS.split(_text(cell, "topics"))
    topics = list(dict.fromkeys(name for part in parts if (name := part.strip().strip('"').strip())))
    if len(topics) > TOPICS_MAX or any(len(topic) > TOPIC_MAX for topic in topics):
        raise RowRefused("value_too_long", f"At most {TOPICS_MAX} topics of at most {TOPIC_MAX} characters.")
    return topics


def kept_cells(cells: list[object], width: int) -> list[str] | None:
    """A refused row's cells as texts, to be written below the same columns; None where they do not fit those."""
    if not cells or len(cells) > width or sum(len(str(cell)) for cell in cells) > CELLS_MAX:
        return None
    texts = [_cell_text(cell).replace("\x00", "␀").encode("utf-8", "replace").decode() for cell in cells]
    return texts + [""] * (width - len(texts))


def _cell_text(cell: object) -> str:
    if isinstance(cell, list | dict):
        return _ENCODER.encode(cell).decode(errors="replace")
    return _text(cell, "")


def shown(raw: str) -> str:
    """A refused row as it can be stored and shown: cut, and without what is no text."""
    cut = raw.rstrip("\r\n")[:RAW_MAX].replace("\x00", "␀")
    return cut.encode("utf-8", "replace").decode()


_ENCODER = msgspec.json.Encoder()


def attributes_json(attributes: dict[str, str]) -> str:
    return _ENCODER.encode(attributes).decode()
