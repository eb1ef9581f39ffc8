"""Which of the messages that Twilio lists are ours: the rule by which an unknown message is settled.

Twilio's create request has no idempotency key. A message whose answer was lost is looked for in Twilio's list of
messages to that person from that sender. The list has the text as it was sent; for an approved WhatsApp template that
is Twilio's own template with our values, which may differ from our copy of the text.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID


class Missing(Enum):
    """Why no listed message was given to an open one."""

    NOT_SENT = "not_sent"  # Twilio has no message that could be this one
    UNCLEAR = "unclear"  # it has one, and another open message could own it just as well


Finding = str | Missing
"""The id of the listed message that is the open one, or why there is none."""


@dataclass(frozen=True, slots=True)
class ListedMessage:
    """One of Twilio's list; `created` is aware."""

    sid: str
    body: str
    created: datetime


@dataclass(frozen=True, slots=True)
class OpenMessage:
    """A message to one person from one sender that may have left between `earliest` and `latest` (aware).

    `is_asked`: its request has ended for certain, and the list was read after that. The others only compete: nothing
    is concluded about them. `is_template`: Twilio may list another text than `body`.
    """

    id: UUID
    body: str
    earliest: datetime
    latest: datetime
    is_asked: bool
    is_template: bool


def conclude(
    open_messages: Sequence[OpenMessage], listed: Sequence[ListedMessage], callback_owners: Mapping[str, UUID]
) -> dict[UUID, Finding]:
    """What became of each asked message of one person and sender.

    `listed` has no message that is known to be another's. `callback_owners` maps a SID to the message that its callback
    named. Equal texts are interchangeable: with n requests and k in the list, the k earliest are found. A listed
    message is given to one open message at most.
    """
    found: dict[UUID, Finding] = {}
    ids = {message.id for message in open_messages}
    free: list[ListedMessage] = []
    for item in sorted(listed, key=lambda item: (item.created, item.sid)):
        owner = callback_owners.get(item.sid)
        if owner is None:
            free.append(item)
        elif owner in ids:
            found[owner] = item.sid
    rest = [message for message in open_messages if message.id not in found]
    _same_text(rest, free, found)
    _other_text([message for message in rest if message.id not in found], free, found)
    return {message.id: found.get(message.id, Missing.NOT_SENT) for message in open_messages if message.is_asked}


def _same_text(messages: Sequence[OpenMessage], free: list[ListedMessage], found: dict[UUID, Finding]) -> None:
    """Settle messages whose very text is listed, and take all of that text out of `free`."""
    by_text: dict[str, list[OpenMessage]] = defaultdict(list)
    for message in messages:
        by_text[message.body].append(message)
    for text, group in by_text.items():
        candidates = [item for item in free if item.body == text]
        if candidates:
            _settle(group, candidates, found, is_interchangeable=True)
    free[:] = [item for item in free if item.body not in by_text]


def _other_text(messages: Sequence[OpenMessage], free: Sequence[ListedMessage], found: dict[UUID, Finding]) -> None:
    """Settle templates by time alone: Twilio's text of the template differs from ours."""
    possible = [m for m in messages if m.is_template and any(_fits(m, item) for item in free)]
    if possible:
        _settle(possible, free, found, is_interchangeable=False)


def _settle(
    group: Sequence[OpenMessage],
    candidates: Sequence[ListedMessage],
    found: dict[UUID, Finding],
    *,
    is_interchangeable: bool,
) -> None:
    """Give the candidates to the group in the order of time. When they do not suffice, it matters who competes: a
    message that is still under way may own any of them, and so may one with another text."""
    pairs = _paired(group, candidates)
    is_decided = len(pairs) == len(group) or (is_interchangeable and all(message.is_asked for message in group))
    for message in group:
        if is_decided and message.id in pairs:
            found[message.id] = pairs[message.id].sid
        elif not is_decided and any(_fits(message, item) for item in candidates):
            found[message.id] = Missing.UNCLEAR


def _paired(group: Collection[OpenMessage], candidates: Sequence[ListedMessage]) -> dict[UUID, ListedMessage]:
    """As many pairs as possible: the windows are as good as equally long, so the earliest fitting one is best."""
    pairs: dict[UUID, ListedMessage] = {}
    left = list(candidates)
    for message in sorted(group, key=lambda m: (m.latest, m.earliest, m.id)):
        item = next((item for item in left if _fits(message, item)), None)
        if item is not None:
            pairs[message.id] = item
            left.remove(item)
    return pairs


def _fits(message: OpenMessage, item: ListedMessage) -> bool:
    return message.earliest <= item.created <= message.latest
