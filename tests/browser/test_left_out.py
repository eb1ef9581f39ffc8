"""Who is left out for their text, and whose night it is, can be read before a launch."""

import pytest
from playwright.sync_api import expect

from tests.browser.watching import Watched
from tests.journeys.running_platform import RunningPlatform

pytestmark = pytest.mark.browser


def test_the_review_names_texts_that_cannot_be_sent_and_people_without_a_zone(
    signed_in: Watched, platform: RunningPlatform
) -> None:
    api = platform.api
    for number, note in enumerate(("x" * 500, "short", "two\nlines", "")):
        contact = {"phone": f"+1415555013{number}", "consent": "opted_in", "attributes": {"note": note, "tier": "left"}}
        api.post("/api/v1/contacts", contact)
    template = {
        "name": "Left out",
        "channel": "whatsapp",
        "body": "Hi: {note|} {note|} {note|} {note|}",
        "content_sid": "HX" + "c" * 32,
    }
    sender = {"name": "Left out", "channel": "whatsapp", "address": "+14155550166", "messages_per_second": 10}
    rule = {"all": [{"field": "attributes.tier", "op": "eq", "value": "left"}]}
    campaign = api.post(
        "/api/v1/campaigns",
        {
            "name": "Left out",
            "template_id": api.post("/api/v1/templates", template)["id"],
            "segment_id": api.post("/api/v1/segments", {"name": "Left out", "definition": rule})["id"],
            "sender_id": api.post("/api/v1/senders", sender)["id"],
            "quiet_hours": {"start": "21:00", "end": "08:00"},
        },
    )
    page = signed_in.page()
    page.goto(f"/campaigns/{campaign['id']}/edit?step=review")
    for said in (
        "A variable of the WhatsApp template is empty",
        "A variable of the WhatsApp template has line breaks, tabs or wide gaps",
        "The text is longer than 1,600 characters",
        "1 person has no time zone",
    ):
        expect(page.get_by_text(said).first).to_be_visible()
    assert signed_in.complaints == []
