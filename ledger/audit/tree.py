"""The tree of an audit: roots of heads and upper tiles, from the leaf hashes that the chunks bring.

docs/protocol.md sections 2 and 8. Only the right edge and one hash for each full tile are kept.

>>> from ledger.core.merkle import leaf_hash, root_hash
>>> leaves = [leaf_hash(b"%d" % n) for n in range(300)]
>>> tree = AuditedTree()
>>> tree.extend(b"".join(leaves), [hash_tile(b"".join(leaves[:256]))], [16, 300]) == [
...     root_hash(leaves[:16]), root_hash(leaves)]
True
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.audit.chunk import differs_at
from ledger.audit.source import Source
from ledger.core.merkle import HASH_SIZE, Frontier, node_hash
from ledger.core.tiles import TILE_SIZE_BYTES, TILE_WIDTH, hash_tile, split_hashes
from ledger.errors import ForkAlarm


class AuditedTree:
    """Grows by chunks of whole tiles; only the last chunk may end within a tile."""

    def __init__(self, tile_hashes: Sequence[bytes] = ()) -> None:
        """Begin behind full tiles with these hashes, of which none is compared any more."""
        self._tiles = Frontier()
        self._tiles.extend(tile_hashes)
        self._nodes: list[bytes] = list(tile_hashes)
        self._rest = b""

    def extend(self, leaves: bytes, tile_hashes: Sequence[bytes], ends: Sequence[int]) -> list[bytes]:
        """Take in a chunk and return the roots of the trees that end in it.

        Args:
            leaves: leaf hashes of the chunk, joined.
            tile_hashes: hash of each full tile of the chunk.
            ends: tree sizes within the chunk, rising.
        """
        start, taken = self._tiles.size * TILE_WIDTH, 0
        roots = []
        for end in ends:
            whole = (end - start) // TILE_WIDTH
            self._tiles.extend(tile_hashes[taken:whole])
            taken = whole
            rest = leaves[whole * TILE_SIZE_BYTES : (end - start) * HASH_SIZE]
            roots.append(_fold(self._tiles, rest))
        self._tiles.extend(tile_hashes[taken:])
        self._nodes += tile_hashes
        self._rest = leaves[len(tile_hashes) * TILE_SIZE_BYTES :]
        return roots

    def root(self) -> bytes:
        """Return the root of all that was taken in."""
        return _fold(self._tiles, self._rest)

    def check_upper_tiles(self, source: Source, tree_size: int) -> None:
        """Compare every stored tile above level 0.

        Raises:
            ForkAlarm: code bad_tile, with the index of the first leaf below the wrong hash.
        """
        hashes, level, span = self._nodes, 1, TILE_WIDTH
        while hashes:
            full = []
            for n in range(-(-len(hashes) // TILE_WIDTH)):
                tile = b"".join(hashes[n * TILE_WIDTH : (n + 1) * TILE_WIDTH])
                bad = differs_at(tile, source.tile(level, n, len(tile) // HASH_SIZE, tree_size))
                if bad is not None:
                    index = (n * TILE_WIDTH + bad) * span
                    detail = f"a stored tile of level {level} is not what the entries hash to"
                    raise ForkAlarm(detail, code="bad_tile", field=f"tile/{level}/{n}", index=index)
                if len(tile) == TILE_WIDTH * HASH_SIZE:
                    full.append(hash_tile(tile))
            hashes, level, span = full, level + 1, span * TILE_WIDTH


def _fold(tiles: Frontier, rest: bytes) -> bytes:
    """Return the root of full tiles followed by fewer than 256 leaves."""
    edge = Frontier()
    edge.extend(split_hashes(rest))
    peaks = [*tiles.peaks(), *edge.peaks()]
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root
