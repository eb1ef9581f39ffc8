"""`ese work` and `ese beat`: Celery, started from our settings."""

import warnings

from celery.exceptions import SecurityWarning
from celery.signals import worker_process_init

from event_stream_engine import jobs
from event_stream_engine.entrypoints.bootstrap import begin, import_chores
from event_stream_engine.entrypoints.flags.keeping import follow_flags
from event_stream_engine.entrypoints.metrics.publishing import publish_beside
from event_stream_engine.jobs.app import QUEUES


def main() -> None:
    """A worker for all queues. Its processes each run one event loop; chores in them await as usual."""
    settings = begin("work")
    # The warning is about pickled messages; ours are JSON, the only content that the worker accepts.
    warnings.simplefilter("ignore", SecurityWarning)
    import_chores()
    # A thread does not outlive the fork: each process of the worker follows the flags and tells its figures itself.
    worker_process_init.connect(lambda **_: follow_flags(settings, "work"), weak=False)
    worker_process_init.connect(lambda **_: publish_beside(settings, "work"), weak=False)
    celery = jobs.configure(settings)
    celery.start([
        "--quiet",
        "worker",
        f"--queues={','.join(QUEUES)}",
        f"--concurrency={settings.messaging.worker_processes}",
        "--loglevel=WARNING",
        "--without-gossip",
        "--without-mingle",
        "--events",
    ])  # fmt: skip


def beat() -> None:
    """The clock of scheduled chores. It keeps no file: every schedule is an interval of seconds."""
    settings = begin("beat")
    follow_flags(settings, "beat")
    import_chores()
    celery = jobs.configure(settings)
    celery.start(["--quiet", "beat", "--loglevel=WARNING", "--scheduler=celery.beat:Scheduler", "--pidfile="])
