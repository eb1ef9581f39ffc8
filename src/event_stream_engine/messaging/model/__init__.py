"""Messaging's rules: pure, no I/O."""
