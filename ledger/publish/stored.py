"""The published heads of a data directory: its entries replayed, and the newest head that has its quorum.

docs/protocol.md sections 5, 8 and 9. The service shows a head once the witnesses of its policy have cosigned
it and, for a bridging checkpoint, once that is kept for ever; both stand in the database, so a reader of the
database comes to the same head and the same bundle. Only what is new is replayed from one call to the next.

    heads = StoredHeads(Path("data"), lambda done, total: None)
    heads.newest().bundle
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, TypeAlias

from ledger.core.cells import cells_from_leaves
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose_key import PublicKey
from ledger.core.delta import MAX_DELTA_SIZE
from ledger.core.key_history import KeyHistory
from ledger.core.pin import Pin
from ledger.core.tiles import TilePath, format_tile_path
from ledger.errors import CodedError, ForkAlarm, StorageError
from ledger.files import read_file
from ledger.service.bundles import build_bundle, with_checkpoint
from ledger.service.deltas import parse_day
from ledger.service.replay import Replay
from ledger.service.settings import DELTAS_NAME
from ledger.service.snapshots import Snapshot, take_snapshot
from ledger.service.startup import is_satisfied
from ledger.store.engine import DATABASE_NAME, open_engine
from ledger.store.entries import LedgerReader, StoredCheckpoint

Progress: TypeAlias = Callable[[int, int], None]
"""(done, total): so many of so many."""
_SEARCHED: Final = 64
"""How many heads without a quorum are remembered, newest first: any of them may get it later."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A head with its quorum: the ledger's pin, the trust bundle, and all receipts keys so far, newest first."""

    pin: Pin
    bundle: bytes = field(repr=False)
    keys: tuple[PublicKey, ...]


class StoredHeads:
    """The heads of one data directory, which is only read; its service may be running.

    Raises:
        StorageError: code not_found, there is no ledger in the directory.
    """

    def __init__(self, data_dir: Path, progress: Progress) -> None:
        if not (data_dir / DATABASE_NAME).is_file():
            raise StorageError("there is no ledger in this directory", field="source", code="not_found")
        self._data_dir = data_dir
        self._progress = progress
        self._store = LedgerReader(open_engine(data_dir / DATABASE_NAME, "read"))
        self._wanted: frozenset[int] = frozenset()
        self._goal = 0
        self._reset()

    def _reset(self) -> None:
        self._replay = Replay(
            self._store.entries, verify=lambda statement, key: None, on_epoch=self._on_epoch
        )
        self._history = KeyHistory()
        self._cells = bytearray()
        self._passed: dict[int, tuple[bytes, Snapshot]] = {}
        self._origin, self._charter_hash = "", b""
        self._size = 0
        self._built: tuple[str, StoredHead] | None = None

    def newest(self) -> StoredHead:
        """Return the newest head that has its quorum.

        Raises:
            StorageError: code no_bundle, none has; or the database cannot be read.
            ForkAlarm: entries, chain and heads contradict each other.
        """
        head = self._store.head()
        if head is None:
            raise StorageError("the ledger has not begun", field="database", code="not_found")
        if head.size != self._replay.frontier.size:
            self._advance(head)
        for size in sorted(self._passed, reverse=True):
            root, snapshot = self._passed[size]
            stored = self._store.checkpoint(size)
            if stored is not None and self._is_published(stored, root):
                self._passed = {place: kept for place, kept in self._passed.items() if place >= size}
                self._size = size
                return self._build(stored, snapshot)
        raise StorageError("no head has a quorum of witnesses yet", field="witnesses", code="no_bundle")

    def deltas(self) -> tuple[str, ...]:
        """Return the days `YYYY-MM-DD` that are over and have a delta; it never changes."""
        names = sorted(path.stem for path in (self._data_dir / DELTAS_NAME).glob("*.cbor"))
        return tuple(name for name in names if parse_day(name) is not None)

    def read_delta(self, day: str) -> bytes:
        """Return the delta of one of these days.

        Raises:
            StorageError: it cannot be read.
        """
        path = self._data_dir / DELTAS_NAME / f"{day}.cbor"
        return read_file(path, max_size=MAX_DELTA_SIZE, field="delta")

    def read_tile(self, path: TilePath) -> bytes:
        """Return a tile or entry bundle as it is stored; ForkAlarm bad_tile where it is missing."""
        data = self._store.tile_file(path, self._size)
        if data is None:
            raise ForkAlarm("a stored tile is missing", field=format_tile_path(path), code="bad_tile")
        return data

    def sizes(self, above: int, upto: int) -> list[int]:
        """Return the sizes in (above, upto] at which epochs ended, rising."""
        return self._store.sizes(above, upto)

    def close(self) -> None:
        """Close the database."""
        self._store.engine.dispose()

    def _build(self, stored: StoredCheckpoint, snapshot: Snapshot) -> StoredHead:
        """Return the bundle of a head; the one that was built before, as long as nothing has changed."""
        keys = tuple(self._history.all_receipts_keys())
        if self._built is None or self._built[0] != stored.text or self._built[1].keys != keys:
            bundle = build_bundle(self._store, with_checkpoint(snapshot, stored.text), self._cells)
            pin = Pin(self._origin, self._charter_hash)
            self._built = (stored.text, StoredHead(pin, bundle, keys))
        return self._built[1]

    def _advance(self, head: StoredCheckpoint) -> None:
        newest = islice(self._store.checkpoints(newest_first=True), _SEARCHED)
        recent = [stored.size for stored in newest]
        self._wanted = frozenset([*recent, *(stored.size for stored in self._store.cosigned(_SEARCHED))])
        self._goal = head.size
        try:
            self._replay.advance(head.size, head.root)
        except BaseException:
            self._reset()  # as the replay does: the next call begins at entry 0
            raise
        for size in sorted(self._passed)[: -2 * _SEARCHED]:
            del self._passed[size]

    def _on_epoch(self, replay: Replay, leaves: Sequence[bytes], chain: Sequence[bytes]) -> None:
        assert replay.registry is not None
        size = replay.frontier.size
        if not self._cells:
            self._origin, self._charter_hash = replay.registry.governance.origin, leaves[0]
        self._cells.extend(cells_from_leaves(leaves))
        self._history.note_epoch(size, replay.registry.governance)
        if size in self._wanted:
            before = self._passed[max(self._passed)][1] if self._passed else None
            self._passed[size] = (replay.frontier.root(), take_snapshot(replay.registry, size, "", before))
        self._progress(size, self._goal)

    def _is_published(self, stored: StoredCheckpoint, root: bytes) -> bool:
        """Tell whether the service shows this head: signed, cosigned, and its bridges are kept."""
        try:
            signed = open_checkpoint(stored.note, self._history.log_keys_at(stored.size))
        except CodedError as error:
            detail = f"a stored head does not verify: {error.detail}"
            raise ForkAlarm(detail, field="checkpoints", code="bad_checkpoint", index=stored.size) from error
        if (signed.checkpoint.tree_size, signed.checkpoint.root_hash) != (stored.size, root):
            detail = "a stored head is of another tree than its entries"
            raise ForkAlarm(detail, field="checkpoints", code="bad_checkpoint", index=stored.size)
        if not is_satisfied(stored.text, self._history.policy_at(stored.size)):
            return False
        due = {size for size in self._history.bridges if size <= stored.size}
        return due <= set(self._store.bridges(stored.size))
