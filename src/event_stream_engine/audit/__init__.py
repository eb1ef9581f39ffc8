"""The audit trail: who did what, when; append-only, each row carrying the hash of the one before."""

from event_stream_engine.audit.proof import Proof, prove
from event_stream_engine.audit.store import record

__all__ = ["Proof", "prove", "record"]
