"""Imports: what a person decides about a file, and how an import stands."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

import phonenumbers

from event_stream_engine.errors import Conflict, EseError, FieldError, Invalid, NotFound
from event_stream_engine.messaging.model.contacts import ATTRIBUTE_NAME, ATTRIBUTE_VALUE_MAX, ATTRIBUTES_MAX
from event_stream_engine.messaging.model.dates import Dates

Status = Literal["uploaded", "running", "completed", "failed", "canceled"]
Mode = Literal["merge", "create_only"]
DefaultConsent = Literal["opted_in", "unknown"]
Single = Literal["consent_at", "timezone", "locale", "topics"]
SINGLES: tuple[str, ...] = get_args(Single)
"""Targets that one column may have; `phone`, `consent` and `opt_out` may have several."""

CONSENT_SOURCE_MAX = 500
SAMPLES_MAX = 5


class ImportNotFound(NotFound):
    code = "import_not_found"


class ImportState(Conflict):
    code = "import_state"


class UploadGone(Conflict):
    """The file is not on this machine's disk any more."""

    code = "upload_gone"


class DiskFull(EseError):
    status = 507
    code = "disk_full"
    title = "No room on the disk"


@dataclass(frozen=True)
class Warned:
    """Something that a person should see although no row was refused for it; `about` names the attribute, if one."""

    code: str
    message: str
    count: int
    samples: list[str] = field(default_factory=list)
    about: str | None = None


@dataclass(frozen=True)
class Import:
    """One file on its way into the contacts.

    `rows_read` is the sum of created, updated, unchanged, merged and rejected, at any time.
    """

    id: UUID
    name: str
    size_bytes: int
    format: Literal["csv", "json", "jsonl"] | None
    encoding: str | None
    delimiter: str | None
    status: Status
    options: dict[str, Any]
    dry_run: bool
    rows_read: int
    bytes_read: int
    created: int
    updated: int
    unchanged: int
    merged: int
    rejected: int
    consent_kept: int
    warnings: list[Warned]
    error: str | None
    actor_id: UUID | None
    attempts: int
    lease_until: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int

    @property
    def progress(self) -> float:
        """0 to 1; 1 only when all of the file was read."""
        if self.status == "completed":
            return 1.0
        return min(0.999, round(self.bytes_read / max(1, self.size_bytes), 3))

    def rows_per_second(self, now: datetime) -> float | None:
        """Rows for each second since the start, waiting and restarts included."""
        if self.started_at is None or self.rows_read == 0:
            return None
        seconds = ((self.finished_at or now) - self.started_at).total_seconds()
        return round(self.rows_read / max(seconds, 0.001), 1)

    def may_start(self) -> bool:
        """New, or only tried so far."""
        return self.status == "uploaded" or (self.status == "completed" and self.dry_run)


@dataclass(frozen=True)
class Column:
    """Where one column goes: one of the single targets, `phone`, `opt_out`, `ignore`, or the attribute called
    `attribute`. Of several phones the first that can be read counts, those for messages before others.

    `dates`: an attribute's values are dates, written so; None leaves them as they stand.
    """

    name: str
    target: str
    attribute: str | None = None
    dates: Dates | None = None


@dataclass(frozen=True)
class Options:
    """What a person decided before the start."""

    columns: list[Column]
    default_region: str | None
    consent_source: str
    default_consent: DefaultConsent = "unknown"
    mode: Mode = "merge"

    def stored(self) -> dict[str, Any]:
        return {**vars(self), "columns": [vars(column) for column in self.columns]}

    @classmethod
    def of(cls, stored: dict[str, Any]) -> "Options":
        columns = [Column(**column) for column in stored["columns"]]
        return cls(**{**{k: v for k, v in stored.items() if k in cls.__annotations__}, "columns": columns})


def checked_options(options: Options, known: list[str]) -> Options:
    """The options for a file with the columns `known`. Raises `Invalid` naming each wrong field."""
    problems = [*_columns_wrong(options.columns, known), *_attributes_wrong(options.columns)]
    region = (options.default_region or "").strip().upper() or None
    if region is not None and region not in phonenumbers.SUPPORTED_REGIONS:
        problems.append(FieldError("default_region", f"{region} is no country: write two letters such as SE."))
    source = options.consent_source.strip()
    if not source or len(source) > CONSENT_SOURCE_MAX or "\x00" in source:
        problems.append(
            FieldError(
                "consent_source",
                "Say where the consent comes from, such as 'web form, March 2026' "
                f"(at most {CONSENT_SOURCE_MAX} characters).",
            )
        )
    if problems:
        raise Invalid("; ".join(p.message for p in problems[:5]), errors=tuple(problems))
    return replace(options, default_region=region, consent_source=source)


