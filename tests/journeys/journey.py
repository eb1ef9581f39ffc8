"""`make journey`: a campaign of 2,000 people on a bad day, while every process is killed once.

Starts a platform of its own, launches through the public API, kills the API, the relay, the consumers, a worker, its
parent and the clock with SIGKILL while messages leave, lets one person write STOP, and compares every message with
the sandbox's ledger. Then two WhatsApp campaigns go to the same people from the same sender, while answers get lost
and no receipt comes; each is compared with the ledger, too. The last line of its output is the verdict; the exit
status is 0 only when it is clean.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

from tests.journeys import campaign as story
from tests.journeys.running_platform import RunningPlatform

RECIPIENTS = 2000
PER_SECOND = 40
GOES_ON = 20  # so many more accepted messages prove that a killed process's work goes on
SENDING_SECONDS_MAX = 100.0
ON_WHATSAPP = 300
ASKING_SECONDS_MAX = 240.0
SETTINGS = {
    "ESE_SEND_LEASE_SECONDS": "15",
    "ESE_SEND_UNKNOWN_GRACE_SECONDS": "3",
    "ESE_STALE_MINUTES": "1",
}

_began = time.monotonic()


def main() -> int:
    try:
        with RunningPlatform(environment=SETTINGS, faults=story.BAD_DAY) as platform:
            verdict = _journey(platform)
    except AssertionError as error:
        return _end(f"journey: not finished: {error}", clean=False)
    if platform.left_running:
        verdict.problems.append(f"still running after the stop: {platform.left_running}")
    for problem in verdict.problems:
        _tell(f"failed: {problem}")
    clean = not verdict.problems and verdict.missing == 0 and verdict.duplicate == 0
    return _end(verdict.line(), clean=clean)


def _journey(platform: RunningPlatform) -> story.Verdict:
    _tell(f"platform ready at {platform.api.origin}")
    recipients = story.shuffled(RECIPIENTS, seed=7)
    found = story.import_contacts(platform, recipients)
    _tell(
        f"import: {found['rows_read']} rows read, {found['created']} created, {found['merged']} merged, "
        f"{found['rejected']} rejected"
    )
    campaign = story.launch(platform.api, recipients, per_second=PER_SECOND)
    _tell(f"campaign launched at {PER_SECOND} messages a second")
    stopped = _break_everything(platform, campaign)
    story.wait_settled(platform, campaign, SENDING_SECONDS_MAX)
    _tell(f"every message has its outcome: {_shown(story.counts(platform.api, campaign))}")
    verdict = story.compare(platform, campaign, stopped=stopped)
    verdict.add(_two_campaigns(platform, recipients[:ON_WHATSAPP]))
    holds, proof = platform.verify()
    _tell(f"ese verify: {proof.strip().splitlines()[-1]}")
    if not holds:
        verdict.problems.append(proof)
    return verdict


def _two_campaigns(platform: RunningPlatform, recipients: list[str]) -> story.Verdict:
    """What became of each is found out by asking Twilio alone."""
    platform.sandbox.put("/sandbox/faults", story.SILENCE)
    campaigns = story.launch_on_whatsapp(platform, recipients, ("Winter", "Advent"), per_second=PER_SECOND)
    _tell(f"two WhatsApp campaigns to the same {len(recipients)} people launched; receipts are lost")
    verdict = story.Verdict(0, 0, 0, 0)
    for campaign in campaigns:
        story.wait_settled(platform, campaign, ASKING_SECONDS_MAX)
        _tell(f"every message has its outcome: {_shown(story.counts(platform.api, campaign))}")
    for campaign in campaigns:
        verdict.add(story.compare(platform, campaign))
    return verdict


def _break_everything(platform: RunningPlatform, campaign: story.Launched) -> str:
    """Kill each role once while messages leave; in between one person writes STOP. Their number."""
    _wait_accepted(platform, campaign, 100)
    stopped = story.one_not_yet_sent(platform.api, campaign)
    story.write_stop(platform, stopped)
    _tell(f"{stopped} wrote STOP before their turn")
    _kill(platform, campaign, "a worker of work", lambda: platform.kill_a_child_of("work"))
    for role in ("serve", "relay", "work", "consume"):
        _kill(platform, campaign, role, partial(platform.kill, role))
    return stopped


def _kill(platform: RunningPlatform, campaign: story.Launched, role: str, act: Callable[[], int]) -> None:
    """SIGKILL, then wait until the role runs again and messages go on being accepted and counted."""
    before = story.counts(platform.api, campaign)
    left = before["queued"] + before["sending"]
    killed, at = act(), time.monotonic()
    if role in platform.running()["processes"]:
        platform.wait_replaced(role, killed)
    _wait_accepted(platform, campaign, min(story.accepted(before) + GOES_ON, RECIPIENTS * 9 // 10))
    _tell(
        f"killed {role} (process {killed}) with {left} messages to leave; goes on after {time.monotonic() - at:.1f} s"
    )


def _wait_accepted(platform: RunningPlatform, campaign: story.Launched, count: int) -> None:
    platform.wait_until(
        f"{count} accepted messages", lambda: story.accepted(story.counts(platform.api, campaign)) >= count, 60
    )


def _shown(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count and state != "audience")


def _tell(line: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - _began:5.1f} s] {line}\n")
    sys.stdout.flush()


def _end(line: str, *, clean: bool) -> int:
    sys.stdout.write(line + "\n")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
