"""The Merkle tree of the ledger: hashes, roots, inclusion and consistency proofs.

Implements RFC 9162, section 2.1, with SHA-256: `leaf = H(0x00 || entry)`, `node = H(0x01 || left || right)`;
a tree of n leaves splits at the largest power of two below n. In this module a *leaf* is always the 32-byte
leaf hash, never the entry. Proofs are made from a `NodeReader`, which knows complete subtrees only; ragged
right edges are computed here.

>>> leaves = [leaf_hash(b"entry-%d" % i) for i in range(5)]
>>> frontier = Frontier()
>>> frontier.extend(leaves)
>>> frontier.root().hex()
'1aa68d3074905a581f84cbbd0f753794904fd80451bc4c13e69d9a53bc59502c'
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from ledger.errors import MalformedError, VerificationError

HASH_SIZE: Final = 32
MAX_TREE_SIZE: Final = 2**63 - 1
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""Root of the tree of no leaves (RFC 9162, 2.1.1)."""

NodeReader = Callable[[int, int], bytes]
"""(level, index) -> hash of the complete subtree over the leaves [index << level, (index + 1) << level)."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte leaf hash of an entry (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node over two 32-byte hashes (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Return the root over a list of leaf hashes, `EMPTY_ROOT` for none (RFC 9162, 2.1.1)."""
    if not leaves:
        return EMPTY_ROOT
    nodes = list(leaves)
    while len(nodes) > 1:
        # Pairing level by level and lifting an odd last node unchanged gives the RFC's recursive tree.
        odd = nodes.pop() if len(nodes) & 1 else None
        nodes = _parents(nodes)
        if odd is not None:
            nodes.append(odd)
    return nodes[0]


def root_at(size: int, node: NodeReader) -> bytes:
    """Return the root of the first `size` leaves, read as complete subtrees.

    Raises:
        MalformedError: `size` is negative or above 2^63 - 1.
    """
    _check_size(size)
    return _range_hash(0, size, node) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, node: NodeReader) -> tuple[bytes, ...]:
    """Return the inclusion path of leaf `index` in the tree of `size` leaves, leaf's sibling first.

    Raises:
        MalformedError: not 0 <= index < size <= 2^63 - 1.
    Source: RFC 9162, 2.1.3.1.
    """
    _check_index(index, size)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start = middle
    path.reverse()
    return tuple(path)


def root_from_inclusion_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the root that `leaf` at `index` and its path lead to in a tree of `size` leaves.

    Raises:
        MalformedError: not 0 <= index < size <= 2^63 - 1, or a hash is not 32 bytes long.
        VerificationError: `not_listed`, the path has the wrong number of hashes for this place.
    Source: RFC 9162, 2.1.3.2.
    """
    _check_index(index, size)
    _check_hashes((leaf, *path))
    first, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise VerificationError("not_listed", "the inclusion path is too long", field="path")
        if first & 1 or first == last:
            root = node_hash(sibling, root)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise VerificationError("not_listed", "the inclusion path is too short", field="path")
    return root


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` is the leaf `index` of the tree with this size and root.

    Raises:
        MalformedError: not 0 <= index < size <= 2^63 - 1, or a hash is not 32 bytes long.
        VerificationError: `not_listed`, the path does not lead to `root`.
    Source: RFC 9162, 2.1.3.2.
    """
    if root_from_inclusion_path(leaf, index, size, path) != root:
        raise VerificationError("not_listed", "the inclusion path does not lead to the root", field="path")


def prove_consistency(size1: int, size2: int, node: NodeReader) -> tuple[bytes, ...]:
    """Return the proof that the tree of `size1` leaves is a prefix of the tree of `size2` leaves.

    Empty for size1 = 0 and for size1 = size2, as tlog-witness expects.

    Raises:
        MalformedError: not 0 <= size1 <= size2 <= 2^63 - 1.
    Source: RFC 9162, 2.1.4.1.
    """
    _check_sizes(size1, size2)
    if size1 in (0, size2):
        return ()
    path: list[bytes] = []
    start, end, old_end_is_whole = 0, size2, True
    while size1 != end:
        middle = start + _split(end - start)
        if size1 <= middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start, old_end_is_whole = middle, False
    if not old_end_is_whole:
        path.append(_range_hash(start, end, node))
    path.reverse()
    return tuple(path)


