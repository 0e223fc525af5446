"""The pass over the entries of a copy: each is parsed, hashed and compared with what is stored beside it.

Nothing that is found wrong ends it. Where the bytes of an entry are not what the head commits to, the leaf that
it does commit to goes on into tree and chain, so that one changed entry is one fault and not all that follow.

    done = CopyPass(reader, pin)
    done.take(reader.bundle(0))
    done.finish()
"""

from __future__ import annotations

from typing import Final

from ledger.core.chain import chain_next, chain_start
from ledger.core.fields import parse_list_uri
from ledger.core.merkle import HASH_SIZE, Frontier, check_inclusion, leaf_hash, prove_inclusion
from ledger.core.pin import Pin
from ledger.core.statement import Statement, is_padding, parse_statement
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, MalformedError
from ledger.explorer.copy_reader import Bundle, CopyReader, is_outside
from ledger.explorer.entry_index import EntryIndex
from ledger.explorer.fold import Fault, GovernanceFold

MAX_FAULTS: Final = 1_000
"""Faults that are kept; the others are counted."""
MAX_REPLACED: Final = 65_536
"""Leaves that are remembered where the bytes of an entry are not what the tree has."""
MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""What is kept of charter, accepts and approvals of one epoch until its seal comes."""
_NO_LEAF: Final = bytes(HASH_SIZE)


class CopyPass:
    """What a pass has found so far.

    Attributes:
        index: of the entries that were taken.
        fold: of the epochs that were closed.
        faults: the first `MAX_FAULTS`, in the order in which they were found.
        fault_count: all of them.
        all_committed: whether the bytes of every entry so far are what the stored tree has.
        replaced: leaf that the tree goes on with, by index, where an entry is missing or other bytes.
    """

    def __init__(self, reader: CopyReader, pin: Pin) -> None:
        self.index = EntryIndex()
        self.fold = GovernanceFold(pin)
        self.faults: list[Fault] = []
        self.fault_count = 0
        self.all_committed = True
        self.replaced: dict[int, bytes] = {}
        self._reader = reader
        self._frontier = Frontier()
        self._chain = chain_start(pin.origin)
        self._stored_chain: bytes | None = None
        self._chain_marks = bytearray()
        # Of the running epoch.
        self._leaves: list[bytes] = []
        self._statements: list[tuple[int, Statement]] = []
        self._held_bytes = 0
        self._by_issuer: list[tuple[str, int]] = []

    def note(self, fault: Fault) -> None:
        """Note a fault."""
        self.fault_count += 1
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(fault)

    def note_end(self, fault: Fault) -> None:
        """Note why the copy is not read to its end, before all other faults: it says what these leave out."""
        self.fault_count += 1
        self.faults.insert(0, fault)

    def take(self, bundle: Bundle) -> None:
        """Take in the next bundle.

        Raises:
            StorageError: code not_reachable or storage_failed.
        """
        for fault in bundle.faults:
            self.note(fault)
        self._chain_marks += self._chain
        stored = self._reader.leaves(bundle.first // TILE_WIDTH)
        for place, entry in enumerate(bundle.entries):
            index = bundle.first + place
            tile_leaf = stored[place * HASH_SIZE : (place + 1) * HASH_SIZE]
            leaf = self._committed_leaf(index, entry, tile_leaf)
            link = chain_next(self._chain, leaf)
            self._check_link(index, leaf, link, bundle.chain[place])
            self._leaves.append(leaf)
            self._take_entry(index, entry, self._chain)
            self._chain = link

    def finish(self) -> bytes:
        """Note what is missing at the end, and return the root over all entries that were taken."""
        if self._leaves:
            self.note(Fault("bad_epoch", "the last entries have no seal", self._frontier.size))
        self._frontier.extend(self._leaves)
        return self._frontier.root()

    def chain_before(self, n: int) -> bytes:
        """Return the chain value before the first entry of bundle n."""
        return bytes(self._chain_marks[n * HASH_SIZE : (n + 1) * HASH_SIZE])

    def _committed_leaf(self, index: int, entry: bytes | None, tile_leaf: bytes) -> bytes:
        """Return the leaf that the tree goes on with, and note where the entry is not what the tile says."""
        if entry is None:
            return self._replace(index, tile_leaf or _NO_LEAF)
        leaf = leaf_hash(entry)
        if leaf == tile_leaf:
            return leaf
        if self.fault_count < MAX_FAULTS and prove_entry(self._reader, index, leaf)[1] is None:
            self.note(Fault("bad_tile", "the stored leaf is not what the entry hashes to", index))
            return leaf
        self.note(Fault("bad_entry", "the bytes of this entry do not lead to the root of the head", index))
        return self._replace(index, tile_leaf or leaf)

    def _replace(self, index: int, leaf: bytes) -> bytes:
        self.all_committed = False
        if len(self.replaced) < MAX_REPLACED:
            self.replaced[index] = leaf
        return leaf

    def _check_link(self, index: int, leaf: bytes, link: bytes, stored: bytes | None) -> None:
        """Compare a stored chain value; those that only follow from a wrong one are not named again."""
        before, self._stored_chain = self._stored_chain, stored
        if stored is None or stored == link or (before is not None and chain_next(before, leaf) == stored):
            return
        self.note(Fault("bad_chain", "the stored chain value is not what the entries hash to", index))

    def _take_entry(self, index: int, entry: bytes | None, chain: bytes) -> None:
        statement = None if entry is None else try_parse(entry)
        if statement is None:
            padding = entry is not None and is_padding(entry)
            self.index.add("padding" if padding else "missing" if entry is None else "malformed", None)
            if entry is not None and not padding:
                self.note(Fault("bad_entry", "the entry is not a statement", index))
            return
        self.index.add(statement.kind, statement.statement_id)
        if statement.kind == "seal":
            self._close_epoch(index, statement, chain)
        elif statement.kind in ("credential", "status"):
            self._by_issuer.append((_issuer_of(statement), index))
        else:
            self._held_bytes += len(statement.entry)
            if self._held_bytes <= MAX_HELD_BYTES:
                self._statements.append((index, statement))
            else:
                self.note(Fault("bad_rule", "more approvals in one epoch than are looked at", index))

    def _close_epoch(self, index: int, seal: Statement, chain: bytes) -> None:
        self.fold.close_epoch(self._frontier.size, self._statements, index, seal, chain)
        for fault in self.fold.faults:
            self.note(fault)
        self.fold.faults.clear()
        self._frontier.extend(self._leaves)
        self.index.close_epoch(seal.body.time_ms, self._frontier.root())
        self._file_by_issuer()
        self._leaves, self._statements, self._by_issuer = [], [], []
        self._held_bytes = 0

    def _file_by_issuer(self) -> None:
        """File the entries of the epoch under their issuers, as they are admitted at its end."""
        governance = self.fold.governance
        issuers = {} if governance is None else governance.issuers
        numbers = {f"#{issuer.number}": name for name, issuer in issuers.items()}
        for name, index in self._by_issuer:
            known = numbers.get(name, name)
            if known in issuers:
                self.index.add_to_issuer(known, index)
            else:
                self.note(Fault("bad_rule", "no admitted issuer has this name", index))


def prove_entry(reader: CopyReader, index: int, leaf: bytes | None) -> tuple[tuple[bytes, ...], Fault | None]:
    """Return the inclusion path of an entry, and why it does not lead from its leaf to the head's root.

    Raises:
        StorageError: code not_reachable or storage_failed.
    """
    path: tuple[bytes, ...] = ()
    try:
        path = prove_inclusion(index, reader.size, reader.nodes())
        if leaf is None:
            return path, Fault("bad_entry", "this copy does not have the entry", index)
        check_inclusion(leaf, index, reader.size, path, reader.head.root_hash)
    except CodedError as error:
        if is_outside(error):
            raise
        if error.code == "not_listed":
            detail = "the bytes of this entry do not lead to the root of the head"
            return path, Fault("bad_entry", detail, index)
        return (), Fault("bad_tile", f"no proof can be made: {error.detail}", index)
    return path, None


def try_parse(entry: bytes) -> Statement | None:
    """Return the statement that an entry is, None for padding and for what does not parse."""
    try:
        return None if is_padding(entry) else parse_statement(entry)
    except MalformedError:
        return None


def _issuer_of(statement: Statement) -> str:
    """Return the issuer id; `#` and the issuer's number where a holder signed, who has no name here."""
    if statement.kind == "status" and statement.body.proof is not None:
        return f"#{parse_list_uri(statement.body.uri, field='status.uri')[0]}"
    return statement.iss
