"""What `ese keys …` does."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import msgspec
import typer

from event_stream_engine.database import Transaction
from event_stream_engine.entrypoints.typed import an_account, an_id, in_transaction
from event_stream_engine.errors import Invalid, NotFound
from event_stream_engine.identity import api as identity
from event_stream_engine.identity.access import actions, store
from event_stream_engine.identity.access.model import ApiKey
from event_stream_engine.permissions import MEANINGS, NOT_FOR_KEYS, Permission

SHOWN = 200

Named = tuple[list[ApiKey], dict[UUID, str]]


def list_keys(account: str | None, *, as_json: bool) -> None:
    async def act(tx: Transaction) -> Named:
        whose = await an_account(tx, account) if account else None
        found = await store.keys_page(tx, account_id=whose, after=None, limit=SHOWN)
        return found, await identity.names(tx, {key.account_id for key in found})

    found, names = in_transaction(act)
    for key in found:
        typer.echo(_as_json(key, names) if as_json else _line(key, names))
    if not found and not as_json:
        typer.echo("There is no API key. `ese keys create` makes one.")


def create(name: str, scopes: Sequence[str], account: str | None, days: int, by: str) -> None:
    granted = [_scope(scope) for scope in scopes]

    async def act(tx: Transaction) -> tuple[ApiKey, str, dict[UUID, str]]:
        holder = await an_account(tx, account) if account else await _first_admin(tx)
        key, secret = await actions.make_key_for(tx, holder, name, granted, days, who=by)
        return key, secret, await identity.names(tx, {holder})

    key, secret, names = in_transaction(act)
    typer.echo(_line(key, names), err=True)
    typer.echo("This is its secret. It is shown this once: keep it now.", err=True)
    typer.echo(secret)


def revoke(key_id: str, by: str) -> None:
    wanted = an_id(key_id, "an API key", "ese keys list")
    key = in_transaction(lambda tx: actions.revoke_any_key(tx, wanted, who=by))
    typer.echo(f"{key.name} ({key.prefix}…) opens nothing any more.")


async def _first_admin(tx: Transaction) -> UUID:
    found = await identity.first_admin(tx)
    if found is None:
        raise NotFound("There is no account yet: start the platform with `ese up` and sign in first.")
    return found


def _scope(said: str) -> Permission:
    if said not in MEANINGS or said in NOT_FOR_KEYS:
        possible = "\n  ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items() if name not in NOT_FOR_KEYS)
        raise Invalid(f"{said} is nothing that an API key may hold. It may hold:\n  {possible}")
    return cast(Permission, said)


def _line(key: ApiKey, names: dict[UUID, str]) -> str:
    used = f"used {key.last_used_at:%Y-%m-%d %H:%MZ}" if key.last_used_at else "never used"
    whose = names.get(key.account_id, str(key.account_id))
    told = f"{key.name} ({key.prefix}…) of {whose}: {key.status}, expires {key.expires_at:%Y-%m-%d}, {used}"
    return f"{key.id}  {told}  {' '.join(sorted(key.scopes))}"


def _as_json(key: ApiKey, names: dict[UUID, str]) -> str:
    shown = {name: value for name, value in vars(key).items() if name != "secret_hash"}
    told = {**shown, "scopes": sorted(key.scopes), "status": key.status, "account_name": names.get(key.account_id)}
    return msgspec.json.encode(told).decode()
