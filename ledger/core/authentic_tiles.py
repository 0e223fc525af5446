"""Tiles of a tree whose root is known: nothing is given out that does not hash to it.

C2SP tlog-tiles. The partial tiles of a tree fold to its root; every full tile hashes to one hash of the level
above. So each tile is checked as soon as it is read, from the top down, with the upper levels in memory
(one hash for each 256 entries) and nothing else.

>>> from ledger.core.merkle import leaf_hash, root_hash
>>> leaves = [leaf_hash(b"%d" % n) for n in range(300)]
>>> files = {TilePath(0, 0): b"".join(leaves[:256]), TilePath(0, 1, 44): b"".join(leaves[256:]),
...     TilePath(1, 0, 1): root_hash(leaves[:256])}
>>> tiles = AuthenticTiles(files.__getitem__, 300, root_hash(leaves))
>>> tiles.read(TilePath(0, 0, 16)) == b"".join(leaves[:16])
True
"""

from __future__ import annotations

from ledger.core.merkle import EMPTY_ROOT, HASH_SIZE, NodeReader, leaf_hash, root_at
from ledger.core.tiles import (
    ENTRIES,
    TILE_SIZE_BYTES,
    TILE_WIDTH,
    ReadTile,
    TileNodes,
    TilePath,
    format_entry_bundle,
    format_tile_path,
    hash_tile,
    parse_entry_bundle,
    split_hashes,
    tile_counts,
    tile_width,
)
from ledger.errors import ForkAlarm, MalformedError


class AuthenticTiles:
    """The tiles and entry bundles of one tree.

    Args:
        read_tile: returns what is stored at a path; nothing of it is believed. It is asked for tiles at their
            full width in this tree only.
        tree_size, root: of a checkpoint that somebody has verified.

    Raises:
        ForkAlarm: code bad_tile, the partial tiles do not fold to the root.
    """

    def __init__(self, read_tile: ReadTile, tree_size: int, root: bytes) -> None:
        self._read_tile = read_tile
        self._tree_size = tree_size
        self._upper: dict[tuple[int, int], bytes] = {}
        self._lowest: tuple[int, bytes] = (-1, b"")
        self._edge: dict[tuple[int, int], bytes] = {}
        for level, (full, width) in enumerate(tile_counts(tree_size)):
            if width:
                path = TilePath(level, full, width)
                self._edge[level, full] = _of_length(path, read_tile(path))
        # The peaks of a tree lie in its partial tiles and cover each hash in them exactly once.
        edge = TileNodes(lambda path: self._edge[path.tile_level, path.index], tree_size)
        if (root_at(tree_size, edge) if tree_size else EMPTY_ROOT) != root:
            raise ForkAlarm("the partial tiles do not fold to the root", field="tile", code="bad_tile")

    def read(self, path: TilePath) -> bytes:
        """Return the tile or entry bundle at a path of this tree, or of a smaller one that it extends.

        Raises:
            ForkAlarm: code bad_tile or bad_entry, what is stored does not hash to the root; the index is that
                of the first entry below it.
            MalformedError: the tree has no such tile.
        """
        width = tile_width(path.tile_level, path.index, self._tree_size)
        if not 1 <= path.width <= width:
            raise MalformedError("the tree has no such tile", field="path")
        if path.level == ENTRIES:
            return self._bundle(path, width)
        return self._hashes(path.tile_level, path.index)[: path.width * HASH_SIZE]

    def nodes(self) -> NodeReader:
        """Return a reader of complete subtrees; use one per proof or batch."""
        return TileNodes(lambda path: self._hashes(path.tile_level, path.index), self._tree_size)

    def _hashes(self, level: int, index: int) -> bytes:
        """Return the hashes of one tile, as many as this tree has."""
        if (level, index) in self._edge:
            return self._edge[level, index]
        if (level, index) in self._upper:
            return self._upper[level, index]
        if (level, index) == (0, self._lowest[0]):
            return self._lowest[1]
        path = TilePath(level, index)
        parent = self._hashes(level + 1, index // TILE_WIDTH)
        start = index % TILE_WIDTH * HASH_SIZE
        data = _of_length(path, self._read_tile(path))
        if hash_tile(data) != parent[start : start + HASH_SIZE]:
            raise _bad_tile(path, "a tile does not hash to the root")
        if level:
            self._upper[level, index] = data
        else:
            self._lowest = (index, data)
        return data

    def _bundle(self, path: TilePath, width: int) -> bytes:
        whole = TilePath(ENTRIES, path.index, width)
        first = path.index * TILE_WIDTH
        try:
            entries = parse_entry_bundle(self._read_tile(whole), width)
        except MalformedError as error:
            raise ForkAlarm(
                error.detail, field=format_tile_path(whole), code="bad_entry", index=first
            ) from error
        hashes = split_hashes(self._hashes(0, path.index))
        for place, (entry, expected) in enumerate(zip(entries, hashes, strict=True)):
            if leaf_hash(entry) != expected:
                detail = "an entry does not hash to the root"
                raise ForkAlarm(detail, field=format_tile_path(whole), code="bad_entry", index=first + place)
        return format_entry_bundle(entries[: path.width])


def _of_length(path: TilePath, data: bytes) -> bytes:
    if len(data) != (path.width * HASH_SIZE if path.width < TILE_WIDTH else TILE_SIZE_BYTES):
        raise _bad_tile(path, "a tile has the wrong length")
    return data


def _bad_tile(path: TilePath, detail: str) -> ForkAlarm:
    index = path.index * TILE_WIDTH ** (path.tile_level + 1)
    return ForkAlarm(detail, field=format_tile_path(path), code="bad_tile", index=index)
