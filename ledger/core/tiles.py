"""Tiles: the tree and the entries as a finite set of static files.

Implements C2SP tlog-tiles. A hash tile of level l holds up to 256 hashes, each the root of a complete subtree
of 256^l leaves; an entry bundle holds the entries under one tile of level 0, each with a 16-bit length.

>>> format_tile_path(TilePath(0, 1234067, 5))
'tile/0/x001/x234/067.p/5'
>>> [format_tile_path(path) for path in new_tiles(0, 256)]
['tile/0/000', 'tile/1/000.p/1']
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ledger.core.merkle import HASH_SIZE, MAX_TREE_SIZE, NodeReader, root_hash
from ledger.errors import MalformedError

TILE_WIDTH: Final = 256
TILE_SIZE_BYTES: Final = TILE_WIDTH * HASH_SIZE
TILE_HEIGHT: Final = 8
MAX_TILE_LEVEL: Final = 63
MAX_ENTRY_SIZE: Final = 65_535
MAX_BUNDLE_SIZE: Final = TILE_WIDTH * (2 + MAX_ENTRY_SIZE)
ENTRIES: Final = "entries"
_MAX_TILE_INDEX: Final = MAX_TREE_SIZE // TILE_WIDTH
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class TilePath:
    """Address of a tile.

    Attributes:
        level: 0 to 63, or "entries" for an entry bundle.
        index: place of the tile in its level, 0 at the left.
        width: 1 to 256 hashes or entries; below 256 the tile is partial.
    """

    level: int | Literal["entries"]
    index: int
    width: int = TILE_WIDTH

    @property
    def tile_level(self) -> int:
        """The level as a number: bundles stand beside level 0."""
        return 0 if self.level == "entries" else self.level


ReadTile = Callable[[TilePath], bytes]


def parse_tile_path(text: str) -> TilePath:
    """Read the path of a tile or bundle, without a slash in front.

    Raises:
        MalformedError: not exactly `tile/<level>/<index>[.p/<width>]` in its one spelling: level 0 to 63 or
            `entries`, index in groups of three digits, all but the last with an `x`, width 1 to 255.
    Source: tlog-tiles, "Merkle Tree" and "Log entries".
    """
    match = _PATH.fullmatch(text)
    if match is None:
        raise MalformedError("not the path of a tile", field="path")
    index = int(match[2].replace("x", "").replace("/", ""))
    width = TILE_WIDTH if match[3] is None else int(match[3])
    path = TilePath("entries" if match[1] == ENTRIES else int(match[1]), index, width)
    if format_tile_path(path) != text:
        raise MalformedError("not the canonical path of a tile", field="path")
    return path


def format_tile_path(path: TilePath) -> str:
    """Return the path of a tile or bundle; the inverse of `parse_tile_path`.

    Raises:
        MalformedError: level, index or width is out of range.
    """
    in_range = 0 <= path.tile_level <= MAX_TILE_LEVEL and 0 <= path.index <= _MAX_TILE_INDEX
    if not in_range or not 1 <= path.width <= TILE_WIDTH:
        raise MalformedError("the tile is out of range", field="path")
    digits = f"{path.index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    suffix = "" if path.width == TILE_WIDTH else f".p/{path.width}"
    return f"tile/{path.level}/{name}{suffix}"


def tile_width(level: int, index: int, tree_size: int) -> int:
    """Return how many hashes the tile has in a tree of this size: 0 to 256.

    Source: tlog-tiles, "Partial Tiles": floor(size / 256^level) hashes stand in the level.
    """
    hashes = tree_size >> TILE_HEIGHT * level
    return max(0, min(TILE_WIDTH, hashes - index * TILE_WIDTH))


def tile_counts(tree_size: int) -> list[tuple[int, int]]:
    """Return per level (number of full tiles, width of the partial tile or 0) for a tree of this size."""
    counts = []
    while tree_size:
        counts.append(divmod(tree_size, TILE_WIDTH))
        tree_size >>= TILE_HEIGHT
    return counts


def new_tiles(old_size: int, new_size: int) -> list[TilePath]:
    """Return the hash tiles that a tree of `new_size` has and one of `old_size` has not, level by level.

    A partial tile that grew is new under its new width.

    Raises:
        MalformedError: not 0 <= old_size <= new_size <= 2^63 - 1.
    """
    _check_growth(old_size, new_size)
    paths: list[TilePath] = []
    level = 0
    while new_size:
        if new_size != old_size:
            paths += _changed(level, old_size, new_size)
        old_size, new_size, level = old_size >> TILE_HEIGHT, new_size >> TILE_HEIGHT, level + 1
    return paths


def new_bundles(old_size: int, new_size: int) -> list[TilePath]:
    """Return the entry bundles that a tree of `new_size` has and one of `old_size` has not.

    Raises:
        MalformedError: not 0 <= old_size <= new_size <= 2^63 - 1.
    """
    _check_growth(old_size, new_size)
    return _changed("entries", old_size, new_size) if new_size != old_size else []


def parse_entry_bundle(data: bytes, width: int) -> list[bytes]:
    """Read the entries of a bundle.

    Raises:
        MalformedError: the bytes are not exactly `width` entries (1 to 256), each after its length.
    Source: tlog-tiles, "Log entries".
    """
    entries: list[bytes] = []
    place = 0
    while place < len(data) and len(entries) < width:
        start = place + 2
        place = start + int.from_bytes(data[place:start], "big")
        entries.append(bytes(data[start:place]))
    if not 1 <= width <= TILE_WIDTH or len(entries) != width or place != len(data):
        raise MalformedError("the bundle does not hold exactly its entries", field="bundle")
    return entries


def format_entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Return the bytes of a bundle; the inverse of `parse_entry_bundle`.

    Raises:
        MalformedError: not 1 to 256 entries, or (code `too_large`) one above 65,535 bytes.
    """
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise MalformedError("a bundle holds 1 to 256 entries", field="bundle")
    if any(len(entry) > MAX_ENTRY_SIZE for entry in entries):
        raise MalformedError("an entry has at most 65,535 bytes", field="entry", code="too_large")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def hash_tile(tile: bytes) -> bytes:
    """Return the hash that stands for this full tile in the level above: the root over its 256 hashes.

    Raises:
        MalformedError: not exactly 8,192 bytes; a partial tile is never hashed into the level above.
    """
    if len(tile) != TILE_SIZE_BYTES:
        raise MalformedError("only a full tile has a hash", field="tile")
    return root_hash(split_hashes(tile))


