"""Quarantine: a mass withdrawal waits for the governors, and the places read "held" meanwhile.

docs/protocol.md section 4 ("Quarantine") and parts 7 and 8 of the registry digest. Rows that set 1 or 2 are
counted for each authority, in hours and in days of epoch time; a statement that would go over one of three
limits is held. What is held is a short list: the rows as they were asked for, until k governors confirm or
refuse them, the place is replaced, or 30 days are over.

>>> limits(40_000)
(200, 1200, 2000)
>>> limits(400), limits(0)
((20, 20, 20), (20, 20, 20))
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Final

from ledger.core import cbor
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.fields import parse_array, parse_list_uri, parse_party, parse_uint
from ledger.core.registry.rates import HOUR_MS, MAX_SPANS, parse_counts
from ledger.core.status_change import MAX_ROWS, SUSPENDED, WITHDRAWN, StatusRow, parse_status_row
from ledger.errors import MalformedError

DAY_MS: Final = 24 * HOUR_MS
HOURS: Final = 24
"""The running clock hour and the 23 before it."""
MONTH_DAYS: Final = 30
YEAR_DAYS: Final = 365
LAPSE_MS: Final = 30 * DAY_MS
"""What is held this long, and neither confirmed nor refused, lapses."""
_ALWAYS_FREE: Final = 20
"""Rows that no limit lies below, however few credentials are live."""
MOST_A_DAY: Final = 200
"""Rows of a day that no limit lies above, however many credentials are live."""

Marked = tuple[int, dict[str, Counter[int]], dict[str, Counter[int]]]


def limits(live: int) -> tuple[int, int, int]:
    """Return how many rows an authority with `live` credentials may set to 1 or 2 in a day, 30 and 365 days."""
    return (
        min(MOST_A_DAY, max(_ALWAYS_FREE, live // 100)),
        max(_ALWAYS_FREE, 3 * live // 100),
        max(_ALWAYS_FREE, 5 * live // 100),
    )


def is_limited(row: StatusRow) -> bool:
    """Return whether a row counts against the authority's limits: it takes away what was in force.

    To withdraw what is suspended is none of that: the person counted when it was suspended, and a card under
    review must not read as confirmed while its withdrawal waits.
    """
    return row.new in (WITHDRAWN, SUSPENDED) and row.old != SUSPENDED


@dataclass(frozen=True, slots=True)
class HeldChange:
    """What a status statement asked for and did not get yet.

    Attributes:
        index: the statement's index.
        number: of its issuer.
        kid: of the key that signed it.
        time_ms: time of the epoch that held it.
        uri: the list.
        rows: as they were written, by idx, in that order; only those whose place is still held.
    """

    index: int
    number: int
    kid: bytes
    time_ms: int
    uri: str
    rows: dict[int, StatusRow]

    @property
    def lapses_ms(self) -> int:
        """Epoch time from which on it lapses."""
        return self.time_ms + LAPSE_MS


class Quarantine:
    """Rows counted by authority, and what is held."""

    def __init__(self) -> None:
        self.time_ms = 0
        self.held: dict[int, HeldChange] = {}
        self._places: dict[tuple[str, int], int] = {}
        self._hours: dict[str, Counter[int]] = {}
        self._days: dict[str, Counter[int]] = {}
        self._held_digest: bytes | None = None

    def open_epoch(self, time_ms: int) -> None:
        """Move to the time of an epoch and forget what lies outside the windows."""
        if time_ms // HOUR_MS != self.time_ms // HOUR_MS:
            self._hours = _pruned(self._hours, time_ms // HOUR_MS - HOURS)
            self._days = _pruned(self._days, time_ms // DAY_MS - YEAR_DAYS)
        self.time_ms = time_ms

    def mark(self) -> Marked:
        """Return what `restore` needs to take back an `open_epoch`, as long as nothing was counted since."""
        return self.time_ms, self._hours, self._days

    def restore(self, marked: Marked, lapsed: Iterable[HeldChange]) -> None:
        """Go back to a mark, and hold again what lapsed since (as `due` gave it)."""
        self.time_ms, self._hours, self._days = marked
        for held in lapsed:
            self._keep(held)
        self.held = dict(sorted(self.held.items()))

    # -- counting ---------------------------------------------------------------------------------------

    def counted(self, authority: str) -> tuple[int, int, int]:
        """Return the rows counted for an authority in the running day of hours, 30 days and 365 days."""
        hours, days = self._hours.get(authority, Counter()), self._days.get(authority, Counter())
        first = self.time_ms // DAY_MS - MONTH_DAYS + 1
        return (
            hours.total(),
            sum(count for day, count in days.items() if day >= first),
            days.total(),
        )

    def exceeds(self, authority: str, rows: int, live: int) -> bool:
        """Return whether `rows` more would exceed a limit of an authority with `live` credentials."""
        allowed = limits(live)
        return any(was + rows > most for was, most in zip(self.counted(authority), allowed, strict=True))

    def count(self, authority: str, rows: int) -> None:
        """Count rows that took effect."""
        self._hours.setdefault(authority, Counter())[self.time_ms // HOUR_MS] += rows
        self._days.setdefault(authority, Counter())[self.time_ms // DAY_MS] += rows

    # -- what is held -----------------------------------------------------------------------------------

    def hold(self, index: int, number: int, kid: bytes, uri: str, rows: Iterable[StatusRow]) -> None:
        """Hold the rows of the status statement at `index`, by rising idx; their places read 0x0D."""
        by_idx = {row.idx: row for row in rows}
        self._keep(HeldChange(index, number, kid, self.time_ms, uri, by_idx))

    def _keep(self, held: HeldChange) -> None:
        self.held[held.index] = held
        self._places.update(((held.uri, idx), held.index) for idx in held.rows)
        self._held_digest = None

    def release(self, uri: str, idx: int) -> None:
        """Forget the row of a place that reads 0x0D no longer."""
        index = self._places.pop((uri, idx))
        rows = self.held[index].rows
        del rows[idx]
        if not rows:
            del self.held[index]
        self._held_digest = None

    def due(self, time_ms: int) -> list[HeldChange]:
        """Return what lapses with an epoch of this time, by index; the rows are a copy."""
        # By rising index, hence by rising time: what lapses stands at the front.
        late = takewhile(lambda held: held.lapses_ms <= time_ms, self.held.values())
        return [replace(held, rows=dict(held.rows)) for held in late]

    def next_timer_ms(self) -> int | None:
        """Return the epoch time from which on something lapses; None if nothing is held."""
        return next((held.lapses_ms for held in self.held.values()), None)

    # -- digests ----------------------------------------------------------------------------------------

    def format_windows(self) -> list[list[Any]]:
        """Return part 7 of the registry digest, ready to be encoded."""
        return [
            [authority, _rows(self._hours.get(authority, {})), _rows(self._days[authority])]
            for authority in sorted(self._days)
        ]

    def format_held(self) -> list[list[Any]]:
        """Return part 8 of the registry digest, ready to be encoded."""
        return [
            [held.index, held.number, held.time_ms, held.uri, [list(row) for row in held.rows.values()]]
            for held in self.held.values()
        ]

    def held_digest(self) -> bytes:
        """Return the hash of part 8; kept, because it may be long and changes seldom."""
        if self._held_digest is None:
            self._held_digest = hashlib.sha256(cbor.encode(self.format_held())).digest()
        return self._held_digest


def parse_quarantine(time_ms: int, windows: Any, held: Any, kids: Mapping[int, bytes]) -> Quarantine:
    """Return the quarantine at an epoch's time from parts 7 and 8; the caller compares what they format to.

    Args:
        time_ms: epoch time.
        windows, held: the two parts, decoded.
        kids: index of a held statement -> kid of its key, as the journal has them.

    Raises:
        MalformedError: not the form of the CDDL, or a held statement that is not in the journal.
    """
    quarantine = Quarantine()
    quarantine.time_ms = time_ms
    for item in parse_array(windows, field="windows", low=0, high=MAX_ISSUERS):
        name, hours, days = parse_array(item, field="windows", low=3, high=3)
        authority = parse_party(name, field="windows.authority")
        quarantine._days[authority] = Counter(parse_counts(days, field="windows.days", high=MAX_SPANS))
        if hours:
            quarantine._hours[authority] = Counter(parse_counts(hours, field="windows.hours", high=MAX_SPANS))
    for item in parse_array(held, field="held", low=0, high=len(kids)):
        row = parse_array(item, field="held", low=5, high=5)
        index, number, at_ms = (parse_uint(value, field="held") for value in row[:3])
        if index not in kids or parse_list_uri(row[3], field="held.uri")[0] != number:
            raise MalformedError("no such statement is in the journal", field="held")
        rows = [parse_status_row(one) for one in parse_array(row[4], field="held.rows", low=1, high=MAX_ROWS)]
        if not all(is_limited(one) for one in rows):
            raise MalformedError("a row that is never held", field="held.rows")
        quarantine._keep(
            HeldChange(index, number, kids[index], at_ms, row[3], {one.idx: one for one in rows})
        )
    return quarantine


def _pruned(counts: dict[str, Counter[int]], last_gone: int) -> dict[str, Counter[int]]:
    """Return new counters without what lies at `last_gone` or before, and without empty ones."""
    kept = {
        name: Counter({at: count for at, count in counter.items() if at > last_gone})
        for name, counter in counts.items()
    }
    return {name: counter for name, counter in kept.items() if counter}


def _rows(counts: dict[int, int]) -> list[list[int]]:
    return [[at, count] for at, count in sorted(counts.items())]
