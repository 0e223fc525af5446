"""Births as they were told: every day that the words leave open is in the interval, and no adult is made."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credential.core import birth, calendars
from credential.core.birth import Answer, BirthInterval
from credential.core.told_birth import birth_from_told
from credential.errors import InputError
from ledger.core import calendar_days

ON = date(2026, 11, 22)
DAY = timedelta(days=1)


def days(interval: BirthInterval) -> tuple[str, str]:
    return interval.earliest.isoformat(), interval.latest.isoformat()


@pytest.mark.parametrize(
    ("told", "calendar", "earliest", "latest"),
    [
        ("1990", "gregorian", "1990-01-01", "1990-12-31"),
        ("1992-02", "gregorian", "1992-02-01", "1992-02-29"),
        ("1990-05-12", "gregorian", "1990-05-12", "1990-05-12"),
        ("about 2008", "gregorian", "2006-01-01", "2010-12-31"),
        ("2001", "ethiopian", "2008-09-11", "2009-09-10"),
        ("2000-13", "ethiopian", "2008-09-06", "2008-09-10"),
        ("2000-04-28", "ethiopian", "2008-01-07", "2008-01-07"),
        ("1387", "solar_hijri", "2008-03-20", "2009-03-20"),
        ("1387-12", "solar_hijri", "2009-02-19", "2009-03-20"),
        ("1336", "solar_hijri", "1957-03-21", "1958-03-20"),
        ("1429", "islamic_civil", "2008-01-08", "2008-12-30"),
        ("2551", "buddhist", "2008-01-01", "2008-12-31"),
        ("2551-05-12", "buddhist", "2008-05-12", "2008-05-12"),
    ],
)
def test_a_date_becomes_every_day_that_it_covers(
    told: str, calendar: str, earliest: str, latest: str
) -> None:
    interval = birth_from_told(told, calendar)
    assert days(interval) == (earliest, latest)
    assert (interval.told, interval.calendar, interval.basis) == (told, calendar, "statement")


def test_an_islamic_date_has_two_days_of_doubt_on_either_side() -> None:
    first, last = calendars.span("islamic_civil", 1429, 9)
    interval = birth_from_told("1429-09", "islamic_civil")
    assert calendar_days.day_of_date(interval.earliest) == first - 2
    assert calendar_days.day_of_date(interval.latest) == last + 2


def test_months_of_the_zodiac_have_a_day_of_doubt_until_1336() -> None:
    for year, doubt_days in ((1336, 1), (1337, 0)):
        for told, parts in ((f"{year}-03", (3,)), (f"{year}-03-10", (3, 10))):
            first, last = calendars.span("solar_hijri", year, *parts)
            interval = birth_from_told(told, "solar_hijri")
            assert calendar_days.day_of_date(interval.earliest) == first - doubt_days
            assert calendar_days.day_of_date(interval.latest) == last + doubt_days


@pytest.mark.parametrize(
    ("told", "earliest", "latest"),
    [
        ("2482", "1939-01-01", "1940-03-31"),
        ("2482-02", "1939-02-01", "1940-02-29"),
        ("2482-02-10", "1939-02-10", "1940-02-10"),
        ("2482-02-29", "1940-02-29", "1940-02-29"),
        ("2482-05-10", "1939-05-10", "1939-05-10"),
        ("2483", "1940-01-01", "1940-12-31"),
        ("2483-02", "1940-02-01", "1940-02-29"),
        ("2484", "1941-01-01", "1941-12-31"),
    ],
)
def test_thai_years_that_began_in_april_hold_both_readings(told: str, earliest: str, latest: str) -> None:
    assert days(birth_from_told(told, "buddhist")) == (earliest, latest)


@pytest.mark.parametrize(
    ("told", "calendar", "youngest", "oldest"),
    [
        ("17 on 2026-11-01", "gregorian", 16, 17),
        ("15 to 17 on 2026-11-01", "gregorian", 15, 17),
        ("about 17 on 2026-11-01", "gregorian", 14, 19),
        ("About 70  on 2026-11-01", "gregorian", 62, 77),
        ("17 on 2026-11-01", "ethiopian", 16, 17),
        ("17 on 2026-11-01", "islamic_civil", 15, 17),
        ("0 on 2026-11-01", "gregorian", 0, 0),
        ("about 1 on 2026-11-01", "gregorian", 0, 3),
    ],
)
def test_an_age_becomes_the_births_of_all_ages_that_it_may_mean(
    told: str, calendar: str, youngest: int, oldest: int
) -> None:
    expected = birth.age_estimate(youngest, oldest, date(2026, 11, 1), basis="statement")
    interval = birth_from_told(told, calendar)
    assert days(interval) == days(expected)
    assert interval.told == told


def test_a_child_that_says_eighteen_as_many_count_stays_possible() -> None:
    assert birth_from_told("18 on 2026-11-01").under(18, ON) is Answer.CANNOT_EXCLUDE
    assert birth_from_told("19 on 2026-11-01").under(18, ON) is Answer.NO
    assert birth_from_told("19 on 2026-11-01", "islamic_civil").under(18, ON) is Answer.CANNOT_EXCLUDE


def test_digits_of_other_scripts_read_the_same_and_the_words_are_kept() -> None:
    for told in ("۱۳۸۷-۰۵-۱۲", "١٣٨٧-٠٥-١٢"):
        interval = birth_from_told(told, "solar_hijri")
        assert days(interval) == days(birth_from_told("1387-05-12", "solar_hijri"))
        assert interval.told == told


def test_an_alias_of_a_calendar_is_written_with_its_name() -> None:
    assert birth_from_told("1387", "persian").calendar == "solar_hijri"
    assert birth_from_told("1429", "islamic").calendar == "islamic_civil"
    fields = birth.format_birth(birth_from_told("1387", "persian", "document"))
    assert birth.parse_birth({**fields, "calendar": "persian"}) == birth.parse_birth(fields)


@pytest.mark.parametrize(
    ("told", "calendar"),
    [
        ("", "gregorian"),
        ("yes", "gregorian"),
        ("90", "gregorian"),
        ("1990-5", "gregorian"),
        ("1990-13", "gregorian"),
        ("1990-02-29", "gregorian"),
        ("1990-05-12-01", "gregorian"),
        ("-1990", "gregorian"),
        ("about 1990-05", "gregorian"),
        ("about 15 to 17 on 2026-11-01", "gregorian"),
        ("17", "gregorian"),
        ("17 to 15 on 2026-11-01", "gregorian"),
        ("17 on 2026-02-30", "gregorian"),
        ("17 on 0010-01-01", "gregorian"),
        ("17 on 2200-01-01", "gregorian"),
        ("121 on 2026-11-01", "gregorian"),
        ("120 on 1990-01-01", "gregorian"),
        ("1879", "gregorian"),
        ("2101", "gregorian"),
        ("about 2099", "gregorian"),
        ("1990", "solar_hijri"),
        ("1990", "islamic_civil"),
        ("1990", "buddhist"),
        ("1387-12-31", "solar_hijri"),
        ("2483-02-30", "buddhist"),
        ("2478-02-30", "buddhist"),
        ("1990" + " " * 80, "gregorian"),
        ("1990\n", "gregorian"),
    ],
)
def test_what_cannot_be_read_is_bad_input_that_does_not_repeat_it(told: str, calendar: str) -> None:
    with pytest.raises(InputError) as caught:
        birth_from_told(told, calendar)
    assert (caught.value.code, caught.value.field) == ("bad_input", "birth.told")


def test_an_unknown_calendar_or_basis_is_named() -> None:
    with pytest.raises(InputError) as caught:
        birth_from_told("1990", "mayan")
    assert caught.value.field == "birth.calendar"
    with pytest.raises(InputError) as caught:
        birth_from_told("1990", "gregorian", "rumour")
    assert caught.value.field == "birth.basis"


@given(st.dates(date(1885, 1, 1), date(2095, 12, 31)), st.sampled_from(birth.CALENDARS), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_the_day_of_birth_is_in_whatever_was_told_of_it(born: date, calendar: str, parts: int) -> None:
    year, month, day = calendars.from_day(calendar, calendar_days.day_of_date(born))
    interval = birth_from_told("-".join([f"{year:04}", f"{month:02}", f"{day:02}"][:parts]), calendar)
    assert interval.earliest <= born <= interval.latest


@given(st.dates(date(1990, 1, 1), date(2026, 11, 1)), st.booleans(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_an_age_in_years_done_or_begun_keeps_the_day_of_birth(born: date, about: bool, begun: bool) -> None:
    on = date(2026, 11, 1)
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day)) + begun
    interval = birth_from_told(f"{'about ' if about else ''}{age} on {on.isoformat()}")
    assert interval.earliest <= born <= interval.latest
    assert interval.latest <= on
    assert birth_from_told(f"about {age} on {on}").earliest <= interval.earliest + DAY


@given(
    st.text(max_size=90) | st.from_regex(r"(about )?[0-9]{1,4}( to [0-9]{1,3})?( on [0-9-]{10})?"),
    st.sampled_from(birth.CALENDARS),
)
@settings(max_examples=200, deadline=None)
def test_no_words_raise_anything_but_bad_input(told: str, calendar: str) -> None:
    try:
        interval = birth_from_told(told, calendar)
    except InputError:
        return
    assert interval.told == told
    assert interval.latest <= date(2100, 12, 31)
