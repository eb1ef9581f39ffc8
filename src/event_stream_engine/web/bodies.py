"""What a request brings."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request's body. A field that it does not have is refused (422): misspelt, a filter would choose everything, and
    a dry run would be none."""

    model_config = ConfigDict(extra="forbid")
