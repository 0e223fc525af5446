"""Windows: hours of the rate, reach of a distrust, live credentials by quarter."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ledger.core.registry.rates import HOUR_MS, Windows

HOUR = 498_528  # 15 November 2026, 00:00 UTC


def opened(*hours: int) -> Windows:
    windows = Windows()
    for count, hour in enumerate(hours):
        windows.open_epoch(hour * HOUR_MS, 16 * count)
    return windows


def test_an_hour_has_the_first_index_of_its_first_epoch() -> None:
    windows = Windows()
    for at_ms, index in ((0, 0), (1, 16), (HOUR_MS - 1, 32), (HOUR_MS, 48), (HOUR_MS + 5, 64)):
        windows.open_epoch(HOUR * HOUR_MS + at_ms, index)
    assert windows.format_rates() == [[[HOUR, 0], [HOUR + 1, 48]], []]


def test_the_reach_is_the_running_hour_and_720_before_it() -> None:
    windows = opened(HOUR, HOUR + 1, HOUR + 720)
    assert windows.distrust_floor == 0
    windows.open_epoch((HOUR + 721) * HOUR_MS, 999)
    assert windows.distrust_floor == 16
    windows.open_epoch((HOUR + 722) * HOUR_MS, 1001)
    assert windows.distrust_floor == 32


def test_hours_without_epochs_have_no_row() -> None:
    windows = opened(HOUR, HOUR + 10_000)
    assert windows.format_rates()[0] == [[HOUR + 10_000, 16]]


def test_a_copy_stands_for_itself() -> None:
    windows = opened(HOUR)
    windows.count_credential(1, 1_893_456_000)
    before = windows.format_rates(), windows.format_live()
    twin = windows.copy()
    twin.open_epoch((HOUR + 30) * HOUR_MS, 16)
    twin.count_credential(1, 1_893_456_000)
    assert (windows.format_rates(), windows.format_live()) == before
    assert twin.format_rates() != before[0]


def test_quarters_leave_when_they_begin() -> None:
    quarter_day = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())
    windows = opened(HOUR)
    windows.count_credential(3, quarter_day)
    windows.count_credential(3, quarter_day)
    windows.count_credential(1, int(datetime(2030, 4, 1, tzinfo=UTC).timestamp()))
    assert windows.format_live() == [[1, [[2030 * 4 + 1, 1]]], [3, [[2027 * 4, 2]]]]
    windows.open_epoch(quarter_day * 1000 - 1, 16)
    assert len(windows.format_live()) == 2
    windows.open_epoch(quarter_day * 1000, 32)
    assert windows.format_live() == [[1, [[2030 * 4 + 1, 1]]]]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 3)), max_size=40))
def test_the_count_is_that_of_a_plain_sum(steps: list[tuple[int, int]]) -> None:
    windows, hour = opened(HOUR), HOUR
    seen: list[tuple[int, int]] = []
    for wait, number in steps:
        hour += wait
        windows.open_epoch(hour * HOUR_MS + 1 + len(seen), 16)
        windows.count_credential(number, 4_000_000_000)
        seen.append((hour, number))
        for issuer in (1, 2, 3):
            expected = sum(hour - 24 < at <= hour and who == issuer for at, who in seen)
            assert windows.accepted_count(issuer) == expected
