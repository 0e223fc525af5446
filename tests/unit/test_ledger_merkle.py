"""The Merkle tree against a second, naive implementation of RFC 9162, and against a published log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import (
    EMPTY_ROOT,
    Frontier,
    NodeReader,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_from_inclusion_path,
    root_hash,
    roots_from_consistency_path,
)
from ledger.errors import LedgerError, MalformedError, VerificationError

SIZES = range(65)
LEAVES = [hashlib.sha256(b"\x00entry-%d" % i).digest() for i in range(600)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: Sequence[bytes], complete: bool) -> list[bytes]:
    """SUBPROOF of RFC 9162, 2.1.4.1."""
    if m == len(leaves):
        return [] if complete else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], complete), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def reader(leaves: Sequence[bytes]) -> NodeReader:
    """Complete subtrees of these leaves, and nothing else."""
    levels = Frontier().extend_nodes(leaves)
    return lambda level, index: levels[level][index]


NODES = reader(LEAVES[:64])
ROOTS = [naive_root(LEAVES[:size]) for size in SIZES]


@pytest.mark.parametrize("size", SIZES)
def test_every_way_to_a_root_agrees_with_the_naive_tree(size: int) -> None:
    leaves = LEAVES[:size]
    one_by_one, bulk = Frontier(), Frontier()
    for leaf in leaves:
        one_by_one.append(leaf)
    bulk.extend(leaves)
    assert root_hash(leaves) == root_at(size, NODES) == ROOTS[size]
    assert one_by_one.root() == bulk.root() == ROOTS[size]
    assert one_by_one.peaks() == bulk.peaks()
    assert one_by_one.size == bulk.size == size


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof_is_the_naive_one_and_checks(size: int) -> None:
    for index in range(size):
        path = prove_inclusion(index, size, NODES)
        assert list(path) == naive_path(index, LEAVES[:size])
        check_inclusion(LEAVES[index], index, size, path, ROOTS[size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 16, 33, 64])
def test_an_inclusion_proof_fits_no_other_leaf_index_or_root(size: int) -> None:
    for index in range(size):
        path = prove_inclusion(index, size, NODES)
        for other in range(size):
            if other != index:
                with pytest.raises(VerificationError, match="not_listed"):
                    check_inclusion(LEAVES[other], index, size, path, ROOTS[size])
                with pytest.raises(VerificationError, match="not_listed"):
                    check_inclusion(LEAVES[index], other, size, path, ROOTS[size])
        for wrong in (path[:-1] if path else (LEAVES[0],), (*path, LEAVES[0])):
            with pytest.raises(VerificationError, match="not_listed"):
                check_inclusion(LEAVES[index], index, size, wrong, ROOTS[size])


def test_every_consistency_proof_is_the_naive_one_and_checks() -> None:
    for size2 in SIZES:
        for size1 in range(size2 + 1):
            path = prove_consistency(size1, size2, NODES)
            assert list(path) == (naive_subproof(size1, LEAVES[:size2], True) if size1 else [])
            check_consistency(size1, ROOTS[size1], size2, ROOTS[size2], path)


def test_a_consistency_proof_fits_no_other_root() -> None:
    wrong_root = hashlib.sha256(b"another tree").digest()
    for size2 in SIZES:
        for size1 in range(size2 + 1):
            path = prove_consistency(size1, size2, NODES)
            with pytest.raises(VerificationError, match="inconsistent"):
                check_consistency(size1, wrong_root, size2, ROOTS[size2], path)
            if size1:
                with pytest.raises(VerificationError, match="inconsistent"):
                    check_consistency(size1, ROOTS[size1], size2, wrong_root, path)
            for wrong in (path[:-1] if path else (wrong_root,), (*path, wrong_root)):
                with pytest.raises(VerificationError, match="inconsistent"):
                    check_consistency(size1, ROOTS[size1], size2, ROOTS[size2], wrong)


@pytest.mark.parametrize(("size1", "size2"), [(1, 2), (3, 5), (4, 7), (6, 8), (16, 33), (31, 64)])
def test_every_flipped_bit_of_a_consistency_proof_is_inconsistent(size1: int, size2: int) -> None:
    path = prove_consistency(size1, size2, NODES)
    for place in range(len(path)):
        for bit in range(256):
            wrong = list(path)
            wrong[place] = (int.from_bytes(path[place]) ^ 1 << bit).to_bytes(32)
            with pytest.raises(VerificationError, match="inconsistent"):
                check_consistency(size1, ROOTS[size1], size2, ROOTS[size2], wrong)


def test_a_true_proof_of_a_smaller_tree_does_not_prove_a_larger_size() -> None:
    path = prove_consistency(3, 5, NODES)
    for claimed in (9, 16, 33, 64):
        with pytest.raises(VerificationError, match="inconsistent"):
            check_consistency(3, ROOTS[3], claimed, ROOTS[5], path)
    path = prove_inclusion(2, 4, NODES)
    for claimed in (5, 8, 64):
        with pytest.raises(VerificationError, match="not_listed"):
            check_inclusion(LEAVES[2], 2, claimed, path, ROOTS[4])


@pytest.mark.parametrize("old_size", [0, 1, 5, 16, 255, 256, 257])
@pytest.mark.parametrize("added", [0, 1, 2, 15, 16, 255, 343])
def test_bulk_growth_returns_exactly_the_new_complete_nodes(old_size: int, added: int) -> None:
    size = old_size + added
    frontier = Frontier()
    frontier.extend(LEAVES[:old_size])
    levels = frontier.extend_nodes(LEAVES[old_size:size])
    assert frontier.root() == naive_root(LEAVES[:size])
    for level in range(size.bit_length()):
        first, end = old_size >> level, size >> level
        new = levels[level] if level < len(levels) else []
        assert new == [naive_root(LEAVES[i << level : (i + 1) << level]) for i in range(first, end)]


def test_a_frontier_survives_its_peaks_and_its_nodes() -> None:
    for size in SIZES:
        frontier = Frontier()
        frontier.extend(LEAVES[:size])
        for twin in (
            Frontier.from_peaks(size, frontier.peaks()),
            Frontier.from_nodes(size, NODES),
            frontier.copy(),
        ):
            assert twin.to_nodes() == frontier.to_nodes()
            twin.append(LEAVES[size])
            assert twin.root() == naive_root(LEAVES[: size + 1])
        assert frontier.root() == ROOTS[size]
        assert all(NODES(level, index) == value for (level, index), value in frontier.to_nodes().items())


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 0), (3, 1), (8, 2), (7, 4)])
def test_peaks_that_do_not_fit_the_size_are_malformed(size: int, count: int) -> None:
    with pytest.raises(MalformedError):
        Frontier.from_peaks(size, LEAVES[:count])


def test_sizes_and_hashes_out_of_range_are_malformed() -> None:
    root, short = ROOTS[1], b"short"
    for index, size in [(-1, 1), (1, 1), (0, 0), (0, 2**63), (2, -1)]:
        with pytest.raises(MalformedError):
            prove_inclusion(index, size, NODES)
        with pytest.raises(MalformedError):
            check_inclusion(root, index, size, [], root)
    for size1, size2 in [(-1, 1), (2, 1), (0, 2**63)]:
        with pytest.raises(MalformedError):
            prove_consistency(size1, size2, NODES)
        with pytest.raises(MalformedError):
            check_consistency(size1, root, size2, root, [])
    with pytest.raises(MalformedError):
        root_from_inclusion_path(short, 0, 1, [])
    with pytest.raises(MalformedError):
        check_inclusion(root, 0, 2, [short], root)
    with pytest.raises(MalformedError):
        check_consistency(1, root, 2, short, [root])
    with pytest.raises(MalformedError):
        roots_from_consistency_path(0, root, 2, [root])
    with pytest.raises(MalformedError):
        root_at(-1, NODES)


def test_the_hashes_separate_leaves_from_nodes() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT


def test_the_published_roots_are_reproduced(vectors_dir: Path) -> None:
    log = json.loads((vectors_dir / "log" / "reference_log.json").read_text(encoding="utf-8"))
    for size, expected in log["roots"].items():
        leaves = [leaf_hash(b"entry-%d" % i) for i in range(int(size))]
        frontier = Frontier()
        frontier.extend(leaves)
        assert frontier.root().hex() == root_hash(leaves).hex() == expected["hex"]


@given(st.integers(-1, 70), st.integers(-1, 70), st.lists(st.binary(min_size=31, max_size=32), max_size=9))
def test_made_up_proofs_fail_only_with_named_errors(first: int, second: int, path: list[bytes]) -> None:
    with pytest.raises(LedgerError):
        check_inclusion(LEAVES[0], first, second, path, LEAVES[1])
    with pytest.raises(LedgerError):
        check_consistency(first, LEAVES[0], second, LEAVES[1], path)
