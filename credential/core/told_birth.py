"""A birth as it was told, in its own calendar, becomes an interval of Gregorian days.

People tell a year, a month, a day or an age, and seldom in the Gregorian calendar. Whoever converts by
hand picks one day and makes up the rest; here every day that the words leave open stays in the interval
(docs/protocol.md, section 6), and the words themselves are kept in `told`, which is sealed on the card.

The forms, digits of any script:

    1990    1990-05    1990-05-12          year, month, day of the named calendar
    about 1990                             two years more on either side
    17 on 2026-11-01                       an age; the day after "on" is Gregorian, the desk's own
    15 to 17 on 2026-11-01
    about 17 on 2026-11-01

What is added, always so that a child cannot become an adult by a conversion:

- solar_hijri before 1337 (1958): one day on either side of a day or a month. Afghanistan then had the
  months of the zodiac, of 29 to 32 days, and so had Iran before 1304.
- islamic_civil: two days on either side. Months begin with the moon as it was seen: from 1343 to 1500 the
  first days of the Umm al-Qura calendar lie from two days before to one day after the tabular ones, other
  countries are later still, and a day begins at sunset.
- buddhist before 2484 (1941): January to March closed a year, but have often been told as its beginning
  since; both readings are in the interval.
- an age: one year younger, for many count the year that has begun. "about" adds two years, or a tenth of
  the age if that is more, on either side. Of a range both ends are taken as told. In islamic_civil the
  lower age is shortened from lunar to solar years.

A told 1 January is taken as such: whether it stands for "only the year is known" the desk has to ask.

>>> birth_from_told("1999", "ethiopian").earliest, birth_from_told("1999", "ethiopian").latest
(datetime.date(2006, 9, 11), datetime.date(2007, 9, 11))
>>> birth_from_told("17 on 2026-11-01").under(18, date(2026, 11, 22)).name
'CANNOT_EXCLUDE'
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from datetime import date
from typing import Final

from credential.core import calendars
from credential.core.birth import (
    CALENDAR_ALIASES,
    CALENDARS,
    TOLD_MAX_CHARACTERS,
    YEARS_MAX,
    BirthInterval,
    age_estimate,
)
from credential.errors import InputError
from ledger.core import calendar_days
from ledger.errors import MalformedError

ABOUT_YEARS: Final = 2
ISLAMIC_DOUBT_DAYS: Final = 2
ZODIAC_DOUBT_DAYS: Final = 1
FIRST_SOLAR_HIJRI_YEAR_WITHOUT_ZODIAC: Final = 1337
_EARLIEST: Final = calendar_days.date_of_day(calendars.FIRST_DAY)
_LATEST: Final = calendar_days.date_of_day(calendars.LAST_DAY)
_DATE: Final = re.compile(r"(about )?([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2}))?)?")
_AGE: Final = re.compile(r"(about )?([0-9]{1,3})(?: to ([0-9]{1,3}))? on ([0-9]{4}-[0-9]{2}-[0-9]{2})")


def birth_from_told(told: str, calendar: str = "gregorian", basis: str = "statement") -> BirthInterval:
    """Return every day on which someone may have been born of whom `told` was said.

    Args:
        told: at most 80 characters in one of the forms above; kept as it is.
        calendar: one of `birth.CALENDARS`, or an alias.
        basis: one of `birth.BASES`.

    Raises:
        InputError: field birth.told: none of the forms, no such date in the calendar, or a birth outside
            1880 to 2100, as when a Gregorian year is given for another calendar's; birth.calendar and
            birth.basis: not known.
    """
    calendar = CALENDAR_ALIASES.get(calendar, calendar)
    if calendar not in CALENDARS:
        raise InputError("the calendar is not known", field="birth.calendar")
    if len(told) > TOLD_MAX_CHARACTERS:
        raise InputError("what was told is too long or not printable", field="birth.told")
    words = " ".join(_ascii_digits(told).lower().split())
    if match := _DATE.fullmatch(words):
        about, year, month, day = match.groups()
        if about and month:
            raise _no_form()
        earliest, latest = _date_span(calendar, int(year), _number(month), _number(day), bool(about))
    elif match := _AGE.fullmatch(words):
        about, youngest, oldest, on = match.groups()
        if about and oldest:
            raise _no_form()
        earliest, latest = _age_span(calendar, int(youngest), _number(oldest), on, bool(about))
    else:
        raise _no_form()
    if earliest < _EARLIEST or latest > _LATEST:
        raise InputError("the birth lies outside the years 1880 to 2100", field="birth.told")
    return BirthInterval(earliest, latest, basis, calendar, told)


def _date_span(
    calendar: str, year: int, month: int | None, day: int | None, about: bool
) -> tuple[date, date]:
    if about:
        first, _ = _told_span(calendar, year - ABOUT_YEARS)
        _, last = _told_span(calendar, year + ABOUT_YEARS)
    else:
        first, last = _told_span(calendar, year, month, day)
    doubt_days = _doubt_days(calendar, year, month)
    return calendar_days.date_of_day(first - doubt_days), calendar_days.date_of_day(last + doubt_days)


def _told_span(calendar: str, year: int, month: int | None = None, day: int | None = None) -> tuple[int, int]:
    """First and last day of all readings of a year, month or day."""
    if calendar != "buddhist" or year > calendars.BUDDHIST_YEAR_OF_NINE_MONTHS:
        return calendars.span(calendar, year, month, day)
    readings = []
    for system, its_year in (("buddhist", year), ("gregorian", year - calendars.BUDDHIST_BEFORE_CHRISTIAN)):
        # One of the two may lack a 29 February, and 2483 had no January to March.
        with contextlib.suppress(InputError):
            readings.append(calendars.span(system, its_year, month, day))
    if not readings:
        raise InputError("the calendar has no such date between 1880 and 2100", field="birth.told")
    return min(first for first, _ in readings), max(last for _, last in readings)


def _doubt_days(calendar: str, year: int, month: int | None) -> int:
    if calendar == "islamic_civil":
        return ISLAMIC_DOUBT_DAYS
    if calendar == "solar_hijri" and month and year < FIRST_SOLAR_HIJRI_YEAR_WITHOUT_ZODIAC:
        return ZODIAC_DOUBT_DAYS
    return 0


def _age_span(calendar: str, age: int, to: int | None, on: str, about: bool) -> tuple[date, date]:
    youngest, oldest = age, age if to is None else to
    if to is None:
        margin = max(ABOUT_YEARS, age // 10) if about else 0
        youngest, oldest = max(0, age - 1 - margin), max(age, min(YEARS_MAX, age + margin))
    if calendar == "islamic_civil":
        youngest = youngest * 354 // 365
    try:
        interval = age_estimate(youngest, oldest, date.fromisoformat(on))
    except (ValueError, InputError, MalformedError):
        raise InputError("the ages or the day they were told on do not exist", field="birth.told") from None
    return interval.earliest, interval.latest


def _ascii_digits(text: str) -> str:
    return "".join(
        str(unicodedata.decimal(character)) if unicodedata.category(character) == "Nd" else character
        for character in text
    )


def _number(digits: str | None) -> int | None:
    return None if digits is None else int(digits)


def _no_form() -> InputError:
    return InputError(
        "write a date as 1990, 1990-05 or 1990-05-12, or an age as 17 on 2026-11-01", field="birth.told"
    )
