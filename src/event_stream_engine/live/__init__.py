"""What changed, pushed to the browsers that look at it.

Features record `LiveUpdate` events in the transaction of the change; they travel the same way as every event. The
hub of each API process follows that one stream and hands each client what its topics match, at most four frames a
second per entity, newest last.

Monitoring events go the same way out: a `Channel` gives each its offset within an epoch, keeps a history, and the
hub puts it into the mailboxes of those who follow `monitoring` or `monitoring:<category>`. `protocol` is what a client
is told, over Server-Sent Events (`sse`) or a WebSocket (`websocket`).

Guaranteed: a client that resumes with the last id it saw misses no entity's latest state, or is told to fetch
everything again (`resync`); of monitoring events it misses none of the history, or is given a snapshot and told so;
a range that was conflated or shed is announced. Not guaranteed: every intermediate state; they are replaced by newer
ones. Each stage accounts for what it took (`accounting`).
Bounds: ESE_LIVE_CLIENTS (1,000) clients a process; a client's waiting updates 2,000 (then `resync`), its waiting
monitoring events 1,024 or 1 MiB (the least worth goes; a client too slow for the critical ones is cut off); 5,000
entries, or 1,000 monitoring events and 1 MiB, a resume; 128 KiB of monitoring events a batch and a snapshot.
"""

from event_stream_engine.live.channel import Channel
from event_stream_engine.live.hub import Frame, Hub
from event_stream_engine.live.sse import stream

__all__ = ["Channel", "Frame", "Hub", "stream"]
