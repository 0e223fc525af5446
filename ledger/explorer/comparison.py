"""Two copies beside each other: one ledger, one history, or the first entry at which they part.

The trees are descended by their tiles (`divergence`). A copy whose bytes are not what its own tree commits to
is shown as that: both may then have the same tree, and only one the entry.

    comparison = compare(first, second)
    comparison.index
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.core.tiles import TILE_WIDTH, ReadTile, TileNodes, TilePath
from ledger.errors import ForkAlarm
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.divergence import NAMES, first_divergence
from ledger.explorer.fold import Fault


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing two copies gave.

    Attributes:
        same_origin, same_charter: whether they are of one ledger.
        common_size: tree size of the shorter one.
        index: the first entry that is worth a look, or None where there is none.
        trees_part_at: the first index at which the trees commit to different entries, or None.
        is_fork: whether both heads are signed by the log of one charter although the trees part.
        is_vouched: whether both heads are signed by the log, and the entries of each copy hash to its root; where
            they are not, two copies that agree prove nothing.
        tile_fault: why the tiles of a copy could not be followed, and were replaced by reading all entries.
        tile_reads: tiles that were read of both together.
    """

    same_origin: bool
    same_charter: bool
    common_size: int
    index: int | None
    trees_part_at: int | None
    is_fork: bool
    is_vouched: bool
    tile_fault: tuple[str, Fault] | None
    tile_reads: int


class _Counted:
    """Counts the tiles that are read."""

    def __init__(self, read: ReadTile) -> None:
        self._read = read
        self.count = 0

    def __call__(self, path: TilePath) -> bytes:
        self.count += 1
        return self._read(path)


def compare(first: LedgerCopy, second: LedgerCopy) -> Comparison:
    """Compare two copies that have been read.

    Raises:
        StorageError: code not_reachable or storage_failed.
    """
    size = min(first.size, second.size)
    readers = [_Counted(copy.reader.tile) for copy in (first, second)]
    nodes = [TileNodes(read, copy.size) for read, copy in zip(readers, (first, second), strict=True)]
    tile_fault = None
    try:
        for copy, name in zip((first, second), NAMES, strict=True):
            _check_root(copy, name)
        parting = first_divergence(nodes[0], nodes[1], size)
    except ForkAlarm as alarm:
        name = (first, second)[NAMES.index(alarm.field)].name
        tile_fault = (name, Fault(alarm.code, alarm.detail, alarm.index))
        parting = _by_reading(first, second, size)
    # An entry that its own tree does not have is a difference that no tile shows.
    places = [
        fault.index
        for copy in (first, second)
        for fault in copy.faults
        if fault.code == "bad_entry" and fault.index is not None and fault.index < size
    ]
    if parting is not None:
        places.append(parting)
    charters = [copy.fold.governance and copy.fold.governance.charter_hash for copy in (first, second)]
    same_charter = charters[0] is not None and charters[0] == charters[1]
    signed = all(copy.head is not None and copy.head.is_signed for copy in (first, second))
    return Comparison(
        same_origin=first.reader.head.origin == second.reader.head.origin,
        same_charter=same_charter,
        common_size=size,
        index=min(places, default=None),
        trees_part_at=parting,
        is_fork=parting is not None and tile_fault is None and same_charter and signed,
        is_vouched=signed and first.root_matches and second.root_matches,
        tile_fault=tile_fault,
        tile_reads=sum(read.count for read in readers),
    )


def _check_root(copy: LedgerCopy, name: str) -> None:
    """Check that the tiles lead to the root of the head: what is not the log's proves nothing against it."""
    if copy.root_at(copy.size) != copy.reader.head.root_hash:
        raise ForkAlarm("the tiles do not lead to the root of the head", code="bad_tile", field=name)


def _by_reading(first: LedgerCopy, second: LedgerCopy, size: int) -> int | None:
    """Return the first index below `size` at which the entries differ, from the entries that were read."""
    size = min(size, first.index.size, second.index.size)
    for n in range(-(-size // TILE_WIDTH)):
        pair = zip(first.reader.bundle(n).entries, second.reader.bundle(n).entries, strict=False)
        for place, (ours, theirs) in enumerate(pair):
            index = n * TILE_WIDTH + place
            if ours != theirs and index < size:
                return index
    return None
