"""How many processes a worker has: one while little is to be done, more while tasks wait."""

from typing import Any

from celery.worker.autoscale import Autoscaler

IDLE_SECONDS = 10.0


class Scaling(Autoscaler):
    """Celery's own, which lets a process go `IDLE_SECONDS` after the last task; with Celery's 30 it never would, as
    the schedule starts some every 30 seconds."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{**named, "keepalive": IDLE_SECONDS})
