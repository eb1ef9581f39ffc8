"""Facts for the people who watch, and how much each is worth when something must go."""

from enum import StrEnum
from typing import Any, ClassVar

from msgspec import field

from event_stream_engine.events.base import Event


class Category(StrEnum):
    """What a monitoring event is about; `FIRST_TO_GO` says which is given up before which."""

    CRITICAL = "critical"
    SYSTEM = "system"
    USER_ACTIVITY = "user_activity"
    PERFORMANCE = "performance"
    DEBUG = "debug"


FIRST_TO_GO = (
    Category.DEBUG,
    Category.PERFORMANCE,
    Category.USER_ACTIVITY,
    Category.SYSTEM,
    Category.CRITICAL,
)


class LiveUpdate(Event, frozen=True, kw_only=True):
    """Something on a screen changed; `patch` is merged into what the browser holds if `version` is newer.

    Features record it in the transaction of the change, so a screen never shows what was not committed. An empty
    patch means: fetch again.
    """

    stream: ClassVar[str] = "monitoring.live.v1"

    topic: str
    kind: str
    entity_id: str
    version: int
    patch: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.entity_id}"
