"""Facts for the people who watch."""

from typing import Any, ClassVar

from msgspec import field

from event_stream_engine.events.base import Event


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
