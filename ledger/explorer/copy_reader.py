"""Reading a copy that may be broken: what can be read of it, and what cannot, each by its index.

A `Source` raises at the first row that is not what it must be. A page shows the rows beside it too, so this
reader takes the rest, and notes why an entry is missing. The head is that of the moment of opening.

    reader = CopyReader(open_source("data"))
    reader.bundle(0).entries[0]
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

from ledger.audit.source import Source
from ledger.core.checkpoint import Checkpoint, parse_checkpoint
from ledger.core.merkle import HASH_SIZE
from ledger.core.note import parse_note
from ledger.core.tiles import TILE_WIDTH, TileNodes, TilePath, tile_width
from ledger.errors import CodedError, ForkAlarm, StorageError
from ledger.explorer.fold import Fault
from ledger.store.rows import StoredCheckpoint

_OUTSIDE: Final = ("not_reachable", "storage_failed")


def is_outside(error: CodedError) -> bool:
    """Tell whether an error says nothing about the copy: whoever meets it tries again later."""
    return error.code in _OUTSIDE


@dataclass(frozen=True, slots=True)
class Bundle:
    """The entries of one tile of level 0.

    Attributes:
        first: index of the first.
        entries: None where one cannot be read.
        chain: stored chain values, None where the source has none.
        faults: why entries cannot be read.
    """

    first: int
    entries: list[bytes | None]
    chain: list[bytes | None]
    faults: list[Fault]


class CopyReader:
    """A source at the head that it showed when it was opened; may be used by several threads.

    Raises:
        MalformedError: the head is not a checkpoint.
        StorageError, ForkAlarm: as `Source.checkpoint`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self.text = source.checkpoint()
        self.head: Checkpoint = parse_checkpoint(parse_note(self.text).text)
        self.size = self.head.tree_size
        self.extra = self._extra_entries()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def bundle(self, n: int) -> Bundle:
        """Return the entries of tile n of level 0, as many as the head promises.

        Raises:
            StorageError: code not_reachable or storage_failed.
        """
        start = n * TILE_WIDTH
        stop = min(start + TILE_WIDTH, self.size)
        bundle = Bundle(start, [None] * (stop - start), [None] * (stop - start), [])
        at = start
        with self._lock:
            while at < stop:
                at = self._fill(bundle, at, stop)
        return bundle

    def tile(self, path: TilePath) -> bytes:
        """Return a tile as it is stored.

        Raises:
            ForkAlarm, StorageError: as `Source.tile`.
        """
        with self._lock:
            data = self._source.tile(path.tile_level, path.index, path.width, self.size)
        return data[: path.width * HASH_SIZE]

    def leaves(self, n: int) -> bytes:
        """Return the stored leaf hashes of tile n of level 0, b"" where they cannot be read."""
        try:
            return self.tile(TilePath(0, n, tile_width(0, n, self.size)))
        except ForkAlarm:
            return b""
        except StorageError as error:
            if is_outside(error):
                raise
            return b""

    def nodes(self) -> TileNodes:
        """Return the complete subtrees; tiles stay in memory as long as the object lives."""
        return TileNodes(self.tile, self.size)

    def heads(self, first_size: int, last_size: int) -> dict[int, StoredCheckpoint] | None:
        """Return the stored heads of these sizes, None where the source shows its newest only.

        Raises:
            ForkAlarm: code bad_checkpoint, a row is not of its form.
        """
        with self._lock:
            stored = self._source.heads(first_size - 1)
            if stored is None:
                return None
            found = {}
            for head in stored:
                if head.size > last_size:
                    break
                found[head.size] = head
            return found

    def _extra_entries(self) -> Fault | None:
        try:
            self._source.check_size(self.size)
        except ForkAlarm as alarm:
            return Fault(alarm.code, alarm.detail, alarm.index)
        return None

    def _fill(self, bundle: Bundle, start: int, stop: int) -> int:
        """Read on from `start`; return the index from which to go on."""
        try:
            entries, chain = self._source.entries(start, stop, self.size)
        except (ForkAlarm, StorageError) as error:
            if is_outside(error):
                raise
            bad = error.index if isinstance(error, ForkAlarm) else None
            if bad is None or not start <= bad < stop:
                bundle.faults.append(Fault(_code_of(error.code), error.detail, start))
                return stop
            if bad > start:
                self._fill(bundle, start, bad)
            bundle.faults.append(Fault(_code_of(error.code), error.detail, bad))
            return bad + 1
        if len(entries) != stop - start:
            bundle.faults.append(Fault("bad_entry", "entries are missing", start))
            return stop
        for place, entry in enumerate(entries, start - bundle.first):
            bundle.entries[place] = entry
            at = (place - (start - bundle.first)) * HASH_SIZE
            bundle.chain[place] = chain[at : at + HASH_SIZE] or None
        return stop


def _code_of(code: str) -> str:
    return "bad_entry" if code in ("not_found", "too_large") else code
