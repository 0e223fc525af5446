"""Making the tlog-proof of an entry from any copy of a ledger: directory, published folder, or address.

C2SP tlog-proof. The tiles are checked against the head before anything is proven with them.

    text, entry = prove_entry("https://ledger.example", 4711)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from ledger.core.authentic_tiles import AuthenticTiles
from ledger.core.bundle import parse_bundle
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.note import MAX_NOTE_SIZE, parse_note
from ledger.core.tiles import ENTRIES, TILE_WIDTH, ReadTile, TilePath, parse_entry_bundle, tile_width
from ledger.core.tlog_proof import make_tlog_proof
from ledger.errors import StorageError, VerificationError
from ledger.publish.stored import StoredHeads
from ledger.published_files import CHECKPOINT, Files, FolderFiles, HttpFiles, read_tile
from ledger.remote import is_address
from ledger.store.engine import DATABASE_NAME

_Copy: TypeAlias = tuple[str, ReadTile]


def prove_entry(source: str, index: int) -> tuple[str, bytes]:
    """Return the proof of an entry under the newest cosigned head, and the bytes of the entry.

    Args:
        source: data directory, folder that was published, or address of a service or such a folder.
        index: of the entry.

    Raises:
        VerificationError: code not_found, the head does not cover the index.
        ForkAlarm: bad_tile or bad_entry, the source does not hash to its own head.
        StorageError: not_found, not_reachable, no_bundle, or the disk failed.
    """
    with _opened(source) as (checkpoint, read_tile):
        head = parse_checkpoint(parse_note(checkpoint).text)
        if index >= head.tree_size:
            detail = f"the newest cosigned head covers {head.tree_size} entries"
            raise VerificationError("not_found", detail, field="entry")
        tiles = AuthenticTiles(read_tile, head.tree_size, head.root_hash)
        entry = _entry(tiles, index, head.tree_size)
        charter = _entry(tiles, 0, head.tree_size)
        return make_tlog_proof(index, checkpoint, tiles.nodes(), charter), entry


def _entry(tiles: AuthenticTiles, index: int, tree_size: int) -> bytes:
    n = index // TILE_WIDTH
    width = tile_width(0, n, tree_size)
    return parse_entry_bundle(tiles.read(TilePath(ENTRIES, n, width)), width)[index % TILE_WIDTH]


@contextmanager
def _opened(source: str) -> Iterator[_Copy]:
    """Give the newest cosigned checkpoint of a copy, and its tiles, not checked."""
    if is_address(source):
        with closing(HttpFiles(source)) as files:
            yield _published(files)
    elif (Path(source) / DATABASE_NAME).is_file():
        with closing(StoredHeads(Path(source), lambda done, total: None)) as heads:
            yield parse_bundle(heads.newest().bundle).checkpoint, heads.read_tile
    else:
        yield _published(FolderFiles(Path(source)))


def _published(files: Files) -> _Copy:
    try:
        data = files.get(CHECKPOINT, MAX_NOTE_SIZE)
    except StorageError as error:
        if error.code != "not_found":
            raise
        raise StorageError("there is no ledger in this place", field="source", code="not_found") from error
    return data.decode("utf-8", "replace"), lambda path: read_tile(files, path)
