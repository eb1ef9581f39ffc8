"""Opt-outs in any wording: how many are recognized, how many ordinary replies are taken for one, and at what speed."""

import time
from pathlib import Path

from benchmarks.stage.figures import record
from event_stream_engine.messaging.model.replies import Reading, StopWords, read_reply
from event_stream_engine.messaging.model.replies.confirmations import TWILIO_ANSWERS

SETS = sorted(Path(__file__).parent.parent.glob("tests/data/opt_out_replies*.txt"))
GOAL_RECALL = 0.99
GOAL_FALSE_ALARMS = 0.05
ROUNDS = 20


async def measure() -> None:
    replies = [line.split("|", 2) for path in SETS for line in _lines(path)]
    opt_outs = [text for _, wanted, text in replies if wanted == "opt_out"]
    others = [text for _, wanted, text in replies if wanted == "other"]
    languages = len({language for language, _, _ in replies})
    stop_words = StopWords()
    recall = _share([read_reply(text, stop_words) for text in opt_outs])
    alarms = _share([read_reply(text, stop_words) for text in others])
    twilio = sum(text.strip().casefold() in TWILIO_ANSWERS for text in opt_outs) / len(opt_outs)
    record(
        "optout", 100 * recall, f"% of {len(opt_outs)} opt-outs in {languages} languages recognized",
        beside="% that Twilio's own keywords recognize", beside_value=100 * twilio, ratio=recall / twilio,
        goal=">= 99 %", met=recall >= GOAL_RECALL,
    )  # fmt: skip
    record(
        "optout_false_alarms", 100 * alarms, f"% of {len(others)} other replies taken for an opt-out",
        beside="% allowed", beside_value=100 * GOAL_FALSE_ALARMS, ratio=alarms / GOAL_FALSE_ALARMS,
        goal="<= 5 %", met=alarms <= GOAL_FALSE_ALARMS,
    )  # fmt: skip
    milliseconds = _milliseconds([text for _, _, text in replies], stop_words)
    record(
        "optout_speed", milliseconds, "ms to read a reply, on the event loop", beside="ms that one may take there",
        beside_value=5.0, ratio=milliseconds / 5.0, goal="<= 5 ms", met=milliseconds <= 5.0,
    )  # fmt: skip


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def _share(readings: list[Reading]) -> float:
    return sum(reading.kind == "stop" for reading in readings) / len(readings)


def _milliseconds(texts: list[str], stop_words: StopWords) -> float:
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for text in texts:
            read_reply(text, stop_words)
    return (time.perf_counter() - began) * 1000 / (ROUNDS * len(texts))
