"""A template's text for one contact: every placeholder is filled, defaulted, or reported missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.model.templates import (
    BODY_MAX,
    checked_body,
    content_variables,
    placeholders,
    render,
    required_placeholders,
)

PHONE = "+14155550101"
VALUES = st.text(max_size=20)


def test_values_defaults_and_the_phone_are_filled_in() -> None:
    rendered = render("Hi {name|there}, {city} knows {phone}.", {"city": "Oslo"}, PHONE)
    assert (rendered.text, rendered.missing) == (f"Hi there, Oslo knows {PHONE}.", ())


def test_an_empty_value_is_a_missing_one() -> None:
    rendered = render("Hi {name}, {city|you}.", {"name": "", "city": ""}, PHONE)
    assert (rendered.text, rendered.missing) == ("Hi {name}, you.", ("name",))


@given(VALUES)
def test_a_value_is_text_and_never_a_placeholder_itself(value: str) -> None:
    """A contact called `{secret}` does not read another attribute."""
    rendered = render("<{name}>", {"name": "{secret}" + value, "secret": "s3cret"}, PHONE)
    assert rendered.text == "<{secret}" + value + ">"


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES))
def test_what_is_missing_is_what_is_required_and_has_no_value(attributes: dict[str, str]) -> None:
    body = "{a} {b|B} {c} {a}"
    expected = tuple(name for name in required_placeholders(body) if not attributes.get(name))
    assert render(body, attributes, PHONE).missing == expected


def test_the_variables_of_an_approved_template_are_numbered_by_first_appearance() -> None:
    body = "{name}, your {item} for {name} to {phone}"
    assert placeholders(body) == ["name", "item", "phone"]
    assert content_variables(body, {"name": "Ana", "item": "hat"}, PHONE) == {"1": "Ana", "2": "hat", "3": PHONE}


@pytest.mark.parametrize("body", ["", "  ", "{ name }", "{na-me}", "{1st}", "a\x00b", "x" * (BODY_MAX + 1), "{}"])
def test_a_body_that_cannot_be_meant_is_refused(body: str) -> None:
    with pytest.raises(Invalid):
        checked_body(body)


@pytest.mark.parametrize("body", ["Hi", "{name}", "{name|}", "a } b", "{_x1|you there}", "x" * BODY_MAX])
def test_a_body_that_can_be_meant_is_taken(body: str) -> None:
    assert checked_body(body) == body
