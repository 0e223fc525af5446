"""Days, months and quarters, compared with the standard library over many days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import calendar_days as cal
from ledger.errors import MalformedError

DATES = st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 12, 31))


def seconds(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]


@given(DATES)
def test_a_date_comes_back_from_its_day_number(day: date) -> None:
    number = cal.day_of_date(day)
    assert cal.date_of_day(number) == day
    assert cal.seconds_of_date(day) == seconds(day.year, day.month, day.day)
    assert cal.date_of_seconds(cal.seconds_of_date(day) + cal.DAY_S - 1) == day
    assert cal.day_of_seconds(cal.seconds_of_date(day) - 1) == number - 1


def test_the_epoch_is_day_zero() -> None:
    assert cal.day_of_date(date(1970, 1, 1)) == 0
    assert cal.date_of_seconds(-1) == date(1969, 12, 31)


def test_every_day_of_four_years_has_the_right_quarter() -> None:
    starts = [date(year, month, 1) for year in range(2023, 2030) for month in (1, 4, 7, 10)]
    for offset in range(4 * 366):
        day = date(2024, 1, 1) + timedelta(days=offset)
        at = cal.seconds_of_date(day)
        following = next(start for start in starts if start >= day)
        assert cal.quarter_start(cal.quarter_at_or_after(at)) == following
        assert cal.quarter_at_or_after_date(day) == cal.quarter_at_or_after(at)
        assert cal.quarter_start(cal.quarter_of_seconds(at)) <= day
        assert cal.is_quarter_start_s(at) == (day in starts)
        late = next(start for start in starts if start > day)
        assert cal.quarter_start(cal.quarter_at_or_after(at + 1)) == late
        assert not cal.is_quarter_start_s(at + 1)
        assert cal.month_of_seconds(at) == day.year * 100 + day.month


def test_an_end_is_the_first_quarter_day_at_or_after_issue_and_validity() -> None:
    assert cal.exp_for(seconds(2026, 1, 1), 0) == seconds(2026, 1, 1)
    assert cal.exp_for(seconds(2026, 1, 2), 0) == seconds(2026, 4, 1)
    assert cal.exp_for(seconds(2026, 11, 22), 730) == seconds(2029, 1, 1)
    assert cal.exp_for(seconds(2026, 10, 1), 365) == seconds(2027, 10, 1)


@given(DATES, st.integers(1, 4000))
def test_an_end_is_never_early_and_less_than_a_quarter_late(day: date, validity: int) -> None:
    iat = cal.seconds_of_date(day)
    late = cal.exp_for(iat, validity) - iat - validity * cal.DAY_S
    assert 0 <= late < 92 * cal.DAY_S
    assert cal.is_quarter_start_s(cal.exp_for(iat, validity))


def test_a_birthday_on_29_february_is_1_march_in_a_common_year() -> None:
    assert cal.add_years(date(2008, 2, 29), 18) == date(2026, 3, 1)
    assert cal.add_years(date(2008, 2, 29), 16) == date(2024, 2, 29)
    assert cal.add_years(date(2000, 2, 29), 100) == date(2100, 3, 1)
    assert cal.add_years(date(2000, 2, 28), 18) == date(2018, 2, 28)


def test_the_latest_birth_that_reaches_an_age_is_the_inverse_on_every_day() -> None:
    one = timedelta(days=1)
    for offset in range(5 * 366):
        on = date(2023, 6, 1) + timedelta(days=offset)
        for years in (0, 1, 12, 18, 21):
            born = cal.latest_birth_reaching(years, on)
            assert cal.add_years(born, years) <= on < cal.add_years(born + one, years)


@pytest.mark.parametrize("number", [-719_163, 2_932_897, 10**30, -(10**30)])
def test_a_day_outside_the_calendar_is_malformed(number: int) -> None:
    with pytest.raises(MalformedError):
        cal.date_of_day(number)
    with pytest.raises(MalformedError):
        cal.quarter_at_or_after(number * cal.DAY_S)
    with pytest.raises(MalformedError):
        cal.quarter_start_s(number)
    assert not cal.is_quarter_start_s(number * cal.DAY_S)


def test_years_outside_the_calendar_are_malformed() -> None:
    with pytest.raises(MalformedError):
        cal.add_years(date(9990, 1, 1), 18)
    with pytest.raises(MalformedError):
        cal.latest_birth_reaching(18, date(10, 1, 1))


@pytest.mark.parametrize(
    ("month", "good"), [(202611, True), (202613, False), (202600, False), (-1, False), (101, True)]
)
def test_a_month_number_has_a_year_and_a_month(month: int, good: bool) -> None:
    assert cal.is_month(month) is good
