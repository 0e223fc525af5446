"""Cells agree with the tree they are part of."""

from __future__ import annotations

import hashlib

import pytest

from ledger.core.cells import (
    CELL_PATH_SIZE_BYTES,
    CELL_SIZE,
    cell_of,
    cells_from_leaves,
    fold_cell,
    prove_in_cell,
    root_from_cells,
)
from ledger.core.merkle import EMPTY_ROOT, Frontier, prove_inclusion, root_hash
from ledger.errors import MalformedError

LEAVES = [hashlib.sha256(b"%d" % i).digest() for i in range(40 * CELL_SIZE)]
CELLS = cells_from_leaves(LEAVES)


def test_a_cell_is_the_root_over_its_sixteen_leaves() -> None:
    for start in range(0, len(LEAVES), CELL_SIZE):
        sixteen = LEAVES[start : start + CELL_SIZE]
        place = start // CELL_SIZE * 32
        assert cell_of(sixteen) == root_hash(sixteen) == CELLS[place : place + 32]


@pytest.mark.parametrize("count", range(41))
def test_the_first_cells_fold_up_to_the_root_of_the_older_tree(count: int) -> None:
    expected = root_hash(LEAVES[: count * CELL_SIZE])
    assert root_from_cells(CELLS, count) == expected
    assert root_from_cells(memoryview(CELLS), count) == expected


def test_no_cells_give_the_empty_root() -> None:
    assert root_from_cells(b"", 0) == EMPTY_ROOT
    assert cells_from_leaves([]) == b""


@pytest.mark.parametrize("index", range(16, 48))
def test_every_leaf_folds_into_its_cell_and_no_other_position(index: int) -> None:
    cell = index // CELL_SIZE
    sixteen = LEAVES[cell * CELL_SIZE : (cell + 1) * CELL_SIZE]
    path = prove_in_cell(sixteen, index % CELL_SIZE)
    assert len(path) == CELL_PATH_SIZE_BYTES
    assert fold_cell(LEAVES[index], index, path) == CELLS[cell * 32 : cell * 32 + 32]
    others = [i for i in range(16) if i != index % CELL_SIZE]
    assert all(fold_cell(LEAVES[index], i, path) != CELLS[cell * 32 : cell * 32 + 32] for i in others)


def test_a_cell_path_is_the_lower_part_of_the_inclusion_path() -> None:
    levels = Frontier().extend_nodes(LEAVES)
    path = prove_inclusion(21, len(LEAVES), lambda level, index: levels[level][index])
    assert prove_in_cell(LEAVES[16:32], 5) == b"".join(path[:4])


def test_every_flipped_bit_of_a_position_misses_the_cell() -> None:
    path = prove_in_cell(LEAVES[:16], 9)
    for bit in range(8 * CELL_PATH_SIZE_BYTES):
        wrong = (int.from_bytes(path) ^ 1 << bit).to_bytes(CELL_PATH_SIZE_BYTES)
        assert fold_cell(LEAVES[9], 9, wrong) != CELLS[:32]


def test_wrong_lengths_are_malformed() -> None:
    path = prove_in_cell(LEAVES[:16], 0)
    for leaf, index, proof in [(b"short", 0, path), (LEAVES[0], -1, path), (LEAVES[0], 0, path[:-1])]:
        with pytest.raises(MalformedError):
            fold_cell(leaf, index, proof)
    for leaves in (LEAVES[:15], LEAVES[:17], [*LEAVES[:15], b"short"]):
        with pytest.raises(MalformedError):
            cell_of(leaves)
        with pytest.raises(MalformedError):
            prove_in_cell(leaves, 0)
        with pytest.raises(MalformedError):
            cells_from_leaves(leaves)
    for offset in (-1, 16):
        with pytest.raises(MalformedError):
            prove_in_cell(LEAVES[:16], offset)
    for cells, count in [(CELLS, 41), (CELLS, -1), (CELLS[:-1], 1), (b"", 1)]:
        with pytest.raises(MalformedError):
            root_from_cells(cells, count)
