"""Replaying a ledger head by head, and what that says of a checkpoint. docs/protocol.md sections 4, 5 and 8.

The entries come from the ledger's tiles, or from its directory, and are not believed: first they must give the
root of the head, then every signature is verified and every rule applied, and each seal must say what the fold
has come to. Who sends other entries raises VerificationError or StorageError; a ForkAlarm is about entries that
do give the root.

    replay = HeadReplay(pin, "https://ledger.example", open_source, lambda: False)
    replay.advance(head)
    replay.accept()                  # once the head is known to be signed
    replay.verdict(signed)
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Literal

from ledger.audit.source import Source
from ledger.core.bridges import log_verifier_keys
from ledger.core.cells import CELL_SIZE
from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.core.key_history import KeyHistory, LogKeys
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.note import format_note
from ledger.core.pin import Pin
from ledger.core.statement import is_padding, parse_statement
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, ForkAlarm, MalformedError, StorageError, VerificationError
from ledger.service.replay import Replay

_IN_MEMORY_ENTRIES: Final = 65_536
"""So many new entries at most are held in memory; more are read twice where something is wrong with them."""
_IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""So many bytes of them; what a source sends before its root is known is not believed to be small."""
_EPOCH_BYTES: Final = 512 * 1024 * 1024
"""An epoch is folded as a whole; one with more is not replayed, and the log not blamed for that."""
_PAGE: Final = 1_024
_KEPT_ROOTS: Final = 65_536

Verdict = Literal["good", "wrong", "keys", "wait"]
"""good: replayed, and signed with the keys of its time. wrong: not what the entries give, of which a signed head is
known. keys: signed with others than those of its time. wait: not there yet."""


class StoppedError(Exception):
    """The witness was told to stop."""


