"""Cells: aligned, complete subtrees of 16 leaves, small enough to prove with 128 bytes.

docs/protocol.md, section 5. A credential carries its index and four hashes; a verifier that holds the cells
of the ledger checks it offline, whatever the ledger's size. Because every checkpoint covers a multiple of 16
leaves, the first n cells fold up to the root of the checkpoint of 16 * n leaves: refolding fewer cells gives
the root of an older checkpoint, exactly as RFC 9162, 2.1.1 defines it.

>>> from ledger.core.merkle import leaf_hash, root_hash
>>> leaves = [leaf_hash(b"entry-%d" % i) for i in range(48)]
>>> cells = cells_from_leaves(leaves)
>>> root_from_cells(cells, 3) == root_hash(leaves)
True
>>> fold_cell(leaves[21], 21, prove_in_cell(leaves[16:32], 5)) == cells[32:64]
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from ledger.core.merkle import EMPTY_ROOT, HASH_SIZE, node_hash
from ledger.errors import MalformedError

CELL_SIZE: Final = 16
"""Leaves per cell."""
CELL_PATH_SIZE_BYTES: Final = 4 * HASH_SIZE
"""Size of a proof inside a cell: four hashes."""


def cell_of(leaves16: Sequence[bytes]) -> bytes:
    """Return the 32-byte hash of one cell from its 16 leaf hashes.

    Raises:
        MalformedError: not exactly 16 hashes of 32 bytes.
    """
    _check_leaves(leaves16)
    nodes = list(leaves16)
    while len(nodes) > 1:
        nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
    return nodes[0]


def cells_from_leaves(leaves: Sequence[bytes]) -> bytes:
    """Return the concatenated 32-byte cells of a whole number of cells' leaf hashes.

    Raises:
        MalformedError: the number of leaves is not a multiple of 16, or a hash is not 32 bytes long.
    """
    if len(leaves) % CELL_SIZE:
        raise MalformedError("the number of leaves is not a multiple of 16", field="leaves")
    nodes = b"".join(leaves)
    if len(nodes) != HASH_SIZE * len(leaves):
        raise MalformedError("a leaf hash is not 32 bytes long", field="leaves")
    for _ in range(4):
        nodes = _parents(nodes)
    return nodes


def prove_in_cell(leaves16: Sequence[bytes], offset: int) -> bytes:
    """Return the 128 bytes that lead from leaf `offset` (0 to 15) to its cell, the leaf's sibling first.

    Raises:
        MalformedError: not exactly 16 hashes of 32 bytes, or the offset is out of range.
    """
    _check_leaves(leaves16)
    if not 0 <= offset < CELL_SIZE:
        raise MalformedError("the offset in a cell is 0 to 15", field="offset")
    path, nodes, place = b"", list(leaves16), offset
    while len(nodes) > 1:
        path += nodes[place ^ 1]
        nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
        place >>= 1
    return path


def fold_cell(leaf: bytes, index: int, path128: bytes) -> bytes:
    """Return the cell that `leaf` at ledger index `index` and its 128-byte path lead to.

    The caller compares the result with cell `index // 16`. Written out level by level: it runs once per scan.

    Raises:
        MalformedError: the leaf is not 32 bytes, the path not 128 bytes, or the index negative.
    Source: docs/protocol.md, section 5; RFC 9162, 2.1.3.2.
    """
    if len(leaf) != HASH_SIZE or len(path128) != CELL_PATH_SIZE_BYTES or index < 0:
        raise MalformedError("a cell proof is an index and 128 bytes", field="position")
    sha256 = hashlib.sha256
    s0, s1, s2, s3 = path128[:32], path128[32:64], path128[64:96], path128[96:]
    node = sha256(b"\x01" + s0 + leaf if index & 1 else b"\x01" + leaf + s0).digest()
    node = sha256(b"\x01" + s1 + node if index & 2 else b"\x01" + node + s1).digest()
    node = sha256(b"\x01" + s2 + node if index & 4 else b"\x01" + node + s2).digest()
    return sha256(b"\x01" + s3 + node if index & 8 else b"\x01" + node + s3).digest()


def root_from_cells(cells: bytes | memoryview, count: int) -> bytes:
    """Return the root of the tree of 16 * `count` leaves from its concatenated cells.

    Only the first `count` cells are read, so an older checkpoint's root comes from the same bytes.

    Raises:
        MalformedError: the bytes hold fewer than `count` whole cells, are not a whole number of cells, or
            `count` is negative.
    Source: RFC 9162, 2.1.1.
    """
    if len(cells) % HASH_SIZE or not 0 <= count <= len(cells) // HASH_SIZE:
        raise MalformedError("the cells do not hold that many whole cells", field="cells")
    if count == 0:
        return EMPTY_ROOT
    nodes = bytes(cells[: count * HASH_SIZE])
    while len(nodes) > HASH_SIZE:
        # An odd last node is lifted unchanged; this gives the RFC's tree.
        whole = len(nodes) // (2 * HASH_SIZE) * (2 * HASH_SIZE)
        nodes = _parents(nodes[:whole]) + nodes[whole:]
    return nodes


def _parents(nodes: bytes) -> bytes:
    """Return the concatenated parents of an even number of concatenated hashes."""
    sha256 = hashlib.sha256
    return b"".join([sha256(b"\x01" + nodes[i : i + 64]).digest() for i in range(0, len(nodes), 64)])


def _check_leaves(leaves16: Sequence[bytes]) -> None:
    if len(leaves16) != CELL_SIZE or any(len(leaf) != HASH_SIZE for leaf in leaves16):
        raise MalformedError("a cell has exactly 16 leaf hashes of 32 bytes", field="leaves")
