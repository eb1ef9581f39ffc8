"""What a session's list says of where it came from: a browser and a system in words, an address without its end."""

import ipaddress
import re

from event_stream_engine.identity.model import Visitor

# In this order: each browser also names those that it descends from.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox/", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"), ("Linux", "Linux"),
)  # fmt: skip
_PROGRAM = re.compile(r"[A-Za-z][\w.-]{0,39}")


def visitor(user_agent: str, address: str) -> Visitor:
    """Both are what the other side says of itself: a help to recognise a session by, not a proof."""
    return Visitor(device(user_agent), masked(address))


def device(user_agent: str) -> str:
    """Such as "Firefox on Linux"; a program's own name; "Unknown device"."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), None)
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), None)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = _PROGRAM.match(user_agent)
    return program.group(0) if program else "Unknown device"


def masked(address: str) -> str:
    """The network without the host: the first 24 bits of IPv4, the first 48 of IPv6."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if isinstance(ip, ipaddress.IPv4Address):
        return ".".join([*str(ip).split(".")[:3], "x"])
    return ":".join([*ip.exploded.split(":")[:3], "x"])
