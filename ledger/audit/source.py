"""Where an audit reads from: a data directory, a published folder, or the address of either; a copy of one, too.

A source is named by a text, so that a worker process can open it by itself. Nothing that a source says is
believed; the audit computes everything again from the entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from ledger.audit.directory import DirectorySource
from ledger.audit.tiled import TiledSource
from ledger.core.pin import Pin
from ledger.errors import StorageError
from ledger.published_files import CHECKPOINT, FolderFiles, HttpFiles
from ledger.store.engine import DATABASE_NAME
from ledger.store.rows import StoredCheckpoint


class Source(Protocol):
    """A copy of a ledger."""

    def checkpoint(self) -> str:
        """Return the newest checkpoint note, cosignatures included."""

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Return the entries [start, stop) and their stored chain values joined, empty where there are none.

        `start` is a multiple of 256; there are fewer entries where some are missing.
        """

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Return the first `width` hashes of a tile."""

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return the first (index, identity) that a stored index of statements has not; None without one."""

    def heads(self, above: int) -> Iterator[StoredCheckpoint] | None:
        """Return the stored heads of more than `above` entries by rising size, None where only the newest is shown."""

    def check_size(self, tree_size: int) -> None:
        """Raise ForkAlarm where the source stores more or fewer entries than this."""

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Raise ForkAlarm where what the source stores beside its entries contradicts them."""

    def close(self) -> None:
        """Give back what the source holds."""


def open_source(name: str) -> Source:
    """Return the source that a name stands for: `http://...`, `https://...`, a data directory, a published one.

    Raises:
        StorageError: code not_found if there is no ledger in the directory.
    """
    if name.startswith(("http://", "https://")):
        return TiledSource(HttpFiles(name))
    folder = Path(name)
    # A data directory says more than what may have been published into it.
    if (folder / DATABASE_NAME).is_file():
        return DirectorySource(folder)
    if (folder / CHECKPOINT).is_file():
        return TiledSource(FolderFiles(folder))
    raise StorageError("there is no ledger in this directory", field="source", code="not_found")


@contextmanager
def opened_source(name: str) -> Iterator[Source]:
    """Open a source and close it at the end."""
    with closing(open_source(name)) as source:
        yield source
