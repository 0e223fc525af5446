"""One copy of a ledger, read once and checked, and what it says of each entry.

What is shown of an entry is checked again on its own: its bytes against the head by an inclusion proof, its
signature under the key that the governance gives, its chain value. Every fault has a code of `ledger.codes`.

    copy = LedgerCopy("data", open_source("data"), pin)
    copy.read(progress)
    copy.entry(4711).inclusion
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.audit.source import Source
from ledger.core.chain import extend_chain
from ledger.core.epoch import MAX_EPOCH_ENTRIES
from ledger.core.merkle import leaf_hash, root_at
from ledger.core.pin import Pin
from ledger.core.statement import Statement, is_padding
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, VerificationError
from ledger.explorer.copy_heads import HeadReport, check_head
from ledger.explorer.copy_pass import CopyPass, prove_entry, try_parse
from ledger.explorer.copy_reader import Bundle, CopyReader, is_outside
from ledger.explorer.entry_check import check_statement
from ledger.explorer.entry_index import EntryIndex, EpochPlace
from ledger.explorer.fold import Fault, GovernanceFold
from ledger.explorer.proof_steps import Step, steps_of_inclusion

MAX_EMPTY_BUNDLES: Final = 16
"""After so many tiles without one readable entry the copy is taken to end there."""
MAX_UNSEALED: Final = 4 * MAX_EPOCH_ENTRIES
"""After so many entries without a seal that the ledger signed, what follows is not read: anybody could go on."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class EntryReport:
    """One entry of a copy and what was checked about it.

    Attributes:
        index: its place.
        kind: of `entry_index.KINDS`.
        entry: its bytes, None where the copy does not have them.
        statement: the parsed entry; None for padding and for what does not parse.
        leaf: leaf hash, None without bytes.
        chain, stored_chain: chain value as computed and as stored; None where there is none.
        path: inclusion path to the head, as far as the tiles gave one.
        steps: the path step by step.
        epoch: where it stands, None behind the last seal.
        inclusion: why it is not proven by the head, or None where it is.
        signature: why its signature does not hold, or None where it does or there is none.
        faults: what the pass over all entries found wrong with it.
    """

    index: int
    kind: str
    entry: bytes | None
    statement: Statement | None
    leaf: bytes | None
    chain: bytes | None
    stored_chain: bytes | None
    path: tuple[bytes, ...]
    steps: list[Step]
    epoch: EpochPlace | None
    inclusion: Fault | None
    signature: Fault | None
    faults: list[Fault]


