"""When a campaign would be through: its rate, and the quiet hours of the people it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from event_stream_engine.messaging.model.quiet import QuietHours, quiet_from, quiet_until

AHEAD_MAX = timedelta(days=366)
"""A finish is worked out up to a year ahead; what takes longer is said to take a year."""

_STEP = timedelta(minutes=1)  # a clock that is put forward or back must not hold time up


@dataclass
class _Zone:
    """People of the same candidate zones. `changes` is when their quiet hours next begin or end."""

    zones: tuple[str, ...]
    left: float
    is_quiet: bool = False
    changes: datetime | None = None

    def look(self, quiet: QuietHours | None, now: datetime) -> None:
        if quiet is None or quiet.start == quiet.end:
            return
        until = quiet_until(quiet, self.zones, now)
        self.is_quiet = until is not None
        self.changes = max(until or quiet_from(quiet, self.zones, now), now + _STEP)


def expected_finish(
    people: Mapping[tuple[str, ...], int], rate: float | None, quiet: QuietHours | None, start: datetime
) -> datetime:
    """When the last of `people` (how many of each set of candidate zones) would be sent to, at `rate` messages a second
    from `start` (aware) on. Who is in quiet hours waits for their end; the others share the rate. Without a rate only
    the quiet hours count.
    """
    zones = [_Zone(zone, float(count)) for zone, count in people.items() if count]
    now, end = start, start
    while zones and now - start < AHEAD_MAX:
        for zone in zones:
            if zone.changes is None or zone.changes <= now:
                zone.look(quiet, now)
        awake = [zone for zone in zones if not zone.is_quiet]
        changes = min((zone.changes for zone in zones if zone.changes), default=None)
        total = sum(zone.left for zone in awake)
        needed = timedelta(seconds=total / rate) if rate else timedelta(0)
        if awake and (changes is None or now + needed <= changes):
            now = end = now + needed
            zones = [zone for zone in zones if zone.is_quiet]
        elif changes is not None:
            _send(awake, total, rate, changes - now)
            now = end = changes
    return min(end, start + AHEAD_MAX)


def _send(awake: list[_Zone], total: float, rate: float | None, span: timedelta) -> None:
    """What leaves within `span` is taken from each zone in proportion to those who wait in it."""
    if not total or not rate:
        return
    share = min(1.0, span.total_seconds() * rate / total)
    for zone in awake:
        zone.left -= zone.left * share
