"""The flags that the product itself defines. They have one value for the whole platform, so that their combinations
can be judged; everything else (rules, targets, percentages, prerequisites) is for the product's own flags."""

from collections.abc import Iterator
from dataclasses import dataclass

from event_stream_engine.errors import FieldError
from event_stream_engine.flags.model.definition import Flag

ADAPTER_TYPES = ("websocket", "realtime", "dual")

CATALOGUE: dict[str, Flag] = {
    "MONITORING_USE_ADAPTER": Flag(
        type="bool", value=True, off=False, description="Send monitoring events through an adapter."
    ),
    "MONITORING_ADAPTER_TYPE": Flag(
        type="string", value="realtime", off="realtime", description="The adapter: websocket, realtime or dual."
    ),
    "MONITORING_DUAL_MODE": Flag(
        type="bool", value=False, off=False, description="Send through websocket and realtime at the same time."
    ),
    "MONITORING_ENABLE_VALIDATION": Flag(type="bool", value=True, off=False, description="Validate monitoring events."),
    "MONITORING_VALIDATION_STRICT": Flag(
        type="bool", value=False, off=False, description="An invalid monitoring event is not sent."
    ),
    "MONITORING_METRICS_PERSISTENCE": Flag(
        type="bool", value=True, off=False, description="Write metrics to the database."
    ),
    "MONITORING_METRICS_FLUSH_INTERVAL": Flag(
        type="int", value=300, off=300, description="Seconds between two writes of metrics; above 0."
    ),
    "MONITORING_BATCH_SIZE": Flag(type="int", value=100, off=100, description="Events in one batch; above 0."),
}


@dataclass(frozen=True)
class Facts:
    """What the rules need to know of the installation: is there a database, how many events does the buffer hold."""

    has_database: bool = True
    buffer_events: int = 10_000


def misuse(name: str, flag: Flag) -> Iterator[FieldError]:
    """What a flag of the catalogue may not have."""
    declared = CATALOGUE.get(name)
    if declared is None:
        return
    if flag.type != declared.type:
        yield FieldError("type", f"{name} is the product's own, of type {declared.type}.")
    if flag.is_targeted or flag.variants:
        yield FieldError("rules", f"{name} has one value for the whole platform: no targeting, no percentage.")
