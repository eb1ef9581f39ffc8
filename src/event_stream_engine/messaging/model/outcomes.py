"""Shares of messages whose outcome is known. A message under way is neither delivered nor failed."""

from collections.abc import Mapping


def delivery_rate(delivered: int, failed: int) -> float | None:
    """Delivered (read ones too) of all with an outcome; None before there is any. `failed`: undelivered ones too."""
    return _share(delivered, delivered + failed)


def rates_of(counts: Mapping[str, int]) -> dict[str, float | None]:
    """`delivery`, `read` and `failure` of messages by status. Who was left out or canceled was sent nothing."""
    delivered = counts["delivered"] + counts["read"]
    failed = counts["failed"] + counts["undelivered"]
    return {
        "delivery": delivery_rate(delivered, failed),
        "read": _share(counts["read"], delivered),
        "failure": _share(failed, delivered + failed),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
