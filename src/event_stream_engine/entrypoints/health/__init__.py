"""Health: each component is looked at every five seconds, and changes its state only after repeated readings."""
