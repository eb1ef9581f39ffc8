"""Which flags may stand together. Asked before a change is written, and again when a process loads the flags."""

from collections.abc import Iterator, Mapping

import msgspec

from event_stream_engine.flags.model.catalogue import ADAPTER_TYPES, CATALOGUE, Facts
from event_stream_engine.flags.model.definition import Flag, Value, fits

DEPTH_MAX = 10


class Issue(msgspec.Struct, frozen=True):
    """A rule that does not hold; `flag` is where to begin mending."""

    code: str
    flag: str
    message: str


def issues_of(flags: Mapping[str, Flag], facts: Facts) -> list[Issue]:
    """Every rule that does not hold, in a fixed order; flags of the catalogue that are absent count as declared."""
    values = {name: flags.get(name, declared).in_force for name, declared in CATALOGUE.items()}
    return [*_of_monitoring(values, facts), *_of_prerequisites(flags)]


def _of_monitoring(values: Mapping[str, Value], facts: Facts) -> Iterator[Issue]:
    on = {name.removeprefix("MONITORING_"): value for name, value in values.items()}
    adapter, flush, batch = on["ADAPTER_TYPE"], _number(on["METRICS_FLUSH_INTERVAL"]), _number(on["BATCH_SIZE"])
    if on["VALIDATION_STRICT"] and not on["ENABLE_VALIDATION"]:
        yield _issue("strict_needs_validation", "VALIDATION_STRICT", "needs MONITORING_ENABLE_VALIDATION to be on.")
    if on["DUAL_MODE"] and not on["USE_ADAPTER"]:
        yield _issue("dual_needs_adapter", "DUAL_MODE", "needs MONITORING_USE_ADAPTER to be on.")
    if on["METRICS_PERSISTENCE"] and flush <= 0:
        yield _issue("persistence_needs_interval", "METRICS_PERSISTENCE", "needs a flush interval above 0.")
    if adapter not in ADAPTER_TYPES:
        yield _issue("unknown_adapter", "ADAPTER_TYPE", f"must be one of {', '.join(ADAPTER_TYPES)}.")
    if (adapter == "dual") != bool(on["DUAL_MODE"]):
        yield _issue("dual_disagrees", "DUAL_MODE", "is on exactly when MONITORING_ADAPTER_TYPE is dual: change both.")
    if adapter in ("realtime", "dual") and on["USE_ADAPTER"] and not facts.has_database:
        yield _issue("realtime_needs_database", "ADAPTER_TYPE", f"is {adapter}, which needs a database.")
    if on["METRICS_PERSISTENCE"] and not facts.has_database:
        yield _issue("persistence_needs_database", "METRICS_PERSISTENCE", "needs a database.")
    if flush <= 0:
        yield _issue("interval_not_positive", "METRICS_FLUSH_INTERVAL", "must be above 0 seconds.")
    if not 0 < batch <= facts.buffer_events:
        yield _issue("batch_out_of_range", "BATCH_SIZE", f"must be 1 to {facts.buffer_events}, what the buffer holds.")


def _number(value: Value) -> int:
    return value if type(value) is int else 0


def _issue(code: str, flag: str, message: str) -> Issue:
    return Issue(code, f"MONITORING_{flag}", f"MONITORING_{flag} {message}")


def _of_prerequisites(flags: Mapping[str, Flag]) -> Iterator[Issue]:
    for name, flag in flags.items():
        for wanted in flag.prerequisites:
            other = flags.get(wanted.flag)
            if other is None:
                yield Issue("prerequisite_unknown", name, f"{name} needs {wanted.flag}, which does not exist.")
            elif not fits(other.type, wanted.value):
                yield Issue("prerequisite_type", name, f"{name} needs a value that {wanted.flag} can never have.")
        if flag.prerequisites and _too_deep(name, flags):
            message = f"{name} needs itself, or a chain of more than {DEPTH_MAX} flags."
            yield Issue("prerequisite_chain", name, message)


def _too_deep(name: str, flags: Mapping[str, Flag]) -> bool:
    reached = {name}
    for _ in range(DEPTH_MAX + 1):
        reached = {w.flag for r in reached if (flag := flags.get(r)) for w in flag.prerequisites}
        if not reached:
            return False
    return True
