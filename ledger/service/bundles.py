"""Building the trust bundle from the store and a snapshot of the registry. docs/protocol.md section 9."""

from __future__ import annotations

from dataclasses import replace

from ledger.core.bundle import Bundle, PackedList, PlacedEntry, format_bundle
from ledger.core.cells import CELL_SIZE, prove_in_cell
from ledger.core.merkle import HASH_SIZE
from ledger.core.tiles import TILE_WIDTH, split_hashes
from ledger.errors import ForkAlarm
from ledger.service.snapshots import Snapshot
from ledger.store.entries import LedgerReader


def build_bundle(store: LedgerReader, snapshot: Snapshot, cells: bytes | bytearray | memoryview) -> bytes:
    """Return the bundle as of a snapshot.

    Args:
        store: the database.
        snapshot: of a head that witnesses cosigned as the policy asks.
        cells: 32 bytes for each 16 entries, at least up to the head.

    Raises:
        ForkAlarm: an entry or tile that must be there is not.
        MalformedError: the bundle would exceed its caps.
    """
    bundle = Bundle(
        charter=placed_entry(store, 0, snapshot.size),
        approvals=tuple(placed_entry(store, index, snapshot.size) for index in snapshot.approvals),
        checkpoint=snapshot.checkpoint,
        cells=bytes(cells[: snapshot.size // CELL_SIZE * HASH_SIZE]),
        seal=placed_entry(store, snapshot.size - 1, snapshot.size),
        lists=tuple(
            PackedList(item.uri, item.raw_deflated, item.reasons_deflated) for item in snapshot.lists
        ),
        bridges=tuple(store.bridges(snapshot.size).values()),
    )
    return format_bundle(bundle)


def placed_entry(store: LedgerReader, index: int, tree_size: int) -> PlacedEntry:
    """Return an entry with its path to its cell.

    Raises:
        ForkAlarm: it is not stored, or its tile is short.
    """
    entry = store.entry(index)
    tile = store.tile(0, index // TILE_WIDTH)
    first = index % TILE_WIDTH // CELL_SIZE * CELL_SIZE
    leaves = [] if tile is None else split_hashes(tile)[first : first + CELL_SIZE]
    if entry is None or len(leaves) != CELL_SIZE or index >= tree_size:
        raise ForkAlarm("an entry or its tile is missing", field="entry", code="bad_entry", index=index)
    return PlacedEntry(index, prove_in_cell(leaves, index % CELL_SIZE), entry)


def with_checkpoint(snapshot: Snapshot, text: str) -> Snapshot:
    """Return the snapshot with the newest cosigned text of its head."""
    return replace(snapshot, checkpoint=text)
