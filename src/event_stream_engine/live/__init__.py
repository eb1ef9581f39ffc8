"""What changed, pushed to the browsers that look at it.

Features record `LiveUpdate` events in the transaction of the change; they travel the same way as every event. The
hub of each API process follows that one stream and hands each client what its topics match, at most four frames a
second per entity, newest last.

Guaranteed: a client that resumes with the last id it saw misses no entity's latest state, or is told to fetch
everything again (`resync`). Not guaranteed: every intermediate state; they are replaced by newer ones.
Bounds: 500 clients a process, 2,000 waiting frames a client (then `resync`), 5,000 entries a resume.
"""

from event_stream_engine.live.hub import Frame, Hub
from event_stream_engine.live.sse import stream

__all__ = ["Frame", "Hub", "stream"]
