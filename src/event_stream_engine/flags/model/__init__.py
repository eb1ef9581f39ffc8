"""Flags as values: what a flag is, what it gives in a context, and which flags go together. No input or output."""

from event_stream_engine.flags.model.catalogue import CATALOGUE, Facts
from event_stream_engine.flags.model.combinations import Issue, issues_of
from event_stream_engine.flags.model.definition import (
    STEPS,
    Constraint,
    Flag,
    Prerequisite,
    Rollout,
    Rule,
    Serve,
    Target,
    Value,
    Variant,
    fits,
)
from event_stream_engine.flags.model.evaluating import Compiled, Context, Evaluation, bucket, evaluate
from event_stream_engine.flags.model.planning import Change, Held, Planned, Refused, plan, unplanned

__all__ = [
    "CATALOGUE",
    "STEPS",
    "Change",
    "Compiled",
    "Constraint",
    "Context",
    "Evaluation",
    "Facts",
    "Flag",
    "Held",
    "Issue",
    "Planned",
    "Prerequisite",
    "Refused",
    "Rollout",
    "Rule",
    "Serve",
    "Target",
    "Value",
    "Variant",
    "bucket",
    "evaluate",
    "fits",
    "issues_of",
    "plan",
    "unplanned",
]
