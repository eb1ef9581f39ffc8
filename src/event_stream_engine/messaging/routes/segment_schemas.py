"""The shapes of the segments' API."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from event_stream_engine.messaging.routes.schemas import Contact, Name, Shape, ShortText
from event_stream_engine.web.bodies import Body


class Segment(Shape):
    id: UUID
    name: str
    description: str
    definition: dict[str, Any]
    size: int | None
    size_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


_RULE = {"all": [{"field": "attributes.tier", "op": "eq", "value": "premium"}]}


class SegmentInput(Body):
    name: Name
    description: ShortText = ""
    definition: dict[str, Any] = Field(examples=[_RULE])


class SegmentPatch(Body):
    name: Name | None = None
    description: ShortText | None = None
    definition: dict[str, Any] | None = None


class EvaluateInput(Body):
    definition: dict[str, Any] = Field(examples=[_RULE])
    sample: int = Field(20, ge=0, le=100)


class Unreadable(Shape):
    """Contacts that a condition passes over because their value is no date or no number."""

    condition: int = Field(description="Its place among the definition's conditions, from 0, in the order they stand.")
    field: str
    needs: Literal["number", "date"]
    count: int
    samples: list[str]


class SegmentEvaluation(BaseModel):
    size: int
    sample: list[Contact]
    took_ms: float
    warnings: list[str]
    unreadable: list[Unreadable]
