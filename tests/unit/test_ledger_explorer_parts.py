"""The pure parts of the explorer: steps of a proof, the place where two trees part, notation, the index."""

from __future__ import annotations

import base64
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit.source import Source, open_source
from ledger.core import cbor
from ledger.core.cosignature import Ed25519Cosigner
from ledger.core.merkle import Frontier, leaf_hash, node_hash, prove_inclusion, root_hash
from ledger.core.note import format_vkey
from ledger.core.pin import Pin
from ledger.core.policy import parse_policy
from ledger.core.statement import PADDING
from ledger.core.tiles import TileNodes, TilePath, build_tile
from ledger.errors import CodedError, ForkAlarm, StorageError
from ledger.explorer.comparison import compare
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.copy_heads import describe_quorum
from ledger.explorer.diagnostic import diagnose
from ledger.explorer.divergence import first_divergence
from ledger.explorer.entry_index import EntryIndex
from ledger.explorer.list_views import describe_pause, pages_of
from ledger.explorer.proof_steps import steps_of_inclusion
from ledger.explorer.views import indented, visible
from tests.support.stored_ledgers import served, tampering
from tests.unit.test_ledger_audit import change_entry, change_tile, flipped
from tests.unit.test_ledger_explorer import Browser, Explored, explored, read

__all__ = ["explored"]


