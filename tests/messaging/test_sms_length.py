"""Segments are counted as the phone network counts them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.messaging.sms import GSM_BASIC, GSM_EXTENSION, measure


def test_the_alphabet_has_its_127_and_10_characters() -> None:
    # 128 places, one of which is the escape to the extension table.
    assert len(GSM_BASIC) == 127
    assert len(GSM_EXTENSION) == 10


@pytest.mark.parametrize(
    ("text", "encoding", "segments", "units", "left"),
    [
        ("", "GSM-7", 1, 0, 160),
        ("a" * 160, "GSM-7", 1, 160, 0),
        ("a" * 161, "GSM-7", 2, 161, 145),
        ("a" * 306, "GSM-7", 2, 306, 0),
        ("a" * 307, "GSM-7", 3, 307, 152),
        ("€" * 80, "GSM-7", 1, 160, 0),
        ("[" * 81, "GSM-7", 2, 162, 143),
        ("ж" * 70, "UCS-2", 1, 70, 0),
        ("ж" * 71, "UCS-2", 2, 71, 63),
        ("😀" * 35, "UCS-2", 1, 70, 0),
        ("😀" * 36, "UCS-2", 2, 72, 61),
        ("ж" * 134, "UCS-2", 2, 134, 0),
        ("ж" * 135, "UCS-2", 3, 135, 66),
    ],
)
def test_known_lengths(text: str, encoding: str, segments: int, units: int, left: int) -> None:
    found = measure(text)
    assert (found.encoding, found.segments, found.units, found.units_left) == (
        encoding,
        segments,
        units,
        left,
    )


def test_an_extension_pair_is_never_split() -> None:
    # The pair does not fit into unit 153, so the first part ends one unit short.
    whole = measure("a" * 152 + "€" + "a" * 152)
    assert (whole.segments, whole.units) == (3, 306)


def test_a_surrogate_pair_is_never_split() -> None:
    found = measure("ж" * 66 + "😀" + "ж" * 66)
    assert (found.units, found.segments) == (134, 3)


def test_the_characters_that_cost_most_are_named_once() -> None:
    assert measure("Café ☕ — “x” ☕").non_gsm_characters == ("☕", "—", "“", "”")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=400))
def test_parts_hold_every_unit_and_no_part_is_left_nearly_empty(text: str) -> None:
    found = measure(text)
    alone, part = (160, 153) if found.encoding == "GSM-7" else (70, 67)
    capacity = alone if found.segments == 1 else part * found.segments
    assert found.units <= capacity
    assert 0 <= found.units_left <= alone
    # A split pair wastes at most one unit of each part but the last.
    assert found.units + found.units_left >= capacity - (found.segments - 1)
    if found.encoding == "UCS-2":
        assert found.units == len(text.encode("utf-16-le")) // 2
