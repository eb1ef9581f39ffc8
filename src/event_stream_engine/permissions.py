"""Who may do what: every permission there is, and the one table that gives the roles theirs.

Routes declare what they need with `web.guards`; `docs/permissions.md` is generated from both.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["viewer", "operator", "admin"]

Permission = Literal[
    "accounts:manage",
    "alerts:operate",
    "audit:read",
    "campaigns:launch",
    "campaigns:read",
    "campaigns:write",
    "contacts:export",
    "contacts:read",
    "contacts:reveal",
    "contacts:write",
    "flags:read",
    "flags:write",
    "monitoring:operate",
    "monitoring:read",
    "sandbox:use",
    "senders:write",
    "streams:operate",
    "streams:read",
]

MEANINGS: Mapping[Permission, str] = {
    "accounts:manage": "Add accounts, give roles, disable and enable, see and revoke everybody's API keys",
    "alerts:operate": "Acknowledge and silence alerts",
    "audit:read": "Search, verify and export the audit trail",
    "campaigns:launch": "Launch, schedule, pause, resume and cancel campaigns, and send tests",
    "campaigns:read": "See campaigns, their reports, templates, segments and senders",
    "campaigns:write": "Write drafts, templates and segments",
    "contacts:export": "Download contacts, recipients and import rows as files",
    "contacts:read": "See contacts and imports, with personal data masked",
    "contacts:reveal": "See phone numbers, attributes and message texts whole, and search in them",
    "contacts:write": "Add, change, delete and import contacts",
    "flags:read": "See feature flags and try a context",
    "flags:write": "Change, kill and roll back feature flags",
    "monitoring:operate": "Flush metrics, open and reset circuit breakers",
    "monitoring:read": "See the overview, processes, alerts, and what people write (masked without contacts:reveal)",
    "sandbox:use": "Play a person who writes, where the sandbox stands in for Twilio",
    "senders:write": "Add, change and delete senders",
    "streams:operate": "Pause groups, redrive and discard dead letters, replay, rebuild a stream",
    "streams:read": "See streams, consumer groups, events and dead letters",
}

PERMISSIONS: frozenset[Permission] = frozenset(get_args(Permission))

_VIEWER: frozenset[Permission] = frozenset(
    {"campaigns:read", "contacts:read", "flags:read", "monitoring:read", "streams:read"}
)
_OPERATOR: frozenset[Permission] = _VIEWER | {
    "alerts:operate",
    "campaigns:launch",
    "campaigns:write",
    "contacts:export",
    "contacts:reveal",
    "contacts:write",
    "monitoring:operate",
    "sandbox:use",
    "senders:write",
    "streams:operate",
}

ROLES: Mapping[Role, frozenset[Permission]] = {"viewer": _VIEWER, "operator": _OPERATOR, "admin": PERMISSIONS}
"""The table; each role may do what the one before it may."""

KEY_PREFIX = "ese_"
"""How the secret of every API key begins."""

NOT_FOR_KEYS: frozenset[Permission] = frozenset({"accounts:manage"})
"""No API key holds these, whoever makes it: a key that leaks must not make itself a successor."""

SCOPES: tuple[Permission, ...] = tuple(sorted(PERMISSIONS - NOT_FOR_KEYS))
"""What an API key may hold, as far as its maker may do it."""


def roles_with(permission: Permission) -> list[Role]:
    """The roles that have it, the least powerful first."""
    return [role for role, granted in ROLES.items() if permission in granted]
