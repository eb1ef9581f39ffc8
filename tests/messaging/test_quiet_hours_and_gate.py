"""Who may be written to, and when: consent first, then the local night."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.messaging.model.compliance import (
    ALLOWED,
    REFUSALS,
    Deferred,
    Recipient,
    Refused,
    judge,
)
from event_stream_engine.messaging.model.finish import AHEAD_MAX, expected_finish
from event_stream_engine.messaging.model.quiet import QuietHours, quiet_from, quiet_until

NIGHT = QuietHours(time(21), time(8), "America/New_York")
SIESTA = QuietHours(time(13), time(15, 30), "UTC")
ZONES = ["UTC", "America/New_York", "Europe/Stockholm", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def person(consent: str = "opted_in", **given: object) -> Recipient:
    known = {"timezone": None, "blocked_channels": (), "last_inbound_at": None, **given}
    return Recipient(consent, **known)  # type: ignore[arg-type]


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-01-10 20:59:59", None),
        ("2026-01-10 21:00:00", "2026-01-11 08:00"),
        ("2026-01-10 23:59:59", "2026-01-11 08:00"),
        ("2026-01-11 00:00:00", "2026-01-11 08:00"),
        ("2026-01-11 07:59:59", "2026-01-11 08:00"),
        ("2026-01-11 08:00:00", None),
        ("2026-12-31 22:00:00", "2027-01-01 08:00"),
    ],
)
def test_a_night_passes_midnight(now: str, until: str | None) -> None:
    zone = "America/New_York"
    found = quiet_until(NIGHT, (), local(now, zone))
    assert found == (local(until, zone) if until else None)


@pytest.mark.parametrize(("now", "is_quiet"), [("12:59", False), ("13:00", True), ("15:29", True), ("15:30", False)])
def test_hours_within_one_day(now: str, is_quiet: bool) -> None:
    found = quiet_until(SIESTA, (), local(f"2026-05-05 {now}", "UTC"))
    assert found == (local("2026-05-05 15:30", "UTC") if is_quiet else None)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-03-08T02:00:00+00:00", "2026-03-08T12:00:00+00:00"),  # the night that is an hour shorter
        ("2026-11-01T02:00:00+00:00", "2026-11-01T13:00:00+00:00"),  # and the one that is longer
    ],
)
def test_a_night_with_a_change_of_clocks_ends_at_the_local_hour(now: str, until: str) -> None:
    assert quiet_until(NIGHT, (), datetime.fromisoformat(now)) == datetime.fromisoformat(until)


def test_an_end_that_the_clocks_skip_is_not_in_the_past() -> None:
    """02:30 does not exist on 8 March 2026 in New York; the clock jumps from 02:00 to 03:00."""
    skipping = QuietHours(time(22), time(2, 30), "America/New_York")
    now = datetime.fromisoformat("2026-03-08T06:30:00+00:00")  # 01:30 local
    until = quiet_until(skipping, (), now)
    assert until is not None
    assert now < until <= now + timedelta(hours=2)


@given(
    st.times(), st.times(), st.sampled_from(ZONES), st.timedeltas(timedelta(days=-400), timedelta(days=700))
)  # fmt: skip
def test_a_deferred_message_is_due_within_a_day_and_then_not_quiet(
    start: time, end: time, zone: str, away: timedelta
) -> None:
    quiet = QuietHours(start.replace(microsecond=0), end.replace(microsecond=0), zone)
    now = NOON + away
    until = quiet_until(quiet, (), now)
    if until is not None:
        assert now < until <= now + timedelta(hours=26)
        assert quiet_until(quiet, (), until) is None


def test_the_contacts_own_zone_counts_and_an_unknown_one_does_not() -> None:
    evening = local("2026-05-05 21:30", "America/New_York")
    assert quiet_until(NIGHT, (), evening) is not None
    assert quiet_until(NIGHT, ("America/Los_Angeles",), evening) is None
    assert quiet_until(NIGHT, ("Mars/Olympus",), evening) is not None


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        (None, "contact_deleted"),
        (person("stopped"), "stopped"),
        (person("opted_out"), "opted_out"),
        (person("unknown"), "no_consent"),
        (person(blocked_channels=("sms",)), "channel_blocked"),
    ],
)
def test_a_refusal_comes_before_a_deferral_and_names_its_reason(recipient: Recipient | None, reason: str) -> None:
    midnight = local("2026-05-05 00:30", "America/New_York")
    verdict = judge(
        recipient, channel="sms", is_approved_template=False, unsendable="missing_attribute", quiet=NIGHT, now=midnight
    )  # fmt: skip
    assert verdict == Refused(reason)
    assert reason in REFUSALS


@pytest.mark.parametrize(
    ("hours", "approved", "expected"),
    [
        (None, False, Refused("outside_window")),
        (None, True, ALLOWED),
        (23.9, False, ALLOWED),
        (24, False, Refused("outside_window")),
        (30, True, ALLOWED),
    ],
)
def test_whatsapp_takes_free_text_only_within_a_day_of_the_persons_own_message(
    hours: float | None, approved: bool, expected: object
) -> None:
    heard = NOON - timedelta(hours=hours) if hours is not None else None
    recipient = person(last_inbound_at=heard)
    found = judge(
        recipient, channel="whatsapp", is_approved_template=approved, unsendable=None, quiet=None, now=NOON
    )  # fmt: skip
    assert found == expected


def test_who_may_be_written_to_is_kept_waiting_through_the_night() -> None:
    midnight = local("2026-05-05 00:30", "America/New_York")
    verdict = judge(person(), channel="sms", is_approved_template=False, unsendable=None, quiet=NIGHT, now=midnight)
    assert verdict == Deferred(local("2026-05-05 08:00", "America/New_York"))


def test_who_is_in_quiet_hours_is_sent_to_when_they_end_and_not_before() -> None:
    now = local("2026-01-10 23:00", "America/New_York")
    finish = expected_finish({("America/New_York",): 100}, 10, NIGHT, now)
    assert finish == local("2026-01-11 08:00:10", "America/New_York")


def test_the_finish_is_the_later_of_the_rate_and_the_last_quiet_hours() -> None:
    now = local("2026-01-10 12:00", "UTC")  # 07:00 in New York, 17:30 in Kolkata
    night_here = {("America/New_York",): 600, ("Asia/Kolkata",): 600}
    assert expected_finish(night_here, 10, NIGHT, now) == local("2026-01-10 08:01", "America/New_York")
    slow = expected_finish(night_here, 0.1, NIGHT, now)
    assert slow == now + timedelta(seconds=12_000), "what the rate alone takes, for New York wakes meanwhile"


def test_who_is_not_reached_before_the_night_waits_for_the_morning() -> None:
    now = local("2026-01-10 20:59", "America/New_York")
    finish = expected_finish({(): 120}, 1, NIGHT, now)
    assert finish == local("2026-01-11 08:01", "America/New_York")


def test_without_quiet_hours_the_rate_decides_and_without_a_rate_the_quiet_hours() -> None:
    assert expected_finish({("UTC",): 100, (): 20}, 2, None, NOON) == NOON + timedelta(minutes=1)
    assert expected_finish({}, 2, NIGHT, NOON) == NOON
    evening = local("2026-01-10 22:00", "America/New_York")
    assert expected_finish({(): 5}, None, NIGHT, evening) == local("2026-01-11 08:00", "America/New_York")
    assert expected_finish({("UTC",): 10**9}, 1, NIGHT, NOON) == NOON + AHEAD_MAX, "the look ahead is bounded"


@given(
    people=st.dictionaries(st.tuples(st.sampled_from(ZONES)), st.integers(1, 5000), min_size=1),
    rate=st.integers(1, 200),
    minutes=st.integers(0, 2 * 1440),
)
def test_a_finish_is_never_before_what_the_rate_or_a_quiet_zone_allows(
    people: dict[tuple[str, ...], int], rate: int, minutes: int
) -> None:
    now = NOON + timedelta(minutes=minutes)
    finish = expected_finish(people, rate, NIGHT, now)
    slack = timedelta(milliseconds=1)  # fractions of a second
    assert finish >= now + timedelta(seconds=sum(people.values()) / rate) - slack
    for zone in people:
        until = quiet_until(NIGHT, zone, now)
        assert until is None or finish >= until
        assert until is not None or quiet_from(NIGHT, zone, now) > now
