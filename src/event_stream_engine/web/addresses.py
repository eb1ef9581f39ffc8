"""Where a request comes from. What a header says, anybody can write: it counts only from a proxy that is trusted."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

Network = IPv4Network | IPv6Network


def networks(written: str) -> tuple[Network, ...]:
    """`10.0.0.0/8, ::1` as networks. Raises `ValueError`."""
    return tuple(ip_network(part.strip()) for part in written.split(",") if part.strip())


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """The connection's address; behind trusted proxies the last one in `X-Forwarded-For` that is none of them."""
    address = str((scope.get("client") or ("unknown",))[0])
    if not trusted or not _is_in(address, trusted):
        return address
    hops = [hop.strip() for hop in Headers(scope=scope).get("x-forwarded-for", "").split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if not _is_in(hop, trusted)), address)


def _is_in(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in trusted)