class HeadReplay:
    """The replay of one ledger. `advance` and `accept` are for one thread, the rest for any.

    Args:
        pin: the ledger that it must be.
        place: address of the ledger, or its directory.
        open_place: opens the source.
        is_stopping: asked now and then; where it says so, `advance` raises StoppedError.
    """

    def __init__(
        self, pin: Pin, place: str, open_place: Callable[[str], Source], is_stopping: Callable[[], bool]
    ) -> None:
        self._pin = pin
        self._place = place
        self._open_place = open_place
        self._is_stopping = is_stopping
        self._source: Source | None = None
        self._guard = threading.Lock()
        self._size = self._reached = self._forgotten = 0
        self._unfolded_bytes = 0
        self._next_keys: LogKeys | None = None
        self._replaced: list[LogKeys] = []
        self._read: Callable[[int, int], Sequence[bytes]] = self._fetch_nothing
        self._replay: Replay
        self.begin_again()

    @property
    def size(self) -> int:
        """Size of the largest accepted head."""
        return self._size

    @property
    def replayed(self) -> int:
        """Entries replayed so far, of heads under way too."""
        size: int = self._replay.frontier.size
        return size

    def shown(self) -> str:
        """Return the note that the source shows, not checked; StorageError where it shows none."""
        return self._open_source().checkpoint()

    def advance(self, head: Checkpoint, *, is_signed: bool = True) -> None:
        """Replay up to a head.

        Args:
            is_signed: whether anybody answers for the head. If not, nobody is to blame for its entries, and they
                are not fetched a second time to find that out.

        Raises:
            ForkAlarm: the entries give its root and break a rule; the next call begins at entry 0 again.
            VerificationError: code bad_checkpoint, the source sends entries that do not give the root, or the
                head does not end with a seal.
            StorageError: code not_reachable and others, the source does not send them; too_large, an epoch
                of more bytes than are held.
        """
        if self._roots.get(head.tree_size) == head.root_hash and head.tree_size > self._size:
            self._reached = (
                head.tree_size
            )  # replayed under a head that was not accepted, and right all the same
            return
        if head.tree_size < self._replay.frontier.size:
            self.begin_again()  # that head was of another tree
        if head.tree_size % CELL_SIZE or not self._ends_in_seal(head.tree_size):
            # Whoever has the log's keys can sign the middle of an honest epoch: no rule is broken by its entries.
            raise VerificationError("bad_checkpoint", "the head does not end an epoch", field="tree_size")
        start = self._replay.frontier.size
        entries = self._fetch_few(start, head.tree_size)
        if start != self._size and not self._leads_to(head, entries):
            self.begin_again()
            start, entries = 0, self._fetch_few(0, head.tree_size)
        if entries is not None:
            if not self._leads_to(head, entries):
                raise _other_entries()
            self._read = lambda low, high: entries[low - start : high - start]
        else:
            self._read = lambda low, high: self._fetch_page(low, high, head.tree_size)
        try:
            self._replay.advance(head.tree_size, head.root_hash)
        except ForkAlarm as alarm:
            replaced = [pair for pair in self._history.all_log_keys() if pair != self._next_keys]
            self.begin_again()
            self._replaced = replaced
            if entries is None and not (is_signed and self._gives_root(head)):
                raise _other_entries() from alarm
            raise
        except BaseException:
            self.begin_again()
            raise
        self._reached = head.tree_size

    def accept(self) -> None:
        """Let the head that was replayed last count: the log signed it."""
        with self._guard:
            self._size = self._reached

    def begin_again(self) -> None:
        """Forget everything and begin at entry 0."""
        with self._guard:
            self._replaced = []
            self._next_keys = None
            self._history = KeyHistory()
            self._roots: OrderedDict[int, bytes] = OrderedDict()
            self._size = self._reached = self._forgotten = 0
            self._unfolded_bytes = 0
            self._replay = Replay(
                lambda low, high: self._read(low, high),
                charter_hash=self._pin.charter_hash,
                on_epoch=self._on_epoch,
            )

    def replaced_keys(self) -> list[LogKeys]:
        """Return the pairs of log keys that held once, and no longer in the epoch that raised the last alarm."""
        return self._replaced

    def log_key_pairs(self) -> list[LogKeys]:
        """Return every pair of log keys that ever held, and the one that holds in the next epoch."""
        registry = self._replay.registry
        if registry is None:
            return []
        terms = registry.governance.terms
        with self._guard:
            return [
                *self._history.all_log_keys(),
                log_verifier_keys(terms.origin, terms.opened().log_keys),
            ]

    def verdict(self, signed: SignedCheckpoint) -> Verdict:
        """Return what the replay says of a checkpoint that some known keys of the log signed."""
        checkpoint = signed.checkpoint
        with self._guard:
            if not self._forgotten < checkpoint.tree_size <= self._size:
                return "wait"
            if self._roots.get(checkpoint.tree_size) != checkpoint.root_hash:
                return "wrong"
            keys = self._history.log_keys_at(checkpoint.tree_size)
        try:
            open_checkpoint(format_note(signed.note), keys)
        except CodedError:
            return "keys"
        return "good"

    def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def _ends_in_seal(self, size: int) -> bool:
        [last] = self._fetch(size - 1, size, size)
        try:
            return not is_padding(last) and parse_statement(last).kind == "seal"
        except MalformedError:
            return False

    def root_before(self, head: Checkpoint, size: int) -> bytes | None:
        """Return the root that the tree of a head has at a smaller size, None where the source has another tree.

        Raises:
            StorageError: the source does not send the entries.
        """
        frontier, before, low = Frontier(), None, 0
        # Whoever sends the head chooses its size: no list of pages is made of it.
        while low < head.tree_size:
            high = min(low + _PAGE, head.tree_size if low >= size else size)
            frontier.extend(leaf_hash(entry) for entry in self._fetch(low, high, head.tree_size))
            before = frontier.root() if high == size else before
            low = high
        return before if frontier.root() == head.root_hash else None

    def root_at(self, size: int) -> bytes | None:
        """Return the root of an accepted size, None where it is not known (any more)."""
        with self._guard:
            return self._roots.get(size) if size <= self._size else None

    def contradicts(self, size: int, root: bytes) -> bool:
        """Whether what was replayed, accepted or not, has another root at this size."""
        with self._guard:
            return self._roots.get(size, root) != root

    def _gives_root(self, head: Checkpoint) -> bool:
        """Whether the entries of the source are those that the head was signed over: else it proves nothing."""
        return self.root_before(head, head.tree_size) is not None

    def _leads_to(self, head: Checkpoint, entries: Sequence[bytes] | None) -> bool:
        """Whether these entries, after those that were replayed, give the root; None for entries that are not held."""
        frontier = self._replay.frontier.copy()
        frontier.extend(leaf_hash(entry) for entry in entries or ())
        return entries is not None and frontier.root() == head.root_hash

    def _fetch_few(self, start: int, stop: int) -> list[bytes] | None:
        """Return the entries [start, stop) of the tree of size `stop`, None where they are too many to hold."""
        if stop - start > _IN_MEMORY_ENTRIES:
            return None
        entries: list[bytes] = []
        size = 0
        for low in range(start, stop, _PAGE):
            page = self._fetch(low, min(low + _PAGE, stop), stop)
            size += sum(map(len, page))
            if size > _IN_MEMORY_BYTES:
                return None
            entries += page
        return entries

    def _fetch_page(self, low: int, high: int, tree_size: int) -> list[bytes]:
        """Return entries for the fold, which holds those of an epoch until its seal comes."""
        entries: list[bytes] = []
        for at in range(low, high, _PAGE):
            page = self._fetch(at, min(at + _PAGE, high), tree_size)
            self._unfolded_bytes += sum(map(len, page))
            if self._unfolded_bytes > _EPOCH_BYTES:
                raise StorageError("an epoch is too large to be held", field="source", code="too_large")
            entries += page
        return entries

    def _fetch(self, start: int, stop: int, tree_size: int) -> list[bytes]:
        """Return the entries [start, stop).

        Raises:
            StorageError: the source does not have them; whatever it sends, the log is not to blame for that.
        """
        if self._is_stopping():
            raise StoppedError
        first = start // TILE_WIDTH * TILE_WIDTH
        try:
            entries = self._open_source().entries(first, stop, tree_size)[0][start - first : stop - first]
        except ForkAlarm as error:
            raise StorageError(error.detail, field="source", code="not_reachable") from error
        if len(entries) != stop - start:
            raise StorageError("the source lacks entries", field="source", code="not_reachable")
        return entries

    @staticmethod
    def _fetch_nothing(_low: int, _high: int) -> Sequence[bytes]:
        return ()

    def _on_epoch(self, replay: Replay, leaves: Sequence[bytes], chain: Sequence[bytes]) -> None:
        if self._is_stopping():
            raise StoppedError
        assert replay.registry is not None
        self._unfolded_bytes = 0
        size = replay.frontier.size
        terms = replay.registry.governance.terms
        self._next_keys = log_verifier_keys(terms.origin, terms.opened().log_keys)
        with self._guard:
            self._history.note_epoch(size, replay.registry.governance)
            self._roots[size] = replay.frontier.root()
            if len(self._roots) > _KEPT_ROOTS:
                self._forgotten = self._roots.popitem(last=False)[0]

    def _open_source(self) -> Source:
        if self._source is None:
            self._source = self._open_place(self._place)
        return self._source


def _other_entries() -> VerificationError:
    return VerificationError("bad_checkpoint", "the source sends other entries", field="source")
