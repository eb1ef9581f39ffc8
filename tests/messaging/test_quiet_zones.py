"""Nobody is written to at night, by the zone of the contact, of the number, or of the campaign, on any day."""

import zoneinfo
from datetime import UTC, datetime, time, timedelta

import phonenumbers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import timezone as phone_zones

from event_stream_engine import clock
from event_stream_engine.messaging.actions import contacts as contact_actions
from event_stream_engine.messaging.actions import preflight
from event_stream_engine.messaging.model.quiet import (
    PREFIX_LENGTH,
    QuietHours,
    quiet_from,
    quiet_until,
    zones_of,
    zones_of_phone,
)
from tests.messaging.conftest import BY, World

NIGHT = QuietHours(time(21), time(8), "UTC")
ZONES = sorted(zoneinfo.available_timezones())
LOS_ANGELES, BERLIN, SINGAPORE = "+13105550100", "+491511234567", "+6581234567"
YEARS = st.integers(0, 4 * 365 * 86_400).map(lambda at: datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=at))
TIMES = st.times().map(lambda at: at.replace(microsecond=0))


def is_quiet(quiet: QuietHours, zone: str, at: datetime) -> bool:
    """By the clock on the wall alone."""
    wall = at.astimezone(zoneinfo.ZoneInfo(zone)).time()
    if quiet.start <= quiet.end:
        return quiet.start <= wall < quiet.end
    return wall >= quiet.start or wall < quiet.end


@settings(max_examples=300)
@given(TIMES, TIMES, st.sampled_from(ZONES), YEARS)
@example(time(22), time(1, 30), "America/New_York", datetime(2026, 11, 1, 6, 10, tzinfo=UTC))  # the second 01:10
@example(time(22), time(2, 30), "America/New_York", datetime(2026, 3, 8, 6, 30, tzinfo=UTC))  # 02:30 is skipped
@example(time(2, 15), time(2, 45), "America/New_York", datetime(2026, 3, 8, 6, 30, tzinfo=UTC))
@example(time(1, 40), time(1, 45), "Australia/Lord_Howe", datetime(2026, 4, 4, 14, 43, tzinfo=UTC))
def test_quiet_hours_end_later_than_now_and_then_it_is_not_quiet(
    start: time, end: time, zone: str, now: datetime
) -> None:
    quiet = QuietHours(start, end, "UTC")
    until = quiet_until(quiet, (zone,), now)
    assert (until is not None) == is_quiet(quiet, zone, now)
    if until is not None:
        assert until > now
        assert not is_quiet(quiet, zone, until)
        assert is_quiet(quiet, zone, until - timedelta(seconds=1)), "and not later than needed"


@settings(max_examples=300)
@given(TIMES, TIMES, st.sampled_from(ZONES), YEARS)
@example(time(1, 40), time(5), "America/New_York", datetime(2026, 11, 1, 5, 30, tzinfo=UTC))
def test_until_the_next_quiet_hours_begin_it_is_not_quiet(start: time, end: time, zone: str, now: datetime) -> None:
    quiet = QuietHours(start, end, "UTC")
    if start == end or is_quiet(quiet, zone, now):
        return
    begins = quiet_from(quiet, (zone,), now)
    assert begins > now
    if begins - now < timedelta(hours=23):
        assert is_quiet(quiet, zone, begins)
    assert not is_quiet(quiet, zone, begins - timedelta(seconds=1))


@given(st.sets(st.sampled_from(ZONES), min_size=1, max_size=4), YEARS)
def test_with_several_candidates_it_is_quiet_as_long_as_it_is_in_any(zones: set[str], now: datetime) -> None:
    quiet = QuietHours(time(21), time(8), "UTC")
    until = quiet_until(quiet, tuple(sorted(zones)), now)
    if until is None:
        assert not any(is_quiet(quiet, zone, now) for zone in zones) or is_far_apart(quiet, zones, now)
    elif not is_far_apart(quiet, zones, now):
        assert until > now
        assert not any(is_quiet(quiet, zone, until) for zone in zones)


def is_far_apart(quiet: QuietHours, zones: set[str], now: datetime) -> bool:
    """No quarter of an hour within two days is outside of the quiet hours of all."""
    return all(
        any(is_quiet(quiet, zone, now + timedelta(minutes=15 * n)) for zone in zones) for n in range(4 * 48 + 1)
    )  # fmt: skip


@given(st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), st.integers(0, 9999))
def test_the_zones_of_a_number_are_libphonenumbers(region: str, number: int) -> None:
    sample = phonenumbers.example_number(region)
    if sample is None:
        return
    phone = phonenumbers.format_number(sample, phonenumbers.PhoneNumberFormat.E164)
    varied = f"{phone[:-4]}{number:04}" if len(phone) > 9 else phone
    parsed = phonenumbers.parse(varied)
    expected = tuple(zone for zone in phone_zones.time_zones_for_geographical_number(parsed) if zone != "Etc/Unknown")
    assert zones_of_phone(varied) == expected
    assert zones_of_phone(varied[:PREFIX_LENGTH]) == expected


def test_the_contacts_own_zone_comes_first_and_the_number_second() -> None:
    assert zones_of("Asia/Tokyo", LOS_ANGELES) == ("Asia/Tokyo",)
    assert zones_of(None, LOS_ANGELES) == ("America/Los_Angeles",)
    assert zones_of("Mars/Olympus", BERLIN) == ("Europe/Berlin",)
    assert zones_of(None, "+870123456789") == ()


async def test_a_number_from_los_angeles_is_not_woken_by_a_campaign_in_utc(world: World) -> None:
    """23:00 in Los Angeles is 07:00 UTC of the next day."""
    for number, zone in ((LOS_ANGELES, None), (SINGAPORE, None), ("+14155550123", "Europe/Berlin")):
        change = contact_actions.ContactChange(phone=number, consent="opted_in", attributes={}, timezone=zone)
        await world.act(contact_actions.add_contact, change, by=BY)
    campaign = await world.draft(quiet_hours=(time(21), time(6)))
    with clock.frozen(datetime(2026, 7, 2, 7, 0, tzinfo=UTC)):
        found = await world.act(preflight.preflight, campaign)
        assert (found.quiet_now, found.without_zone, found.zone_from_phone) == (1, 2, 2)
        assert found.expected_finish >= datetime(2026, 7, 2, 13, 0, tzinfo=UTC)
        assert any(problem.code == "zones_unknown" for problem in found.problems)
        await world.launch(campaign)
        claim = await world.claim(campaign)
    assert {item.request.to for item in claim.outgoing} == {SINGAPORE, "+14155550123"}
    row = (await world.rows(campaign))[LOS_ANGELES]
    assert (row.status, row.due_at) == ("deferred", datetime(2026, 7, 2, 13, 0, tzinfo=UTC))
    await world.assert_counted(campaign)


def test_a_toll_free_number_of_north_america_waits_until_it_is_day_in_all_of_it() -> None:
    zones = zones_of_phone("+18005550100")
    assert {"America/New_York", "Pacific/Honolulu"} <= set(zones)
    until = quiet_until(NIGHT, zones, datetime(2026, 7, 2, 13, 0, tzinfo=UTC))
    assert until is not None
    assert not any(is_quiet(NIGHT, zone, until) for zone in zones)
