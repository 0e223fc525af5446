"""Receipts for entries: one signature per tree size, one path per entry. RFC 9942, docs/protocol.md section 8."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ledger.core.cose_key import Signer
from ledger.core.merkle import NodeReader, prove_consistency, prove_inclusion
from ledger.core.receipt import (
    RootSignature,
    format_consistency_receipt,
    format_inclusion_receipt,
    sign_root,
    transparent_statement,
)
from ledger.errors import VerificationError
from ledger.store.entries import LedgerReader, StoredCheckpoint

_PROOFS_PER_READER: Final = 1024
"""A reader of nodes keeps the tiles that it has seen; a new one now and then keeps memory small."""


class ReceiptMaker:
    """Makes receipts for the newest head; from any thread.

    Args:
        store: the database.
        signer_at: returns the receipts key of the tree of a size: it may be another from epoch to epoch.
        origin: the ledger's origin.
    """

    def __init__(self, store: LedgerReader, signer_at: Callable[[int], Signer], origin: str) -> None:
        self._store = store
        self._signer_at = signer_at
        self._origin = origin
        self._guard = threading.Lock()
        self._signed: tuple[int, RootSignature] | None = None
        self._nodes: tuple[int, NodeReader] | None = None
        self._made = 0

    def receipt(self, head: StoredCheckpoint, index: int) -> bytes:
        """Return the inclusion receipt of the entry at `index` in the tree of `head`.

        Raises:
            VerificationError: code not_found, the entry is not in that tree.
        """
        if not 0 <= index < head.size:
            raise VerificationError("not_found", "no such entry in this tree", field="leaf_index")
        with self._guard:
            path = prove_inclusion(index, head.size, self._node_reader(head))
            return format_inclusion_receipt(self._signature(head), head.size, index, path)

    def transparent(self, head: StoredCheckpoint, index: int, entry: bytes) -> bytes:
        """Return the logged statement with its receipt in header 394; errors as `receipt`."""
        return transparent_statement(entry, [self.receipt(head, index)])

    def consistency(self, old: StoredCheckpoint, new: StoredCheckpoint, head: StoredCheckpoint) -> bytes:
        """Return the receipt that the tree of `new` extends the tree of `old`, under the key of `head`.

        An older root is signed with the key of today: the ring need not keep a key that was exchanged.

        Raises:
            VerificationError: code not_found, the sizes do not rise within the tree of `head`.
        """
        if not 0 < old.size < new.size <= head.size:
            raise VerificationError("not_found", "the sizes do not rise", field="tree_size")
        path = prove_consistency(old.size, new.size, self._store.nodes(new.size))
        signed = sign_root(new.root, self._signer_at(head.size), self._origin)
        return format_consistency_receipt(signed, old.size, new.size, path)

    def _signature(self, head: StoredCheckpoint) -> RootSignature:
        if self._signed is None or self._signed[0] != head.size:
            self._signed = (head.size, sign_root(head.root, self._signer_at(head.size), self._origin))
        return self._signed[1]

    def _node_reader(self, head: StoredCheckpoint) -> NodeReader:
        self._made += 1
        if self._nodes is None or self._nodes[0] != head.size or self._made % _PROOFS_PER_READER == 0:
            self._nodes = (head.size, _remembering(self._store.nodes(head.size)))
        return self._nodes[1]


def _remembering(read: NodeReader) -> NodeReader:
    """Return the reader with a memory: the receipts of one epoch share nearly all of their nodes."""
    known: dict[tuple[int, int], bytes] = {}

    def node(level: int, index: int) -> bytes:
        value = known.get((level, index))
        if value is None:
            value = known[level, index] = read(level, index)
        return value

    return node
