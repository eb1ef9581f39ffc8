"""Shares of keys: percent where people and programs write them, whole steps of 0.01 % where they are decided.

The steps are what is stored, so definitions from before the API spoke percent keep their meaning."""

from collections.abc import Callable, Mapping
from typing import Any

from event_stream_engine.flags.model.definition import STEPS

PERCENT = "0 to 100, with at most two decimals."


def steps_of(percent: float) -> int:
    """25.5 is 2550 steps. Raises `ValueError` for what is out of 0 to 100, or finer than 0.01."""
    if not 0 <= percent <= 100:  # neither is true of NaN
        raise ValueError(PERCENT)
    steps = round(percent * STEPS / 100)
    if abs(steps - percent * STEPS / 100) > 1e-6:
        raise ValueError(PERCENT)
    return steps


def percent_of(steps: int) -> float:
    """A whole number where it is one."""
    percent = steps * 100 / STEPS
    return int(percent) if percent.is_integer() else percent


def in_steps(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A definition, or part of one, as it was given, as it is stored."""
    return _converted(fields, steps_of)


def in_percent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A stored definition, or part of one, as it is shown."""
    return _converted(fields, percent_of)


def _converted(fields: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
    def share(part: Mapping[str, Any], name: str) -> dict[str, Any]:
        return {**part, name: convert(part[name])} if part.get(name) is not None else dict(part)

    found = dict(fields)
    if found.get("rollout"):
        found["rollout"] = share(found["rollout"], "percentage")
    if found.get("rules"):
        found["rules"] = [share(rule, "percentage") for rule in found["rules"]]
    if found.get("variants"):
        found["variants"] = [share(variant, "weight") for variant in found["variants"]]
    return found
