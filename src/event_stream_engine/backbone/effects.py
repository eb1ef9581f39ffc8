"""Claims of effects outside the platform, each known to a witness outside PostgreSQL before its effect begins.

The witness is the largest mark of this database (`life.py`) and its newest tick, in Redis and in a file of each
process below `<home>/witness`. A process compares before its first claim, and each claim requires in its own
transaction that the database is not behind what Redis said just before. After the commit, and before the first
request, the claim's mark is written to both places. So a database that was restored from any earlier time is behind
the witness as soon as one claim was made since, whichever process starts first.

Either place alone is enough: a flushed Redis is filled again from the file or from a running process, a lost file from
Redis. If both are missing, a process waits `GRACE_SECONDS` for another host's process to fill Redis, then the hold
begins. A database that never had a witness (a new one, or one of a release before this) gets its first.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from event_stream_engine.backbone import life
from event_stream_engine.backbone.life import EffectsHeld, Life, Mark, MarkRefused
from event_stream_engine.database import Database, Transaction
from event_stream_engine.errors import Unavailable
from event_stream_engine.settings import Settings

log = structlog.get_logger()

KEY = "ese:witness"
FOLDER = "witness"
GRACE_SECONDS = 15.0
KEEP_SECONDS = 5.0
_EFFECTS = "effects"
_T = TypeVar("_T")


class WitnessUnavailable(Unavailable):
    """Redis cannot be asked, or has no witness yet: nothing is claimed meanwhile."""

    code = "witness_unavailable"
    title = "Nothing can be sent right now"


@dataclass
class Claiming:
    """A transaction that may claim effects. Call `mark` last, where something was claimed."""

    tx: Transaction
    seen: Mark
    marked: int | None = None

    async def mark(self) -> None:
        """Raises `MarkRefused`, which rolls the claim back."""
        self.marked = await life.claim(self.tx, self.seen)


@dataclass
class Effects:
    """One for each process that claims. `folder` is where the files of this host's processes lie."""

    database: Database
    redis: "Redis"
    folder: Path
    grace_seconds: float = GRACE_SECONDS
    known: Mark | None = None
    _missing_since: float | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    _filing: threading.Lock = field(default_factory=threading.Lock)
    _filed: Mark | None = None

    @asynccontextmanager
    async def claiming(self, *, fail_fast: bool = False) -> AsyncIterator[Claiming]:
        """A transaction for a claim; `fail_fast` as for `Database.transaction`. Raises `EffectsHeld`, after rolling
        back; `WitnessUnavailable`."""
        seen = await self.look()
        try:
            async with self.database.transaction(fail_fast=fail_fast) as tx:
                claiming = Claiming(tx, seen)
                yield claiming
        except MarkRefused:
            await self.refused()
        if claiming.marked is not None:
            await self._confirm(claiming.marked, seen)

    async def refused(self) -> None:
        """The fence did not let a claim pass: compare again. Raises `EffectsHeld` or `WitnessUnavailable`."""
        self.known = None
        await self.look()
        raise WitnessUnavailable("The database was exchanged or accepted a moment ago: try again.")

    async def look(self) -> Mark:
        """What the witness says now, having compared it with the database at least once. Raises `EffectsHeld`,
        `WitnessUnavailable`."""
        if self.known is None:
            async with self._opening:
                if self.known is None:
                    self.known = await self._open()
        known, found = self.known, await self._asked(self._in_redis())
        if found is None or found.lineage != known.lineage or found.life < known.life:
            await self._asked(self._to_redis(known))  # flushed, or an older copy of Redis
        elif found.life > known.life:
            self.known = None  # accepted meanwhile, or another database
            return await self.look()
        else:
            self.known = known = known.newest(found)
        return known

    async def note_tick(self, tick: int) -> None:
        """The newest tick, from the relay. Raises `WitnessUnavailable`."""
        known = await self.look()
        if tick > known.tick:
            await self._write(msgspec.structs.replace(known, tick=tick))

    async def keep(self) -> None:
        """Until canceled: keep this host's file as new as Redis, and Redis as new as this process."""
        while True:
            try:
                if self.known is not None:
                    await self._write(await self.look())
            except (EffectsHeld, WitnessUnavailable, OSError) as error:
                log.debug("witness not saved", error=str(error)[:200])
            await asyncio.sleep(KEEP_SECONDS)

    async def _confirm(self, mark: int, seen: Mark) -> None:
        """The claim is committed and nothing has left: the witness first. Another claim may have been witnessed before
        this one; where the database does not have it, it went back in time while this claim was under way."""
        mine = msgspec.structs.replace(seen, mark=mark)
        newest = await self._write(mine)
        if newest.mark > mark or newest.life > mine.life:
            async with self.database.transaction() as tx:
                reached = await life.holds_marks(tx, newest)
            if not reached:
                await self.refused()

    async def _open(self) -> Mark:
        """Compare the database with every witness there is; begin a hold where they contradict each other.

        The witness is read first: another process may claim in between, and it writes to the database before it writes
        to the witness. What was read of the witness is in the database by then, unless it went back in time.
        """
        in_redis = await self._asked(self._in_redis())
        in_files = list(await asyncio.to_thread(self._in_files))
        async with self.database.transaction() as tx:
            row = await life.read(tx)
        found = [mark for mark in (in_redis, *in_files) if mark is not None]
        own = [mark for mark in found if row.lineage and mark.lineage == str(row.lineage)]
        newest: Mark | None = None
        for mark in own:
            newest = mark if newest is None else newest.newest(mark)
        reason = self._contradiction(row, newest, is_foreign=bool(found) and not own)
        if reason is not None:
            async with self.database.transaction() as tx:
                if await life.hold(tx, reason, newest):
                    log.error("sending is held", reason=reason)
        if reason is not None or row.is_held:
            raise EffectsHeld(row.reason or reason or "")
        return await self._first(row) if row.lineage is None or not row.witnessed else await self._agreed(row, newest)

    def _contradiction(self, row: Life, newest: Mark | None, *, is_foreign: bool) -> str | None:
        """Why this database must not send, in words for an operator; None when nothing speaks against it."""
        if not row.same_cluster:
            return f"This database was restored into another PostgreSQL cluster. {_WHAT_TO_DO}"
        if newest is None:
            return self._missing(row, is_foreign=is_foreign)
        self._missing_since = None
        if newest.life > row.life:
            return (
                f"This database is in generation {row.life}, and generation {newest.life} was accepted before. "
                f"{_WHAT_TO_DO}"
            )
        if newest.life < row.life:
            return None
        if newest.mark > row.mark:
            return (
                f"This database is older than what was sent: it knows {row.mark} claims, the witness "
                f"{newest.mark}. {_WHAT_TO_DO}"
            )
        if newest.tick > row.tick:
            return (
                f"This database is older than what was published: its newest tick is {row.tick}, the witness knows "
                f"{newest.tick}. {_WHAT_TO_DO}"
            )
        return None

    def _missing(self, row: Life, *, is_foreign: bool) -> str | None:
        if row.is_held:
            return None
        if not row.witnessed:
            return None if row.is_new or not is_foreign else f"The witness is that of another database. {_WHAT_TO_DO}"
        now = time.monotonic()
        self._missing_since = now if self._missing_since is None else self._missing_since
        if now - self._missing_since < self.grace_seconds:
            raise WitnessUnavailable("Neither Redis nor this host has the witness: waiting for another host's process.")
        return f"The witness is lost: neither Redis nor the home folder knows what was sent. {_WHAT_TO_DO}"

    async def _first(self, row: Life) -> Mark:
        """The first witness of a database that never had one."""
        if row.lineage is None:
            async with self.database.transaction() as tx:
                await life.begin_lineage(tx)
                row = await life.read(tx)
        await self._write(Mark(str(row.lineage), row.life, row.mark, row.tick))
        async with self.database.transaction() as tx:
            await life.note_witnessed(tx)
        return Mark(str(row.lineage), row.life, row.mark, row.tick)

    async def _agreed(self, row: Life, newest: Mark | None) -> Mark:
        """After a start each place has what the other had."""
        mark = Mark(str(row.lineage), row.life, 0, 0)
        return await self._write(mark if newest is None else mark.newest(newest))

    async def _write(self, mark: Mark) -> Mark:
        """To Redis and to this process's file; what the witness says then."""
        newest = (await self._asked(self._to_redis(mark))).newest(mark)
        await asyncio.to_thread(self._to_file, newest)
        if self.known is not None and self.known.lineage == newest.lineage:
            self.known = self.known.newest(newest)
        return newest

    async def _asked(self, question: Awaitable[_T]) -> _T:
        try:
            return await question
        except (RedisError, OSError) as error:
            raise WitnessUnavailable(f"Redis does not answer: {error}.") from error

    async def _in_redis(self) -> Mark | None:
        found = await cast("Awaitable[dict[Any, Any]]", self.redis.hgetall(KEY))
        return _mark({_text(name): _text(value) for name, value in found.items()})

    async def _to_redis(self, mark: Mark) -> Mark:
        """What Redis holds after it took what is newer."""
        arguments = [mark.lineage, str(mark.life), str(mark.mark), str(mark.tick)]
        found = await cast("Awaitable[list[Any]]", self.redis.eval(_MERGE, 1, KEY, *arguments))
        merged = _mark(dict(zip(("lineage", "life", "mark", "tick"), map(_text, found), strict=True)))
        return merged or mark

    def _in_files(self) -> Iterator[Mark]:
        for path in self.folder.glob("*/*.json"):
            try:
                mark = _mark(msgspec.json.decode(path.read_bytes()))
            except (OSError, msgspec.MsgspecError):
                continue
            if mark is not None:
                yield mark

    def _to_file(self, mark: Mark) -> None:
        """A file of this process's own. Those of earlier processes, which know less, go."""
        with self._filing:  # claims of one process end in any order, each in a thread of its own
            known = self._filed
            self._filed = known.newest(mark) if known is not None and known.lineage == mark.lineage else mark
            self._replace_file(self._filed)

    def _replace_file(self, mark: Mark) -> None:
        folder = self.folder / mark.lineage
        own = folder / f"{socket.gethostname()}-{os.getpid()}.json"
        is_first = not own.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = own.with_suffix(".new")
        written.write_bytes(msgspec.json.encode(mark))
        written.replace(own)
        if is_first:
            for path in folder.glob("*.json"):
                if path != own and self._knows_less(path, mark):
                    path.unlink(missing_ok=True)

    def _knows_less(self, path: Path, mark: Mark) -> bool:
        try:
            other = _mark(msgspec.json.decode(path.read_bytes()))
        except (OSError, msgspec.MsgspecError):
            return False
        return other is not None and mark.newest(other) == mark


