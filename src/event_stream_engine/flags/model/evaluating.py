"""What a flag gives in a context: in memory, no input or output, and no error ever leaves.

The order: kill switch, disabled, prerequisites, individual targets, rules, percentage, value. A definition is compiled
once, so that the answer costs a few dictionary look-ups. Reasons are those of OpenFeature's specification.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

import msgspec
from mmh3 import hash as murmur3_32

from event_stream_engine.flags.model.definition import STEPS, Constraint, Flag, Rule, Serve, Value

Context = Mapping[str, Any]

STICKY_SEED = 0
VARIANT_SEED = 86_028_157  # as Unleash's clients: the same key must not decide being in and which variant
_KEY_MAX = 2**63


class Evaluation(msgspec.Struct, frozen=True, gc=False):
    """The answer. `detail` says more than the reason: `killed`, `rule:2`, `prerequisite:name`, `no_key`, …"""

    value: Any
    variant: str | None
    reason: str
    version: int
    detail: str | None = None
    error_code: str | None = None


def bucket(salt: str, flag: str, key: str, seed: int = STICKY_SEED) -> int:
    """The key's place among 10,000: it depends on nothing else, so a larger share keeps everybody who was in."""
    return murmur3_32(f"{salt}:{flag}:{key}".encode("utf-8", "surrogatepass"), seed, False) % STEPS


def evaluate(flags: "Mapping[str, Compiled]", name: str, context: Context) -> Evaluation | None:
    """The flag's answer, None when there is no such flag."""
    found = flags.get(name)
    return None if found is None else found.evaluate(context, flags)


class Compiled:
    """A flag ready to be asked. Immutable, so any thread may ask."""

    __slots__ = ("_no_key", "_prerequisites", "_rollout", "_rules", "_targets", "_value", "flag", "name", "version")

    def __init__(self, name: str, flag: Flag, version: int) -> None:
        self.name, self.flag, self.version = name, flag, version
        idle = _idle(flag)
        self._value = self._answer(flag.in_force if idle else flag.value, *(idle or ("DEFAULT", None)))
        self._no_key = self._answer(flag.value, "DEFAULT", "no_key")
        self._prerequisites = () if idle else tuple((p.flag, _tagged(p.value)) for p in flag.prerequisites)
        self._targets = {} if idle else self._compiled_targets()
        self._rules = () if idle else tuple(self._compiled_rule(n, rule) for n, rule in enumerate(flag.rules, 1))
        self._rollout = None
        if flag.rollout and not idle:
            self._rollout = (flag.rollout.percentage, self._server(flag.rollout.serve, "SPLIT", None))

    def evaluate(self, context: Context, flags: "Mapping[str, Compiled]") -> Evaluation:
        for name, wanted in self._prerequisites:
            met = evaluate(flags, name, context)
            if met is None or _tagged(met.value) != wanted:
                return self._answer(self._off, "DISABLED", f"prerequisite:{name}")
        if not (self._targets or self._rules or self._rollout):
            return self._value
        key = _sticky(context.get(self.flag.key))
        if key in self._targets:
            return self._targets[key]
        return self._by_rules(context, key) or self._by_share(key)

    def _by_rules(self, context: Context, key: str | None) -> Evaluation | None:
        for tests, share, serve in self._rules:
            for attribute, test in tests:
                if not test(context.get(attribute)):
                    break
            else:
                if (
                    share is None
                    or share >= STEPS
                    or (key is not None and bucket(self.flag.salt, self.name, key) < share)
                ):
                    return serve(key)
        return None

    def _by_share(self, key: str | None) -> Evaluation:
        if self._rollout is None:
            return self._value
        share, serve = self._rollout
        if share >= STEPS:  # everybody, also who cannot be told from others
            return serve(key)
        if key is None:
            return self._no_key
        return serve(key) if bucket(self.flag.salt, self.name, key) < share else self._value

    @property
    def _off(self) -> Value:
        return self.flag.value if self.flag.off is None else self.flag.off

    def _answer(self, value: Any, reason: str, detail: str | None, variant: str | None = None) -> Evaluation:
        if self.flag.type == "bool" and variant is None:
            variant = "on" if value else "off"
        if self.flag.type == "float":
            value = float(value)
        return Evaluation(value, variant, reason, self.version, detail)

    def _compiled_targets(self) -> dict[str | None, Evaluation]:
        found: dict[str | None, Evaluation] = {}
        for target in self.flag.targets:
            answer = self._server(target.serve, "TARGETING_MATCH", "target")("")
            for key in target.keys:
                found.setdefault(key, answer)
        return found

    def _compiled_rule(self, number: int, rule: Rule) -> "_CompiledRule":
        tests = tuple((constraint.attribute, _test(constraint)) for constraint in rule.when)
        return tests, rule.percentage, self._server(rule.serve, "TARGETING_MATCH", f"rule:{number}")

    def _server(self, serve: Serve, reason: str, detail: str | None) -> "_Server":
        named = {variant.name: variant.value for variant in self.flag.variants}
        if serve.split:
            return self._splitter(detail)
        if serve.variant is None:
            one = self._answer(serve.value, reason, detail)
        else:
            one = self._answer(named[serve.variant], reason, detail, serve.variant)
        return lambda _: one

    def _splitter(self, detail: str | None) -> "_Server":
        """The variants by their weights, from a second hash of the key."""
        answers = [self._answer(v.value, "SPLIT", detail, v.name) for v in self.flag.variants if v.weight]
        ends = list(accumulate(v.weight for v in self.flag.variants if v.weight))

        def split(key: str | None) -> Evaluation:
            if key is None:
                return self._no_key
            return answers[bisect_right(ends, bucket(self.flag.salt, self.name, key, VARIANT_SEED))]

        return split


