"""Birth as an interval, and the answers that follow from it (docs/protocol.md, section 6).

Most people whom this project serves have a year, a season or an estimate, not a birthday. So a birth is
`[earliest, latest]` with a basis and what was told, and a question about an age has three answers: yes,
no, and *cannot exclude*. The benefit of the doubt goes to the child: "under 18: no" is said only when
even the latest possible birth lies far enough back.

A card answers for years, so an answer carries its own horizon: "yes" holds until the 18th birthday,
rounded up to a quarter so that it does not print the birthday; from then on it reads cannot_exclude.

>>> year_only(2008).under(18, date(2026, 11, 22)).name
'CANNOT_EXCLUDE'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Final

from credential.errors import InputError
from ledger.core import calendar_days

BASES: Final = ("document", "statement", "assessment")
CALENDARS: Final = ("gregorian", "ethiopian", "solar_hijri", "islamic_civil", "buddhist")
"""Calendars in which a date may have been told; `earliest` and `latest` are always Gregorian."""
CALENDAR_ALIASES: Final = {"persian": "solar_hijri", "islamic": "islamic_civil"}
"""Shorter names of two calendars: `parse_birth` reads them, nothing writes them."""
TOLD_MAX_CHARACTERS: Final = 80
YEARS_MAX: Final = 120
_FIELDS: Final = frozenset(("earliest", "latest", "basis", "calendar", "told"))


class Answer(IntEnum):
    """Answer to "is this person under N?", as it stands in a credential."""

    NO = 0
    YES = 1
    CANNOT_EXCLUDE = 2


@dataclass(frozen=True, slots=True)
class BirthInterval:
    """All that is known of a birth.

    Attributes:
        earliest: first possible day of birth, Gregorian.
        latest: last possible day of birth, not before `earliest`.
        basis: one of `BASES`: what the interval rests on.
        calendar: one of `CALENDARS`: in which calendar it was told.
        told: what was told, in the person's words, at most 80 characters, or "".

    Raises:
        InputError: `latest` before `earliest`, an unknown basis or calendar, `told` too long or with
            control characters.
    """

    earliest: date
    latest: date
    basis: str = "statement"
    calendar: str = "gregorian"
    told: str = ""

    def __post_init__(self) -> None:
        if self.latest < self.earliest:
            raise InputError("the latest day of birth is before the earliest", field="birth.latest")
        if self.basis not in BASES:
            raise InputError("the basis is none of document, statement, assessment", field="birth.basis")
        if self.calendar not in CALENDARS:
            raise InputError("the calendar is not known", field="birth.calendar")
        if len(self.told) > TOLD_MAX_CHARACTERS or not self.told.isprintable():
            raise InputError("what was told is too long or not printable", field="birth.told")

    def under(self, years: int, on: date) -> Answer:
        """Answer whether the person is under `years` on the day `on`.

        Yes only if even the earliest possible birth has not reached the age; no only if even the latest
        has; everything between is cannot_exclude.

        Raises:
            InputError: `years` outside 1 to 120.
            MalformedError: a birthday outside the years 1 to 9999.
        """
        _check_years(years)
        if on < calendar_days.add_years(self.earliest, years):
            return Answer.YES
        if on >= calendar_days.add_years(self.latest, years):
            return Answer.NO
        return Answer.CANNOT_EXCLUDE


def year_only(
    year: int, *, basis: str = "statement", calendar: str = "gregorian", told: str = ""
) -> BirthInterval:
    """Return the interval of someone of whom only the year of birth is known.

    Raises:
        InputError: the year lies outside 1 to 9999.
    """
    if not 1 <= year <= 9999:
        raise InputError("the year is not a year", field="birth.earliest")
    return BirthInterval(date(year, 1, 1), date(year, 12, 31), basis, calendar, told)


def month_only(
    year: int, month: int, *, basis: str = "statement", calendar: str = "gregorian", told: str = ""
) -> BirthInterval:
    """Return the interval of someone of whom only year and month of birth are known.

    Raises:
        InputError: the year lies outside 1 to 9998, or the month outside 1 to 12.
    """
    if not (1 <= year <= 9998 and 1 <= month <= 12):
        raise InputError("the month is not a month", field="birth.earliest")
    following = date(year + month // 12, month % 12 + 1, 1)
    return BirthInterval(date(year, month, 1), following - timedelta(days=1), basis, calendar, told)


def age_estimate(
    youngest: int,
    oldest: int,
    on: date,
    *,
    basis: str = "assessment",
    calendar: str = "gregorian",
    told: str = "",
) -> BirthInterval:
    """Return the interval of someone who is `youngest` to `oldest` years old, both included, on `on`.

    Raises:
        InputError: not 0 <= youngest <= oldest <= 120.
        MalformedError: a birth outside the years 1 to 9999.
    """
    if not 0 <= youngest <= oldest <= YEARS_MAX:
        raise InputError("the estimate is not a range of ages", field="birth.earliest")
    latest = calendar_days.latest_birth_reaching(youngest, on)
    too_old = calendar_days.latest_birth_reaching(oldest + 1, on)
    return BirthInterval(too_old + timedelta(days=1), latest, basis, calendar, told)


def age_answer(interval: BirthInterval, years: int, on: date, exp_quarter: int) -> tuple[Answer, int]:
    """Return `(answer, until_quarter)` to "under `years`?" as a credential issued on `on` carries it.

    `until_quarter` is the number of the quarter from whose first instant the answer reads
    cannot_exclude: for yes the earlier of `exp_quarter` and the first quarter at or after the earliest
    day on which the age can be reached; otherwise `exp_quarter`.

    Args:
        interval: the birth.
        years: the age asked for, 1 to 120.
        on: day of issue.
        exp_quarter: quarter number of the credential's end (`calendar_days`).

    Raises:
        InputError: `years` outside 1 to 120.
        MalformedError: a birthday outside the years 1 to 9999.
    """
    answer = interval.under(years, on)
    if answer is not Answer.YES:
        return answer, exp_quarter
    reached = calendar_days.add_years(interval.earliest, years)
    return answer, min(exp_quarter, calendar_days.quarter_at_or_after_date(reached))


def read_answer(answer: Answer, until_quarter: int, now_s: int) -> Answer:
    """Return what an answer says at the epoch time `now_s`: itself before its horizon, then cannot_exclude.

    Raises:
        MalformedError: the quarter lies outside the years 1 to 9999.
    """
    return answer if now_s < calendar_days.quarter_start_s(until_quarter) else Answer.CANNOT_EXCLUDE


def format_birth(interval: BirthInterval) -> dict[str, str]:
    """Return the interval as five text fields, dates as YYYY-MM-DD."""
    return {
        "earliest": interval.earliest.isoformat(),
        "latest": interval.latest.isoformat(),
        "basis": interval.basis,
        "calendar": interval.calendar,
        "told": interval.told,
    }


def parse_birth(value: object) -> BirthInterval:
    """Return the interval of a mapping as `format_birth` writes it, or with an alias of its calendar.

    Raises:
        InputError: not exactly the five text fields, a date not of the form YYYY-MM-DD, or a rule of
            `BirthInterval` broken.
    """
    if not isinstance(value, Mapping) or set(value) != _FIELDS:
        raise InputError("a birth has exactly five fields", field="birth")
    if not all(isinstance(text, str) for text in value.values()):
        raise InputError("every field of a birth is a text", field="birth")
    return BirthInterval(
        _parse_date(value["earliest"], "birth.earliest"),
        _parse_date(value["latest"], "birth.latest"),
        value["basis"],
        CALENDAR_ALIASES.get(str(value["calendar"]), str(value["calendar"])),
        value["told"],
    )


def _parse_date(text: str, field: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError("a date is not of the form YYYY-MM-DD", field=field) from None
    if day.isoformat() != text:  # fromisoformat also takes 20081231 and week dates
        raise InputError("a date is not of the form YYYY-MM-DD", field=field)
    return day


def _check_years(years: int) -> None:
    if not 1 <= years <= YEARS_MAX:
        raise InputError("the age asked for is not between 1 and 120", field="years")
