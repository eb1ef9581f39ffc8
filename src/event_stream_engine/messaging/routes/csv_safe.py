"""Cells for spreadsheets (OWASP: CSV injection)."""

import re

# A phone number starts with + and is harmless; everything else that starts a formula gets an apostrophe.
_FORMULA = re.compile(r"^[=@\t\r]|^[+-](?!\d+$)")


def harmless(cell: str) -> str:
    """The cell, led by an apostrophe if a spreadsheet would run it as a formula."""
    return f"'{cell}" if _FORMULA.match(cell) else cell
