"""What a request brings."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict

_NUMBER = re.compile(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", re.IGNORECASE)


def _no_number(given: Any) -> Any:
    """A number would be read as seconds since 1970. Raises `ValueError`."""
    is_number = isinstance(given, int | float)
    if isinstance(given, str):
        is_number = _NUMBER.fullmatch(given.strip()) is not None
    if is_number:
        raise ValueError("must be a date and a time, such as 2026-03-01T09:30:00Z, and is a number")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]
"""A date and a time with its zone, as text."""

LocalMoment = Annotated[datetime, BeforeValidator(_no_number)]
"""A date and a time as text, whose zone may be left out."""


class Body(BaseModel):
    """A request's body. A field that it does not have is refused (422): misspelt, a filter would choose everything, and
    a dry run would be none."""

    model_config = ConfigDict(extra="forbid")
