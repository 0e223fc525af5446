"""The right edge of the stored tiles: what an epoch adds to them, without reading them back.

C2SP tlog-tiles, docs/protocol.md section 8. A tile of level l holds up to 256 hashes of level 8 * l of the
tree. Full tiles never change; the last one of each level grows. `TileEdge` keeps these last ones in memory.

>>> from ledger.core.merkle import Frontier, leaf_hash
>>> frontier, edge = Frontier(), TileEdge({})
>>> levels = frontier.extend_nodes([leaf_hash(b"%d" % i) for i in range(256)])
>>> [(row.level, row.n, len(row.data), row.is_new) for row in edge.extend(levels, 0)]
[(0, 0, 8192, True), (1, 0, 32, True)]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ledger.core.tiles import TILE_HEIGHT, TILE_SIZE_BYTES, TILE_WIDTH


@dataclass(frozen=True, slots=True)
class TileRow:
    """One tile after an epoch: its place, its bytes, and whether it is new or an older one that grew."""

    level: int
    n: int
    data: bytes
    is_new: bool


class TileEdge:
    """The partial tile of each level.

    Args:
        partial: level -> bytes of its partial tile; levels whose last tile is full are absent.
    """

    __slots__ = ("_partial",)

    def __init__(self, partial: Mapping[int, bytes]) -> None:
        self._partial = dict(partial)

    def copy(self) -> TileEdge:
        """Return an independent edge of the same tree."""
        return TileEdge(self._partial)

    def extend(self, levels: Sequence[Sequence[bytes]], old_size: int) -> list[TileRow]:
        """Take in new nodes and return the tiles that changed, by level and place.

        Args:
            levels: new nodes per tree level, as `Frontier.extend_nodes` returns them.
            old_size: tree size before these nodes.
        """
        rows: list[TileRow] = []
        for tile_level, nodes in enumerate(levels[::TILE_HEIGHT]):
            before = self._partial.get(tile_level, b"")
            first = (old_size >> TILE_HEIGHT * tile_level) // TILE_WIDTH
            data = before + b"".join(nodes)
            for offset in range(0, len(data), TILE_SIZE_BYTES):
                n = first + offset // TILE_SIZE_BYTES
                tile = data[offset : offset + TILE_SIZE_BYTES]
                rows.append(TileRow(tile_level, n, tile, is_new=bool(offset) or not before))
            self._partial[tile_level] = data[len(data) // TILE_SIZE_BYTES * TILE_SIZE_BYTES :]
            if not self._partial[tile_level]:
                del self._partial[tile_level]
        return rows
