"""Tiles of a known root: every one is given out, every changed one is refused, for all small trees."""

from __future__ import annotations

import pytest

from ledger.core.authentic_tiles import AuthenticTiles
from ledger.core.merkle import leaf_hash, prove_consistency, root_at, root_hash
from ledger.core.tiles import (
    ENTRIES,
    TilePath,
    build_tile,
    format_entry_bundle,
    new_bundles,
    new_tiles,
    tile_width,
)
from ledger.errors import ForkAlarm, MalformedError

ENTRIES_OF = [b"entry %d" % n for n in range(66_000)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES_OF]


def files_of(size: int) -> dict[TilePath, bytes]:
    levels = [LEAVES[:size]]
    while len(levels[-1]) > 1:
        row = levels[-1]
        levels.append([root_hash(row[i : i + 2]) for i in range(0, len(row) - 1, 2)])
    files = {path: build_tile(path, lambda level, index: levels[level][index]) for path in new_tiles(0, size)}
    for path in new_bundles(0, size):
        first = path.index * 256
        files[path] = format_entry_bundle(ENTRIES_OF[first : first + path.width])
    return files


@pytest.mark.parametrize("size", [*range(1, 20), 255, 256, 257, 511, 512, 513, 700])
def test_every_tile_of_a_tree_is_given_out_as_it_is(size: int) -> None:
    files = files_of(size)
    tiles = AuthenticTiles(files.__getitem__, size, root_hash(LEAVES[:size]))
    for path, data in files.items():
        assert tiles.read(path) == data
    for old in (1, size // 2 or 1, size):
        assert root_at(old, tiles.nodes()) == root_hash(LEAVES[:old])
        prove_consistency(old, size, tiles.nodes())


def test_a_tree_of_three_levels_is_checked_from_the_top() -> None:
    files = files_of(66_000)
    tiles = AuthenticTiles(files.__getitem__, 66_000, root_hash(LEAVES))
    for path in (TilePath(0, 0), TilePath(0, 255), TilePath(0, 256), TilePath(1, 0), TilePath(2, 0, 1)):
        assert tiles.read(path) == files[path]
    for path in (TilePath(1, 0), TilePath(0, 77), TilePath(ENTRIES, 77)):
        changed = {**files, path: files[path][:-1] + bytes([files[path][-1] ^ 1])}
        fresh = AuthenticTiles(changed.__getitem__, 66_000, root_hash(LEAVES))
        with pytest.raises(ForkAlarm) as error:
            fresh.read(path)
        first = path.index * 256 ** (path.tile_level + 1)
        assert error.value.index == (first + 255 if path.level == ENTRIES else first)


@pytest.mark.parametrize("size", [1, 16, 256, 257, 530])
def test_one_changed_bit_anywhere_is_refused(size: int) -> None:
    files = files_of(size)
    for path, data in files.items():
        for place in {0, len(data) // 2, len(data) - 1}:
            changed = {**files, path: data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]}
            with pytest.raises(ForkAlarm) as error:
                AuthenticTiles(changed.__getitem__, size, root_hash(LEAVES[:size])).read(path)
            assert error.value.code == ("bad_entry" if path.level == ENTRIES else "bad_tile")
        for wrong in (b"", data[:-1], data + b"\0", data + data):
            with pytest.raises(ForkAlarm):
                AuthenticTiles({**files, path: wrong}.__getitem__, size, root_hash(LEAVES[:size])).read(path)


def test_a_narrower_tile_is_the_beginning_of_its_own() -> None:
    files = files_of(530)
    tiles = AuthenticTiles(files.__getitem__, 530, root_hash(LEAVES[:530]))
    assert tiles.read(TilePath(0, 1, 16)) == files[TilePath(0, 1)][: 16 * 32]
    assert tiles.read(TilePath(ENTRIES, 1, 16)) == format_entry_bundle(ENTRIES_OF[256:272])
    for path in (TilePath(0, 2, 19), TilePath(0, 3, 1), TilePath(1, 0, 3), TilePath(ENTRIES, 2)):
        assert tile_width(path.tile_level, path.index, 530) < path.width
        with pytest.raises(MalformedError):
            tiles.read(path)


def test_another_root_is_refused_before_any_tile_is_given_out() -> None:
    files = files_of(300)
    with pytest.raises(ForkAlarm):
        AuthenticTiles(files.__getitem__, 300, root_hash(LEAVES[:299]))
    AuthenticTiles(files.__getitem__, 0, root_hash([]))
    with pytest.raises(ForkAlarm):
        AuthenticTiles(files.__getitem__, 0, bytes(32))
