"""Dates as people and spreadsheets write them, read as ISO 8601.

`08/02/2025` alone does not say whether it is in February or in August. A value of the same column whose first or
second number is above 12 does; without one the order is an assumption, which is stated and can be changed.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, get_args

Dates = Literal["iso", "day_first", "month_first"]
"""How a column's dates are written: with the year first, or else with the day or the month before the other."""

DATES: tuple[str, ...] = get_args(Dates)

_TIME = r"(?:[T ](?P<time>\d{2}:\d{2})(?P<seconds>:\d{2}(?:\.\d{1,6})?)?(?P<zone>Z|[+-]\d{2}(?::\d{2})?)?)?"
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<sep>[-/.])(?P<month>\d{1,2})(?P=sep)(?P<day>\d{1,2})" + _TIME)
_YEAR_LAST = re.compile(r"(?P<one>\d{1,2})(?P<sep>[-/.])(?P<two>\d{1,2})(?P=sep)(?P<year>\d{4})" + _TIME)

_SHARE = 0.7
"""A column holds dates when at least this share of its values are some."""


def read_date(written: str, dates: Dates) -> str | None:
    """The value as ISO 8601, `2025-02-08` or `2025-02-08T14:30:00`; None for what is no date when read so."""
    text = written.strip()
    found = _YEAR_FIRST.fullmatch(text)
    if found:
        return _iso(found, found["month"], found["day"])
    found = _YEAR_LAST.fullmatch(text) if dates != "iso" else None
    if found is None:
        return None
    day, month = (found["one"], found["two"]) if dates == "day_first" else (found["two"], found["one"])
    return _iso(found, month, day)


def _iso(found: re.Match[str], month: str, day: str) -> str | None:
    try:
        read = date(int(found["year"]), int(month), int(day)).isoformat()
    except ValueError:
        return None
    if not found["time"]:
        return read
    whole = f"{read}T{found['time']}{found['seconds'] or ':00'}{found['zone'] or ''}"
    try:
        datetime.fromisoformat(whole)
    except ValueError:
        return None
    return whole


@dataclass(frozen=True)
class DateColumn:
    """How a column of dates is best read. `example` is a value that shows it: where `is_assumed`, one that could be
    read either way; else the one that decides, or None where every date has its year first."""

    dates: Dates
    is_assumed: bool
    example: str | None


def date_column(values: list[str]) -> DateColumn | None:
    """What the values of a column, empty ones left out, say about its dates; None when it holds none."""
    day_first = [value for value in values if read_date(value, "day_first")]
    month_first = [value for value in values if read_date(value, "month_first")]
    read = {*day_first, *month_first}
    if not read or sum(value in read for value in values) < _SHARE * len(values):
        return None
    only_day, only_month = _only(day_first, month_first), _only(month_first, day_first)
    if only_day or only_month:
        order: Dates = "day_first" if len(only_day) >= len(only_month) else "month_first"
        deciding = only_day if order == "day_first" else only_month
        return DateColumn(order, bool(only_day and only_month), deciding[0])
    unclear = [value for value in day_first if read_date(value, "day_first") != read_date(value, "month_first")]
    year_last = unclear or [value for value in day_first if read_date(value, "iso") is None]
    return DateColumn("day_first", bool(unclear), year_last[0]) if year_last else DateColumn("iso", False, None)


def _only(these: list[str], others: list[str]) -> list[str]:
    known = set(others)
    return [value for value in these if value not in known]
