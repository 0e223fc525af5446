"""Reading a published folder as a client does, believing nothing: what a half-done state would break.

head, entries = read_published(folder)
"""

from __future__ import annotations

from pathlib import Path

from ledger.core.checkpoint import Checkpoint, parse_checkpoint
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.note import parse_note
from ledger.core.tiles import (
    ENTRIES,
    TilePath,
    format_tile_path,
    hash_tile,
    parse_entry_bundle,
    split_hashes,
    tile_counts,
    tile_width,
)


def head_of(folder: Path) -> Checkpoint:
    """Return the published head, not verified."""
    return parse_checkpoint(parse_note((folder / "checkpoint").read_bytes()).text)


def read_tile(folder: Path, path: TilePath) -> bytes:
    """Return a file of a tile, of the full tile where the partial one is gone."""
    try:
        return (folder / format_tile_path(path)).read_bytes()
    except FileNotFoundError:
        data = (folder / format_tile_path(TilePath(path.level, path.index))).read_bytes()
        if path.level != ENTRIES:
            return data[: path.width * 32]
        place = 0
        for _ in range(path.width):
            place += 2 + int.from_bytes(data[place : place + 2], "big")
        return data[:place]


def read_published(folder: Path, head: Checkpoint | None = None) -> tuple[Checkpoint, list[bytes]]:
    """Read a head (the one that is shown, if none is given) and all that it promises.

    Raises:
        AssertionError, FileNotFoundError: something is missing or does not hash to the head.
    """
    head = head_of(folder) if head is None else head
    below: list[bytes] = []
    entries: list[bytes] = []
    for level, (full, width) in enumerate(tile_counts(head.tree_size)):
        hashes: list[bytes] = []
        above: list[bytes] = []
        for index in range(full + (width > 0)):
            path = TilePath(level, index, tile_width(level, index, head.tree_size))
            tile = read_tile(folder, path)
            hashes += split_hashes(tile)
            if path.width == 256:
                above.append(hash_tile(tile))
            if level == 0:
                entries += parse_entry_bundle(
                    read_tile(folder, TilePath(ENTRIES, index, path.width)), path.width
                )
        if level == 0:
            assert [leaf_hash(entry) for entry in entries] == hashes
            assert root_hash(hashes) == head.root_hash
        else:
            assert hashes == below
        below = above
    assert not below
    return head, entries


def files_of(folder: Path) -> dict[str, bytes]:
    """Return every published file by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".part" not in path.parts
    }