def effects_of(settings: Settings, database: Database, redis: "Redis", shared: dict[str, Any]) -> Effects:
    """This process's one, made on first use."""
    if _EFFECTS not in shared:
        shared[_EFFECTS] = Effects(database, redis, settings.home / FOLDER)
    effects: Effects = shared[_EFFECTS]
    return effects


def _mark(found: Any) -> Mark | None:
    try:
        return msgspec.convert(found, Mark, strict=False)
    except msgspec.ValidationError:
        return None


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


_WHAT_TO_DO = (
    "What was sent since may be sent again, and a STOP received since is unknown here. `ese restore status` shows the "
    "gap; `ese restore release` closes it."
)

# The larger numbers of one life, the later of two lives. Another database's witness is replaced: a writer has compared.
_MERGE = """
local held = redis.call('HMGET', KEYS[1], 'lineage', 'life', 'mark', 'tick')
local life, mark, tick = tonumber(held[2] or 0), tonumber(held[3] or 0), tonumber(held[4] or 0)
if held[1] ~= ARGV[1] or tonumber(ARGV[2]) > life then
  redis.call('HSET', KEYS[1], 'lineage', ARGV[1], 'life', ARGV[2], 'mark', ARGV[3], 'tick', ARGV[4])
elseif tonumber(ARGV[2]) == life then
  if tonumber(ARGV[3]) > mark then redis.call('HSET', KEYS[1], 'mark', ARGV[3]) end
  if tonumber(ARGV[4]) > tick then redis.call('HSET', KEYS[1], 'tick', ARGV[4]) end
end
return redis.call('HMGET', KEYS[1], 'lineage', 'life', 'mark', 'tick')
"""
