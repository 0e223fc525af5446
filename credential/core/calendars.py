"""Other calendars: a day, month or year as people told it, and the days since 1970 that it covers.

Five calendars in which births are told (docs/protocol.md, section 6). Days are numbered as in
`ledger.core.calendar_days`: 0 is 1 January 1970, Gregorian. Conversions here are pure arithmetic and
exact; what a told date leaves open is added in `credential.core.told_birth`.

gregorian      proleptic Gregorian.
ethiopian      Amete Mihret: the Coptic calendar with its years counted 276 higher.
solar_hijri    Iran and Afghanistan. By law the year begins with the equinox in Tehran; from 1277 to 1500
               (1898 to 2122) eight leap years in 33 give exactly the days that the equinox gives.
islamic_civil  the tabular lunar calendar with leap years 2 5 7 10 13 16 18 21 24 26 29 of 30.
buddhist       Thailand: the Gregorian year + 543, but until 1940 a year began on 1 April.

The arithmetic is a few lines of whole numbers and is our own: the one library that has the Coptic and the
tabular Islamic calendar brings a dependency without a wheel, whose build could not be pinned by hash. All of
it was compared with that library, every day from 1880 to 2100, and Solar Hijri with its equinoxes.

>>> to_day("solar_hijri", 1357, 11, 22), calendar_days.date_of_day(3328)
(3328, datetime.date(1979, 2, 11))
>>> from_day("ethiopian", 13768), span("ethiopian", 1999, 13)
((2000, 1, 1), (13762, 13767))
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Final

from credential.errors import InputError
from ledger.core import calendar_days

FIRST_DAY: Final = calendar_days.day_of_date(date(1880, 1, 1))
LAST_DAY: Final = calendar_days.day_of_date(date(2100, 12, 31))
"""Days that can be converted: every birth and every card of our time. A year of another calendar falls
outside, so that a Gregorian year given for a Solar Hijri one is refused and not believed."""

_ETHIOPIAN_BEFORE_COPTIC: Final = 276
_COPTIC_DAY_0: Final = -615_558
"""Day number of 1 Thout of the year 1: 29 August 284, Julian."""
_ISLAMIC_DAY_0: Final = -492_148
"""Day number of 1 Muharram of the year 1: 16 July 622, Julian."""
_SOLAR_HIJRI_DAY_0: Final = -492_269
"""Day number of the day before 1 Farvardin of the year 1 by the rule of 33 years."""
BUDDHIST_BEFORE_CHRISTIAN: Final = 543
BUDDHIST_YEAR_OF_NINE_MONTHS: Final = 2483
"""April to December 1940: the last year that began on 1 April."""

_Date = tuple[int, int, int]


def to_day(calendar: str, year: int, month: int, day: int) -> int:
    """Return the day number of a date.

    Args:
        calendar: one of the five labels above.
        year: year of that calendar, 1 to 9999.
        month: 1 to 12, in the Ethiopian calendar 1 to 13.
        day: day of the month, from 1.

    Raises:
        InputError: the calendar is not known, it has no such date, or the date lies outside 1880 to 2100.
    """
    rules = _rules(calendar)
    number = _number(rules, year, month, day)
    if number is None or rules[1](number) != (year, month, day):  # the inverse knows every month's end
        raise InputError("the calendar has no such date between 1880 and 2100", field="birth.told")
    return number


def from_day(calendar: str, day_number: int) -> _Date:
    """Return `(year, month, day)` of a day number: the inverse of `to_day`.

    Raises:
        InputError: the calendar is not known, or the day lies outside 1880 to 2100.
    """
    rules = _rules(calendar)
    if not FIRST_DAY <= day_number <= LAST_DAY:
        raise InputError("the day lies outside the years 1880 to 2100", field="birth.told")
    return rules[1](day_number)


def span(calendar: str, year: int, month: int | None = None, day: int | None = None) -> tuple[int, int]:
    """Return the first and the last day number of a year, of a month, or of a day (then they are equal).

    Raises:
        InputError: as for `to_day`, for the first or the last day of the span.
    """
    if month is None:
        first = to_day(calendar, year, _first_month(calendar, year), 1)
        last = _rules(calendar)[0](year + 1, _first_month(calendar, year + 1), 1) - 1
        from_day(calendar, last)  # refuses a year that goes on after 2100
        return first, last
    first = to_day(calendar, year, month, day or 1)
    last = first
    if day is None:
        while last < LAST_DAY and from_day(calendar, last + 1)[:2] == (year, month):
            last += 1
    return first, last


def _first_month(calendar: str, year: int) -> int:
    return 4 if calendar == "buddhist" and year <= BUDDHIST_YEAR_OF_NINE_MONTHS else 1


def _gregorian_to_day(year: int, month: int, day: int) -> int:
    return calendar_days.day_of_date(date(year, month, day))


def _gregorian_from_day(day_number: int) -> _Date:
    day = calendar_days.date_of_day(day_number)
    return day.year, day.month, day.day


def _ethiopian_to_day(year: int, month: int, day: int) -> int:
    coptic = year - _ETHIOPIAN_BEFORE_COPTIC
    return _COPTIC_DAY_0 + 365 * (coptic - 1) + coptic // 4 + 30 * (month - 1) + day - 1


def _ethiopian_from_day(day_number: int) -> _Date:
    since = day_number - _COPTIC_DAY_0
    coptic = (4 * since + 1463) // 1461  # 1,461 days in 4 years
    month, day = divmod(since - 365 * (coptic - 1) - coptic // 4, 30)
    return coptic + _ETHIOPIAN_BEFORE_COPTIC, month + 1, day + 1


def _islamic_to_day(year: int, month: int, day: int) -> int:
    before_month = 29 * (month - 1) + month // 2  # 30 and 29 days by turns
    return _ISLAMIC_DAY_0 + 354 * (year - 1) + (11 * year + 3) // 30 + before_month + day - 1


def _islamic_from_day(day_number: int) -> _Date:
    since = day_number - _ISLAMIC_DAY_0
    year = (30 * since + 10_646) // 10_631  # 10,631 days in 30 years
    of_year = since - 354 * (year - 1) - (11 * year + 3) // 30
    month = min(12, (11 * of_year + 330) // 325)
    return year, month, of_year - 29 * (month - 1) - month // 2 + 1


def _solar_hijri_to_day(year: int, month: int, day: int) -> int:
    before_year = _SOLAR_HIJRI_DAY_0 + 365 * (year - 1) + (8 * year + 21) // 33
    before_month = 31 * (month - 1) if month <= 7 else 30 * (month - 1) + 6
    return before_year + before_month + day


def _solar_hijri_from_day(day_number: int) -> _Date:
    year = (33 * (day_number - _SOLAR_HIJRI_DAY_0) + 3) // 12_053 + 1  # 12,053 days in 33 years
    if day_number < _solar_hijri_to_day(year, 1, 1):
        year -= 1
    of_year = day_number - _solar_hijri_to_day(year, 1, 1)
    month = of_year // 31 + 1 if of_year < 186 else (of_year - 6) // 30 + 1
    return year, month, day_number - _solar_hijri_to_day(year, month, 1) + 1


def _buddhist_to_day(year: int, month: int, day: int) -> int:
    christian = year - BUDDHIST_BEFORE_CHRISTIAN
    if year <= BUDDHIST_YEAR_OF_NINE_MONTHS and month < 4:
        christian += 1  # January to March ended a year; of 2483 they are 2484, and the inverse says so
    return _gregorian_to_day(christian, month, day)


def _buddhist_from_day(day_number: int) -> _Date:
    christian, month, day = _gregorian_from_day(day_number)
    year = christian + BUDDHIST_BEFORE_CHRISTIAN
    return (year - 1 if year <= BUDDHIST_YEAR_OF_NINE_MONTHS and month < 4 else year), month, day


_Rules = tuple[Callable[[int, int, int], int], Callable[[int], _Date]]
_RULES: Final[dict[str, _Rules]] = {
    "gregorian": (_gregorian_to_day, _gregorian_from_day),
    "ethiopian": (_ethiopian_to_day, _ethiopian_from_day),
    "solar_hijri": (_solar_hijri_to_day, _solar_hijri_from_day),
    "islamic_civil": (_islamic_to_day, _islamic_from_day),
    "buddhist": (_buddhist_to_day, _buddhist_from_day),
}


def _rules(calendar: str) -> _Rules:
    if calendar not in _RULES:
        raise InputError("the calendar is not known", field="birth.calendar")
    return _RULES[calendar]


def _number(rules: _Rules, year: int, month: int, day: int) -> int | None:
    if not (1 <= year <= 9999 and 1 <= month <= 13 and 1 <= day <= 31):
        return None
    try:
        number = rules[0](year, month, day)
    except ValueError:  # datetime.date knows no such day or year
        return None
    return number if FIRST_DAY <= number <= LAST_DAY else None
