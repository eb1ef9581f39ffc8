"""Events for the tests."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from event_stream_engine.monitoring.api import Category, UnifiedMonitoringEvent
from event_stream_engine.monitoring.model import Published


def event(number: int = 0, category: Category = Category.SYSTEM, **given: Any) -> UnifiedMonitoringEvent:
    made = {"event_type": "something", "source": "test", "timestamp": datetime.now(UTC), "category": category}
    return UnifiedMonitoringEvent(**{**made, "data": {"number": number}, **given})


def published(number: int = 0, category: Category = Category.SYSTEM, **given: Any) -> Published:
    made = event(number, category, **given)
    return Published(made, msgspec.json.encode(made.to_dict()))
