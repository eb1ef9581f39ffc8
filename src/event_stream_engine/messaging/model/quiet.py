"""Quiet hours: local times at which nobody is written to, whatever the clocks of a zone do."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from phonenumbers.tzdata import TIMEZONE_DATA, TIMEZONE_LONGEST_PREFIX

from event_stream_engine.messaging.model.contacts import is_timezone

PREFIX_LENGTH = 1 + TIMEZONE_LONGEST_PREFIX
"""So many characters of an E.164 number say all that it tells about its zone."""

_DAYS = range(-1, 4)
_LOOK = timedelta(hours=6)  # offsets are compared so often; no zone changes its clocks twice in between
_AWAKE_WITHIN = timedelta(hours=48)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Local times between which nothing is sent; may pass midnight. `start` is quiet, `end` is not. Equal ones mean no
    quiet hours. `fallback_zone` is for people of whom neither zone nor number says where they are."""

    start: time
    end: time
    fallback_zone: str


def zones_of_phone(phone: str) -> tuple[str, ...]:
    """Zones that an E.164 number, or its first `PREFIX_LENGTH` characters, may be in; empty when it says nothing.

    libphonenumber's map of number prefixes, the longest match first: a US area code has one zone or two, a mobile
    number of a country that does not tell regions apart has all of the country's.
    """
    digits = phone[1:PREFIX_LENGTH]
    for length in range(len(digits), 0, -1):
        zones = TIMEZONE_DATA.get(digits[:length])
        if zones is not None:
            return zones
    return ()


def zones_of(own: str | None, phone: str) -> tuple[str, ...]:
    """The contact's own zone, else the candidates that its number gives, else none."""
    return (own,) if own and is_timezone(own) else zones_of_phone(phone)


@lru_cache(maxsize=4096)
def quiet_until(quiet: QuietHours, zones: tuple[str, ...], now: datetime) -> datetime | None:
    """When it is quiet in none of the `zones` any more (the campaign's if there are none); None if it is not quiet now.

    With several candidates a person is written to when none of them is quiet. Zones so far apart that this is not so
    within two days say nothing: then the campaign's zone decides.
    """
    if quiet.start == quiet.end:
        return None
    until = _awake_in_all(quiet, _candidates(quiet, zones), now)
    if until is None:
        until = _awake_in_all(quiet, (ZoneInfo(quiet.fallback_zone),), now) or now
    return until.astimezone(now.tzinfo) if until > now else None


@lru_cache(maxsize=4096)
def quiet_from(quiet: QuietHours, zones: tuple[str, ...], now: datetime) -> datetime:
    """When the next quiet hours begin in any of the `zones` (the campaign's if there are none); `now` is not quiet."""
    candidates = _candidates(quiet, zones)
    if _awake_in_all(quiet, candidates, now) is None:
        candidates = (ZoneInfo(quiet.fallback_zone),)
    return min(_change(quiet, zone, now, to_quiet=True) for zone in candidates).astimezone(now.tzinfo)


def _candidates(quiet: QuietHours, zones: tuple[str, ...]) -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(zone) for zone in zones if is_timezone(zone)) or (ZoneInfo(quiet.fallback_zone),)


def _awake_in_all(quiet: QuietHours, zones: tuple[ZoneInfo, ...], now: datetime) -> datetime | None:
    """The first instant from `now` on at which it is quiet in none of them; None if there is none soon."""
    at = now.astimezone(UTC)
    while at - now <= _AWAKE_WITHIN:
        ends = [_change(quiet, zone, at, to_quiet=False) for zone in zones if _is_quiet(quiet, zone, at)]
        if not ends:
            return at
        at = max(ends)
    return None


def _is_quiet(quiet: QuietHours, zone: ZoneInfo, at: datetime) -> bool:
    clock = at.astimezone(zone).time()
    if quiet.start < quiet.end:
        return quiet.start <= clock < quiet.end
    return clock >= quiet.start or clock < quiet.end


def _change(quiet: QuietHours, zone: ZoneInfo, now: datetime, *, to_quiet: bool) -> datetime:
    """The next instant (UTC) at which it is quiet, or not: where the hour is struck, once or twice, or where the clocks
    are changed across it."""
    hour = quiet.start if to_quiet else quiet.end
    today = now.astimezone(zone).date()
    struck = (
        datetime.combine(today + timedelta(days=day), hour, zone).replace(fold=fold).astimezone(UTC)
        for day in _DAYS
        for fold in (0, 1)
    )
    instants = sorted({*struck, *_changes_of_clocks(zone, now.astimezone(UTC).date())})
    return next(
        (at for at in instants if at > now and _is_quiet(quiet, zone, at) == to_quiet),
        now.astimezone(UTC) + timedelta(days=1),
    )


@lru_cache(maxsize=4096)
def _changes_of_clocks(zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Instants (UTC) from `day` (UTC) on, for some days, at which the zone's offset changes."""
    begin = datetime.combine(day, time(), UTC)
    looks = [begin + _LOOK * n for n in range(len(_DAYS) * 4)]
    return tuple(
        _first_of_new_offset(zone, at, at + _LOOK) for at in looks if _offset(zone, at) != _offset(zone, at + _LOOK)
    )


def _first_of_new_offset(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Both are whole seconds, and so is every change."""
    new = _offset(zone, after)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == new:
            after = middle
        else:
            before = middle
    return after


def _offset(zone: ZoneInfo, at: datetime) -> timedelta | None:
    return at.astimezone(zone).utcoffset()
