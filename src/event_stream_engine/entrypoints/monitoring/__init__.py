"""Monitoring in the processes: the broadcaster that each keeps, and its routes."""
