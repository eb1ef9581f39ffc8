"""Cells for spreadsheets (OWASP: CSV injection)."""

import re
from urllib.parse import quote

# A phone number starts with + and is harmless; everything else that starts a formula gets an apostrophe.
_FORMULA = re.compile(r"^[=@\t\r]|^[+-](?!\d+$)")


def attachment(name: str) -> dict[str, str]:
    """The header that names a CSV after what is in it: in letters that any system takes, and as it is (RFC 6266)."""
    shown = re.sub(r"[\x00-\x1f/\\:*?\"<>|]+", "-", name).strip(" .-")[:100] or "export"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", shown).strip("-.") or "export"
    return {"content-disposition": f"attachment; filename=\"{plain}.csv\"; filename*=UTF-8''{quote(shown)}.csv"}


def harmless(cell: str) -> str:
    """The cell, led by an apostrophe if a spreadsheet would run it as a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
