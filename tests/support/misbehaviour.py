"""A ledger whose operator lies, and one that does not: what evidence is made from in tests.

LyingLedger keeps the head of each epoch and seals an epoch again as somebody does who has the service key.

    ledger = LyingLedger()
    ledger.lie_in_seal(chain=bytes(32))
    ledger.head(ledger.tree_size)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ledger.core.chain import chain_start, extend_chain
from ledger.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from ledger.core.cosignature import add_cosignature, cosign
from ledger.core.epoch import BuiltEpoch
from ledger.core.evidence.form import ShownTerms
from ledger.core.evidence.standing import show_terms
from ledger.core.merkle import NodeReader, leaf_hash, root_hash
from ledger.core.registry.governance import Effect
from ledger.core.statement import parse_statement, sign_statement
from tests.support.rotating_ledger import RotatingLedger


def nodes(leaves: Sequence[bytes]) -> NodeReader:
    """Return a reader of complete subtrees over leaf hashes."""

    def node(level: int, index: int) -> bytes:
        below = leaves[index << level : (index + 1) << level]
        assert len(below) == 1 << level
        return root_hash(below)

    return node


class LyingLedger(RotatingLedger):
    """A ledger that can sign what it must not; its governors can change every key."""

    def __init__(self, **chosen: Any) -> None:
        self.ends: list[int] = []
        self.times: list[int] = []
        self.heads: dict[int, str] = {}
        super().__init__(**chosen)
        self.heads[self.tree_size] = self.head()

    def _append(self, built: BuiltEpoch) -> None:
        super()._append(built)
        self.ends.append(self.tree_size)
        self.times.append(built.time_ms)

    def close_epoch(self, *, after_s: int = 60) -> BuiltEpoch:
        """Seal what is pending, and keep the head."""
        built = super().close_epoch(after_s=after_s)
        self.heads[self.tree_size] = self.head()
        return built

    def head(self, *, size: int | None = None, root: bytes | None = None, witnesses: int = 2) -> str:
        """Return a cosigned head under the log keys of now, true unless told otherwise."""
        size = self.tree_size if size is None else size
        head = Checkpoint(self.origin, size, root_hash(self.leaves[:size]) if root is None else root)
        note = sign_checkpoint(head, self.log_signers, self.now_s)
        for witness in self.witnesses[:witnesses]:
            note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), self.now_s))
        return note

    def seal_of(self, index: int) -> int:
        """Return the index of the seal of the epoch that holds an entry."""
        return next(end for end in self.ends if end > index) - 1

    def terms(self, size: int | None = None, effects: Sequence[Effect] | None = None) -> ShownTerms:
        """Return what shows the ledger's keys up to a size."""
        chosen = self.registry.effects if effects is None else effects
        size = self.tree_size if size is None else size
        return show_terms(self.entries.__getitem__, chosen, size, self.seal_of)

    def node(self) -> NodeReader:
        """Return the nodes of the tree."""
        return nodes(self.leaves)

    def epochs(self) -> list[tuple[list[bytes], int]]:
        """Return entries and time of each epoch."""
        starts = [0, *self.ends]
        spans = zip(starts, self.ends, self.times, strict=False)
        return [(self.entries[start:end], time_ms) for start, end, time_ms in spans]

    def put(self, entries: Sequence[bytes]) -> None:
        """Put other entries in the place of the last epoch; sign a head over them."""
        first = self.ends[-2] if len(self.ends) > 1 else 0
        self.entries[first:] = entries
        self.leaves[first:] = [leaf_hash(entry) for entry in entries]
        self.ends[-1] = self.tree_size
        self.chain_head = extend_chain(chain_start(self.origin), self.leaves)[-1]
        self.heads[self.tree_size] = self.head()

    def lie_in_seal(self, **changed: Any) -> None:
        """Sign the last seal again with other fields."""
        self.put([*self.entries[self.ends[-2] : -1], self.other_seal(**changed)])

    def other_seal(self, **changed: Any) -> bytes:
        """Return the last seal with other fields, signed with the service key of now."""
        seal = replace(parse_statement(self.entries[-1]).body, **changed)
        return sign_statement("seal", self.origin, self.origin, seal, self.service)

    def seal_again(self, entries: Sequence[bytes]) -> None:
        """Put these entries, padding included, and a seal that fits their chain, in the place of the last epoch."""
        first = self.ends[-2]
        leaves = [*self.leaves[:first], *[leaf_hash(entry) for entry in entries]]
        chain = extend_chain(chain_start(self.origin), leaves)[-1]
        self.put([*entries, self.other_seal(index=len(leaves), chain=chain)])
