"""The main job, as a team does it: import, text, segment, sender, preflight, launch, STOP, report."""

from collections.abc import Iterator

import pytest

from tests.journeys import campaign as story
from tests.journeys.running_platform import Refused, RunningPlatform

RECIPIENTS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    settings = {"ESE_SEND_LEASE_SECONDS": "15", "ESE_SEND_UNKNOWN_GRACE_SECONDS": "1"}
    with RunningPlatform(environment=settings, faults=story.BAD_DAY) as platform:
        yield platform
    assert platform.left_running == []


def test_from_an_import_to_a_report_everybody_is_accounted_for(platform: RunningPlatform) -> None:
    recipients = story.shuffled(RECIPIENTS, seed=5)
    story.import_contacts(platform, recipients)
    campaign = story.launch(platform.api, recipients, per_second=20)
    platform.wait_until(
        "the first accepted messages", lambda: story.accepted(story.counts(platform.api, campaign)) >= 20, 60
    )  # fmt: skip
    stopped = story.one_not_yet_sent(platform.api, campaign)
    story.write_stop(platform, stopped)
    story.wait_settled(platform, campaign, 120)
    api = platform.api
    people = api.everything(f"/api/v1/reporting/campaigns/{campaign.id}/recipients", status="delivered")
    story.write_stop(platform, people[0]["phone"])
    verdict = story.compare(platform, campaign, stopped=stopped)
    assert (verdict.missing, verdict.duplicate, verdict.problems) == (0, 0, [])

    assert api.get(f"/api/v1/campaigns/{campaign.id}")["status"] == "completed"
    summary = api.get(f"/api/v1/reporting/campaigns/{campaign.id}/summary")
    assert [(r["reason"], r["count"]) for r in summary["refusals"]] == [("stopped", 1)]
    assert summary["opt_outs"] == 1, "one of those who got the message wrote STOP"
    assert sum(minute["accepted"] for minute in summary["timeline"]) == summary["funnel"]["accepted"]
    (person,) = api.get("/api/v1/contacts", search=stopped[1:])["items"]
    assert person["consent"] == "stopped"
    kinds = [entry["kind"] for entry in api.get(f"/api/v1/contacts/{person['id']}/timeline")["items"]]
    assert {"consent", "inbound", "message"} <= set(kinds)
    assert api.get("/api/v1/monitoring/inbound", kind="stop")["items"][0]["applied"]


def test_who_wrote_stop_stays_out_of_the_next_campaign_and_cannot_be_opted_in_by_staff(
    platform: RunningPlatform,
) -> None:
    stopped = platform.api.get("/api/v1/contacts", consent="stopped")["items"]
    assert len(stopped) == 2
    with pytest.raises(Refused) as refused:
        platform.api.patch(f"/api/v1/contacts/{stopped[0]['id']}", {"consent": "opted_in"})
    assert refused.value.status == 409
    recipients = story.shuffled(RECIPIENTS, seed=5)
    campaign = story.launch(platform.api, recipients, per_second=500, name="Autumn")
    story.wait_settled(platform, campaign, 120)
    refusals = platform.api.get(f"/api/v1/reporting/campaigns/{campaign.id}/summary")["refusals"]
    assert [r["count"] for r in refusals if r["reason"] == "stopped"] == [2]
    for person in stopped:
        verdict = story.compare(platform, campaign, stopped=person["phone"])
        assert (verdict.missing, verdict.duplicate, verdict.problems) == (0, 0, [])
