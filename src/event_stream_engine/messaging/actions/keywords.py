"""The list of opt-out keywords: the defaults, what operators added, and what they took out."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from event_stream_engine import audit, clock
from event_stream_engine.database import Transaction
from event_stream_engine.errors import Invalid
from event_stream_engine.messaging.model.replies.keywords import (
    KEYWORDS_MAX,
    Keyword,
    checked_keyword,
    default_keywords,
    require_removable,
)
from event_stream_engine.messaging.store import keywords as store
from event_stream_engine.messaging.store.keywords import KeywordChange


async def list_keywords(tx: Transaction) -> list[Keyword]:
    """The whole list, by language and word; keywords that operators added come first."""
    changes = {change.normalized: change for change in await store.all_changes(tx)}
    found = [
        replace(keyword, origin="removed") if text in changes and not changes[text].is_opt_out else keyword
        for text, keyword in default_keywords().items()
    ]
    added = [
        Keyword(change.word, None, "added")
        for change in changes.values()
        if change.is_opt_out and change.normalized not in default_keywords()
    ]
    return added + found


async def add_keyword(tx: Transaction, word: str, *, by: UUID | None, who: str | None = None) -> None:
    """Take the word for an opt-out from now on. `who` names an operator at the command line. Raises `Invalid`."""
    normalized = checked_keyword(word)
    if normalized in default_keywords():
        await store.remove(tx, normalized)  # it is back on the list
    else:
        await _save(tx, KeywordChange(normalized, word.strip(), True, by, clock.now()))
    await audit.record(tx, by, "opt_out_keyword.add", normalized, _detail(word, who))


async def remove_keyword(tx: Transaction, word: str, *, by: UUID | None, who: str | None = None) -> None:
    """Stop taking the word for an opt-out as it stands; its wording is still judged. Raises `KeywordRequired`."""
    normalized = checked_keyword(word)
    require_removable(normalized)
    if normalized in default_keywords():
        await _save(tx, KeywordChange(normalized, word.strip(), False, by, clock.now()))
    else:
        await store.remove(tx, normalized)
    await audit.record(tx, by, "opt_out_keyword.remove", normalized, _detail(word, who))


async def _save(tx: Transaction, change: KeywordChange) -> None:
    if await store.count(tx) >= KEYWORDS_MAX:
        raise Invalid.field("word", f"At most {KEYWORDS_MAX} keywords can be added or taken out. Remove one first.")
    await store.save(tx, change)


def _detail(word: str, who: str | None) -> dict[str, Any]:
    return {"word": word.strip(), **({"who": who} if who else {})}
