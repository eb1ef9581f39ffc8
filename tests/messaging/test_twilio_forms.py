"""What Twilio's webhooks say, and what its error codes mean here."""

from itertools import pairwise
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from event_stream_engine.errors import BadRequest
from event_stream_engine.messaging.gateway import OutgoingMessage
from event_stream_engine.messaging.twilio.client import form
from event_stream_engine.messaging.twilio.errors import ERRORS, describe
from event_stream_engine.messaging.twilio.webhooks import (
    STATUS_RANK,
    Media,
    outranks,
    parse_inbound,
    parse_status,
)


def test_an_inbound_whatsapp_form_is_read_whole() -> None:
    form = parse_inbound([
        ("MessageSid", "SM1"), ("From", "whatsapp:+14155550101"), ("To", "whatsapp:+14155550100"),
        ("Body", ""), ("NumMedia", "1"), ("MediaUrl0", "https://m/0"), ("MediaContentType0", "image/png"),
        ("ProfileName", "Ana"), ("ButtonText", "Yes"), ("ButtonPayload", "y"), ("Brand", "new"),
    ])  # fmt: skip
    assert (form.from_, form.to, form.channel) == ("+14155550101", "+14155550100", "whatsapp")
    assert form.media == (Media("https://m/0", "image/png"),)
    assert (form.profile_name, form.button_text, form.button_payload) == ("Ana", "Yes", "y")
    assert form.raw["Brand"] == "new"


@pytest.mark.parametrize("missing", ["MessageSid", "From", "To"])
def test_an_inbound_form_without_a_needed_field_is_refused(missing: str) -> None:
    form = {"MessageSid": "SM1", "From": "+14155550101", "To": "+14155550100", "Body": "x"}
    del form[missing]
    with pytest.raises(BadRequest):
        parse_inbound(list(form.items()))


def test_a_status_form_is_read_with_its_error() -> None:
    form = parse_status([
        ("MessageSid", "SM1"), ("MessageStatus", "Undelivered"), ("ErrorCode", "30003"),
        ("To", "whatsapp:+14155550101"),
    ])  # fmt: skip
    assert (form.sid, form.status, form.error_code) == ("SM1", "undelivered", 30003)
    assert (form.to, form.from_) == ("+14155550101", None)


def test_a_receipt_never_moves_a_message_back() -> None:
    order = ["accepted", "queued", "sending", "sent", "delivered", "read"]
    for earlier, later in pairwise(order):
        assert outranks(later, earlier)
        assert not outranks(earlier, later)
    for final in ("undelivered", "failed", "canceled"):
        assert not any(outranks(new, final) for new in STATUS_RANK)
        assert not outranks(final, "delivered")
        assert outranks(final, "sent")
    assert not outranks("invented", "queued")


# Every code that the facts about Twilio name for the Messages API.
NAMED_CODES = """
20003 21606 21601 63007 21703 21704 21705 20429 21211 21614 21217 21612 21635 21408 21608 63015 21610 21611
30001 21617 21602 21654 21655 21656 63027 63028 63030 30002 30003 30004 63014 63033 30005 30006 30007 63026
30008 30017 30022 30023 63038 30034 30032 30036 30450 30610 30640 63003 63024 63013 63020 63041 63016 63017
63018 63032 63049
"""


@pytest.mark.parametrize("code", [int(code) for code in NAMED_CODES.split()])
def test_every_known_code_has_advice(code: int) -> None:
    entry = ERRORS[code]
    assert entry.code == code
    assert len(entry.what_to_do) > 20


def test_the_reactions_that_protect_people_and_the_account() -> None:
    assert describe(21610).suppression == "opt_out"
    assert describe(30005).suppression == "invalid_number"
    assert describe(63024).suppression == "block_channel"
    assert describe(30002).pause == describe(20003).pause == "account"
    assert describe(21606).pause == "campaign"
    assert (describe(20429).reaction, describe(30003).reaction) == ("backoff", "retry")


def test_a_refusal_without_a_code_stops_the_campaign_instead_of_failing_it_whole() -> None:
    assert describe(0).pause == "campaign"


def test_an_unknown_code_is_neither_repeated_nor_held_against_the_contact() -> None:
    entry = describe(99999)
    assert (entry.reaction, entry.suppression, entry.pause) == ("no_retry", "none", "none")
    assert "99999" in entry.what_to_do


TEXT = st.text(st.characters(codec="utf-8"))


@given(to=TEXT, body=TEXT, callback=TEXT)
def test_a_message_is_written_as_any_client_would(to: str, body: str, callback: str) -> None:
    written = form(OutgoingMessage(to, "+14155550100", "sms", body, status_callback=callback))
    fields = {"To": to, "From": "+14155550100", "Body": body, "StatusCallback": callback}
    assert written == urlencode(fields).encode()
