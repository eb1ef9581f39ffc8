"""What was accepted, exactly: the judge of the exactly-once tests.

Counts per (recipient, sender) never forget. Details (text, status, dates) are kept for the newest
`messages_max` messages; `forgotten` says how many are gone; filtered answers are exact only while it is 0.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from event_stream_engine.entrypoints.sandbox.journal import Journal
from event_stream_engine.entrypoints.sandbox.message import Message

DUPLICATES_SHOWN: Final = 100
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    """Only messages accepted at or after `since` (epoch seconds), containing `body`, of `to`, of `sender`."""

    since: float | None = None
    body: str | None = None
    to: str | None = None
    sender: str | None = None

    @property
    def is_empty(self) -> bool:
        return self == LedgerFilter()

    def admits(self, message: Message) -> bool:
        return (
            (self.since is None or message.created >= self.since)
            and (self.body is None or self.body in message.body)
            and (self.to is None or message.to == self.to)
            and (self.sender is None or message.sender == self.sender)
        )


class Ledger:
    def __init__(self, journal: Journal, *, messages_max: int, pairs_max: int) -> None:
        self._journal = journal
        self._messages_max = messages_max
        self._pairs_max = pairs_max
        self._clear()

    def _clear(self) -> None:
        self._messages: dict[str, Message] = {}
        self._by_to: dict[str, list[Message]] = {}
        self._deleted: set[str] = set()
        self._pairs: Counter[Pair] = Counter()
        self._statuses: Counter[str] = Counter()
        self._accepted = 0
        self.forgotten = 0

    @property
    def accepted(self) -> int:
        return self._accepted

    @property
    def is_full(self) -> bool:
        return len(self._pairs) >= self._pairs_max

    def add(self, message: Message) -> None:
        """Record an accepted message, in the journal first."""
        self._journal.append(*_line(message))
        self._admit(message)

    def _admit(self, message: Message) -> None:
        self._messages[message.sid] = message
        self._by_to.setdefault(message.to, []).append(message)
        self._pairs[message.to, message.sender] += 1
        self._statuses[message.status] += 1
        self._accepted += 1
        if len(self._messages) > self._messages_max:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        sid = next(iter(self._messages))
        message = self._messages.pop(sid)
        self._deleted.discard(sid)
        siblings = self._by_to[message.to]
        siblings.remove(message)
        if not siblings:
            del self._by_to[message.to]
        self.forgotten += 1

    def move(self, message: Message, status: str, error_code: int | None, now: float) -> None:
        """Give a message its next status."""
        self._statuses[message.status] -= 1
        self._statuses[status] += 1
        message.move(status, error_code, now)
        self._journal.append("s", message.sid, status, error_code, now)

    def redact(self, message: Message) -> None:
        message.body = ""
        self._journal.append("r", message.sid)

    def delete(self, sid: str) -> None:
        """Hide a message from Twilio's API; it stays counted."""
        self._deleted.add(sid)
        self._journal.append("d", sid)

    def get(self, sid: str) -> Message | None:
        return None if sid in self._deleted else self._messages.get(sid)

    def newest_first(self, to: str | None) -> Iterator[Message]:
        """What Twilio's API lists."""
        source: Iterable[Message] = (
            reversed(self._messages.values()) if to is None else reversed(self._by_to.get(to, []))
        )
        return (message for message in source if message.sid not in self._deleted)

    def unfinished(self, terminal: frozenset[str]) -> list[Message]:
        return [message for message in self._messages.values() if message.status not in terminal]

    def report(self, chosen: LedgerFilter, *, group: bool, at_least: int, limit: int) -> dict[str, Any]:
        """Counts of all messages, or of those a filter admits. `group` lists the count of each pair."""
        pairs, statuses = self._pairs, self._statuses
        if not chosen.is_empty:
            admitted = [m for m in self._candidates(chosen) if chosen.admits(m)]
            pairs = Counter((m.to, m.sender) for m in admitted)
            statuses = Counter(m.status for m in admitted)
        accepted = sum(pairs.values()) if pairs is not self._pairs else self._accepted
        report: dict[str, Any] = {
            "accepted": accepted,
            "recipients": len(pairs),
            "duplicates": accepted - len(pairs),
            "duplicated": _rows(pairs, 2, DUPLICATES_SHOWN) if accepted > len(pairs) else [],
            "by_status": {status: count for status, count in statuses.items() if count},
            "forgotten": self.forgotten,
            "exact": chosen.is_empty or self.forgotten == 0,
        }
        if group:
            report["items"] = _rows(pairs, at_least, limit)
        return report

    def _candidates(self, chosen: LedgerFilter) -> Iterable[Message]:
        return self._messages.values() if chosen.to is None else self._by_to.get(chosen.to, [])

    def reset(self) -> None:
        self._clear()
        self._journal.replace([])

    def restore(self, lines: Iterable[list[Any]]) -> list[list[Any]]:
        """Rebuild from the journal; returns the lines that are not the ledger's own."""
        foreign = []
        for kind, *values in lines:
            if kind == "m":
                self._admit(_message(values))
            elif kind == "s" and (message := self._messages.get(values[0])) is not None:
                self._statuses[message.status] -= 1
                self._statuses[values[1]] += 1
                message.move(*values[1:])
            elif kind == "c":
                self._restore_count(*values)
            elif kind == "r" and values[0] in self._messages:
                self._messages[values[0]].body = ""
            elif kind == "d":
                self._deleted.add(values[0])
            elif kind not in ("s", "r"):
                foreign.append([kind, *values])
        return foreign

    def _restore_count(self, to: str, sender: str, count: int) -> None:
        self._pairs[to, sender] += count
        self._accepted += count
        self.forgotten += count

    def lines(self) -> Iterator[tuple[object, ...]]:
        """The shortest journal that rebuilds this ledger."""
        forgotten = self._pairs.copy()
        forgotten.subtract(Counter((m.to, m.sender) for m in self._messages.values()))
        for (to, sender), count in forgotten.items():
            if count:
                yield "c", to, sender, count
        for message in self._messages.values():
            yield _line(message)
            if message.updated != message.created:
                yield "s", message.sid, message.status, message.error_code, message.updated
        for sid in self._deleted:
            yield "d", sid


def _rows(pairs: Counter[Pair], at_least: int, limit: int) -> list[dict[str, Any]]:
    rows = []
    for (to, sender), count in pairs.items():
        if count >= at_least:
            rows.append({"to": to, "sender": sender, "accepted": count})
            if len(rows) == limit:
                break
    return rows


def _line(m: Message) -> tuple[object, ...]:
    return (
        "m", m.sid, m.to, m.from_, m.service, m.body, m.media, m.segments, m.status, m.callback, m.attempt,
        m.created, m.send_at,
    )  # fmt: skip


def _message(values: list[Any]) -> Message:
    sid, to, from_, service, body, media, segments, status, callback, attempt, created, send_at = values
    return Message(
        sid=sid, to=to, from_=from_, service=service, body=body, media=tuple(media), segments=segments,
        status=status, callback=callback, attempt=attempt, created=created, send_at=send_at,
    )  # fmt: skip
