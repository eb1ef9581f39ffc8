"""The rule that settles an unknown message by Twilio's list: nothing twice, nothing lost, whatever was listed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.messaging.model.matching import ListedMessage, Missing, OpenMessage, conclude

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
LEASE, SLACK = timedelta(seconds=30), timedelta(minutes=2)


def opened(number: int, body: str, *, at: float = 0, is_asked: bool = True, is_template: bool = False) -> OpenMessage:
    claimed = NOON + timedelta(seconds=at)
    return OpenMessage(UUID(int=number), body, claimed - SLACK, claimed + LEASE + SLACK, is_asked, is_template)


def listed(sid: str, body: str, *, at: float = 1) -> ListedMessage:
    return ListedMessage(sid, body, NOON + timedelta(seconds=at))


@st.composite
def _histories(draw: st.DrawFn) -> tuple[list[OpenMessage], list[ListedMessage], dict[str, UUID]]:
    """Messages to one person from one sender, of which some left: `told` says which is whose, for the test's eyes."""
    count = draw(st.integers(1, 6))
    bodies = draw(st.lists(st.sampled_from(["a", "b"]), min_size=count, max_size=count))
    rows, items, owners = [], [], {}
    for number, body in enumerate(bodies):
        at = draw(st.integers(0, 3600))
        rows.append(opened(number, body, at=at, is_asked=draw(st.booleans()), is_template=draw(st.booleans())))
        if draw(st.booleans()):
            sid = f"SM{number}"
            text = (
                body if not rows[-1].is_template or draw(st.booleans()) else f"Twilio's own {draw(st.integers(0, 1))}"
            )
            items.append(listed(sid, text, at=at + draw(st.integers(0, 20))))
            owners[sid] = rows[-1].id
    return rows, draw(st.permutations(items)), owners


@given(_histories())
def test_only_asked_messages_are_settled_and_no_listed_one_is_given_twice(
    history: tuple[list[OpenMessage], list[ListedMessage], dict[str, UUID]],
) -> None:
    rows, items, _ = history
    found = conclude(rows, items, {})
    assert set(found) == {row.id for row in rows if row.is_asked}
    given_out = [finding for finding in found.values() if isinstance(finding, str)]
    assert len(given_out) == len(set(given_out))


@given(_histories())
def test_what_left_is_sent_again_only_in_place_of_another_with_the_same_text(
    history: tuple[list[OpenMessage], list[ListedMessage], dict[str, UUID]],
) -> None:
    """For every text: of the messages that may be sent again, at most as many as provably did not leave."""
    rows, items, owners = history
    found = conclude(rows, items, {})
    for body in {row.body for row in rows}:
        again = [row for row in rows if row.body == body and found.get(row.id) is Missing.NOT_SENT]
        did_not_leave = [row for row in rows if row.body == body and row.id not in owners.values()]
        assert len(again) <= len(did_not_leave)


@given(_histories())
def test_what_callbacks_told_is_followed(
    history: tuple[list[OpenMessage], list[ListedMessage], dict[str, UUID]],
) -> None:
    rows, items, owners = history
    found = conclude(rows, items, owners)
    sid_of = {owner: sid for sid, owner in owners.items()}
    assert found == {row.id: sid_of.get(row.id, Missing.NOT_SENT) for row in rows if row.is_asked}


@given(st.integers(1, 6), st.integers(0, 6))
def test_of_n_equal_requests_with_k_in_the_list_k_are_found(n: int, k: int) -> None:
    rows = [opened(number, "Same", at=number) for number in range(n)]
    found = conclude(rows, [listed(f"SM{item}", "Same", at=item) for item in range(min(k, n))], {})
    assert [isinstance(found[row.id], str) for row in rows] == [number < k for number in range(n)]


def test_a_message_under_way_may_own_the_only_candidate() -> None:
    rows = [opened(1, "Same"), opened(2, "Same", is_asked=False)]
    assert conclude(rows, [listed("SM1", "Same")], {}) == {UUID(int=1): Missing.UNCLEAR}
    assert conclude(rows, [], {}) == {UUID(int=1): Missing.NOT_SENT}
    assert conclude(rows, [listed("SM1", "Same"), listed("SM2", "Same")], {}) == {UUID(int=1): "SM1"}


def test_a_template_whose_text_differs_at_twilio_is_found_by_its_time() -> None:
    row = opened(1, "Hi Ana", is_template=True)
    assert conclude([row], [listed("SM1", "Hello, Ana!")], {}) == {row.id: "SM1"}
    assert conclude([row], [listed("SM1", "Hello, Ana!", at=900)], {}) == {row.id: Missing.NOT_SENT}
    assert conclude([row], [listed("SM1", "Hello, Ana!", at=-900)], {}) == {row.id: Missing.NOT_SENT}


def test_two_templates_with_one_foreign_text_between_them_wait() -> None:
    rows = [opened(1, "Spring", is_template=True), opened(2, "Autumn", is_template=True)]
    assert set(conclude(rows, [listed("SM1", "Hello")], {}).values()) == {Missing.UNCLEAR}
    assert conclude(rows, [listed("SM1", "Spring")], {}) == {rows[0].id: "SM1", rows[1].id: Missing.NOT_SENT}


@pytest.mark.parametrize("owner", [UUID(int=9), UUID(int=2)])
def test_a_listed_message_whose_callback_named_another_is_not_taken(owner: UUID) -> None:
    rows = [opened(1, "Same"), opened(2, "Same", is_asked=False)]
    assert conclude(rows, [listed("SM1", "Same")], {"SM1": owner}) == {UUID(int=1): Missing.NOT_SENT}
