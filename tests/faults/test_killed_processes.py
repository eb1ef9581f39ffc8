"""SIGKILL in the middle of a campaign: nobody is forgotten, nobody is written to twice; the sandbox's ledger judges."""

from collections.abc import Iterator

import pytest

from tests.journeys import campaign as story
from tests.journeys.running_platform import RunningPlatform

RECIPIENTS = 80

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Callbacks that find no API are lost after their retries; the platform asks for them after the stale minute.
SETTINGS = {
    "ESE_SEND_LEASE_SECONDS": "15",
    "ESE_SEND_UNKNOWN_GRACE_SECONDS": "1",
    "ESE_STALE_MINUTES": "1",
}


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    with RunningPlatform(environment=SETTINGS, faults=story.BAD_DAY) as platform:
        story.import_contacts(platform, story.shuffled(RECIPIENTS, seed=1))
        yield platform
    assert platform.left_running == []


@pytest.mark.parametrize("role", ["work", "consume", "relay", "serve"])
def test_a_killed_process_loses_nothing_and_repeats_nothing(platform: RunningPlatform, role: str) -> None:
    campaign = story.launch(platform.api, story.shuffled(RECIPIENTS, seed=1), per_second=20, name=f"Kill {role}")
    platform.wait_until(
        "the first accepted messages", lambda: story.accepted(story.counts(platform.api, campaign)) >= 10, 60
    )  # fmt: skip
    before = story.counts(platform.api, campaign)
    assert before["queued"] > 0, "the campaign was over before the kill"
    platform.wait_replaced(role, platform.kill(role))
    story.wait_settled(platform, campaign, 150)
    verdict = story.compare(platform, campaign)
    assert (verdict.missing, verdict.duplicate, verdict.problems) == (0, 0, [])


def test_a_killed_worker_of_the_pool_is_made_up_for(platform: RunningPlatform) -> None:
    campaign = story.launch(platform.api, story.shuffled(RECIPIENTS, seed=1), per_second=20, name="Kill a worker")
    platform.wait_until(
        "the first accepted messages", lambda: story.accepted(story.counts(platform.api, campaign)) >= 10, 60
    )  # fmt: skip
    for _ in platform.children_of("work"):
        platform.kill_a_child_of("work")
    story.wait_settled(platform, campaign, 150)
    verdict = story.compare(platform, campaign)
    assert (verdict.missing, verdict.duplicate, verdict.problems) == (0, 0, [])
