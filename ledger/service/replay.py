"""Replaying a ledger from its stored entries: at the service's start, and inside a replaying witness.

docs/protocol.md sections 4 and 5. The fold runs over every epoch, and each seal must say what the fold has
come to. At the start the signatures of statements are not verified again (the service verified them before
it wrote; an auditor does so independently); a replaying witness verifies all of them.

    replay = Replay(origin, lambda start, stop: reader.entries(start, stop))
    replay.advance(checkpoint.tree_size, checkpoint.root_hash)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ledger.core.cells import CELL_SIZE
from ledger.core.epoch import MAX_EPOCH_ENTRIES, CheckSignature, check_signature, replay_epoch, replay_genesis
from ledger.core.merkle import Frontier
from ledger.core.registry import Registry
from ledger.core.statement import is_padding, parse_statement
from ledger.errors import ForkAlarm, MalformedError

EntrySource = Callable[[int, int], Sequence[bytes]]
"""(start, stop) -> the entries [start, stop)."""
_READ_ENTRIES: Final = 4096


class Replay:
    """The fold over a growing ledger.

    Args:
        charter_hash: leaf hash of the charter that the ledger must begin with, or None where the caller
            checks `registry.governance` itself.
        source: reads entries; what it returns is not trusted, the root decides.
        verify: checks a statement's signature.
        on_epoch: called after each epoch with (self, leaf hashes, chain values).
    """

    def __init__(
        self,
        source: EntrySource,
        *,
        charter_hash: bytes | None = None,
        verify: CheckSignature = check_signature,
        on_epoch: Callable[[Replay, Sequence[bytes], Sequence[bytes]], None] | None = None,
    ) -> None:
        self._source = source
        self._charter_hash = charter_hash
        self._verify = verify
        self._on_epoch = on_epoch
        self._reset()

    def _reset(self) -> None:
        self.registry: Registry | None = None
        self.frontier = Frontier()
        self.chain_head = b""

    def advance(self, size: int, root: bytes) -> Registry:
        """Replay up to the tree of this size and root and return the registry there.

        Raises:
            ForkAlarm: an entry, an epoch or a seal breaks the rules (code and index say which), the source
                ends early, or the entries do not lead to `root` (code bad_checkpoint). The next call begins
                at entry 0 again.
        """
        try:
            self._advance(size, root)
        except BaseException:
            self._reset()
            raise
        assert self.registry is not None
        return self.registry

    def _advance(self, size: int, root: bytes) -> None:
        if size < self.frontier.size or size % CELL_SIZE or size == 0:
            raise ForkAlarm("not a size at which an epoch ends", field="tree_size", code="bad_checkpoint")
        for entries in split_epochs(self._source, self.frontier.size, size):
            self._take(entries)
        if self.frontier.root() != root:
            raise ForkAlarm("the entries do not lead to the root", field="root_hash", code="bad_checkpoint")

    def _take(self, entries: Sequence[bytes]) -> None:
        if self.registry is None:
            self.registry, leaves, chain = replay_genesis(entries, self._verify)
            if self._charter_hash not in (None, leaves[0]):
                raise ForkAlarm("another charter than the pinned one", code="bad_entry", index=0)
        else:
            leaves, chain = replay_epoch(
                self.registry, self.chain_head, self.frontier.size, entries, self._verify
            )
        self.frontier.extend(leaves)
        self.chain_head = chain[-1]
        if self._on_epoch is not None:
            self._on_epoch(self, leaves, chain)


def split_epochs(source: EntrySource, start: int, stop: int) -> Iterator[list[bytes]]:
    """Yield the entries of each epoch in [start, stop); an epoch ends at its seal.

    Raises:
        ForkAlarm: the source ends early (code bad_entry), or an epoch has no seal (code bad_epoch).
    """
    epoch: list[bytes] = []
    for low in range(start, stop, _READ_ENTRIES):
        high = min(stop, low + _READ_ENTRIES)
        page = source(low, high)
        if len(page) != high - low:
            raise ForkAlarm("entries are missing", field="entry", code="bad_entry", index=low + len(page))
        for cell in range(0, len(page), CELL_SIZE):
            epoch += page[cell : cell + CELL_SIZE]
            if _is_seal(epoch[-1]):
                yield epoch
                epoch = []
            elif len(epoch) >= MAX_EPOCH_ENTRIES:
                raise ForkAlarm("an epoch has no seal", field="seal", code="bad_epoch", index=low + cell)
    if epoch:
        raise ForkAlarm("an epoch has no seal", field="seal", code="bad_epoch", index=stop - 1)


def _is_seal(entry: bytes) -> bool:
    try:
        return not is_padding(entry) and parse_statement(entry).kind == "seal"
    except MalformedError:
        return False  # the replay names it
