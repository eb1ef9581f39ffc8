"""The platform's own processes, started for a benchmark."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, Process

from event_stream_engine.embedded.throwaway import Servers

SECRET = "benchmark-secret-benchmark-secret-32"


async def started(command: str, servers: Servers, **environment: str) -> Process:
    """`ese <command>` against these servers; the caller ends it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "event_stream_engine.entrypoints.cli",
        command,
        env={
            **os.environ,
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "ESE_SECRET_KEY": SECRET,
            "ESE_LOG_LEVEL": "ERROR",
            **environment,
        },
        stdout=DEVNULL,
    )
