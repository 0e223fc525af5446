"""Entries of an audit that are read and not yet replayed: an epoch may reach over many chunks.

waiting = Waiting(0)
waiting.add(chunk)
waiting.forget(size)      # the first epochs are replayed up to this tree size
"""

from __future__ import annotations

from typing import Any

from ledger.audit.chunk import ExaminedChunk, differs_at
from ledger.core.cells import CELL_SIZE
from ledger.core.chain import extend_chain
from ledger.core.claims import CredentialFacts
from ledger.core.epoch import Item
from ledger.core.merkle import HASH_SIZE
from ledger.core.statement import Statement
from ledger.core.tiles import split_hashes
from ledger.errors import ForkAlarm


class Waiting:
    """Entries from the index `start` on.

    Attributes:
        start: index of the first entry, a multiple of 16.
        items: what each entry says.
        leaves: leaf hash of each entry.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.items: list[Item] = []
        self.leaves: list[bytes] = []
        self._chain = b""
        self._cells = b""
        self._verified: set[bytes] = set()

    @property
    def end(self) -> int:
        """Index of the entry that is read next."""
        return self.start + len(self.leaves)

    def add(self, chunk: ExaminedChunk) -> None:
        """Take in a chunk that begins at `end`."""
        facts = CredentialFacts._make
        items: list[Any] = [facts(item) if type(item) is tuple else item for item in chunk.items]
        self.items += items
        self.leaves += split_hashes(chunk.leaves)
        self._chain += chunk.chain
        self._cells += chunk.cells
        self._verified |= chunk.verified

    def forget(self, size: int) -> None:
        """Drop the entries below a tree size at which an epoch ended."""
        done = size - self.start
        del self.items[:done], self.leaves[:done]
        self._chain = self._chain[done * HASH_SIZE :]
        self._cells = self._cells[done // CELL_SIZE * HASH_SIZE :]
        self.start = size
        self._verified &= {item.entry for item in self.items if isinstance(item, Statement)}

    def cells(self, first: int, stop: int) -> bytes:
        """Return the cells of [first, stop); a worker has hashed them on the way to the tiles."""
        low, high = ((at - self.start) // CELL_SIZE * HASH_SIZE for at in (first, stop))
        return self._cells[low:high]

    def stored_chain(self, first: int, stop: int | None = None) -> bytes:
        """Return the stored chain values of [first, stop); empty where the source has none."""
        high = None if stop is None else (stop - self.start) * HASH_SIZE
        return self._chain[(first - self.start) * HASH_SIZE : high]

    def is_verified(self, statement: Statement) -> bool:
        """Tell whether a worker has verified the signature.

        Seals are verified again by the replay: governors may replace the service key by one with the same kid.
        """
        return statement.kind != "seal" and statement.entry in self._verified

    def first_alarm(
        self, alarm: ForkAlarm, chunk: ExaminedChunk, *, size: int, chain_head: bytes, last: int
    ) -> ForkAlarm:
        """Return the alarm of the lowest index: a changed byte is named, and not what follows from it.

        Args:
            alarm: what the replay found.
            chunk: the one that was added last.
            size: tree size at the end of the last epoch that was replayed.
            chain_head: chain value there.
            last: index of the seal of the epoch in which the alarm was found.
        """
        stored = self.stored_chain(size)
        chain = b"".join(extend_chain(chain_head, self.leaves[size - self.start :]))
        bad_link = differs_at(chain, stored) if stored else None
        bad_chain = None if bad_link is None else size + bad_link
        places = [place for place in (chunk.bad_tile, bad_chain) if place is not None]
        # The code of a rule names its entry; the others speak of the epoch up to its seal.
        exact = alarm.code in ("bad_rule", "bad_entry")
        until = alarm.index if exact else max(last, alarm.index or 0)
        if not places or (until is not None and until < min(places)):
            return alarm
        first = min(places)
        both = chunk.bad_tile == bad_chain if stored else alarm.code != "bad_tile" and alarm.index == first
        if both:
            detail = "a stored entry is not what the tree commits to"
            return ForkAlarm(detail, code="bad_entry", field=alarm.field, index=first)
        if first == chunk.bad_tile:
            detail = "a stored tile is not what the entries hash to"
            return ForkAlarm(detail, code="bad_tile", field="tile/0", index=first)
        detail = "a stored chain value is not what the entries hash to"
        return ForkAlarm(detail, code="bad_chain", field="chain", index=first)
