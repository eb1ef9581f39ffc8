"""Health changes its state only after it was proved: by properties over any run of readings."""

from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.entrypoints.health.judging import Board, Reading, Status

STATUSES = st.sampled_from(["pass", "warn", "fail"])


def reading(status: Status, component: str = "postgresql") -> Reading:
    return Reading(component, "responseTime", status, "datastore")


def after(*statuses: Status) -> Board:
    board = Board()
    for status in statuses:
        board.note([reading(status)])
    return board


def test_it_fails_after_three_bad_readings_and_passes_after_two_good_ones() -> None:
    assert after("pass", "fail", "fail").of("postgresql") == "pass"
    assert after("pass", "fail", "fail", "fail").of("postgresql") == "fail"
    assert after("fail", "pass").of("postgresql") == "fail"
    assert after("fail", "pass", "pass").of("postgresql") == "pass"


@given(st.integers(1, 200), STATUSES, STATUSES)
def test_a_component_that_flaps_changes_its_state_at_most_once(times: int, one: Status, other: Status) -> None:
    board = after(*[one, other] * times)
    assert board.held["postgresql:responseTime"].changes <= 1


@given(st.lists(STATUSES, min_size=1, max_size=60))
def test_the_state_is_always_one_that_was_read_lately(statuses: list[Status]) -> None:
    board = Board()
    for count, status in enumerate(statuses, 1):
        board.note([reading(status)])
        held = board.held["postgresql:responseTime"]
        assert held.status in statuses[:count]
        assert len(held.against) < 3
        if len(set(statuses[:count][-3:])) == 1 and count >= 3:
            assert held.status == status, "three alike are always believed"


def test_an_outage_of_the_database_that_is_buffered_is_a_warning_until_the_buffer_fills() -> None:
    board = after("fail")
    assert [board.overall(fill) for fill in (None, 0.0, 0.79, 0.8)] == ["fail", "warn", "warn", "fail"]


def test_what_is_not_needed_to_serve_only_warns() -> None:
    board = Board()
    board.note([reading("pass"), reading("fail", "kafka"), reading("fail", "relay")])
    assert (board.overall(None), board.down()) == ("warn", [])


def test_readings_that_speak_for_a_state_further_on_still_count() -> None:
    assert after("pass", "warn", "fail", "fail").of("postgresql") == "warn"
    assert after("pass", "warn", "fail", "fail", "fail").of("postgresql") == "fail"
    assert after("fail", "warn", "pass").of("postgresql") == "warn"
    assert after("fail", "warn", "pass", "pass").of("postgresql") == "pass"


def test_a_check_that_is_no_longer_read_is_forgotten() -> None:
    board = after("fail")
    board.note([reading("pass", "redis")])
    assert list(board.held) == ["redis:responseTime"]
