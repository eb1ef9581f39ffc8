"""What people wrote to the account. Twilio lists these messages beside the account's own.

They are apart from the ledger, which judges what the account sent. `direction` and the status `received`:
https://www.twilio.com/docs/messaging/api/message-resource#message-properties
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from event_stream_engine.entrypoints.sandbox.journal import Journal
from event_stream_engine.entrypoints.sandbox.message import Message


class Mailbox:
    """The newest `messages_max` inbound messages; older ones are forgotten."""

    def __init__(self, journal: Journal, *, messages_max: int) -> None:
        self._journal = journal
        self._messages_max = messages_max
        self._clear()

    def _clear(self) -> None:
        self._messages: dict[str, Message] = {}
        self._order: deque[str] = deque()

    def add(self, message: Message) -> None:
        self._journal.append(*_line(message))
        self._admit(message)

    def _admit(self, message: Message) -> None:
        self._messages[message.sid] = message
        self._order.append(message.sid)
        if len(self._order) > self._messages_max:
            self._messages.pop(self._order.popleft(), None)

    def get(self, sid: str) -> Message | None:
        return self._messages.get(sid)

    def redact(self, message: Message) -> None:
        message.body = ""
        self._journal.append("ir", message.sid)

    def delete(self, sid: str) -> None:
        self._messages.pop(sid, None)
        self._journal.append("id", sid)

    def newest_first(self, to: str | None) -> Iterator[Message]:
        """What Twilio's API lists; `to` is one of the account's addresses."""
        return (m for m in reversed(self._messages.values()) if to is None or m.to == to)

    def reset(self) -> None:
        self._clear()

    def restore(self, lines: Iterable[list[Any]]) -> list[list[Any]]:
        """Rebuild from the journal; returns the lines that are not the mailbox's own."""
        foreign = []
        for kind, *values in lines:
            if kind == "i":
                self._admit(_message(values))
            elif kind == "id":
                self._messages.pop(values[0], None)
            elif kind == "ir" and (message := self._messages.get(values[0])) is not None:
                message.body = ""
            elif kind != "ir":
                foreign.append([kind, *values])
        return foreign

    def lines(self) -> list[tuple[object, ...]]:
        """The shortest journal that rebuilds this mailbox."""
        return [_line(message) for message in self._messages.values()]


def received(
    *, sid: str, from_: str, to: str, service: str | None, body: str, media: tuple[str, ...], segments: int, at: float
) -> Message:
    """An inbound message. Its date of sending is the moment Twilio received it."""
    message = Message(
        sid=sid, to=to, from_=from_, service=service, body=body, media=media, segments=segments, status="received",
        callback=None, attempt=0, created=at, direction="inbound",
    )  # fmt: skip
    message.sent = at
    return message


def _line(m: Message) -> tuple[object, ...]:
    return ("i", m.sid, m.from_, m.to, m.service, m.body, m.media, m.segments, m.created)


def _message(values: list[Any]) -> Message:
    sid, from_, to, service, body, media, segments, at = values
    return received(
        sid=sid, from_=from_, to=to, service=service, body=body, media=tuple(media), segments=segments, at=at
    )
