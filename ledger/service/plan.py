"""What one epoch does to the ledger, worked out before anything is written; and its staged form.

docs/protocol.md section 5. `plan_epoch` turns the entries of an epoch into rows, tiles, root and signed
checkpoint. `format_staged` is what is written durably before the checkpoint lock; `parse_staged` reads it
back at recovery, and `replan_epoch` derives the same rows from it, so that an epoch that the lock knows is
committed with the very bytes that were signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core import cbor
from ledger.core.chain import extend_chain
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.note import NoteSigner
from ledger.core.statement import is_padding, parse_statement
from ledger.errors import ForkAlarm, MalformedError, StorageError
from ledger.store.entries import EpochRows, StoredCheckpoint
from ledger.store.tiles import TileEdge

MAX_STAGED_BYTES: Final = 2**31
_VERSION: Final = 1
_LENGTH_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class TreeState:
    """The tree after an epoch: right edge, chain head. Never changed in place once published."""

    frontier: Frontier
    edge: TileEdge
    chain_head: bytes

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.frontier.size


@dataclass(frozen=True, slots=True)
class EpochPlan:
    """An epoch that is ready to be staged, and the tree after it.

    Attributes:
        rows: what the database takes in.
        after: the tree afterwards.
        cells: 32 bytes for each 16 new entries.
        staged: the durable form.
    """

    rows: EpochRows
    after: TreeState
    cells: bytes
    staged: bytes


@dataclass(frozen=True, slots=True)
class StagedEpoch:
    """What the durable form holds: where the epoch begins, its time, its signed note, its entries."""

    first_index: int
    time_ms: int
    note: str
    entries: tuple[bytes, ...]


def plan_epoch(
    before: TreeState,
    entries: Sequence[bytes],
    leaves: Sequence[bytes],
    chain: Sequence[bytes],
    ids: Sequence[bytes | None],
    time_ms: int,
    origin: str,
    signers: Sequence[NoteSigner],
) -> EpochPlan:
    """Work out an epoch and sign its checkpoint. The signature must not leave before the lock has it.

    Args:
        before: the tree before.
        entries, leaves, chain, ids: of the epoch, as `build_epoch` gives them.
        time_ms: epoch time.
        origin: the ledger's origin.
        signers: the log's signers.

    Raises:
        StorageError: the bytes to be stored do not hash to what is signed: memory is damaged.
    """
    frontier, edge = before.frontier.copy(), before.edge.copy()
    levels = frontier.extend_nodes(leaves)
    tiles = edge.extend(levels, before.size)
    checkpoint = Checkpoint(origin, frontier.size, frontier.root())
    note = sign_checkpoint(checkpoint, signers, time_ms // 1000)
    staged = format_staged(StagedEpoch(before.size, time_ms, note, tuple(entries)))
    _check_staged(staged, leaves, note)
    rows = EpochRows(
        before.size,
        entries,
        chain,
        ids,
        tiles,
        StoredCheckpoint(frontier.size, checkpoint.root_hash, time_ms, note),
    )
    return EpochPlan(rows, TreeState(frontier, edge, chain[-1]), b"".join(levels[4]), staged)


def replan_epoch(before: TreeState, staged: bytes) -> EpochPlan:
    """Work out an epoch again from its staged form, with the note that was signed then.

    Raises:
        MalformedError: the staged bytes are damaged, or begin at another index.
    """
    epoch = parse_staged(staged)
    if epoch.first_index != before.size or not epoch.entries or len(epoch.entries) % 16:
        raise MalformedError("the staged epoch does not follow the database", field="staged")
    leaves = [leaf_hash(entry) for entry in epoch.entries]
    ids = [None if is_padding(entry) else parse_statement(entry).statement_id for entry in epoch.entries]
    frontier, edge = before.frontier.copy(), before.edge.copy()
    levels = frontier.extend_nodes(leaves)
    tiles = edge.extend(levels, before.size)
    chain = extend_chain(before.chain_head, leaves)
    head = StoredCheckpoint(frontier.size, frontier.root(), epoch.time_ms, epoch.note)
    rows = EpochRows(before.size, epoch.entries, chain, ids, tiles, head)
    return EpochPlan(rows, TreeState(frontier, edge, chain[-1]), b"".join(levels[4]), staged)


def parse_staged(data: bytes) -> StagedEpoch:
    """Read the durable form of an epoch: `[1, first index, time, note, entries]`, each entry after its length.

    Raises:
        MalformedError: not of that form.
    """
    value = cbor.decode(data, max_size=MAX_STAGED_BYTES, field="staged")
    match value:
        case [1, int(first_index), int(time_ms), str(note), bytes(packed)]:
            return StagedEpoch(first_index, time_ms, note, tuple(_unpack(packed)))
    raise MalformedError("not a staged epoch", field="staged")


def format_staged(epoch: StagedEpoch) -> bytes:
    """Return the durable form of an epoch; the inverse of `parse_staged`."""
    packed = b"".join([len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in epoch.entries])
    return cbor.encode([_VERSION, epoch.first_index, epoch.time_ms, epoch.note, packed])


def _unpack(packed: bytes) -> list[bytes]:
    entries, place = [], 0
    while place < len(packed):
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(packed[place:start], "big")
        entries.append(packed[start:place])
    if place != len(packed):
        raise MalformedError("the staged entries end within one", field="staged")
    return entries


def _check_staged(staged: bytes, leaves: Sequence[bytes], note: str) -> None:
    """Hash the very bytes that will be stored once more: a bit that flipped since must not reach the lock."""
    epoch = parse_staged(staged)
    if epoch.note != note or [leaf_hash(entry) for entry in epoch.entries] != list(leaves):
        raise StorageError("an entry changed in memory between hashing and staging", field="staged")


def check_lock_note(rows: EpochRows, note: str) -> None:
    """Check that a staged epoch carries the very note that the lock holds.

    Raises:
        ForkAlarm: code lock_mismatch.
    """
    if rows.checkpoint.note != note:
        raise ForkAlarm(
            "the staged epoch and the lock hold different notes", field="lock", code="lock_mismatch"
        )
