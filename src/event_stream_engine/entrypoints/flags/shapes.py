"""What the flags' routes take and give."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from event_stream_engine.flags.model import CATALOGUE, Held
from event_stream_engine.flags.model.shares import in_percent, in_steps, steps_of
from event_stream_engine.flags.store import AuditRow, Changed


def _with_two_decimals(percent: float) -> float:
    steps_of(percent)
    return percent


Percent = Annotated[
    float,
    Field(ge=0, le=100, description="Percent, with at most two decimals.", examples=[25]),
    AfterValidator(_with_two_decimals),
]
FlagName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.\-]{0,99}$", examples=["checkout.new-form"])]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$", examples=["Roll out to a quarter"])
]
Scalar = bool | int | float | str
Kind = Literal["bool", "int", "float", "string", "json"]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class FlagServe(_Shape):
    """Exactly one of the three."""

    value: JsonValue = None
    variant: str | None = None
    split: bool = False


class FlagVariant(_Shape):
    name: str
    value: JsonValue
    weight: Percent = 0


class FlagPrerequisite(_Shape):
    flag: str
    value: JsonValue


class FlagTarget(_Shape):
    keys: list[str]
    serve: FlagServe


class FlagConstraint(_Shape):
    attribute: str
    op: Literal[
        "eq", "ne", "in", "not_in", "contains", "starts_with", "ends_with", "gt", "gte", "lt", "lte", "exists",
        "missing",
    ]  # fmt: skip
    values: list[Scalar] = []


class FlagRule(_Shape):
    when: list[FlagConstraint]
    serve: FlagServe
    percentage: Percent | None = None
    description: str = ""


class FlagRollout(_Shape):
    percentage: Percent
    serve: FlagServe


class FlagFields(_Shape):
    """A definition, or the part of one that changes: what is left out stays as it is."""

    type: Kind | None = None
    value: JsonValue = None
    off: JsonValue = Field(None, description="Given while killed or disabled; null: false, or the value.")
    description: str | None = None
    enabled: bool | None = None
    killed: bool | None = None
    key: str | None = Field(None, description="The attribute that decides the bucket.")
    salt: str | None = Field(None, description="Another one deals the buckets anew.")
    variants: list[FlagVariant] | None = None
    prerequisites: list[FlagPrerequisite] | None = None
    targets: list[FlagTarget] | None = None
    rules: list[FlagRule] | None = None
    rollout: FlagRollout | None = None

    def given(self) -> dict[str, Any]:
        """Only what the caller wrote, as it is stored."""
        return in_steps(self.model_dump(mode="json", exclude_unset=True, exclude={"reason"}))


class FlagPatchIn(FlagFields):
    reason: Reason


class FlagPutIn(FlagFields):
    type: Kind
    value: JsonValue
    reason: Reason


class FlagChangeIn(_Shape):
    """One change of a set. `version`: the one that was read; null: whatever is kept."""

    name: FlagName
    action: Literal["change", "create", "kill", "remove"] = "change"
    version: Annotated[int, Field(ge=0, le=2**53)] | None = None
    fields: FlagFields | None = None


class FlagChangeSetIn(_Shape):
    changes: list[FlagChangeIn] = Field(min_length=1, max_length=50)
    reason: Reason


class FlagKillIn(_Shape):
    reason: Reason


class FlagRollbackIn(_Shape):
    version: int = Field(ge=0, le=2**53, description="0: as declared, for a flag of the product's own.")
    reason: Reason


class FlagEvaluateIn(_Shape):
    context: dict[str, JsonValue] = Field(
        default_factory=dict, max_length=100, examples=[{"targeting_key": "contact-1", "country": "DE"}]
    )
    names: list[str] | None = Field(None, max_length=50, description="Which flags; null: all, at most 1,000.")


class FlagShape(BaseModel):
    """`version` 0: a flag of the product's own that nobody has changed. `in_force`: its value without a context."""

    model_config = ConfigDict(title="Flag")
    name: str
    version: int
    is_own: bool = Field(description="Defined by the product itself: one value for the whole platform.")
    state: Literal["on", "disabled", "killed"]
    in_force: JsonValue
    type: Kind
    value: JsonValue
    off: JsonValue
    description: str
    enabled: bool
    killed: bool
    key: str
    salt: str
    variants: list[FlagVariant]
    prerequisites: list[FlagPrerequisite]
    targets: list[FlagTarget]
    rules: list[FlagRule]
    rollout: FlagRollout | None
    changed_at: datetime | None
    by: str | None
    reason: str | None


class FlagChangeShape(BaseModel):
    id: int
    at: datetime
    by: str
    action: str
    reason: str
    request_id: UUID | None
    change_set: UUID
    version_from: int
    version_to: int
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None


class FlagEvaluationShape(BaseModel):
    """`reason` is one of OpenFeature's: STATIC, DEFAULT, TARGETING_MATCH, SPLIT, DISABLED, STALE, ERROR."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    value: JsonValue
    variant: str | None
    reason: str
    detail: str | None
    version: int
    error_code: str | None


class FlagEvaluations(BaseModel):
    items: list[FlagEvaluationShape]
    is_stale: bool
    age_seconds: float | None


class FlagIssue(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    code: str
    flag: str
    message: str


class FlagsHealth(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    health: Literal["healthy", "degraded"]
    source: Literal["declared", "database", "file"]
    is_stale: bool
    age_seconds: float | None
    flags: int
    revision: int
    issues: list[FlagIssue]


class FlagsStatus(FlagsHealth):
    values: dict[str, JsonValue]


def flag_shape(name: str, held: Held, changed: Changed | None) -> FlagShape:
    flag = held.flag
    return FlagShape(
        name=name,
        version=held.version,
        is_own=name in CATALOGUE,
        state="killed" if flag.killed else "on" if flag.enabled else "disabled",
        in_force=flag.in_force,
        changed_at=changed.at if changed else None,
        by=changed.by if changed else None,
        reason=changed.reason if changed else None,
        **in_percent(msgspec.json.decode(msgspec.json.encode(flag))),
    )


def change_shape(row: AuditRow) -> FlagChangeShape:
    before, after = (
        None if text is None else in_percent(msgspec.json.decode(text)) for text in (row.before, row.after)
    )
    return FlagChangeShape(
        id=row.id, at=row.at, by=row.actor, action=row.action, reason=row.reason, request_id=row.request_id,
        change_set=row.change_set, version_from=row.version_from, version_to=row.version_to, before=before, after=after,
    )  # fmt: skip