def _columns_wrong(columns: list[Column], known: list[str]) -> list[FieldError]:
    problems = []
    names = [column.name for column in columns]
    for number, name in enumerate(names):
        if name not in known:
            problems.append(FieldError(f"mapping.{number}.column", f"The file has no column {name!r}."))
        if name in names[:number]:
            problems.append(FieldError(f"mapping.{number}.column", f"{name!r} is mapped twice."))
    for single in SINGLES:
        chosen = [column.name for column in columns if column.target == single]
        if len(chosen) > 1:
            problems.append(FieldError("mapping", f"Only one column can be the {single}, not {len(chosen)}."))
    if not any(column.target == "phone" for column in columns):
        problems.append(FieldError("mapping", "Choose the column that holds the phone numbers."))
    return problems


def _attributes_wrong(columns: list[Column]) -> list[FieldError]:
    problems = []
    names = [column.attribute for column in columns if column.target == "attribute"]
    for number, column in enumerate(columns):
        if column.target == "attribute" and not ATTRIBUTE_NAME.fullmatch(column.attribute or ""):
            message = f"{column.attribute!r} cannot name an attribute: use letters, digits and _."
            problems.append(FieldError(f"mapping.{number}.target", message))
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        problems.append(FieldError("mapping", f"Several columns go to the attribute {', '.join(twice)}."))
    if len(names) > ATTRIBUTES_MAX:
        problems.append(FieldError("mapping", f"At most {ATTRIBUTES_MAX} attributes; ignore some columns."))
    return problems


ABOUT_CONSENT = ("consent_source", "consent_since")
"""The columns of an export of contacts that say where consent comes from and since when. Uploaded again, the source is
left out, since the import has one of its own; the moment is taken."""

ABOUT_REJECTS = ("rejected_line", "rejected_reason", "rejected_row")
"""The columns that an export of refused rows has beside those of its file; uploaded again, they are left out."""


_WARNINGS = {
    "consent_not_understood": "The consent could not be read, so it counts as unknown: {samples}.",
    "timezone_unknown": "These are no time zones, so none was set: {samples}.",
    "duplicate_in_file": "The number stands earlier in the file: the later row was merged into that contact.",
    "unmapped_column": "The file has members that the preview did not show; they were ignored: {samples}.",
    "dates_read_iso": "{about}: dates were written anew as year-month-day: {samples}.",
    "dates_read_day_first": "{about}: dates were read with the day before the month: {samples}.",
    "dates_read_month_first": "{about}: dates were read with the month before the day: {samples}.",
    "date_not_understood": "{about}: these are no dates when read so; they stay as they stand, and no rule about "
    "dates finds them: {samples}.",
    "consent_time_not_understood": "These are no times in the past with the year first, so consent counts from the "
    "import: {samples}.",
    "several_numbers": "The cell holds several numbers: the first valid one was taken: {samples}.",
    "special_number": "Toll-free, premium-rate and service numbers rarely receive messages: {samples}.",
    "row_padded": "The row has fewer cells than the file has columns: the missing ones count as empty ({samples}).",
    "value_cut": "{about}: values longer than {limit} characters were cut: {samples}.",
    "read_as_windows_1252": "The row holds bytes that are not UTF-8: they were read as Windows-1252: {samples}.",
    "opt_out_not_applied": "Existing contacts opt out in this file, but only new contacts were asked for.",
}


def warned(before: list[Warned], counts: dict[str, int], samples: dict[str, list[str]]) -> list[Warned]:
    """The warnings with those of one more chunk added; `counts` by code, or by `code:attribute`."""
    known = {(warning.code, warning.about or ""): warning for warning in before}
    for key, count in counts.items():
        code, _, about = key.partition(":")
        old = known.get((code, about))
        kept = list(dict.fromkeys([*(old.samples if old else []), *samples.get(key, [])]))[:SAMPLES_MAX]
        message = _WARNINGS[code].format(samples="; ".join(kept), about=about, limit=ATTRIBUTE_VALUE_MAX)
        known[code, about] = Warned(code, message, (old.count if old else 0) + count, kept, about or None)
    return list(known.values())
