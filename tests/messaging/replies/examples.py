"""The written replies that the reading of opt-outs is measured with."""

from dataclasses import dataclass
from pathlib import Path

from event_stream_engine.messaging.model.replies import Reading, StopWords, read_reply

ROOT = Path(__file__).parents[3]
MEASURED = ROOT / "tests/data/opt_out_replies.txt"
SECOND = ROOT / "tests/data/opt_out_replies_second.txt"
BLIND = ROOT / "tests/data/opt_out_replies_blind.txt"
TRAINED = ROOT / "tools/opt_out/replies.txt"


@dataclass(frozen=True)
class Example:
    language: str
    is_opt_out: bool
    text: str

    def read(self) -> Reading:
        return read_reply(self.text, StopWords())


def examples(path: Path) -> list[Example]:
    lines = path.read_text("utf-8").splitlines()
    parts = [line.split("|", 2) for line in lines if line and not line.startswith("#")]
    return [Example(language, wanted == "opt_out", text) for language, wanted, text in parts]