_Server = Callable[[str | None], Evaluation]
_Test = Callable[[Any], bool]
_CompiledRule = tuple[tuple[tuple[str, _Test], ...], int | None, _Server]


def _idle(flag: Flag) -> tuple[str, str | None] | None:
    """Reason and detail of a flag whose answer no context can change."""
    if flag.killed:
        return "DISABLED", "killed"
    if not flag.enabled:
        return "DISABLED", "disabled"
    return None if flag.is_targeted else ("STATIC", None)


def _sticky(value: Any) -> str | None:
    """A sticky key as text; None for what cannot be one, an empty text and a bool among them."""
    if type(value) is str:
        return value or None
    return str(value) if type(value) is int and -_KEY_MAX < value < _KEY_MAX else None


def _tagged(value: Any) -> Any:
    """Equal for equal values of one kind: numbers with numbers, never a bool with a number."""
    return ("bool", value) if type(value) is bool else value


def _test(constraint: Constraint) -> _Test:
    """A condition as a function of the attribute's value, None when it is not there. Plain values only: what is of
    another type (also a subclass, which may do anything) counts as not there."""
    return _TESTS[constraint.op](constraint.values)


_Scalars = tuple[Any, ...]


def _plain(value: Any) -> bool:
    return type(value) in (str, int, float, bool)


def _in(values: _Scalars) -> _Test:
    allowed = frozenset(map(_tagged, values))
    return lambda given: _plain(given) and _tagged(given) in allowed


def _not_in(values: _Scalars) -> _Test:
    refused = frozenset(map(_tagged, values))
    return lambda given: _plain(given) and _tagged(given) not in refused


def _contains(values: _Scalars) -> _Test:
    allowed, texts = frozenset(map(_tagged, values)), tuple(v for v in values if type(v) is str)

    def test(given: Any) -> bool:
        if type(given) is str:
            return any(text in given for text in texts)
        return type(given) in (list, tuple) and any(_plain(one) and _tagged(one) in allowed for one in given)

    return test


def _texts(compare: Callable[[str, tuple[str, ...]], bool]) -> Callable[[_Scalars], _Test]:
    def make(values: _Scalars) -> _Test:
        texts = tuple(value for value in values if type(value) is str)
        return lambda given: type(given) is str and compare(given, texts)

    return make


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[_Scalars], _Test]:
    """Numbers with numbers, texts with texts (ISO 8601 times in one zone sort as texts)."""

    def make(values: _Scalars) -> _Test:
        bound = values[0]
        kinds = (str,) if type(bound) is str else (int, float)
        return lambda given: type(given) in kinds and type(bound) is not bool and compare(given, bound)

    return make


_TESTS: dict[str, Callable[[_Scalars], _Test]] = {
    "eq": _in,
    "in": _in,
    "ne": _not_in,
    "not_in": _not_in,
    "contains": _contains,
    "starts_with": _texts(str.startswith),
    "ends_with": _texts(str.endswith),
    "gt": _ordered(lambda given, bound: given > bound),
    "gte": _ordered(lambda given, bound: given >= bound),
    "lt": _ordered(lambda given, bound: given < bound),
    "lte": _ordered(lambda given, bound: given <= bound),
    "exists": lambda _: lambda given: given is not None,
    "missing": lambda _: lambda given: given is None,
}