class Tree:
    """A tree in memory that counts which tiles are read of it."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.size = len(leaves)
        self.levels = Frontier().extend_nodes(leaves)
        self.changed: dict[tuple[int, int], Callable[[bytes], bytes]] = {}
        self.reads: list[TilePath] = []

    def node(self, level: int, index: int) -> bytes:
        return self.levels[level][index]

    def read(self, path: TilePath) -> bytes:
        self.reads.append(path)
        tile = build_tile(path, self.node)
        return self.changed.get((path.tile_level, path.index), bytes)(tile)

    def nodes(self) -> TileNodes:
        self.reads.clear()
        return TileNodes(self.read, self.size)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def with_change(items: list[bytes], place: int) -> list[bytes]:
    return [*items[:place], leaf_hash(b"another"), *items[place + 1 :]]


# -- steps of a proof -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(1, 65))
def test_the_steps_of_every_small_proof_lead_to_the_root(size: int) -> None:
    items = leaves(size)
    tree = Tree(items)
    for index in range(size):
        path = prove_inclusion(index, size, tree.node)
        steps = steps_of_inclusion(items[index], index, size, path)
        node = items[index]
        for step, sibling in zip(steps, path, strict=True):
            pair = (sibling, node) if step.sibling_is_left else (node, sibling)
            node = node_hash(*pair)
            assert (step.sibling, step.node) == (sibling, node)
        assert node == root_hash(items)


def test_a_path_of_the_wrong_length_has_no_steps() -> None:
    path = prove_inclusion(3, 9, Tree(leaves(9)).node)
    for wrong in (path[:-1], (*path, bytes(32))):
        with pytest.raises(CodedError):
            steps_of_inclusion(leaves(9)[3], 3, 9, wrong)


# -- where two trees part -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 31, 48, 255, 256, 257])
def test_a_flip_at_any_place_is_found(size: int) -> None:
    items = leaves(size)
    first = Tree(items)
    assert first_divergence(first.nodes(), Tree(items).nodes(), size) is None
    for place in range(size):
        second = Tree(with_change(items, place))
        assert first_divergence(first.nodes(), second.nodes(), size) == place


def test_the_first_of_several_differences_is_found_with_a_few_tiles() -> None:
    size = 70_003
    items = leaves(size)
    first = Tree(items)
    chance = random.Random(8420)
    places = [
        0,
        255,
        256,
        65_535,
        65_536,
        65_792,
        69_999,
        size - 1,
        *(chance.randrange(size) for _ in range(6)),
    ]
    for place in places:
        changed = with_change(items, place)
        changed[place + 1 :: 997] = leaves(len(changed[place + 1 :: 997]))
        second = Tree(changed)
        assert first_divergence(first.nodes(), second.nodes(), size) == place
        assert len(first.reads) <= 6, first.reads
        assert len(second.reads) <= 6


@pytest.mark.parametrize(("shorter", "longer"), [(16, 17), (255, 300), (256, 300), (300, 700), (512, 513)])
def test_a_tree_that_only_goes_on_does_not_part(shorter: int, longer: int) -> None:
    items = leaves(longer)
    assert first_divergence(Tree(items[:shorter]).nodes(), Tree(items).nodes(), shorter) is None
    changed = Tree(with_change(items, shorter - 1))
    assert first_divergence(Tree(items[:shorter]).nodes(), changed.nodes(), shorter) == shorter - 1


@pytest.mark.parametrize("which", ["first", "second"])
@pytest.mark.parametrize("tile", [(1, 0), (0, 3)])
@pytest.mark.parametrize("change", [lambda data: flipped(data, 32 * 3), lambda data: data[:-32]])
def test_tiles_that_contradict_each_other_are_named(
    which: str, tile: tuple[int, int], change: Callable[[bytes], bytes]
) -> None:
    items = leaves(2_000)
    trees = {"first": Tree(items), "second": Tree(with_change(items, 3 * 256 + 9))}
    trees[which].changed[tile] = change
    with pytest.raises(ForkAlarm) as alarm:
        first_divergence(trees["first"].nodes(), trees["second"].nodes(), 2_000)
    assert (alarm.value.code, alarm.value.field) == ("bad_tile", which)


def test_a_source_that_is_gone_is_no_fault_of_its_tiles() -> None:
    def gone(_: TilePath) -> bytes:
        raise StorageError("the service cannot be reached", code="not_reachable")

    with pytest.raises(StorageError):
        first_divergence(TileNodes(gone, 16), Tree(leaves(16)).nodes(), 16)


# -- two copies -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Explored:
    """The same ledger with one card less: from there on another history, signed by the same keys."""
    return Explored(tmp_path_factory.mktemp("fork"), cards=119)


def parting(first: Explored, second: Explored) -> int:
    pairs = zip(first.ledger.entries, second.ledger.entries, strict=False)
    return next(index for index, (ours, theirs) in enumerate(pairs) if ours != theirs)


def shown(first: LedgerCopy, second: LedgerCopy) -> str:
    return Browser(first, second).page("/compare").text


def test_two_histories_of_one_ledger_are_shown_side_by_side(explored: Explored, fork: Explored) -> None:
    copies = read(explored.folder, explored.pin), read(fork.folder, explored.pin)
    index = parting(explored, fork)
    found = compare(*copies)
    assert (found.index, found.trees_part_at, found.is_fork, found.tile_fault) == (index, index, True, None)
    text = shown(*copies)
    assert "Two histories of one ledger." in text
    assert f"Entry {index} in both" in text
    for side in (explored, fork):
        assert leaf_hash(side.ledger.entries[index]).hex() in text


def test_a_head_that_nobody_signed_makes_no_fork(explored: Explored, fork: Explored, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(fork.folder, tmp_path / "copy"))
    with tampering(folder) as database:
        query = "SELECT note FROM checkpoints ORDER BY size"
        notes = [note for (note,) in database.execute(query)]
        old = notes[-2].split("\n\n")[1]
        database.execute(
            "UPDATE checkpoints SET note = ? WHERE note = ?",
            (notes[-1].split("\n\n")[0] + "\n\n" + old, notes[-1]),
        )
    copies = read(explored.folder, explored.pin), read(folder, explored.pin)
    assert not compare(*copies).is_fork
    assert "Not one history." in shown(*copies)


def test_tiles_that_are_not_those_of_the_head_make_no_fork(
    explored: Explored, fork: Explored, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(fork.folder, tmp_path / "copy"))
    with tampering(explored.folder) as database:
        query = "SELECT root, note, cosignatures FROM checkpoints WHERE size = ?"
        head = database.execute(query, (explored.size,)).fetchone()
    with tampering(folder) as database:
        change = "UPDATE checkpoints SET root = ?, note = ?, cosignatures = ? WHERE size = ?"
        database.execute(change, (*head, fork.size))
    copies = read(explored.folder, explored.pin), read(folder, explored.pin)
    found = compare(*copies)
    assert found.trees_part_at == parting(explored, fork)
    assert not found.is_fork
    assert found.tile_fault is not None


def test_a_shorter_copy_of_the_same_history_is_consistent(explored: Explored, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(explored.folder, tmp_path / "shorter"))
    cut = explored.size - 32
    with tampering(folder) as database:
        database.execute("DELETE FROM checkpoints WHERE size > ?", (cut,))
        database.execute("DELETE FROM entries WHERE leaf_index >= ?", (cut,))
    copies = read(explored.folder, explored.pin), read(folder, explored.pin)
    assert copies[1].faults == []
    found = compare(*copies)
    assert (found.index, found.common_size) == (None, cut)
    assert "extends the other copy by 32 entries" in shown(*copies)
    assert "Both copies have the same" in shown(copies[0], copies[0])


@pytest.mark.parametrize("place", [1, 49, 60, 100, 177, 200, 254])
def test_an_entry_that_its_own_tree_does_not_have_is_found(
    explored: Explored, tmp_path: Path, place: int
) -> None:
    folder = Path(shutil.copytree(explored.folder, tmp_path / "copy"))
    change_entry(folder, place, lambda entry: b"\xf7" if entry == PADDING else flipped(entry))
    good, bad = read(explored.folder, explored.pin), read(folder, explored.pin)
    for copies in ((good, bad), (bad, good)):
        found = compare(*copies)
        assert (found.index, found.trees_part_at, found.is_fork) == (place, None, False)
    text = shown(good, bad)
    assert "One tree, other bytes." in text
    assert text.count("Not proven") == 1


def test_a_copy_whose_tiles_lie_is_compared_by_its_entries(
    explored: Explored, fork: Explored, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(fork.folder, tmp_path / "copy"))
    change_tile(folder, 0, 0, 4)
    copies = read(explored.folder, explored.pin), read(folder, explored.pin)
    found = compare(*copies)
    assert found.trees_part_at == parting(explored, fork)
    assert not found.is_fork
    assert found.tile_fault is not None
    assert "cannot be followed" in shown(*copies)


class Endless:
    """A copy with a head that nobody signed, of more entries than anybody could read; all behind it is padding."""

    def __init__(self, inner: Source, size: int, other: int) -> None:
        self._inner = inner
        self._size = size
        self._other = other
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def checkpoint(self) -> str:
        origin, _, _, *rest = self._inner.checkpoint().split("\n")
        return "\n".join([origin, str(2**60), base64.b64encode(bytes(32)).decode(), *rest])

    def check_size(self, tree_size: int) -> None:
        """Say nothing."""

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        self.read += stop - start
        own = self._inner.entries(start, min(stop, self._size), self._size)[0] if start < self._size else []
        return own + [b"\xf6"] * (stop - start - len(own)), b""

    def tile(self, level: int, n: int, width: int, tree_size: int) -> bytes:
        return bytes([self._other]) * 32 * width


def test_a_head_that_nobody_signed_does_not_lead_on_for_ever(
    explored: Explored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.explorer.copy.MAX_UNSEALED", 1024)
    sources = [Endless(open_source(str(explored.folder)), explored.size, other) for other in (0, 1)]
    copies = [read(cast(Source, source), explored.pin) for source in sources]
    for source, copy in zip(sources, copies, strict=True):
        assert source.read < explored.size + 1024 + 3 * 256
        assert not copy.is_sound
        assert "the rest was not read" in copy.faults[0].detail
    found = compare(*copies)
    assert (found.common_size, found.is_vouched, found.is_fork) == (2**60, False, False)
    assert sources[0].read < 2 * (explored.size + 1024 + 3 * 256)
    # Another ledger has no seals of this one.
    other = Endless(open_source(str(explored.folder)), explored.size, 0)
    read(cast(Source, other), Pin(explored.pin.origin, bytes(32)))
    assert other.read < 1024 + 3 * 256


def test_copies_that_agree_under_a_head_that_nobody_signed_prove_nothing(
    explored: Explored, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(explored.folder, tmp_path / "copy"))
    with tampering(folder) as database:
        [(note,)] = database.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        text, _, _ = note.partition("\n\n")
        lines = note.partition("\n\n")[2].splitlines(keepends=True)
        wrong = [line[:-6] + ("A" if line[-6] != "A" else "B") + line[-5:] for line in lines]
        database.execute(
            "UPDATE checkpoints SET note = ? WHERE note = ?", (text + "\n\n" + "".join(wrong), note)
        )
    copies = read(explored.folder, explored.pin), read(folder, explored.pin)
    assert compare(*copies).index is None
    text = shown(*copies)
    assert "nothing is proven" in text
    assert "Both copies have the same" not in text


def test_what_waits_for_a_seal_is_not_kept_without_end(
    explored: Explored, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(explored.folder, explored.pin).faults == []
    monkeypatch.setattr("ledger.explorer.copy_pass.MAX_HELD_BYTES", len(explored.ledger.entries[0]))
    faults = read(explored.folder, explored.pin).faults
    passed_over = [fault.index for fault in faults if "than are looked at" in fault.detail]
    assert passed_over
    assert passed_over[0] != 0


def test_two_ledgers_are_not_one(explored: Explored, tmp_path: Path) -> None:
    copies = (
        read(explored.folder, explored.pin),
        read(explored.folder, Pin("ledger.example/other", bytes(32))),
    )
    assert compare(*copies).same_charter
    copies[1].fold.governance.charter_hash = bytes(32)  # type: ignore[union-attr]
    assert "Two ledgers." in shown(*copies)


def test_a_service_is_compared_with_a_directory(explored: Explored) -> None:
    with served(explored.folder) as url:
        assert "Both copies have the same" in shown(
            read(url, explored.pin), read(explored.folder, explored.pin)
        )


def test_without_a_second_copy_there_is_no_comparison(explored: Explored) -> None:
    page = Browser(read(explored.folder, explored.pin)).page("/compare", 404)
    assert "There is no second copy" in page.text


# -- words and notation ---------------------------------------------------------------------------------


def test_every_entry_has_a_notation_that_shows_what_is_signed(explored: Explored) -> None:
    for entry in explored.ledger.entries:
        text = diagnose(entry)
        assert text.isascii()
        assert text == "null" if entry == PADDING else text.startswith("18([\n  <<{\n")
        assert max(len(line) - len(line.lstrip()) for line in text.splitlines()) < 40


@given(st.binary(max_size=300))
def test_any_bytes_have_a_notation(data: bytes) -> None:
    text = diagnose(data)
    assert text.isascii()
    try:
        cbor.decode(data, max_size=300)
    except CodedError:
        assert text.startswith("These bytes are not CBOR")


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=8)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(0, 99) | st.text(max_size=4), inner, max_size=4)
        | st.builds(cbor.CBORTag, st.just(18), inner)
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_any_value_has_a_notation_in_ascii(value: object) -> None:
    text = diagnose(cbor.encode(value))
    assert text.isascii()
    assert "not CBOR" not in text


@given(st.text())
def test_no_text_brings_a_character_that_cannot_be_seen(text: str) -> None:
    for character in visible(text):
        assert character.isprintable() or character in "\u200c\u200d"


def test_lines_keep_their_depth() -> None:
    assert indented(["a", "  b", "     c", "            d"]) == [(0, "a"), (1, "b"), (2, "c"), (4, "d")]


@pytest.mark.parametrize(
    ("pause_ms", "words"),
    [
        (59_999, "less than a minute"),
        (86_400_000, "1 day"),
        (7_200_000, "2 hours"),
        (5_400_000, "1 hour 30 minutes"),
    ],
)
def test_a_pause_is_told_in_two_units(pause_ms: int, words: str) -> None:
    assert describe_pause(pause_ms) == words


def test_pages_have_fifty_rows() -> None:
    assert [pages_of(rows, 1).count for rows in (0, 1, 50, 51)] == [1, 1, 1, 2]  # type: ignore[union-attr]
    assert pages_of(51, 3) is None


def test_a_quorum_of_groups_is_told_in_words() -> None:
    keys = [format_vkey(Ed25519Cosigner(f"w{n}.example", bytes([n]) * 32).verifier_key) for n in range(3)]
    lines = [f"witness w{n} {key}\n" for n, key in enumerate(keys)]
    text = "".join(lines) + "group two any w0 w1\ngroup both all two w2\nquorum both\n"
    assert describe_quorum(parse_policy(text)) == "2 of (1 of w0, w1), w2"


# -- the index ------------------------------------------------------------------------------------------


def test_an_identity_is_found_at_its_place_and_nowhere_between() -> None:
    index = EntryIndex()
    ids = [bytes([n]) * 32 for n in range(1, 5)]
    for identity in ids:
        index.add("credential", identity)
    index.add("padding", None)
    assert [index.places_of(identity) for identity in ids] == [[0], [1], [2], [3]]
    assert index.places_of(bytes(32)) == []
    assert index.places_of(ids[0][:4] + ids[1][:28]) == []
    index.add("status", ids[2])
    assert index.places_of(ids[2]) == [2, 5]


def test_an_entry_belongs_to_the_epoch_whose_seal_follows_it() -> None:
    index = EntryIndex()
    for end in (16, 32):
        for _ in range(15):
            index.add("padding", None)
        index.add("seal", bytes(32))
        index.close_epoch(end, bytes([end]) * 32)
    index.add("padding", None)
    numbers = [epoch.number if epoch else None for epoch in map(index.epoch_of, (0, 15, 16, 31, 32))]
    assert numbers == [0, 0, 1, 1, None]
    assert index.root(1) == bytes([32]) * 32
    assert index.counts(16, 32) == {"padding": 15, "seal": 1}