def split_hashes(tile: bytes) -> list[bytes]:
    """Return the 32-byte hashes of a tile."""
    return [tile[i : i + HASH_SIZE] for i in range(0, len(tile), HASH_SIZE)]


def build_tile(path: TilePath, node: NodeReader) -> bytes:
    """Return the bytes of a hash tile, read as complete subtrees.

    Raises:
        MalformedError: the path is that of an entry bundle.
    """
    if path.level == "entries":
        raise MalformedError("a bundle is not made of hashes", field="path")
    level, first = path.level * TILE_HEIGHT, path.index * TILE_WIDTH
    return b"".join([node(level, first + place) for place in range(path.width)])


class TileNodes:
    """A `NodeReader` over tile files: `TileNodes(read_tile, tree_size)(level, index)`.

    Nothing is authenticated here: whoever proves something with the nodes checks the result against a
    checkpoint. Tiles stay in memory as long as the object lives; use one per proof or per batch.

    Args:
        read_tile: returns the bytes of the tile at a path; for a partial tile it may return the full tile
            that has replaced it.
        tree_size: size of a checkpoint; decides which partial tiles exist.
    """

    __slots__ = ("_read_tile", "_tiles", "_tree_size")

    def __init__(self, read_tile: ReadTile, tree_size: int) -> None:
        self._read_tile = read_tile
        self._tree_size = tree_size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree `index` of `level`.

        Raises:
            MalformedError: the subtree is not complete in the tree, or a tile has the wrong length.
        """
        if level < 0 or index < 0 or (index + 1) << level > self._tree_size:
            raise MalformedError("the subtree is not complete in this tree", field="node")
        tile_level, height = divmod(level, TILE_HEIGHT)
        first = index << height
        tile = self._tile(tile_level, first // TILE_WIDTH)
        start = first % TILE_WIDTH * HASH_SIZE
        return root_hash(split_hashes(tile[start : start + (HASH_SIZE << height)]))

    def _tile(self, level: int, index: int) -> bytes:
        tile = self._tiles.get((level, index))
        if tile is None:
            width = tile_width(level, index, self._tree_size)
            tile = self._read_tile(TilePath(level, index, width))
            if len(tile) not in (width * HASH_SIZE, TILE_SIZE_BYTES):
                raise MalformedError("the tile has the wrong length", field="tile")
            self._tiles[level, index] = tile
        return tile


def _changed(level: int | Literal["entries"], old_count: int, new_count: int) -> list[TilePath]:
    """Return the tiles of one level that change when its number of hashes grows."""
    indexes = range(old_count // TILE_WIDTH, -(-new_count // TILE_WIDTH))
    return [TilePath(level, index, min(TILE_WIDTH, new_count - index * TILE_WIDTH)) for index in indexes]


def _check_growth(old_size: int, new_size: int) -> None:
    if not 0 <= old_size <= new_size <= MAX_TREE_SIZE:
        raise MalformedError("the older tree size must not exceed the newer one", field="tree_size")
