"""Tests against real servers; the tree mirrors `src/event_stream_engine/`."""
