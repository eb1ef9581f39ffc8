"""`make restore-drill`: a campaign, a physical backup in the middle of it, and the backup put back after more was sent.

Runs twice, with the streams kept and with the streams lost (`ONLY=kept`, `ONLY=lost`). Several people write STOP after
the backup. Sending must be held at the start; after `ese restore release` the sandbox's ledger must show one message
for each recipient who did not write STOP, and none for those who did. The last line is the verdict; the exit status is
0 only when it is clean.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from event_stream_engine.embedded import binaries
from event_stream_engine.embedded.postgres import SUPERUSER
from tests.journeys import campaign as story
from tests.journeys.running_platform import RunningPlatform

RECIPIENTS, BACKED_UP_AT, LOST_AT, STOPS = 400, 110, 220, 5
PER_SECOND = 10
SECONDS_MAX = 120.0
OPEN = ("queued", "deferred", "sending", "unknown")
SETTINGS = {"ESE_SEND_LEASE_SECONDS": "15", "ESE_SEND_UNKNOWN_GRACE_SECONDS": "3"}

_began = time.monotonic()


@dataclass
class Result:
    """By the sandbox's ledger: `doubled` messages too many, `missing` recipients without one, `kept` STOPs."""

    recipients: int = 0
    doubled: int = 0
    missing: int = 0
    kept: int = 0
    stops: int = 0

    def __add__(self, other: "Result") -> "Result":
        return Result(*(ours + theirs for ours, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))

    def line(self) -> str:
        return (
            f"restore: {self.recipients} recipients, {self.doubled} doubled, {self.missing} missing, "
            f"{self.kept} STOPs kept"
        )

    @property
    def is_clean(self) -> bool:
        return not self.doubled and not self.missing and self.kept == self.stops > 0


def main(streams: list[str]) -> int:
    total = Result()
    try:
        for each in streams:
            with RunningPlatform(environment=SETTINGS) as platform:
                total += _drill(platform, streams=each)
    except AssertionError as error:
        sys.stdout.write(f"restore: not finished: {error}\n")
        return 1
    sys.stdout.write(total.line() + "\n")
    return 0 if total.is_clean else 1


def _drill(platform: RunningPlatform, *, streams: str) -> Result:
    _tell(f"streams {streams}: platform ready at {platform.api.origin}")
    recipients = story.shuffled(RECIPIENTS, seed=11)
    story.import_contacts(platform, recipients)
    campaign = story.launch(platform.api, recipients, per_second=PER_SECOND)
    _wait_accepted(platform, campaign, BACKED_UP_AT)
    backup = platform.home / "backup"
    data = asyncio.run(_back_up(platform, backup))
    _tell(f"backed up at {sum(_taken(platform, campaign).values())} messages by the sandbox's ledger")
    stopped = _stops(platform, campaign)
    _wait_accepted(platform, campaign, LOST_AT)
    platform.stop()
    shutil.rmtree(data)
    shutil.move(backup, data)
    if streams == "lost":
        shutil.rmtree(data.parents[1] / "valkey")
    platform.start()
    before = _taken(platform, campaign)
    _tell(f"the backup is back; {sum(before.values())} messages have left")
    held = platform.wait_until("the hold", lambda: _held(platform), SECONDS_MAX)
    _tell(f"held: {held}")
    status, shown = platform.ese("restore", "status")
    assert status == 1, shown
    released, shown = platform.ese("restore", "release", "--reason", "the drill", "--by", "drill")
    assert released == 0, shown
    _tell("released: " + " ".join(shown.split("\n")))
    platform.wait_until("no open message", lambda: _nothing_open(platform, campaign), SECONDS_MAX)
    after = _taken(platform, campaign)
    kept = sum(after[number] == 0 for number in stopped)
    missing = sum(after[number] == 0 for number in recipients if number not in stopped)
    holds, proof = platform.verify()
    _tell(f"ese verify: {proof.strip().splitlines()[-1]}")
    assert holds, proof
    return Result(RECIPIENTS, sum(count - 1 for count in after.values() if count > 1), missing, kept, STOPS)


async def _back_up(platform: RunningPlatform, target: Path) -> Path:
    """`pg_basebackup` of the embedded server while messages leave; where the server keeps its data."""
    url = urlsplit(platform.running()["environment"]["DATABASE_URL"])
    secrets = json.loads((platform.home / ".ese" / "secrets.json").read_text())
    password = secrets["postgres_superuser_password"]
    connection = await asyncpg.connect(
        host=url.hostname, port=url.port, user=SUPERUSER, password=password, database="postgres"
    )
    data = Path(await connection.fetchval("SHOW data_directory"))
    await connection.close()
    command = [
        binaries.postgres_folder() / "bin" / "pg_basebackup", "-h", str(url.hostname), "-p", str(url.port),
        "-U", SUPERUSER, "-D", target, "-X", "stream", "--checkpoint=fast",
    ]  # fmt: skip
    subprocess.run(command, env={**os.environ, "PGPASSWORD": password}, check=True, capture_output=True, timeout=60)
    owner = data.stat()
    for path in (target, *target.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return data


def _stops(platform: RunningPlatform, campaign: story.Launched) -> list[str]:
    """Those whose turn comes last write STOP."""
    rows = platform.api.everything(f"/api/v1/reporting/campaigns/{campaign.id}/recipients", status="queued")
    last = sorted(rows, key=lambda row: row["message_id"])[-STOPS:]
    for row in last:
        story.write_stop(platform, row["phone"])
    return [row["phone"] for row in last]


def _held(platform: RunningPlatform) -> str | None:
    found = platform.api.get("/api/v1/restore")
    return str(found["reason"]) if found["state"] == "held" else None


def _nothing_open(platform: RunningPlatform, campaign: story.Launched) -> bool:
    found = story.counts(platform.api, campaign)
    return found["audience"] == RECIPIENTS and not any(found[state] for state in OPEN)


def _taken(platform: RunningPlatform, campaign: story.Launched) -> Counter[str]:
    return story.taken_by_the_sandbox(platform, campaign)


def _wait_accepted(platform: RunningPlatform, campaign: story.Launched, count: int) -> None:
    platform.wait_until(
        f"{count} accepted messages", lambda: story.accepted(story.counts(platform.api, campaign)) >= count, SECONDS_MAX
    )


def _tell(line: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - _began:5.1f} s] {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["kept", "lost"]))
