"""The shapes of the imports' API."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from event_stream_engine.messaging.model import imports as rules
from event_stream_engine.messaging.model.dates import Dates
from event_stream_engine.web.bodies import Body


class ImportWarning(BaseModel):
    code: str
    message: str
    count: int
    about: str | None = Field(description="The attribute that it is about, if one.")


class Import(BaseModel):
    """A file on its way into the contacts; created + updated + unchanged + merged + rejected = rows_read."""

    id: UUID
    name: str
    size_bytes: int
    format: Literal["csv", "json", "jsonl"] | None
    status: rules.Status
    dry_run: bool
    rows_read: int
    created: int
    updated: int
    unchanged: int
    merged: int = Field(description="Rows whose number stands earlier in the file; merged into that contact.")
    rejected: int
    consent_kept: int = Field(description="Rows whose contact had opted out and stays so against the file.")
    progress: float = Field(ge=0, le=1)
    rows_per_second: float | None
    error: str | None
    warnings: list[ImportWarning]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int


class AttributeTarget(BaseModel):
    model_config = ConfigDict(extra="forbid")
    attribute: str = Field(max_length=64, examples=["city"])
    dates: Dates | None = Field(
        None,
        description="The values are dates, stored as ISO 8601: `iso` reads those with the year first, the others also "
        "08/02/2025 with the day or the month first. What is no date so stays as it stands. Null: texts.",
    )


Target = (
    Literal["phone", "consent", "opt_out", "consent_at", "timezone", "locale", "topics", "ignore"] | AttributeTarget
)


class DatesFound(BaseModel):
    """How the dates of a column are best read."""

    dates: Dates
    assumed: bool = Field(description="No value of those looked at decides it, or they contradict each other.")
    example: str | None = Field(description="A value that decides it, or that could be read either way.")
    reads_as: str | None = Field(description="The example as ISO 8601.")


class ColumnPreview(BaseModel):
    name: str
    samples: list[str]
    suggested: Target
    looks_like_consent: bool = Field(
        description="Becomes an attribute by this suggestion, though its name speaks of consent."
    )
    dates: DatesFound | None = Field(description="Null where the values are no dates.")


class ImportPreview(BaseModel):
    format: Literal["csv", "json", "jsonl"]
    encoding: str
    delimiter: str | None
    columns: list[ColumnPreview]
    notes: list[str] = Field(description="What a person should know of the suggestion, such as columns left out.")
    rows_sampled: int


class ConsentCounts(BaseModel):
    """What the rows of a file say about consent under a mapping. `samples`: words that were not understood."""

    opted_in: int
    opted_out: int
    unknown: int
    not_understood: int
    samples: list[str]
    rows: int
    is_whole_file: bool = Field(description="False: only the first rows were counted.")


class ColumnMapping(Body):
    column: str = Field(max_length=1000)
    target: Target


class ImportStart(Body):
    mapping: list[ColumnMapping] = Field(max_length=500)
    default_region: str | None = Field(
        None, max_length=10, description="Country (ISO 3166-1) of numbers written without one.", examples=["SE"]
    )
    consent_source: str = Field(examples=["web form, March 2026"], max_length=rules.CONSENT_SOURCE_MAX)
    default_consent: rules.DefaultConsent = Field("unknown", description="For rows whose consent is empty.")
    mode: rules.Mode = "merge"
    dry_run: StrictBool = False


class Reject(BaseModel):
    line: int = Field(description="The physical line of the file on which the row starts.")
    reason_code: str
    reason: str
    row: str


class MergedRow(BaseModel):
    """A row whose number stands earlier in the file."""

    line: int = Field(description="The physical line of the file on which the row starts.")
    first_line: int = Field(description="The line with the same number that came first.")
    phone: str
    stated: dict[str, str] = Field(
        description="What the row says, by field: these values were merged; an opt-out is never taken back."
    )


class ImportChangeExample(BaseModel):
    """One contact's value before and after; gone once the contact is deleted."""

    model_config = ConfigDict(from_attributes=True)

    contact_id: UUID
    phone: str
    before: str
    after: str


class ImportChange(BaseModel):
    """A field of which contacts that existed get another value."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(description="An attribute's name, `timezone` or `locale`.")
    changed: int = Field(description="In how many contacts a value is replaced by another.")
    examples: list[ImportChangeExample] = Field(description="The first ten by row.")


class ImportChangeList(BaseModel):
    """The most changed field first; at most 50."""

    items: list[ImportChange]
