"""A ledger as its tlog-tiles: over HTTP, or a published folder of files, on a stick too. C2SP tlog-tiles.

Both have `checkpoint`, `tile/<level>/<index>` and `tile/entries/<index>`, uncompressed as far as files go. The
head is read first and the tiles of its tree afterwards, so that it does not matter if more is written meanwhile:
where a partial tile has made room for the full one, its first hashes are the same.

    source = TiledSource(FolderFiles(Path("/media/stick/ledger")))
    source.checkpoint()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger.core.note import MAX_NOTE_SIZE
from ledger.core.pin import Pin
from ledger.core.tiles import ENTRIES, TILE_WIDTH, TilePath, parse_entry_bundle, tile_width
from ledger.errors import ForkAlarm, MalformedError
from ledger.published_files import CHECKPOINT, Files, read_tile
from ledger.store.rows import StoredCheckpoint


class TiledSource:
    """A copy of a ledger of which nothing is there but its head, its tiles and its entry bundles."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def checkpoint(self) -> str:
        """Return the newest checkpoint note, cosignatures included."""
        try:
            return self._files.get(CHECKPOINT, MAX_NOTE_SIZE).decode()
        except UnicodeDecodeError as error:
            raise ForkAlarm("the checkpoint is not text", code="bad_checkpoint", field=CHECKPOINT) from error

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        """Return entries; chain values are not published."""
        entries: list[bytes] = []
        for n in range(start // TILE_WIDTH, -(-min(stop, tree_size) // TILE_WIDTH)):
            path = TilePath(ENTRIES, n, tile_width(0, n, tree_size))
            data = read_tile(self._files, path)
            try:
                entries += parse_entry_bundle(data, path.width)
            except MalformedError as error:
                raise ForkAlarm(
                    error.detail, field=error.field, code="bad_entry", index=n * TILE_WIDTH
                ) from error
        return entries[: stop - start], b""

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        """Return the first `width` hashes of a tile."""
        return read_tile(self._files, TilePath(level, n, width))

    def first_misplaced(self, ids: Sequence[tuple[int, bytes]]) -> int | None:
        """Return None: no index is published."""
        return None

    def heads(self, above: int) -> Iterator[StoredCheckpoint] | None:
        """Return None: the newest head only is published."""
        return None

    def check_size(self, tree_size: int) -> None:
        """Do nothing: there is nothing to compare."""

    def check_rest(self, pin: Pin, statement_count: int) -> None:
        """Do nothing: nothing is published but entries, tiles and head."""

    def close(self) -> None:
        """Give back what the source holds."""
        self._files.close()
