"""Tiles: paths, widths and bundles as the specification gives them, and proofs read from tiles."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import (
    Frontier,
    NodeReader,
    prove_consistency,
    prove_inclusion,
    root_at,
    root_hash,
)
from ledger.core.tiles import (
    TILE_SIZE_BYTES,
    TileNodes,
    TilePath,
    build_tile,
    format_entry_bundle,
    format_tile_path,
    hash_tile,
    new_bundles,
    new_tiles,
    parse_entry_bundle,
    parse_tile_path,
    tile_counts,
    tile_width,
)
from ledger.errors import LedgerError, MalformedError

SIZE = 70_000
LEAVES = [hashlib.sha256(b"%d" % i).digest() for i in range(SIZE)]
LEVELS = Frontier().extend_nodes(LEAVES)
MAX_INDEX = (2**63 - 1) // 256

paths = st.builds(
    TilePath,
    st.integers(0, 63) | st.just("entries"),
    st.integers(0, MAX_INDEX) | st.integers(0, 2000),
    st.integers(1, 256),
)


def node(level: int, index: int) -> bytes:
    return LEVELS[level][index]


def stored_tiles(size: int) -> dict[str, bytes]:
    return {format_tile_path(path): build_tile(path, node) for path in new_tiles(0, size)}


def nodes_of(tiles: dict[str, bytes], size: int) -> NodeReader:
    return TileNodes(lambda path: tiles[format_tile_path(path)], size)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (TilePath(0, 1234067), "tile/0/x001/x234/067"),
        (TilePath(0, 0, 1), "tile/0/000.p/1"),
        (TilePath(63, 999, 255), "tile/63/999.p/255"),
        (TilePath("entries", 1000), "tile/entries/x001/000"),
    ],
)
def test_known_paths_are_spelled_as_specified(path: TilePath, text: str) -> None:
    assert format_tile_path(path) == text
    assert parse_tile_path(text) == path


@given(paths)
def test_a_path_survives_its_text(path: TilePath) -> None:
    assert parse_tile_path(format_tile_path(path)) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/0",
        "tile/0/1000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/x001/x002",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/..",
        "tile/0/000\n",
        "tile/0/00\u0661",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
        "tile/0/x001/x001/x001/x001/x001/x001/x001/001",
    ],
)
def test_a_path_in_any_other_spelling_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(text)


@pytest.mark.parametrize(
    "path", [TilePath(64, 0), TilePath(-1, 0), TilePath(0, -1), TilePath(0, 0, 0), TilePath(0, 0, 257)]
)
def test_a_tile_out_of_range_has_no_path(path: TilePath) -> None:
    with pytest.raises(MalformedError):
        format_tile_path(path)


def test_the_worked_examples_have_the_specified_widths() -> None:
    assert tile_counts(70_000) == [(273, 112), (1, 17), (0, 1)]
    assert tile_counts(256) == [(1, 0), (0, 1)]
    assert tile_counts(0) == []
    assert len(new_tiles(0, 70_000)) == 273 + 1 + 1 + 1 + 1
    assert [tile_width(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert (tile_width(1, 1, 70_000), tile_width(2, 0, 70_000), tile_width(3, 0, 70_000)) == (17, 1, 0)


@pytest.mark.parametrize("old", [0, 1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 69_999])
@pytest.mark.parametrize("added", [0, 1, 255, 256, 300])
def test_growth_names_exactly_the_tiles_that_are_new(old: int, added: int) -> None:
    before, after = set(new_tiles(0, old)), set(new_tiles(0, old + added))
    grown = new_tiles(old, old + added)
    assert len(set(grown)) == len(grown)
    assert set(grown) == after - before
    bundles = set(new_bundles(0, old + added)) - set(new_bundles(0, old))
    assert set(new_bundles(old, old + added)) == bundles
    assert {(path.index, path.width) for path in bundles} == {
        (path.index, path.width) for path in grown if path.level == 0
    }


def test_growth_backwards_is_malformed() -> None:
    for sizes in ((2, 1), (-1, 1), (0, 2**63)):
        with pytest.raises(MalformedError):
            new_tiles(*sizes)
        with pytest.raises(MalformedError):
            new_bundles(*sizes)


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 4096, 65_536, 65_793, 70_000])
def test_proofs_from_tiles_are_those_of_the_tree(size: int) -> None:
    tiles = stored_tiles(size)
    assert root_at(size, nodes_of(tiles, size)) == root_hash(LEAVES[:size])
    for index in {0, size // 3, size // 2, size - 1}:
        assert prove_inclusion(index, size, nodes_of(tiles, size)) == prove_inclusion(index, size, node)
        assert prove_consistency(index, size, nodes_of(tiles, size)) == prove_consistency(index, size, node)


def test_every_node_of_a_small_tree_is_found_in_its_tiles() -> None:
    size = 700
    read = nodes_of(stored_tiles(size), size)
    for level in range(size.bit_length()):
        for index in range(size >> level):
            assert read(level, index) == LEVELS[level][index]
        with pytest.raises(MalformedError):
            read(level, size >> level)


def test_a_full_tile_stands_in_for_its_partial_one() -> None:
    full = build_tile(TilePath(0, 0), node)
    read = TileNodes(lambda path: full, 100)
    assert root_at(100, read) == root_hash(LEAVES[:100])
    for level, index in ((0, 100), (2, 25), (-1, 0), (0, -1)):
        with pytest.raises(MalformedError):
            read(level, index)


def test_each_tile_is_read_once() -> None:
    tiles, seen = stored_tiles(SIZE), []

    def read(path: TilePath) -> bytes:
        seen.append(path)
        return tiles[format_tile_path(path)]

    nodes = TileNodes(read, SIZE)
    for index in (0, 1, 255):
        prove_inclusion(index, SIZE, nodes)
    assert len(seen) == len(set(seen)) == 4  # both tiles of level 1; the first and last of level 0


@pytest.mark.parametrize("length", [0, 31, 32 * 99, 32 * 101, TILE_SIZE_BYTES + 32])
def test_a_tile_of_the_wrong_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedError):
        TileNodes(lambda path: bytes(length), 100)(0, 0)


def test_only_a_full_tile_has_a_hash() -> None:
    tile = build_tile(TilePath(0, 3), node)
    assert hash_tile(tile) == LEVELS[8][3] == build_tile(TilePath(1, 0), node)[3 * 32 : 4 * 32]
    with pytest.raises(MalformedError):
        hash_tile(tile[:-32])
    with pytest.raises(MalformedError):
        build_tile(TilePath("entries", 0), node)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_a_bundle_survives_its_bytes(entries: list[bytes]) -> None:
    data = format_entry_bundle(entries)
    assert parse_entry_bundle(data, len(entries)) == entries
    for width in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(MalformedError):
            parse_entry_bundle(data, width)
    for other in (data[:-1], data + b"\x00", data + b"\x00\x00"):
        with pytest.raises(MalformedError):
            parse_entry_bundle(other, len(entries))


def test_the_caps_of_a_bundle_hold() -> None:
    assert len(parse_entry_bundle(format_entry_bundle([bytes(65_535)] * 256), 256)) == 256
    with pytest.raises(MalformedError, match="too_large"):
        format_entry_bundle([bytes(65_536)])
    for entries in ([], [b"x"] * 257):
        with pytest.raises(MalformedError):
            format_entry_bundle(entries)
    with pytest.raises(MalformedError):
        parse_entry_bundle(b"", 0)
    with pytest.raises(MalformedError):
        parse_entry_bundle(b"\x00\x01x" * 257, 257)


@given(st.text(max_size=20), st.binary(max_size=60), st.integers(0, 4))
def test_noise_is_read_in_one_way_or_refused_with_a_named_error(text: str, data: bytes, width: int) -> None:
    with pytest.raises(LedgerError):
        parse_tile_path(text)
    try:
        entries = parse_entry_bundle(data, width)
    except LedgerError:
        return
    assert format_entry_bundle(entries) == data
