"""Dates as plain numbers: days, months and quarters of the proleptic Gregorian calendar, in UTC.

Nothing here reads a clock. Credentials carry coarse dates only (docs/protocol.md, sections 3 and 6):
a whole day of issue, an end on a *quarter day* (1 January, April, July or October, 00:00 UTC), and a
month for a change of status. A quarter is one number, `year * 4 + (month - 1) // 3`, so that quarters
compare and add like integers.

>>> quarter_start_s(quarter_at_or_after(1_767_225_600)), exp_for(1_767_225_600, validity_days=365)
(1767225600, 1798761600)
>>> add_years(date(2008, 2, 29), 18)
datetime.date(2026, 3, 1)
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import Final

from ledger.errors import MalformedError

DAY_S: Final = 86_400
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
_FIRST_DAY: Final = date.min.toordinal() - _EPOCH_ORDINAL
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_ORDINAL


def day_of_date(day: date) -> int:
    """Return the day number of `day`: whole days since 1970-01-01, negative before it."""
    return day.toordinal() - _EPOCH_ORDINAL


def date_of_day(day_number: int) -> date:
    """Return the date of a day number.

    Raises:
        MalformedError: the day lies outside the years 1 to 9999.
    """
    if not _FIRST_DAY <= day_number <= _LAST_DAY:
        raise MalformedError("a date lies outside the years 1 to 9999", field="date")
    return date.fromordinal(day_number + _EPOCH_ORDINAL)


def day_of_seconds(seconds: int) -> int:
    """Return the number of the UTC day that contains the epoch time `seconds`."""
    return seconds // DAY_S


def date_of_seconds(seconds: int) -> date:
    """Return the UTC date of the epoch time `seconds`.

    Raises:
        MalformedError: the time lies outside the years 1 to 9999.
    """
    return date_of_day(seconds // DAY_S)


def seconds_of_date(day: date) -> int:
    """Return the epoch time, in seconds, at which `day` begins in UTC."""
    return day_of_date(day) * DAY_S


def month_of_seconds(seconds: int) -> int:
    """Return the UTC month of the epoch time `seconds` as the number YYYYMM, e.g. 202611.

    Raises:
        MalformedError: the time lies outside the years 1 to 9999.
    """
    day = date_of_seconds(seconds)
    return day.year * 100 + day.month


def is_month(month: int) -> bool:
    """Tell whether `month` is a month number YYYYMM of the years 1 to 9999."""
    return 101 <= month <= 999_912 and 1 <= month % 100 <= 12


def quarter_of_date(day: date) -> int:
    """Return the quarter number `year * 4 + (month - 1) // 3` of `day`."""
    return day.year * 4 + (day.month - 1) // 3


def quarter_of_seconds(seconds: int) -> int:
    """Return the number of the quarter that contains the epoch time `seconds`.

    Raises:
        MalformedError: the time lies outside the years 1 to 9999.
    """
    return _quarter_of_day(seconds // DAY_S)


@lru_cache(maxsize=256)
def _quarter_of_day(day_number: int) -> int:
    """Every scan and every credential asks, about few days."""
    return quarter_of_date(date_of_day(day_number))


def quarter_start(quarter: int) -> date:
    """Return the first day of a quarter.

    Raises:
        MalformedError: the quarter lies outside the years 1 to 9999.
    """
    year, part = divmod(quarter, 4)
    if not 1 <= year <= 9999:
        raise MalformedError("a quarter lies outside the years 1 to 9999", field="date")
    return date(year, part * 3 + 1, 1)


def quarter_start_s(quarter: int) -> int:
    """Return the epoch time, in seconds, at which a quarter begins (00:00 UTC).

    Raises:
        MalformedError: the quarter lies outside the years 1 to 9999.
    """
    return seconds_of_date(quarter_start(quarter))


def is_quarter_start_s(seconds: int) -> bool:
    """Tell whether the epoch time `seconds` is the first instant of a quarter."""
    if seconds % DAY_S or not _FIRST_DAY <= seconds // DAY_S <= _LAST_DAY:
        return False
    day = date_of_seconds(seconds)
    return day.day == 1 and day.month % 3 == 1


def quarter_at_or_after(seconds: int) -> int:
    """Return the number of the first quarter that begins at or after the epoch time `seconds`.

    Raises:
        MalformedError: the time lies outside the years 1 to 9999.
    """
    return quarter_of_seconds(seconds) + (0 if is_quarter_start_s(seconds) else 1)


def quarter_at_or_after_date(day: date) -> int:
    """Return the number of the first quarter that begins on `day` or later."""
    return quarter_of_date(day) + (0 if day.day == 1 and day.month % 3 == 1 else 1)


def exp_for(iat_s: int, validity_days: int) -> int:
    """Return the end of validity, epoch seconds: the first quarter day at or after issue plus validity.

    It depends on the day of issue and the profile alone, never on the person, so that an end date
    tells nothing about a birthday (docs/protocol.md, section 3, rule 3).

    Args:
        iat_s: day of issue, epoch seconds of its first instant.
        validity_days: validity of the profile in days.

    Raises:
        MalformedError: the result lies outside the years 1 to 9999.
    """
    return quarter_start_s(quarter_at_or_after(iat_s + validity_days * DAY_S))


def add_years(day: date, years: int) -> date:
    """Return the day on which someone born on `day` reaches the age `years` (or the day so long before).

    29 February moves to 1 March where the target year is a common year: the later of the two days, so
    the benefit of the doubt goes to the child, who is under age for one day more.

    Raises:
        MalformedError: the result lies outside the years 1 to 9999.
    """
    year = day.year + years
    if not 1 <= year <= 9999:
        raise MalformedError("a date lies outside the years 1 to 9999", field="date")
    if day.month == 2 and day.day == 29 and not _is_leap(year):
        return date(year, 3, 1)
    return day.replace(year=year)


def latest_birth_reaching(years: int, on: date) -> date:
    """Return the latest date of birth with which someone has reached the age `years` on the day `on`.

    The inverse of `add_years`: `add_years(result, years) <= on < add_years(result + 1 day, years)`.

    Raises:
        MalformedError: the result lies outside the years 1 to 9999.
    """
    year = on.year - years
    if not 1 <= year <= 9999:
        raise MalformedError("a date lies outside the years 1 to 9999", field="date")
    if on.month == 2 and on.day == 29 and not _is_leap(year):
        return date(year, 2, 28)
    # Whoever was born on 29 February turns `years` on 1 March of a common year, with those of 1 March.
    return on.replace(year=year)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
