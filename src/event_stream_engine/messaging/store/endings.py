"""How the last messages of a campaign ended: what decides whether it goes on."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from event_stream_engine.database import Transaction, raw

Kind = Literal["answer", "receipt"]
KEPT = 50

_BEGIN = """
INSERT INTO campaign_endings (campaign_id, kind, codes) VALUES ($1, $2, $3::int[])
ON CONFLICT (campaign_id, kind) DO NOTHING RETURNING codes
"""

_GO_ON = """
UPDATE campaign_endings
SET codes = (codes || $3::int[])[greatest(1, cardinality(codes) + cardinality($3::int[]) - $4 + 1):], updated_at = now()
WHERE campaign_id = $1 AND kind = $2 RETURNING codes
"""


async def add(tx: Transaction, campaign_id: UUID, kind: Kind, codes: Sequence[int]) -> list[int]:
    """Add what the newest messages ended with (0: well) and return the last `KEPT`. Nothing is kept of a campaign
    before its first failure: what ended well before that cannot make failures fewer."""
    connection = await raw(tx)
    newest = list(codes)[-KEPT:]
    kept = await connection.fetchval(_GO_ON, campaign_id, kind, newest, KEPT)
    if kept is None and any(newest):
        kept = await connection.fetchval(_BEGIN, campaign_id, kind, newest)
        kept = kept or await connection.fetchval(_GO_ON, campaign_id, kind, newest, KEPT)
    return list(kept or ())


async def forget(tx: Transaction, campaign_id: UUID) -> None:
    """A campaign that goes on after a pause is judged by what comes."""
    await (await raw(tx)).execute("DELETE FROM campaign_endings WHERE campaign_id = $1", campaign_id)
