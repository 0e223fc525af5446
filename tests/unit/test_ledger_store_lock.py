"""The checkpoint lock and the one writer of a directory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ledger.errors import ForkAlarm, StorageError
from ledger.store.lock import CheckpointLock, LockedHead, hold_directory, read_lock

FIRST = LockedHead(16, b"a" * 32, "first")
SECOND = LockedHead(32, b"b" * 32, "second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    CheckpointLock.create(tmp_path / "lock.db", "ledger.test/one", FIRST).close()
    return tmp_path / "lock.db"


def test_a_swap_is_there_after_opening_anew(path: Path) -> None:
    lock = CheckpointLock.open(path)
    lock.swap(16, FIRST.root, SECOND)
    lock.close()
    assert read_lock(path) == SECOND


@pytest.mark.parametrize(("size", "root"), [(0, FIRST.root), (16, SECOND.root), (32, FIRST.root)])
def test_a_swap_from_another_head_changes_nothing(path: Path, size: int, root: bytes) -> None:
    lock = CheckpointLock.open(path)
    with pytest.raises(ForkAlarm) as caught:
        lock.swap(size, root, SECOND)
    assert caught.value.code == "lock_mismatch"
    assert lock.read() == FIRST
    lock.close()


def test_of_two_swaps_from_one_head_one_fails(path: Path) -> None:
    one, other = CheckpointLock.open(path), CheckpointLock.open(path)
    one.swap(16, FIRST.root, SECOND)
    with pytest.raises(ForkAlarm):
        other.swap(16, FIRST.root, LockedHead(32, b"c" * 32, "fork"))
    assert other.read() == SECOND
    one.close()
    other.close()


def test_the_lock_never_goes_back(path: Path) -> None:
    lock = CheckpointLock.open(path)
    with pytest.raises(StorageError):
        lock.swap(16, FIRST.root, LockedHead(16, b"c" * 32, "same size"))
    lock.close()
    with sqlite3.connect(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM lock")


def test_a_missing_lock_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ForkAlarm) as caught:
        CheckpointLock.open(tmp_path / "lock.db")
    assert caught.value.code == "lock_mismatch"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_made_only_once(path: Path) -> None:
    with pytest.raises(StorageError):
        CheckpointLock.create(path, "ledger.test/one", SECOND)
    assert read_lock(path) == FIRST


def test_an_interrupted_making_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock.db.new").write_bytes(b"half a file")
    CheckpointLock.create(tmp_path / "lock.db", "ledger.test/one", FIRST).close()
    assert read_lock(tmp_path / "lock.db") == FIRST


def test_a_file_that_is_no_lock_is_an_error_of_storage(tmp_path: Path) -> None:
    (tmp_path / "lock.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StorageError):
        CheckpointLock.open(tmp_path / "lock.db")


def test_a_second_writer_is_refused_with_read_only(tmp_path: Path) -> None:
    with hold_directory(tmp_path):
        with pytest.raises(StorageError) as caught, hold_directory(tmp_path):
            pass
        assert caught.value.code == "read_only"
    with hold_directory(tmp_path):
        pass


def test_a_row_put_in_its_place_cannot_lower_the_lock(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT OR REPLACE INTO lock VALUES (1, 'ledger.test/one', 0, zeroblob(32), 'x')")
    assert read_lock(path) == FIRST


def test_the_lock_takes_values_of_their_own_types_only(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE lock SET note = x'00', size = 32")


@pytest.mark.parametrize("change", ["note = x'00'", "size = 'many'", "root = 'text'", "origin = 5"])
def test_a_lock_that_was_tampered_with_is_a_mismatch(tmp_path: Path, change: str) -> None:
    path = tmp_path / "loose.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE lock (one, origin, size, root, note)")
        connection.execute("INSERT INTO lock VALUES (1, 'ledger.test/one', 16, zeroblob(32), 'note')")
        connection.commit()
        assert read_lock(path).size == 16
        connection.execute(f"UPDATE lock SET {change}")
        connection.commit()
    with pytest.raises(ForkAlarm) as caught:
        read_lock(path)
    assert caught.value.code == "lock_mismatch"
