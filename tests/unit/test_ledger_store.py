"""The ledger's database: what it keeps, and what it refuses to change."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import IntegrityError

from ledger.core.chain import extend_chain
from ledger.core.merkle import Frontier, leaf_hash, prove_inclusion, root_hash
from ledger.core.tiles import TilePath, build_tile, new_tiles
from ledger.errors import ForkAlarm, StorageError
from ledger.store.engine import migrate, open_engine
from ledger.store.entries import EpochRows, LedgerReader, LedgerWriter, StoredCheckpoint
from ledger.store.tables import LedgerTable
from ledger.store.tiles import TileEdge


class Growing:
    """A database that grows by epochs of random entries."""

    def __init__(self, path: Path) -> None:
        self.engine = open_engine(path, "create")
        migrate(self.engine)
        self.store = LedgerWriter(self.engine)
        self.frontier, self.edge = Frontier(), TileEdge({})
        self.leaves: list[bytes] = []
        self.entries: list[bytes] = []
        self.chain = [bytes(32)]

    def grow(self, count: int) -> EpochRows:
        entries = [os.urandom(40) for _ in range(count)]
        leaves = [leaf_hash(entry) for entry in entries]
        chain = extend_chain(self.chain[-1], leaves)
        size = self.frontier.size
        tiles = self.edge.extend(self.frontier.extend_nodes(leaves), size)
        head = StoredCheckpoint(size + count, self.frontier.root(), size + count, "note\n")
        ids = [leaf if place % 5 else None for place, leaf in enumerate(leaves)]
        rows = EpochRows(size, entries, chain, ids, tiles, head)
        self.store.commit(rows)
        self.leaves += leaves
        self.entries += entries
        self.chain += chain
        return rows


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[Growing]:
    growing = Growing(tmp_path / "ledger.db")
    yield growing
    growing.engine.dispose()


def execute(engine: Engine, sql: str, *values: Any) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(sql, values)


def test_the_migration_makes_exactly_the_tables_of_the_models(growing: Growing) -> None:
    inspector = inspect(growing.engine)
    expected = {
        name: {c.name: bool(c.primary_key) for c in t.columns}
        for name, t in LedgerTable.metadata.tables.items()
    }
    made = {}
    for name in inspector.get_table_names():
        keys = inspector.get_pk_constraint(name)["constrained_columns"]
        made[name] = {column["name"]: column["name"] in keys for column in inspector.get_columns(name)}
    made.pop("alembic_version")
    assert made == expected


def test_a_second_migration_changes_nothing(growing: Growing) -> None:
    growing.grow(16)
    migrate(growing.engine)
    assert growing.store.entries(0, 16) == growing.entries


def test_commits_are_flushed_and_written_ahead(growing: Growing) -> None:
    with growing.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_what_is_committed_is_read_back(growing: Growing) -> None:
    rows = [growing.grow(count) for count in (16, 272, 5008)]
    store, size = growing.store, 5296
    assert store.entries(0, size) == growing.entries
    assert [chain for _, chain in store.rows(10, 5290)] == growing.chain[11:5291]
    assert store.head() == rows[-1].checkpoint
    assert [head.size for head in store.checkpoints()] == [16, 288, 5296]
    assert [head.size for head in store.checkpoints(newest_first=True)] == [5296, 288, 16]
    assert store.index_of(growing.leaves[301]) == 301
    assert store.index_of(bytes(32)) is None
    assert store.entry(size) is None
    assert store.chain_at(17) == growing.chain[18]


def test_stored_tiles_are_those_of_the_tree(growing: Growing) -> None:
    for count in (16, 240, 16, 65_536 - 272, 32):
        growing.grow(count)
    size = len(growing.leaves)
    whole = Frontier()
    nodes: dict[tuple[int, int], bytes] = {}
    for level, made in enumerate(whole.extend_nodes(growing.leaves)):
        nodes.update({(level, index): value for index, value in enumerate(made)})
    for path in new_tiles(0, size):
        expected = build_tile(TilePath(path.level, path.index, path.width), lambda level, i: nodes[level, i])
        assert growing.store.tile(path.tile_level, path.index) == expected
    frontier, edge = growing.store.edge(size)
    assert frontier.root() == growing.frontier.root() == root_hash(growing.leaves)
    assert edge._partial == growing.edge._partial
    assert prove_inclusion(300, size, growing.store.nodes(size)) == prove_inclusion(
        300, size, lambda level, i: nodes[level, i]
    )


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12))
def test_growing_the_edge_in_steps_equals_growing_it_at_once(cells: list[int]) -> None:
    leaves = [leaf_hash(b"%d" % i) for i in range(16 * sum(cells))]
    stored: dict[tuple[int, int], bytes] = {}
    frontier, edge = Frontier(), TileEdge({})
    for count in cells:
        before = frontier.size
        for row in edge.extend(frontier.extend_nodes(leaves[before : before + 16 * count]), before):
            assert row.is_new == ((row.level, row.n) not in stored)
            assert row.data.startswith(stored.get((row.level, row.n), b""))
            stored[row.level, row.n] = row.data
    at_once = TileEdge({}).extend(Frontier().extend_nodes(leaves), 0)
    assert stored == {(row.level, row.n): row.data for row in at_once}


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE entries SET entry = x'00' WHERE leaf_index = 3",
        "UPDATE entries SET leaf_index = 99 WHERE leaf_index = 15",
        "DELETE FROM entries WHERE leaf_index = 15",
        "DELETE FROM entries",
        f"INSERT INTO entries VALUES (17, x'00', x'{'00' * 32}')",
        f"INSERT INTO entries VALUES (3, x'00', x'{'00' * 32}')",
        f"INSERT OR REPLACE INTO entries VALUES (15, x'00', x'{'00' * 32}')",
        "INSERT INTO entries VALUES (16, x'00', x'00')",
        "UPDATE statements SET leaf_index = 1",
        "DELETE FROM statements",
        "INSERT OR REPLACE INTO statements SELECT statement_id, 1 FROM statements LIMIT 1",
        f"INSERT INTO statements VALUES (x'{'01' * 32}', 16)",
        "UPDATE tiles SET data = SUBSTR(data, 1, 32)",
        "UPDATE tiles SET data = data",
        f"UPDATE tiles SET data = x'{'00' * 32 * 17}'",
        "UPDATE tiles SET data = data || x'00'",
        "UPDATE tiles SET n = 7",
        "DELETE FROM tiles",
        f"INSERT OR REPLACE INTO tiles VALUES (0, 0, x'{'00' * 32}')",
        "UPDATE checkpoints SET note = 'other'",
        "UPDATE checkpoints SET size = 32",
        "DELETE FROM checkpoints",
        f"INSERT INTO checkpoints VALUES (16, x'{'00' * 32}', 99, '', '')",
        f"INSERT OR REPLACE INTO checkpoints VALUES (16, x'{'00' * 32}', 99, '', '')",
        f"INSERT INTO checkpoints VALUES (32, x'{'00' * 32}', 16, '', '')",
        "UPDATE meta SET value = ''",
        "DELETE FROM meta",
        "INSERT OR REPLACE INTO meta VALUES ('origin', '')",
    ],
)
def test_the_database_itself_refuses_to_take_anything_back(growing: Growing, sql: str) -> None:
    growing.grow(16)
    growing.store.set_meta({"origin": "ledger.test/one"})
    with pytest.raises(IntegrityError):
        execute(growing.engine, sql)
    assert growing.store.entries(0, 99) == growing.entries
    assert growing.store.meta() == {"origin": "ledger.test/one"}


def test_a_tile_may_grow_at_its_end(growing: Growing) -> None:
    growing.grow(16)
    execute(growing.engine, "UPDATE tiles SET data = ?", b"".join(growing.leaves) + bytes(32))
    assert growing.store.tile(0, 0) == b"".join(growing.leaves) + bytes(32)


def test_cosignatures_are_the_one_thing_that_changes_on_a_head(growing: Growing) -> None:
    growing.grow(16)
    growing.store.set_cosignatures(16, "line one\n")
    growing.store.set_cosignatures(16, "line two\n")
    head = growing.store.head()
    assert head is not None
    assert head.text == "note\nline two\n"
    assert [found.size for found in growing.store.cosigned(9)] == [16]


def test_a_commit_that_fails_leaves_nothing_behind(growing: Growing) -> None:
    rows = growing.grow(16)
    growing.store.stage(32, bytes(32), b"staged")
    with pytest.raises(StorageError, match="commit"):
        growing.store.commit(rows)
    assert growing.store.head() == rows.checkpoint
    assert growing.store.staged(32, bytes(32)) == b"staged"


def test_a_commit_ends_the_staging(growing: Growing) -> None:
    growing.store.stage(16, bytes(32), b"staged")
    growing.store.stage(16, bytes(32), b"other")
    assert growing.store.staged(16, bytes(32)) == b"other"
    assert growing.store.staged(16, bytes([1]) * 32) is None
    growing.grow(16)
    assert growing.store.staged(16, bytes(32)) is None


def test_a_short_tile_is_an_alarm_and_never_a_proof(tmp_path: Path) -> None:
    growing = Growing(tmp_path / "ledger.db")
    growing.grow(32)
    growing.engine.dispose()
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        connection.execute("DROP TRIGGER tiles_grow")
        connection.execute("UPDATE tiles SET data = SUBSTR(data, 1, 64)")
    engine = open_engine(tmp_path / "ledger.db", "read")
    reader = LedgerReader(engine)
    with pytest.raises(ForkAlarm) as caught:
        reader.edge(32)
    assert caught.value.code == "bad_tile"
    with pytest.raises(ForkAlarm):
        prove_inclusion(3, 32, reader.nodes(32))
    engine.dispose()


def test_a_missing_database_is_not_made_by_opening_it(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "ledger.db")
    with pytest.raises(StorageError):
        LedgerReader(engine).head()
    assert not (tmp_path / "ledger.db").exists()


def test_disk_per_entry_stays_below_the_goal(growing: Growing, tmp_path: Path) -> None:
    """P12: at most 1.6 times the statement's bytes, here with 400 bytes and epochs of 1,600 entries."""
    for _ in range(10):
        entries = [os.urandom(400) for _ in range(1600)]
        leaves = [leaf_hash(entry) for entry in entries]
        size = growing.frontier.size
        tiles = growing.edge.extend(growing.frontier.extend_nodes(leaves), size)
        head = StoredCheckpoint(size + 1600, growing.frontier.root(), size + 1, "n" * 3500)
        growing.store.stage(head.size, head.root, b"".join(entries))
        growing.store.commit(EpochRows(size, entries, leaves, leaves, tiles, head))
    growing.engine.dispose()
    assert (tmp_path / "ledger.db").stat().st_size < 1.6 * 16_000 * 400


@pytest.mark.parametrize("table", ["entries", "statements", "tiles", "staged", "checkpoints", "meta"])
def test_every_table_takes_values_of_its_own_types_only(growing: Growing, table: str) -> None:
    with growing.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT strict FROM pragma_table_list WHERE name = ?", (table,))
        assert found.scalar() == 1


def test_a_text_in_the_place_of_an_entry_is_refused(growing: Growing) -> None:
    with pytest.raises(IntegrityError):
        execute(growing.engine, "INSERT INTO entries VALUES (0, 'text', zeroblob(32))")
