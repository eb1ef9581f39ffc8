"""The one door to monitoring: the event, the broadcaster of this process, and the rules that events are held to."""

from event_stream_engine.events.monitoring import Category
from event_stream_engine.monitoring.broadcasting import Broadcaster
from event_stream_engine.monitoring.model import UnifiedMonitoringEvent, classify
from event_stream_engine.monitoring.validation import Kind, Level, Rule

__all__ = [
    "Broadcaster",
    "Category",
    "Kind",
    "Level",
    "Rule",
    "UnifiedMonitoringEvent",
    "classify",
    "get_broadcaster",
    "install",
    "reset_broadcaster",
]

_broadcaster: Broadcaster | None = None


def install(broadcaster: Broadcaster) -> Broadcaster:
    """Make this the process's broadcaster; done once, where the process starts."""
    global _broadcaster
    _broadcaster = broadcaster
    return broadcaster


def get_broadcaster() -> Broadcaster:
    """The process's broadcaster; before a process has installed any, one that reaches its own clients only."""
    return _broadcaster if _broadcaster is not None else install(Broadcaster())


def reset_broadcaster() -> None:
    """Forget it: the next one who asks gets a new one."""
    global _broadcaster
    _broadcaster = None
