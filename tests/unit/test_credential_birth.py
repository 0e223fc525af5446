"""Birth intervals: the benefit of the doubt, compared with every possible birthday one by one."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import birth
from credential.core.birth import Answer, BirthInterval
from credential.errors import InputError
from ledger.core import calendar_days as cal
from ledger.errors import MalformedError

DAY = timedelta(days=1)
BIRTHS = st.dates(min_value=date(1990, 1, 1), max_value=date(2026, 12, 31))


def age_on(born: date, on: date) -> int:
    """Completed years; who was born on 29 February completes one on 1 March of a common year."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def brute_under(interval: BirthInterval, years: int, on: date) -> Answer:
    span = (interval.latest - interval.earliest).days
    births = (interval.earliest + timedelta(days=i) for i in range(span + 1))
    under = {age_on(born, on) < years for born in births}
    if under == {True}:
        return Answer.YES
    return Answer.NO if under == {False} else Answer.CANNOT_EXCLUDE


def test_a_year_only_record_that_says_eighteen_cannot_exclude_a_child() -> None:
    """Story S7: a seventeen-year-old with a year-only record says eighteen."""
    on = date(2026, 11, 22)
    interval = birth.year_only(2008, told="2008")
    exp_quarter = cal.quarter_of_date(date(2029, 1, 1))
    answer, until = birth.age_answer(interval, 18, on, exp_quarter)
    assert (answer, until) == (Answer.CANNOT_EXCLUDE, exp_quarter)
    assert birth.read_answer(answer, until, cal.seconds_of_date(on)) is Answer.CANNOT_EXCLUDE
    assert interval.under(18, date(2025, 12, 31)) is Answer.YES
    assert interval.under(18, date(2026, 1, 1)) is Answer.CANNOT_EXCLUDE
    assert interval.under(18, date(2026, 12, 30)) is Answer.CANNOT_EXCLUDE
    assert interval.under(18, date(2026, 12, 31)) is Answer.NO


def test_every_day_around_eighteen_agrees_with_every_possible_birthday() -> None:
    intervals = [
        birth.year_only(2008),
        birth.month_only(2008, 2),
        BirthInterval(date(2008, 2, 29), date(2008, 2, 29)),
        BirthInterval(date(2008, 2, 28), date(2008, 3, 1)),
        BirthInterval(date(2007, 2, 28), date(2007, 3, 1)),
    ]
    for interval in intervals:
        on = cal.add_years(interval.earliest, 18) - 3 * DAY
        while on <= cal.add_years(interval.latest, 18) + 3 * DAY:
            assert interval.under(18, on) is brute_under(interval, 18, on)
            on += DAY


@given(BIRTHS, st.integers(0, 400), st.integers(1, 21), st.dates(date(2010, 1, 1), date(2040, 1, 1)))
def test_an_answer_agrees_with_every_possible_birthday(born: date, span: int, years: int, on: date) -> None:
    interval = BirthInterval(born, born + timedelta(days=span))
    assert interval.under(years, on) is brute_under(interval, years, on)


def test_a_birthday_on_29_february_is_under_age_until_1_march() -> None:
    interval = BirthInterval(date(2008, 2, 29), date(2008, 2, 29), "document")
    assert interval.under(18, date(2026, 2, 28)) is Answer.YES
    assert interval.under(18, date(2026, 3, 1)) is Answer.NO
    assert interval.under(16, date(2024, 2, 28)) is Answer.YES
    assert interval.under(16, date(2024, 2, 29)) is Answer.NO


@given(BIRTHS, st.integers(0, 800), st.dates(date(2024, 1, 1), date(2028, 1, 1)), st.integers(0, 12))
def test_a_yes_never_outlives_the_first_possible_birthday_by_a_quarter(
    born: date, span: int, on: date, quarters: int
) -> None:
    interval = BirthInterval(born, born + timedelta(days=span))
    exp_quarter = cal.quarter_at_or_after_date(on) + quarters
    answer, until = birth.age_answer(interval, 18, on, exp_quarter)
    assert answer is interval.under(18, on)
    assert until <= exp_quarter
    reached = cal.add_years(interval.earliest, 18)
    if answer is Answer.YES and until < exp_quarter:
        assert reached <= cal.quarter_start(until) < reached + timedelta(days=92)
    end_s = cal.quarter_start_s(until)
    assert birth.read_answer(answer, until, end_s - 1) is answer
    assert birth.read_answer(answer, until, end_s) is Answer.CANNOT_EXCLUDE


def test_the_end_of_a_yes_does_not_print_the_birthday() -> None:
    exp_quarter = cal.quarter_of_date(date(2030, 1, 1))
    ends = {
        birth.age_answer(BirthInterval(born, born), 18, date(2026, 11, 22), exp_quarter)[1]
        for born in (date(2009, 4, 2), date(2009, 5, 17), date(2009, 7, 1))
    }
    assert ends == {cal.quarter_of_date(date(2027, 7, 1))}


@pytest.mark.parametrize(("youngest", "oldest"), [(0, 0), (15, 19), (17, 17), (18, 18), (60, 70)])
def test_an_estimate_holds_exactly_the_births_of_that_age(youngest: int, oldest: int) -> None:
    for on in (date(2024, 2, 29), date(2023, 2, 28), date(2023, 3, 1), date(2024, 3, 1), date(2026, 11, 22)):
        interval = birth.age_estimate(youngest, oldest, on)
        assert age_on(interval.earliest, on) == oldest
        assert age_on(interval.earliest - DAY, on) == oldest + 1
        assert age_on(interval.latest, on) == youngest
        assert age_on(interval.latest + DAY, on) == youngest - 1
        assert interval.basis == "assessment"


def test_a_month_ends_on_its_last_day() -> None:
    assert birth.month_only(2008, 2).latest == date(2008, 2, 29)
    assert birth.month_only(2008, 12) == BirthInterval(date(2008, 12, 1), date(2008, 12, 31))


@given(BIRTHS, st.integers(0, 900), st.sampled_from(birth.BASES), st.sampled_from(birth.CALENDARS))
def test_an_interval_comes_back_from_its_fields(born: date, span: int, basis: str, calendar: str) -> None:
    interval = BirthInterval(born, born + timedelta(days=span), basis, calendar, "about the long rains")
    assert birth.parse_birth(birth.format_birth(interval)) == interval


GOOD = birth.format_birth(birth.year_only(2008))


@pytest.mark.parametrize(
    "change",
    [
        {"earliest": "2009-01-01"},
        {"earliest": "20080101"},
        {"earliest": "2008-W01-1"},
        {"earliest": "2008-02-30"},
        {"earliest": 2008},
        {"latest": "2008-1-1"},
        {"basis": "rumour"},
        {"calendar": "martian"},
        {"told": "x" * 81},
        {"told": "a\u202eb"},
        {"told": None},
        {"more": "1"},
    ],
)
def test_a_field_that_breaks_a_rule_is_bad_input(change: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        birth.parse_birth({**GOOD, **change})
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize("value", [None, [], {}, {"earliest": "2008-01-01"}])
def test_a_birth_of_another_shape_is_bad_input(value: object) -> None:
    with pytest.raises(InputError):
        birth.parse_birth(value)


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(InputError):
        birth.year_only(0)
    with pytest.raises(InputError):
        birth.month_only(2008, 13)
    with pytest.raises(InputError):
        birth.age_estimate(19, 17, date(2026, 1, 1))
    with pytest.raises(InputError):
        birth.year_only(2008).under(0, date(2026, 1, 1))
    with pytest.raises(MalformedError):
        birth.read_answer(Answer.YES, 10**9, 0)
