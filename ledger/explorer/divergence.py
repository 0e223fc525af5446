"""The first entry in which two trees differ, found from the root down: a few tiles of each are read.

docs/protocol.md sections 2 and 8. Every node that is passed is compared with its children, so a copy whose
tiles contradict each other is named and not believed.

    index = first_divergence(TileNodes(read_a, size_a), TileNodes(read_b, size_b), min(size_a, size_b))
"""

from __future__ import annotations

from ledger.core.merkle import NodeReader, node_hash
from ledger.errors import CodedError, ForkAlarm

NAMES = ("first", "second")


def first_divergence(first: NodeReader, second: NodeReader, size: int) -> int | None:
    """Return the lowest index below `size` at which the trees have different leaves, or None.

    Args:
        first, second: complete subtrees of each tree; both have at least `size` leaves.
        size: how many leaves are compared.

    Raises:
        StorageError: code not_reachable or storage_failed.
        ForkAlarm: code bad_tile, `field` first or second: the tiles of that tree contradict each other, or
            one of them is missing; the index is that of the first leaf below.
    """
    readers = (_Careful(first, NAMES[0]), _Careful(second, NAMES[1]))
    start = 0
    for level in range(size.bit_length() - 1, -1, -1):
        if not size >> level & 1:
            continue
        index = start >> level
        if readers[0].node(level, index) != readers[1].node(level, index):
            return _descend(readers, level, index)
        start += 1 << level
    return None


def _descend(readers: tuple[_Careful, _Careful], level: int, index: int) -> int:
    while level:
        children = [reader.children(level, index) for reader in readers]
        level -= 1
        index = 2 * index + (children[0][0] == children[1][0])
    return index


class _Careful:
    """Nodes of one tree, each compared with its children before these are used."""

    def __init__(self, node: NodeReader, name: str) -> None:
        self._node = node
        self._name = name

    def node(self, level: int, index: int) -> bytes:
        try:
            return self._node(level, index)
        except CodedError as error:
            if error.code in ("not_reachable", "storage_failed"):
                raise
            raise self._alarm("a tile is missing or has the wrong length", level, index) from error

    def children(self, level: int, index: int) -> tuple[bytes, bytes]:
        left, right = self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1)
        if node_hash(left, right) != self.node(level, index):
            raise self._alarm("two tiles contradict each other", level, index)
        return left, right

    def _alarm(self, detail: str, level: int, index: int) -> ForkAlarm:
        return ForkAlarm(detail, code="bad_tile", field=self._name, index=index << level)
