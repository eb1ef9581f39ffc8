"""How likely a reply in free words asks for no more messages.

The law takes any reasonable wording for an opt-out (47 CFR 64.1200(a)(10)), so a list of words is not enough. A reply
becomes features: the ideas it names (`concepts.txt`: stop, remove, send, number, order, … in twelve languages), their
pairs, and its letters in groups of two to five. A logistic regression weighs them. `tools/opt_out` trains it on
written examples; `make bench ONLY=optout` measures it on others. No language has to be known first.
"""

import base64
import hashlib
import itertools
import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from event_stream_engine.messaging.model.replies.text import is_unspaced, normalize

BUCKETS = 2**15
PART_LENGTH = 200
PARTS_MAX = 8
"""A long reply is judged in at most so many parts of so many characters, cut at the ends of sentences."""

_GROUP_LENGTHS = (2, 3, 4, 5)
_GROUP_WEIGHT = 4.0
_TRIPLES = frozenset({"STOP", "REMOVE", "SEND", "MSG", "NEG", "MORE", "NUMBER", "WANT", "DEAL", "KEEP"})
_SENTENCE_END = re.compile(r"(?<=[.!?。！？؟\n])\s*")
_QUESTION_MARKS = "?？؟"
_ARABIC = re.compile("[\u0600-\u06ff]")
_COVERED = re.compile("[a-z0-9\u0600-\u06ff\u3040-\u30ff\u3400-\u9fff]")
"""Latin letters without accents, digits, Arabic, Japanese and Chinese."""


def opt_out_score(body: str) -> float:
    """Between 0 and 1: how likely the reply asks for no more messages. The most telling part of a long one counts."""
    return max((_score(part) for part in _parts(body)), default=0.0)


def _parts(body: str) -> Iterator[str]:
    if not _COVERED.search(normalize(body)):
        return  # a script that no example was written in
    if len(body) <= PART_LENGTH:
        yield body
        return
    sentences = (s for s in _SENTENCE_END.split(body) if normalize(s))
    pieces = (s[at : at + PART_LENGTH] for s in sentences for at in range(0, len(s), PART_LENGTH))
    yield from itertools.islice(pieces, PARTS_MAX)


def _score(text: str) -> float:
    model = _model()
    total = model.bias
    for index, value in hashed(features(text)).items():
        total += model.weights[index] * model.scale * value
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def features(text: str) -> dict[str, float]:
    """The features of a reply by name, with their values."""
    normalized = normalize(text)
    words = normalized.split()
    named = [name for name, concept in _concepts().items() if concept.is_named_in(normalized, words)]
    found = {f"concept:{name}": 1.0 for name in named}
    found |= {f"concepts:{a}+{b}": 1.0 for a, b in itertools.combinations(named, 2)}
    triples = itertools.combinations([name for name in named if name in _TRIPLES], 3)
    found |= {f"concepts:{'+'.join(triple)}": 0.7 for triple in triples}
    if not named:
        found["concept:none"] = 1.0
    size = len(normalized) // 2 if is_unspaced(normalized) else len(words)
    found[f"size:{min(4, size // 2)}"] = 1.0
    if any(mark in text for mark in _QUESTION_MARKS):
        found["question"] = 1.0
    groups = set(_letter_groups(normalized, words))
    weight = _GROUP_WEIGHT / math.sqrt(len(groups) or 1)
    return found | dict.fromkeys(groups, weight)


def _letter_groups(normalized: str, words: list[str]) -> Iterator[str]:
    padded = f" {normalized} "
    for length in _GROUP_LENGTHS:
        for start in range(len(padded) - length + 1):
            yield f"letters:{padded[start : start + length]}"
    if is_unspaced(normalized):
        yield from (f"letters:{letter}" for letter in normalized)
    yield from (f"word:{word}" for word in words)
    yield from (f"words:{a} {b}" for a, b in itertools.pairwise(["^", *words, "$"]))


def hashed(named: Mapping[str, float]) -> dict[int, float]:
    """The features by their place among the weights; two of one place add up, with signs of their own."""
    found: dict[int, float] = {}
    for name, value in named.items():
        code = zlib.crc32(name.encode())
        index = code % BUCKETS
        found[index] = found.get(index, 0.0) + (value if code & 0x80000000 else -value)
    return found


@dataclass(frozen=True, slots=True)
class _Concept:
    """The stems by which an idea is named: parts of Arabic words, beginnings of others, or phrases."""

    whole: frozenset[str]
    beginnings: tuple[str, ...]
    arabic: tuple[str, ...]
    phrases: tuple[str, ...]
    unspaced: tuple[str, ...]

    def is_named_in(self, normalized: str, words: list[str]) -> bool:
        padded = f" {normalized}"
        return (
            not self.whole.isdisjoint(words)
            or any(word.startswith(self.beginnings) for word in words)
            or any(stem in word for word in words for stem in self.arabic)
            or any(phrase in padded for phrase in self.phrases)
            or any(part in normalized for part in self.unspaced)
        )


_WHOLE_LENGTH = 3
"""A stem of at most three letters is a word of its own: `no` is not the beginning of `november`."""


@cache
def _concepts() -> Mapping[str, _Concept]:
    found: dict[str, _Concept] = {}
    for line in _file("concepts.txt").splitlines():
        name, *languages = line.split("|")
        stems = {normalize(stem.replace("_", " ")) for language in languages for stem in language.split(" ")[1:]}
        found[name] = _concept(sorted(stems - {""}))
    return found


def _concept(stems: list[str]) -> _Concept:
    unspaced = [stem for stem in stems if is_unspaced(stem)]
    phrases = [stem for stem in stems if " " in stem and stem not in unspaced]
    single = [stem for stem in stems if stem not in unspaced and stem not in phrases]
    arabic = [stem for stem in single if _ARABIC.search(stem) and len(stem) > 2]
    rest = [stem for stem in single if stem not in arabic]
    return _Concept(
        whole=frozenset(stem for stem in rest if len(stem) <= _WHOLE_LENGTH),
        beginnings=tuple(stem for stem in rest if len(stem) > _WHOLE_LENGTH),
        arabic=tuple(arabic),
        phrases=tuple(f" {phrase}" for phrase in phrases),
        unspaced=tuple(unspaced),
    )


@dataclass(frozen=True, slots=True)
class _Model:
    """A weight is a signed byte times `scale`. `trained_from` names the concepts it was trained with."""

    weights: tuple[int, ...]
    scale: float
    bias: float
    trained_from: str


@cache
def _model() -> _Model:
    header, _, encoded = _file("weights.txt").partition("\n")
    trained_from, scale, bias = header.split()
    data = zlib.decompress(base64.b85decode(encoded.replace("\n", "")))
    weights = tuple(byte - 256 if byte > 127 else byte for byte in data)
    return _Model(weights, float(scale), float(bias), trained_from)


def concepts_digest() -> str:
    """Names the present concepts; the weights carry the one they were trained with."""
    return hashlib.sha256(_file("concepts.txt").encode()).hexdigest()[:16]


def trained_from() -> str:
    """The digest of the concepts that the weights were trained with."""
    return _model().trained_from


def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
