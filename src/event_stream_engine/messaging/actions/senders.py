"""Senders: the numbers and Messaging Services that messages leave from."""

import re
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.ids import new_id
from event_stream_engine.messaging.model.campaigns import Sender, SenderInUse, SenderNotFound, SenderTaken
from event_stream_engine.messaging.store import senders as store
from event_stream_engine.web.auth import Principal
from event_stream_engine.web.pages import require_version


@dataclass(frozen=True)
class SenderChange:
    """What to set; None leaves a field as it is."""

    name: str | None = None
    channel: Literal["sms", "whatsapp"] | None = None
    address: str | None = None
    messages_per_second: int | None = None


async def add_sender(tx: Transaction, given: SenderChange, *, by: Principal) -> Sender:
    """Raises `SenderTaken` or `Invalid`."""
    sender = Sender(
        id=new_id(),
        name=(given.name or "").strip(),
        channel=given.channel or "sms",
        address=_address(given.address or "", given.channel or "sms"),
        messages_per_second=given.messages_per_second or 1,
        created_at=clock.now(),
        version=1,
    )
    if not await store.add(tx, sender):
        raise SenderTaken("Another sender has this name, or this address on the same channel.")
    await audit.record(tx, by.account_id, "sender.add", sender.id, {"address": sender.address})
    return sender


async def change_sender(
    tx: Transaction, sender_id: UUID, given: SenderChange, *, by: Principal, if_match: str | None
) -> Sender:
    """Raises `SenderNotFound`, `SenderTaken`, `Stale` or `Invalid`."""
    sender = await find_sender(tx, sender_id)
    require_version(if_match, sender.version)
    set_ = {name: value for name, value in vars(given).items() if value is not None}
    if "address" in set_:
        set_["address"] = _address(set_["address"], given.channel or sender.channel)
    changed = replace(sender, **set_, version=sender.version + 1)
    if await store.is_taken(tx, changed):
        raise SenderTaken("Another sender has this name, or this address on the same channel.")
    await store.save(tx, changed)
    await audit.record(tx, by.account_id, "sender.change", sender.id, {"fields": sorted(set_)})
    return changed


async def remove_sender(tx: Transaction, sender_id: UUID, *, by: Principal) -> None:
    """Raises `SenderNotFound`, or `SenderInUse` while a campaign refers to it."""
    sender = await find_sender(tx, sender_id)
    if await store.is_used(tx, sender_id):
        raise SenderInUse("A campaign uses this sender. Delete the draft campaign first.")
    await store.remove(tx, sender_id)
    await audit.record(tx, by.account_id, "sender.remove", sender_id, {"name": sender.name})


async def find_sender(tx: Transaction, sender_id: UUID) -> Sender:
    """Raises `SenderNotFound`."""
    sender = await store.sender(tx, sender_id)
    if sender is None:
        raise SenderNotFound("This sender does not exist. It may have been deleted.")
    return sender


def _address(written: str, channel: str) -> str:
    prefix, _, rest = re.sub(r"[\s().-]", "", written).rpartition(":")
    if prefix and prefix.lower() != channel:
        raise Invalid.field(
            "address", f"{written} is not an address of the channel {channel}: choose the other channel."
        )
    address = rest
    if re.fullmatch(r"\+[1-9]\d{4,14}", address) or re.fullmatch(r"MG[0-9a-fA-F]{32}", address):
        return address
    if re.fullmatch(r"\d{5,6}", address):
        return address  # a short code
    raise Invalid.field(
        "address",
        "Write a number with its country code (+14155550100), a short code, or a Messaging Service SID (MG…).",
    )