class LedgerCopy:
    """A copy under a name that people know it by; `read` is called once before anything else.

    Args:
        name: directory or address, as it was typed.
        source: open; `close` closes it.
        pin: the ledger that it should be.

    Raises:
        MalformedError, ForkAlarm, StorageError: the source shows no head.
    """

    def __init__(self, name: str, source: Source, pin: Pin) -> None:
        self.name = name
        self.pin = pin
        self.reader = CopyReader(source)
        self.root_matches = False
        self.head: HeadReport | None = None
        self._pass = CopyPass(self.reader, pin)

    @property
    def size(self) -> int:
        """Tree size of the head."""
        return self.reader.size

    @property
    def index(self) -> EntryIndex:
        """Index of the entries that were read."""
        return self._pass.index

    @property
    def fold(self) -> GovernanceFold:
        """The governance after the last epoch."""
        return self._pass.fold

    @property
    def faults(self) -> list[Fault]:
        """The first faults that were found; `fault_count` counts all."""
        return self._pass.faults

    @property
    def fault_count(self) -> int:
        """How many faults were found."""
        return self._pass.fault_count

    @property
    def is_sound(self) -> bool:
        """Whether nothing that is checked here is wrong, and a quorum of witnesses cosigned the head."""
        return not self.fault_count and self.head is not None and self.head.has_quorum

    def close(self) -> None:
        """Close the source."""
        self.reader.close()

    def read(self, progress: Progress | None = None) -> None:
        """Read all entries once.

        Args:
            progress: called with (entries read, tree size).

        Raises:
            StorageError: code not_reachable or storage_failed.
        """
        if self.reader.head.origin != self.pin.origin:
            self._pass.note(Fault("bad_checkpoint", "the head is of another ledger than the pinned one"))
        if self.reader.extra is not None:
            self._pass.note(self.reader.extra)
        empty = 0
        for n in range(-(-self.size // TILE_WIDTH)):
            bundle = self.reader.bundle(n)
            empty = 0 if any(entry is not None for entry in bundle.entries) else empty + 1
            if empty > MAX_EMPTY_BUNDLES:
                self._pass.note_end(Fault("bad_checkpoint", "the copy has no more entries", bundle.first))
                break
            if bundle.first - self.fold.sealed_size > MAX_UNSEALED:
                detail = "so many entries have no seal of this ledger that the rest was not read"
                self._pass.note_end(Fault("bad_epoch", detail, bundle.first))
                break
            self._pass.take(bundle)
            if progress is not None:
                progress(self.index.size, self.size)
        self._judge_head(self._pass.finish())

    def find(self, identity: bytes) -> int | None:
        """Return the index of the statement with an identity, None where there is none."""
        for index in self.index.places_of(identity):
            bundle = self.reader.bundle(index // TILE_WIDTH)
            entry = bundle.entries[index - bundle.first]
            statement = None if entry is None else try_parse(entry)
            if statement is not None and statement.statement_id == identity:
                return index
        return None

    def entry(self, index: int) -> EntryReport:
        """Return an entry with everything that is checked about it.

        Raises:
            VerificationError: code not_found, the head does not cover this index.
            StorageError: code not_reachable or storage_failed.
        """
        if not 0 <= index < self.size:
            raise VerificationError("not_found", f"this ledger has {self.size} entries", field="index")
        bundle = self.reader.bundle(index // TILE_WIDTH)
        place = index - bundle.first
        entry = bundle.entries[place]
        leaf = None if entry is None else leaf_hash(entry)
        statement = None if entry is None else try_parse(entry)
        path, inclusion = prove_entry(self.reader, index, leaf)
        kind = "missing" if entry is None else "padding" if is_padding(entry) else "malformed"
        signature = None
        if statement is not None:
            kind = statement.kind
            signature = check_statement(statement, index, self.fold, self.reader.nodes())
        return EntryReport(
            index=index,
            kind=kind,
            entry=entry,
            statement=statement,
            leaf=leaf,
            chain=self._chain_at(bundle, place),
            stored_chain=bundle.chain[place],
            path=path,
            steps=[] if leaf is None or not path else steps_of_inclusion(leaf, index, self.size, path),
            epoch=self.index.epoch_of(index),
            inclusion=inclusion,
            signature=signature,
            faults=[fault for fault in self.faults if fault.index == index],
        )

    def root_at(self, size: int) -> bytes | None:
        """Return the root over the first entries from the tiles, None where they do not give one.

        Raises:
            StorageError: code not_reachable or storage_failed.
        """
        try:
            return root_at(size, self.reader.nodes()) if size <= self.size else None
        except CodedError as error:
            if is_outside(error):
                raise
            return None

    def _chain_at(self, bundle: Bundle, place: int) -> bytes | None:
        """Return the chain value of an entry, from the one before its bundle; None where the pass did not come."""
        if bundle.first + place >= self.index.size:
            return None
        leaves = [
            self._pass.replaced.get(index) or leaf_hash(entry or b"")
            for index, entry in enumerate(bundle.entries[: place + 1], bundle.first)
        ]
        return extend_chain(self._pass.chain_before(bundle.first // TILE_WIDTH), leaves)[-1]

    def _judge_head(self, root: bytes) -> None:
        whole = self.index.size == self.size
        self.root_matches = whole and self._pass.all_committed and root == self.reader.head.root_hash
        if self.fold.governance is None:
            self._pass.note(Fault("bad_rule", "without a charter nothing says whose head this is", 0))
            return
        self.head = check_head(self.reader.text, self.fold.history, root if whole else None)
        for fault in (*self.head.faults, *(witness.fault for witness in self.head.witnesses)):
            if fault is not None:
                self._pass.note(fault)
        least = self.pin.least
        if least is not None and self.root_at(least.size) != least.root:
            self._pass.note(
                Fault("inconsistent", "this copy does not extend the least tree that the pin names")
            )
