"""Calendar arithmetic: dates that history knows, every day from 1880 to 2100, and the equinox itself."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credential.core import birth, calendars
from credential.errors import InputError
from ledger.core import calendar_days

Told = tuple[int, int, int]
EVERY_DAY = range(calendars.FIRST_DAY, calendars.LAST_DAY + 1)

# Events that both calendars are known for: holidays and dates of history books.
HISTORY: list[tuple[str, Told, Told]] = [
    ("ethiopian", (1888, 6, 23), (1896, 3, 1)),  # battle of Adwa, 23 Yekatit
    ("ethiopian", (1983, 9, 20), (1991, 5, 28)),  # fall of the Derg, 20 Ginbot
    ("ethiopian", (2000, 1, 1), (2007, 9, 12)),  # the Ethiopian millennium
    ("ethiopian", (2016, 4, 28), (2024, 1, 7)),  # Genna, a day earlier after a leap year
    ("ethiopian", (2019, 1, 1), (2026, 9, 11)),  # Enkutatash
    ("solar_hijri", (1329, 12, 29), (1951, 3, 20)),  # oil nationalised, 29 Esfand
    ("solar_hijri", (1332, 5, 28), (1953, 8, 19)),  # coup of 28 Mordad
    ("solar_hijri", (1352, 4, 26), (1973, 7, 17)),  # Afghan republic, 26 Saratan
    ("solar_hijri", (1357, 2, 7), (1978, 4, 27)),  # Saur revolution, 7 Saur
    ("solar_hijri", (1357, 11, 22), (1979, 2, 11)),  # Iranian revolution, 22 Bahman
    ("solar_hijri", (1400, 5, 24), (2021, 8, 15)),  # fall of Kabul, 24 Asad
    ("buddhist", (2475, 6, 24), (1932, 6, 24)),  # end of the absolute monarchy
    ("buddhist", (2477, 3, 2), (1935, 3, 2)),  # abdication of Prajadhipok: March closed the year
    ("buddhist", (2483, 12, 31), (1940, 12, 31)),  # last day of the year of nine months
    ("buddhist", (2484, 1, 1), (1941, 1, 1)),  # first year that began on 1 January
    ("buddhist", (2569, 11, 22), (2026, 11, 22)),
]

# Sample dates of Reingold and Dershowitz, Calendrical Calculations, appendix C.
SAMPLES: list[tuple[Told, Told, Told, Told]] = [
    ((1941, 9, 29), (1934, 1, 19), (1360, 9, 8), (1320, 7, 7)),
    ((1943, 4, 19), (1935, 8, 11), (1362, 4, 13), (1322, 1, 29)),
    ((1943, 10, 7), (1936, 1, 26), (1362, 10, 7), (1322, 7, 14)),
    ((1992, 3, 17), (1984, 7, 8), (1412, 9, 13), (1370, 12, 27)),
    ((1996, 2, 25), (1988, 6, 17), (1416, 10, 5), (1374, 12, 6)),
    ((2038, 11, 10), (2031, 3, 1), (1460, 10, 12), (1417, 8, 19)),
    ((2094, 7, 18), (2086, 11, 11), (1518, 3, 5), (1473, 4, 28)),
]


def day(gregorian: Told) -> int:
    return calendar_days.day_of_date(date(*gregorian))


@pytest.mark.parametrize(("calendar", "told", "gregorian"), HISTORY)
def test_dates_of_history_convert_both_ways(calendar: str, told: Told, gregorian: Told) -> None:
    assert calendars.to_day(calendar, *told) == day(gregorian)
    assert calendars.from_day(calendar, day(gregorian)) == told


@pytest.mark.parametrize(("gregorian", "ethiopian", "islamic", "persian_date"), SAMPLES)
def test_published_sample_dates_convert_both_ways(
    gregorian: Told, ethiopian: Told, islamic: Told, persian_date: Told
) -> None:
    told = {"ethiopian": ethiopian, "islamic_civil": islamic, "solar_hijri": persian_date}
    for calendar, expected in told.items():
        assert calendars.from_day(calendar, day(gregorian)) == expected
        assert calendars.to_day(calendar, *expected) == day(gregorian)


@pytest.mark.parametrize("calendar", birth.CALENDARS)
def test_every_day_from_1880_to_2100_converts_back_and_follows_the_day_before(calendar: str) -> None:
    before = calendars.from_day(calendar, calendars.FIRST_DAY)
    for number in EVERY_DAY:
        told = calendars.from_day(calendar, number)
        assert calendars.to_day(calendar, *told) == number
        if number > calendars.FIRST_DAY:
            same_month = told[:2] == before[:2] and told[2] == before[2] + 1
            next_month = told[2] == 1 and told[:2] != before[:2] and told[0] - before[0] in (0, 1)
            assert same_month or next_month
        before = told


@pytest.mark.parametrize("calendar", birth.CALENDARS)
def test_the_months_of_a_year_and_the_days_of_a_month_leave_no_gap(calendar: str) -> None:
    first = calendars.from_day(calendar, calendars.FIRST_DAY)[0] + 1
    last = calendars.from_day(calendar, calendars.LAST_DAY)[0] - 1
    for year in range(first, last + 1):
        year_first, year_last = calendars.span(calendar, year)
        months = []
        for month in range(1, 14):
            try:
                months.append(calendars.span(calendar, year, month))
            except InputError:
                continue
        months.sort()
        assert (months[0][0], months[-1][1]) == (year_first, year_last)
        assert all(later[0] == earlier[1] + 1 for earlier, later in zip(months, months[1:], strict=False))
        assert year == first or year_first == calendars.span(calendar, year - 1)[1] + 1


def test_solar_hijri_leap_years_are_those_of_the_official_calendar() -> None:
    leap = [year for year in range(1350, 1412) if year_days("solar_hijri", year) == 366]
    assert leap == [1350, 1354, 1358, 1362, 1366, 1370, 1375, 1379, 1383, 1387, 1391, 1395, 1399, 1403, 1408]


def test_an_ethiopian_year_has_twelve_months_of_thirty_days_and_a_short_one() -> None:
    for year in range(1900, 2090):
        assert month_days("ethiopian", year, 13) == (6 if year % 4 == 3 else 5)
        assert {month_days("ethiopian", year, month) for month in range(1, 13)} == {30}


def test_islamic_years_have_eleven_leap_days_in_thirty() -> None:
    leap = {year % 30 for year in range(1300, 1500) if year_days("islamic_civil", year) == 355}
    assert leap == {2, 5, 7, 10, 13, 16, 18, 21, 24, 26, 29}


def test_the_thai_year_2483_had_no_january_to_march() -> None:
    assert calendars.span("buddhist", 2483) == (day((1940, 4, 1)), day((1940, 12, 31)))
    assert calendars.span("buddhist", 2482) == (day((1939, 4, 1)), day((1940, 3, 31)))
    for month in (1, 2, 3):
        with pytest.raises(InputError):
            calendars.to_day("buddhist", 2483, month, 1)


@pytest.mark.parametrize(
    ("calendar", "told"),
    [
        ("gregorian", (2023, 2, 29)),
        ("gregorian", (2008, 13, 1)),
        ("gregorian", (1879, 12, 31)),
        ("gregorian", (2101, 1, 1)),
        ("ethiopian", (2000, 13, 6)),
        ("ethiopian", (2000, 14, 1)),
        ("ethiopian", (2000, 1, 31)),
        ("solar_hijri", (1400, 12, 30)),
        ("solar_hijri", (1400, 7, 31)),
        ("solar_hijri", (1400, 13, 1)),
        ("solar_hijri", (1990, 1, 1)),
        ("islamic_civil", (1445, 2, 30)),
        ("islamic_civil", (1445, 0, 1)),
        ("islamic_civil", (1990, 1, 1)),
        ("buddhist", (2500, 1, 0)),
        ("buddhist", (1990, 1, 1)),
    ],
)
def test_a_date_that_does_not_exist_is_bad_input(calendar: str, told: Told) -> None:
    with pytest.raises(InputError) as caught:
        calendars.to_day(calendar, *told)
    assert (caught.value.code, caught.value.field) == ("bad_input", "birth.told")


def test_an_unknown_calendar_is_bad_input() -> None:
    for call in (
        lambda: calendars.to_day("mayan", 2000, 1, 1),
        lambda: calendars.from_day("mayan", 0),
        lambda: calendars.span("mayan", 2000),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.field == "birth.calendar"


def test_1880_and_2100_can_be_told_whole() -> None:
    assert calendars.span("gregorian", 1880)[0] == calendars.FIRST_DAY
    assert calendars.span("gregorian", 2100)[1] == calendars.LAST_DAY
    assert calendars.span("gregorian", 2100, 12)[1] == calendars.LAST_DAY
    with pytest.raises(InputError):
        calendars.span("ethiopian", 2093)  # begins in September 2100


def test_days_outside_1880_to_2100_are_refused() -> None:
    for number in (calendars.FIRST_DAY - 1, calendars.LAST_DAY + 1):
        with pytest.raises(InputError):
            calendars.from_day("ethiopian", number)


@given(
    st.sampled_from(birth.CALENDARS), st.integers(-5, 10**9), st.integers(-5, 10**9), st.integers(-5, 10**9)
)
@settings(max_examples=100, deadline=None)
def test_no_numbers_raise_anything_but_bad_input(calendar: str, year: int, month: int, of_month: int) -> None:
    try:
        number = calendars.to_day(calendar, year, month, of_month)
    except InputError:
        return
    assert calendars.from_day(calendar, number) == (year, month, of_month)


def year_days(calendar: str, year: int) -> int:
    first, last = calendars.span(calendar, year)
    return last - first + 1


def month_days(calendar: str, year: int, month: int) -> int:
    first, last = calendars.span(calendar, year, month)
    return last - first + 1
