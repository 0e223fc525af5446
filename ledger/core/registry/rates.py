"""Windows of time: credentials per issuer and hour, live credentials per issuer and quarter.

docs/protocol.md section 4, rule 2 and parts 4 and 5 of the registry digest. Hours are clock hours of
epoch time, so the state is bounded whatever the epoch period is.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from ledger.core.bundle import MAX_ISSUERS
from ledger.core.calendar_days import quarter_of_seconds
from ledger.core.fields import parse_array, parse_uint
from ledger.errors import MalformedError

HOUR_S: Final = 3_600
HOUR_MS: Final = HOUR_S * 1000
RATE_HOURS: Final = 24
"""The running hour and the 23 before it."""
REACH_HOURS: Final = 720
"""How far back k governors may distrust a key: the running hour and these before it."""

MAX_SPANS: Final = 1_024
"""Hours, days or quarters of one issuer or authority in a saved state: more than any window has."""


class Windows:
    """Counts by hour and by quarter, and the first index of each hour of late."""

    def __init__(self) -> None:
        self.hour = 0
        self.first_indexes: dict[int, int] = {}
        self.accepted: dict[int, Counter[int]] = {}
        self.live: dict[int, Counter[int]] = {}
        # Kept beside what it follows from, because every credential asks for it.
        self._totals: dict[int, int] = {}

    def copy(self) -> Windows:
        """Return a copy for `Registry.abandon_epoch`."""
        twin = Windows()
        twin.hour = self.hour
        twin.first_indexes = dict(self.first_indexes)
        twin.accepted = {number: Counter(hours) for number, hours in self.accepted.items()}
        twin.live = {number: Counter(quarters) for number, quarters in self.live.items()}
        twin._totals = dict(self._totals)
        return twin

    def open_epoch(self, time_ms: int, first_index: int) -> None:
        """Move to the hour of an epoch and forget what lies outside the windows."""
        hour = time_ms // HOUR_MS
        if hour != self.hour or not self.first_indexes:
            self.hour = hour
            self.first_indexes[hour] = first_index
            for old in [h for h in self.first_indexes if h < hour - REACH_HOURS]:
                del self.first_indexes[old]
            self.accepted = _pruned(self.accepted, hour - RATE_HOURS + 1)
            self._totals = {number: hours.total() for number, hours in self.accepted.items()}
            self.live = _pruned(self.live, quarter_of_seconds(time_ms // 1000) + 1)

    @property
    def distrust_floor(self) -> int:
        """Lowest index that k governors may distrust a key from."""
        return min(self.first_indexes.values(), default=0)

    def accepted_count(self, issuer_number: int) -> int:
        """Return the credentials accepted of an issuer in the running hour and the 23 before."""
        return self._totals.get(issuer_number, 0)

    def count_credential(self, issuer_number: int, exp_s: int) -> None:
        """Count one accepted credential; one that ends by now (its profile is short) is not live."""
        _count(self.accepted, issuer_number, self.hour)
        self._totals[issuer_number] = self._totals.get(issuer_number, 0) + 1
        if exp_s > self.hour * HOUR_S:
            _count(self.live, issuer_number, quarter_of_seconds(exp_s))

    def live_count(self, issuer_number: int) -> int:
        """Return the credentials of an issuer that have not ended."""
        counter = self.live.get(issuer_number)
        return 0 if counter is None else counter.total()

    def format_rates(self) -> list[Any]:
        """Return part 4 of the registry digest, ready to be encoded."""
        return [[list(item) for item in sorted(self.first_indexes.items())], _rows(self.accepted)]

    def format_live(self) -> list[Any]:
        """Return part 5 of the registry digest, ready to be encoded."""
        return _rows(self.live)


def parse_windows(time_ms: int, rates: Any, live: Any) -> Windows:
    """Return the windows at an epoch's time from parts 4 and 5; the caller compares what they format to.

    Raises:
        MalformedError: not the form of the CDDL, or no first index of the running hour.
    """
    first_indexes, accepted = parse_array(rates, field="rates", low=2, high=2)
    windows = Windows()
    windows.hour = time_ms // HOUR_MS
    windows.first_indexes = parse_counts(first_indexes, field="rates.first_indexes", high=REACH_HOURS + 1)
    windows.accepted = _parse_counters(accepted, field="rates")
    windows.live = _parse_counters(live, field="live")
    windows._totals = {number: hours.total() for number, hours in windows.accepted.items()}
    if windows.hour not in windows.first_indexes:
        raise MalformedError("the running hour has no first index", field="rates.first_indexes")
    return windows


def parse_counts(value: Any, *, field: str, high: int) -> dict[int, int]:
    """Return the `[at, count]` rows of a part of the registry digest, at most `high` of them."""
    rows = [
        parse_array(row, field=field, low=2, high=2)
        for row in parse_array(value, field=field, low=0, high=high)
    ]
    return {parse_uint(at, field=field): parse_uint(count, field=field) for at, count in rows}


def _parse_counters(value: Any, *, field: str) -> dict[int, Counter[int]]:
    counters = {}
    for row in parse_array(value, field=field, low=0, high=MAX_ISSUERS):
        number, counts = parse_array(row, field=field, low=2, high=2)
        counters[parse_uint(number, field=field)] = Counter(parse_counts(counts, field=field, high=MAX_SPANS))
    return counters


def _count(counts: dict[int, Counter[int]], number: int, at: int) -> None:
    counter = counts.get(number)
    if counter is None:
        counter = counts[number] = Counter()
    counter[at] += 1


def _pruned(counts: dict[int, Counter[int]], first: int) -> dict[int, Counter[int]]:
    kept = {
        number: Counter({at: count for at, count in counter.items() if at >= first})
        for number, counter in counts.items()
    }
    return {number: counter for number, counter in kept.items() if counter}


def _rows(counts: dict[int, Counter[int]]) -> list[Any]:
    return [[number, [list(item) for item in sorted(counts[number].items())]] for number in sorted(counts)]
