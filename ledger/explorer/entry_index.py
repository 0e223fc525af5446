"""What the explorer keeps in memory of every entry: 17 bytes, and 72 of every epoch.

Kind (1 byte) and the first 8 bytes of the identity stand in the order of the entries; the entries of an issuer
are a list of indexes (8 bytes). An identity is found by a search through the bytes, which takes milliseconds
for a million entries and needs no sorting; whoever finds a place compares the whole identity there.

>>> index = EntryIndex()
>>> index.add("credential", bytes(range(32)))
>>> index.places_of(bytes(range(32)))
[0]
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ledger.core.merkle import HASH_SIZE

KINDS: Final = (
    "padding", "charter", "accept", "govern", "credential", "status", "seal", "malformed", "missing",
)  # fmt: skip
"""Kinds of entries; the last two are entries that do not parse, and entries that the copy does not have."""
_NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
_WITHOUT_IDENTITY: Final = frozenset(_NUMBERS[kind] for kind in ("padding", "malformed", "missing"))
_PREFIX: Final = 8
_NO_IDENTITY: Final = bytes(_PREFIX)


@dataclass(frozen=True, slots=True)
class EpochPlace:
    """Where an epoch stands: its number from 0, the index of its first entry, the one behind its seal, its time."""

    number: int
    first: int
    end: int
    time_ms: int


@dataclass(slots=True)
class EntryIndex:
    """The index of one copy; it grows entry by entry and epoch by epoch."""

    kinds: bytearray = field(default_factory=bytearray)
    prefixes: bytearray = field(default_factory=bytearray)
    by_issuer: dict[str, array[int]] = field(default_factory=dict)
    ends: array[int] = field(default_factory=lambda: array("Q"))
    times_ms: array[int] = field(default_factory=lambda: array("Q"))
    roots: bytearray = field(default_factory=bytearray)

    @property
    def size(self) -> int:
        """Number of entries that were added."""
        return len(self.kinds)

    @property
    def epoch_count(self) -> int:
        """Number of epochs that were closed."""
        return len(self.ends)

    def add(self, kind: str, identity: bytes | None) -> None:
        """Add the next entry; `identity` is None where it has none."""
        self.kinds.append(_NUMBERS[kind])
        self.prefixes += _NO_IDENTITY if identity is None else identity[:_PREFIX]

    def add_to_issuer(self, issuer_id: str, index: int) -> None:
        """Note that the entry at `index` is by an issuer, or about its lists; indexes rise."""
        self.by_issuer.setdefault(issuer_id, array("Q")).append(index)

    def close_epoch(self, time_ms: int, root: bytes) -> None:
        """Note that the last entry is a seal."""
        self.ends.append(self.size)
        self.times_ms.append(time_ms)
        self.roots += root

    def kind(self, index: int) -> str:
        """Return the kind of an entry."""
        return KINDS[self.kinds[index]]

    def places_of(self, identity: bytes) -> list[int]:
        """Return the indexes of entries whose identity may be this one."""
        return list(self._places(identity[:_PREFIX]))

    def _places(self, prefix: bytes) -> Iterator[int]:
        at = self.prefixes.find(prefix)
        while at >= 0:
            index, inside = divmod(at, _PREFIX)
            if inside == 0 and self.kinds[index] not in _WITHOUT_IDENTITY:
                yield index
            at = self.prefixes.find(prefix, at + 1)

    def epoch(self, number: int) -> EpochPlace:
        """Return an epoch by its number."""
        first = self.ends[number - 1] if number else 0
        return EpochPlace(number, first, self.ends[number], self.times_ms[number])

    def epoch_of(self, index: int) -> EpochPlace | None:
        """Return the epoch of an entry, None behind the last seal."""
        number = bisect_right(self.ends, index)
        return self.epoch(number) if number < self.epoch_count else None

    def root(self, number: int) -> bytes:
        """Return the root hash that the entries up to the end of an epoch give."""
        return bytes(self.roots[number * HASH_SIZE : (number + 1) * HASH_SIZE])

    def counts(self, start: int = 0, stop: int | None = None) -> dict[str, int]:
        """Return the number of entries by kind in a range; kinds without any are left out."""
        part = self.kinds[start:stop]
        return {kind: count for number, kind in enumerate(KINDS) if (count := part.count(number))}
