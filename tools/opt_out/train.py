"""`python tools/opt_out/train.py`: weigh the wording of replies.txt and write messaging/model/replies/weights.txt.

Logistic regression over hashed features with a small pull towards zero, by full gradients with momentum, so that the
same examples give the same weights.
"""

import base64
import math
import sys
import zlib
from pathlib import Path

from event_stream_engine.messaging.model.replies.wording import BUCKETS, concepts_digest, features, hashed

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WEIGHTS = ROOT / "src/event_stream_engine/messaging/model/replies/weights.txt"
ROUNDS = 600
RATE = 1.0
MOMENTUM = 0.9
PULL = 1e-4
"""Of the squared weights, in the mean loss of an example."""

Example = tuple[list[tuple[int, float]], bool]


def main() -> int:
    examples = [example(line) for line in (HERE / "replies.txt").read_text("utf-8").splitlines() if is_example(line)]
    weights, bias = train(examples)
    WEIGHTS.write_text(encoded(weights, bias), "utf-8")
    wrong = sum((score(weights, bias, found) >= 0.5) != is_opt_out for found, is_opt_out in examples)
    print(f"{len(examples)} examples, {wrong} of them on the wrong side of 0.5")
    return 0


def is_example(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def example(line: str) -> Example:
    _, wanted, text = line.split("|", 2)
    return list(hashed(features(text)).items()), wanted == "opt_out"


def train(examples: list[Example]) -> tuple[list[float], float]:
    weights, speed = [0.0] * BUCKETS, [0.0] * BUCKETS
    used = sorted({index for found, _ in examples for index, _ in found})
    bias = bias_speed = 0.0
    for _ in range(ROUNDS):
        slope = dict.fromkeys(used, 0.0)
        bias_slope = 0.0
        for found, is_opt_out in examples:
            error = score(weights, bias, found) - is_opt_out
            bias_slope += error
            for index, value in found:
                slope[index] += error * value
        for index in used:
            speed[index] = MOMENTUM * speed[index] - RATE * (slope[index] / len(examples) + PULL * weights[index])
            weights[index] += speed[index]
        bias_speed = MOMENTUM * bias_speed - RATE * bias_slope / len(examples)
        bias += bias_speed
    return weights, bias


def score(weights: list[float], bias: float, found: list[tuple[int, float]]) -> float:
    total = bias + sum(weights[index] * value for index, value in found)
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def encoded(weights: list[float], bias: float) -> str:
    """A line with the digest of the concepts, the scale and the bias; then the weights, a byte each, in base85."""
    scale = max(abs(weight) for weight in weights) / 127
    data = bytes(round(weight / scale) % 256 for weight in weights)
    text = base64.b85encode(zlib.compress(data, 9)).decode()
    lines = [text[at : at + 120] for at in range(0, len(text), 120)]
    return "\n".join([f"{concepts_digest()} {scale:.9g} {bias:.9g}", *lines, ""])


if __name__ == "__main__":
    sys.exit(main())