def roots_from_consistency_path(
    size1: int, root1: bytes, size2: int, path: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return the (older, newer) roots that a consistency path leads to, for 0 < size1 < size2.

    `root1` is only the starting point where the older tree is complete (size1 a power of two); the caller
    compares both results.

    Raises:
        MalformedError: not 0 < size1 < size2 <= 2^63 - 1, or a hash is not 32 bytes long.
        VerificationError: `inconsistent`, the path has the wrong number of hashes.
    Source: RFC 9162, 2.1.4.2.
    """
    _check_sizes(size1, size2)
    if not 0 < size1 < size2:
        raise MalformedError("a consistency path needs two different, non-empty trees", field="tree_size")
    _check_hashes((root1, *path))
    hashes = [root1, *path] if size1 & (size1 - 1) == 0 else list(path)
    if not path:
        raise VerificationError("inconsistent", "the consistency path is empty", field="path")
    first, last = size1 - 1, size2 - 1
    while first & 1:
        first >>= 1
        last >>= 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise VerificationError("inconsistent", "the consistency path is too long", field="path")
        if first & 1 or first == last:
            older = node_hash(sibling, older)
            newer = node_hash(sibling, newer)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            newer = node_hash(newer, sibling)
        first >>= 1
        last >>= 1
    if last != 0:
        raise VerificationError("inconsistent", "the consistency path is too short", field="path")
    return older, newer


def check_consistency(size1: int, root1: bytes, size2: int, root2: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree (size1, root1) is a prefix of the tree (size2, root2).

    Raises:
        MalformedError: not 0 <= size1 <= size2 <= 2^63 - 1, or a hash is not 32 bytes long.
        VerificationError: `inconsistent`, the path does not lead to both roots; where size1 is 0 or equal
            to size2 the path must be empty and root1 the empty root or root2 (the empty root again for
            size2 = 0).
    Source: RFC 9162, 2.1.4.2; tlog-witness for the two trivial cases.
    """
    _check_sizes(size1, size2)
    _check_hashes((root1, root2))
    if size1 in (0, size2):
        same = not path and (size1 != size2 or root1 == root2) and (size1 != 0 or root1 == EMPTY_ROOT)
    else:
        same = roots_from_consistency_path(size1, root1, size2, path) == (root1, root2)
    if not same:
        raise VerificationError("inconsistent", "the newer tree does not extend the older one", field="path")


class Frontier:
    """The right edge of a growing tree: at most one complete subtree ("peak") per level.

    The whole state is O(log n). Level k holds a peak exactly when bit k of `size` is set.
    """

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes | None] = []

    @classmethod
    def from_peaks(cls, size: int, peaks: Sequence[bytes]) -> Frontier:
        """Return the frontier of `size` leaves from its peaks, the largest (leftmost) first.

        Raises:
            MalformedError: not one peak of 32 bytes for every bit that is set in `size`.
        """
        _check_size(size)
        _check_hashes(peaks)
        if len(peaks) != size.bit_count():
            raise MalformedError("the number of peaks does not fit the tree size", field="peaks")
        frontier = cls()
        frontier.size = size
        left = list(peaks)
        frontier._peaks = [left.pop() if size >> level & 1 else None for level in range(size.bit_length())]
        return frontier

    @classmethod
    def from_nodes(cls, size: int, node: NodeReader) -> Frontier:
        """Return the frontier of `size` leaves, its peaks read from stored complete subtrees."""
        _check_size(size)
        levels = [level for level in range(size.bit_length() - 1, -1, -1) if size >> level & 1]
        return cls.from_peaks(size, [node(level, (size >> level) - 1) for level in levels])

    def peaks(self) -> tuple[bytes, ...]:
        """Return one hash per complete subtree, the largest (leftmost) first, as `from_peaks` takes them."""
        return tuple(peak for peak in reversed(self._peaks) if peak is not None)

    def to_nodes(self) -> dict[tuple[int, int], bytes]:
        """Return the peaks as {(level, index): hash}, the addresses that a `NodeReader` uses."""
        return {
            (level, (self.size >> level) - 1): peak
            for level, peak in enumerate(self._peaks)
            if peak is not None
        }

    def copy(self) -> Frontier:
        """Return an independent frontier of the same tree."""
        twin = Frontier()
        twin.size = self.size
        twin._peaks = list(self._peaks)
        return twin

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        peaks, level, carry = self._peaks, 0, leaf
        while level < len(peaks) and (peak := peaks[level]) is not None:
            carry = node_hash(peak, carry)
            peaks[level] = None
            level += 1
        if level == len(peaks):
            peaks.append(carry)
        else:
            peaks[level] = carry
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add many leaf hashes; about one hash and no other work per leaf."""
        nodes = list(leaves)
        self.size += len(nodes)
        level = 0
        while nodes:
            nodes = _parents(self._settle(level, nodes))
            level += 1

    def extend_nodes(self, leaves: Iterable[bytes]) -> list[list[bytes]]:
        """Add many leaf hashes and return every complete node that came into being, level by level.

        Element k of the result holds the new nodes of level k in order; the first of them has the index
        `old_size >> k`. Level 0 is the leaves themselves. Nodes of one level are contiguous, so a store
        appends each list to what it has of that level.
        """
        nodes = list(leaves)
        self.size += len(nodes)
        levels: list[list[bytes]] = []
        while nodes:
            levels.append(nodes)
            nodes = _parents(self._settle(len(levels) - 1, nodes))
        return levels

    def root(self) -> bytes:
        """Return the root of the tree so far (RFC 9162, 2.1.1)."""
        root: bytes | None = None
        for peak in self._peaks:
            if peak is not None:
                root = peak if root is None else node_hash(peak, root)
        return EMPTY_ROOT if root is None else root

    def _settle(self, level: int, nodes: list[bytes]) -> list[bytes]:
        """Join the peak of `level` with the new nodes right of it; keep an odd last one as the new peak."""
        if level == len(self._peaks):
            self._peaks.append(None)
        peak = self._peaks[level]
        paired = nodes if peak is None else [peak, *nodes]
        if len(paired) & 1:
            self._peaks[level] = paired[-1]
            return paired[:-1]
        self._peaks[level] = None
        return paired


def _parents(nodes: list[bytes]) -> list[bytes]:
    """Return the parents of an even number of sibling nodes."""
    sha256, pairs = hashlib.sha256, iter(nodes)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]


def _range_hash(start: int, end: int, node: NodeReader) -> bytes:
    """Return the root over the leaves [start, end), where `start` is aligned as a subtree's start is."""
    right_to_left: list[bytes] = []
    while start < end:
        level = (end - start).bit_length() - 1
        right_to_left.append(node(level, start >> level))
        start += 1 << level
    root = right_to_left.pop()
    while right_to_left:
        root = node_hash(right_to_left.pop(), root)
    return root


def _split(size: int) -> int:
    """Return the largest power of two below `size`, for size > 1 (RFC 9162, 2.1.1)."""
    return 1 << (size - 1).bit_length() - 1


def _check_size(size: int) -> None:
    if not 0 <= size <= MAX_TREE_SIZE:
        raise MalformedError("the tree size is out of range", field="tree_size")


def _check_sizes(size1: int, size2: int) -> None:
    if not 0 <= size1 <= size2 <= MAX_TREE_SIZE:
        raise MalformedError("the older tree size must not exceed the newer one", field="tree_size")


def _check_index(index: int, size: int) -> None:
    _check_size(size)
    if not 0 <= index < size:
        raise MalformedError("the leaf index must be below the tree size", field="leaf_index")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(item) != HASH_SIZE for item in hashes):
        raise MalformedError("a hash is not 32 bytes long", field="hash")
