"""Every step of the commit order fails, before or after it took effect; then the ledger starts again.

docs/protocol.md section 5. What must hold each time: nothing that was acknowledged is lost, there is no
second tree under the log's signature, the same statement can be sent again, and a start is refused with
lock_mismatch exactly where database and lock cannot be brought together.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.core.checkpoint import open_checkpoint
from ledger.core.merkle import check_consistency, prove_consistency
from ledger.errors import CodedError, ForkAlarm, StorageError
from ledger.service.founding import finish_ledger, load_charter, sign_accept
from ledger.service.plan import format_staged, parse_staged
from ledger.service.service import LedgerService
from ledger.service.settings import load_settings
from ledger.service.witnesses import LocalWitness
from ledger.store.engine import open_engine
from ledger.store.entries import LedgerReader
from ledger.store.lock import CheckpointLock, read_lock
from tests.support.log_service import ORIGIN, World, governor, passphrase

STEPS = ("_stage", "_swap_lock", "_commit", "_publish")
BATCH = range(10, 25)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger").found()


class Broken:
    """Makes one step of the sequencer raise, once it has run or instead of it."""

    def __init__(self, service: LedgerService, step: str, *, takes_effect: bool) -> None:
        self.works: Callable[..., Any] = getattr(service.sequencer, step)
        self.takes_effect = takes_effect
        setattr(service.sequencer, step, self)

    def __call__(self, *arguments: Any) -> None:
        if self.takes_effect:
            self.works(*arguments)
        raise StorageError("injected", field="test")


async def started(world: World) -> LedgerService:
    service = world.open()
    await service.start()
    if service.head.size == 16:
        await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    return service


async def outcome(service: LedgerService, entry: bytes) -> int | str:
    try:
        return (await service.submit(entry)).leaf_index
    except CodedError as error:
        return error.code


def signed_heads(world: World) -> list[tuple[int, bytes]]:
    """Every head that the log signed and that can still be seen: stored ones and the lock's."""
    engine = open_engine(world.data_dir / "ledger.db", "read")
    heads = [(head.size, head.root) for head in LedgerReader(engine).checkpoints()]
    engine.dispose()
    locked = read_lock(world.data_dir / "lock.db")
    opened = open_checkpoint(locked.note, world.log_keys()).checkpoint
    assert (opened.tree_size, opened.root_hash) == (locked.size, locked.root)
    return [*heads, (locked.size, locked.root)]


def check_one_history(world: World, heads: list[tuple[int, bytes]]) -> None:
    """Check that all heads ever seen lie on one growing tree."""
    engine = open_engine(world.data_dir / "ledger.db", "read")
    reader = LedgerReader(engine)
    newest = reader.head()
    assert newest is not None
    for size, root in heads:
        proof = prove_consistency(size, newest.size, reader.nodes(newest.size))
        check_consistency(size, root, newest.size, newest.root, proof)
    engine.dispose()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("takes_effect", [False, True], ids=["not-done", "done"])
def test_a_failed_step_stops_the_writer_and_loses_nothing(
    world: World, step: str, takes_effect: bool
) -> None:
    acknowledged: dict[bytes, int] = {}
    batch = [world.credential(number) for number in BATCH]

    async def first_life() -> None:
        service = await started(world)
        for number in range(3):
            entry = world.credential(number)
            acknowledged[entry] = (await service.submit(entry)).leaf_index
        size = service.head.size
        Broken(service, step, takes_effect=takes_effect)
        results = await asyncio.gather(*(outcome(service, entry) for entry in batch))
        assert set(results) == {"storage_failed"}, "nothing is acknowledged that was not published"
        assert service.head.size == size or (step, takes_effect) == ("_publish", True)
        assert await outcome(service, world.credential(99)) == "read_only"
        assert service.health().read_only
        await service.stop()

    asyncio.run(first_life())
    heads = signed_heads(world)

    async def second_life() -> None:
        service = await started(world)
        for entry, index in acknowledged.items():
            assert await outcome(service, entry) == index
        written = service.head.size
        results = [await outcome(service, entry) for entry in batch]
        assert all(isinstance(result, int) for result in results)
        # Once the epoch is staged its head is signed, and recovery must finish it; before, nobody has it.
        survives = (step, takes_effect) != ("_stage", False)
        assert (max(int(result) for result in results) < written) == survives
        assert [await outcome(service, entry) for entry in batch] == results
        await service.stop()

    asyncio.run(second_life())
    check_one_history(world, heads)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("takes_effect", [False, True], ids=["not-done", "done"])
def test_the_restart_after_a_failed_step_may_itself_fail_anywhere(
    world: World, step: str, takes_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recovery writes too: its commit fails before or after it took effect, then the next start is good."""
    from ledger.store.entries import LedgerWriter

    async def first_life() -> None:
        service = await started(world)
        Broken(service, step, takes_effect=takes_effect)
        assert await outcome(service, world.credential(1)) == "storage_failed"
        await service.stop()

    asyncio.run(first_life())
    heads = signed_heads(world)
    works = LedgerWriter.commit
    for effect in (False, True):

        def broken(self: LedgerWriter, rows: Any, effect: bool = effect) -> None:
            if effect:
                works(self, rows)
            raise StorageError("injected", field="test")

        monkeypatch.setattr(LedgerWriter, "commit", broken)
        try:
            world.open().close()
        except StorageError as error:
            assert error.code == "storage_failed"
        monkeypatch.undo()

    async def last_life() -> None:
        service = await started(world)
        assert isinstance(await outcome(service, world.credential(1)), int)
        await service.stop()

    asyncio.run(last_life())
    check_one_history(world, heads)


def test_another_writer_at_the_lock_stops_this_one_for_good(world: World) -> None:
    async def body() -> None:
        service = await started(world)
        head = service.head
        with sqlite3.connect(world.data_dir / "lock.db") as connection:
            connection.execute("UPDATE lock SET size = size + 16, root = ?", (b"f" * 32,))
        assert await outcome(service, world.credential(1)) == "lock_mismatch"
        assert await outcome(service, world.credential(2)) == "read_only"
        assert service.head == head
        await service.stop()

    asyncio.run(body())
    refused_with(world, "lock_mismatch")


def refused_with(world: World, code: str) -> None:
    with pytest.raises(CodedError) as caught:
        world.open()
    assert caught.value.code == code


def copy_of(world: World, name: str, *, back: bool = False) -> None:
    kept, live = world.data_dir.parent / f"kept-{name}", world.data_dir / name
    shutil.copy(*((kept, live) if back else (live, kept)))


def grow(world: World, numbers: range) -> list[int | str]:
    async def body() -> list[int | str]:
        service = await started(world)
        results = [await outcome(service, world.credential(number)) for number in numbers]
        await service.stop()
        return results

    return asyncio.run(body())


def test_a_restored_database_is_refused_and_left_as_it_is(world: World) -> None:
    grow(world, range(2))
    copy_of(world, "ledger.db")
    grow(world, range(2, 4))
    copy_of(world, "ledger.db", back=True)
    before = (world.data_dir / "ledger.db").read_bytes()
    for _ in range(2):
        refused_with(world, "lock_mismatch")
    assert (world.data_dir / "ledger.db").read_bytes() == before


def test_a_restored_lock_is_refused(world: World) -> None:
    grow(world, range(2))
    copy_of(world, "lock.db")
    grow(world, range(2, 4))
    copy_of(world, "lock.db", back=True)
    refused_with(world, "lock_mismatch")


def test_a_lost_lock_is_refused_and_not_made_anew(world: World) -> None:
    grow(world, range(2))
    (world.data_dir / "lock.db").unlink()
    refused_with(world, "lock_mismatch")
    assert not (world.data_dir / "lock.db").exists()


def test_a_lost_database_is_refused_and_not_made_anew(world: World) -> None:
    grow(world, range(2))
    (world.data_dir / "ledger.db").unlink()
    refused_with(world, "storage_failed")
    assert not (world.data_dir / "ledger.db").exists()


def test_both_restored_together_are_refused_by_the_witnesses(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2).found()
    clients = [LocalWitness(witness) for witness in world.witnesses(tmp_path / "w")]

    async def life(numbers: range) -> None:
        service = world.open(clients)
        await service.start()
        if service.head.size == 16:
            await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
        for number in numbers:
            await service.submit(world.credential(number))
        await service.published_checkpoint()
        await service.stop()

    asyncio.run(life(range(2)))
    copy_of(world, "ledger.db")
    copy_of(world, "lock.db")
    asyncio.run(life(range(2, 4)))
    copy_of(world, "ledger.db", back=True)
    copy_of(world, "lock.db", back=True)
    with pytest.raises(ForkAlarm) as caught:
        asyncio.run(life(range(4, 5)))
    assert caught.value.code == "lock_mismatch"


def failed_once(world: World, step: str) -> None:
    """Live until one step has taken effect and the next has not."""

    async def life() -> None:
        service = await started(world)
        Broken(service, step, takes_effect=True)
        assert await outcome(service, world.credential(1)) == "storage_failed"
        await service.stop()

    asyncio.run(life())


def staged_epochs(world: World) -> list[bytes]:
    with sqlite3.connect(world.data_dir / "ledger.db") as connection:
        return [blob for (blob,) in connection.execute("SELECT blob FROM staged")]


def test_what_was_staged_and_never_locked_is_finished_at_the_start(world: World) -> None:
    failed_once(world, "_stage")
    [blob] = staged_epochs(world)
    staged = parse_staged(blob)
    size = staged.first_index + len(staged.entries)
    assert read_lock(world.data_dir / "lock.db").size < size
    world.open().close()
    assert staged_epochs(world) == []
    assert read_lock(world.data_dir / "lock.db").note == staged.note
    engine = open_engine(world.data_dir / "ledger.db", "read")
    head = LedgerReader(engine).checkpoint(size)
    assert head is not None
    assert head.note == staged.note
    engine.dispose()


@pytest.mark.parametrize("step", ["_stage", "_swap_lock"])
def test_a_copy_of_the_database_never_holds_a_head_that_the_ledger_takes_back(
    world: World, step: str
) -> None:
    """A backup of the moment between staging and lock shows a signed head: no other of its size is signed."""
    failed_once(world, step)
    [blob] = staged_epochs(world)
    staged = open_checkpoint(parse_staged(blob).note, world.log_keys()).checkpoint
    # What is sent after the start is something else.
    grow(world, range(5, 7))
    check_one_history(world, [(staged.tree_size, staged.root_hash)])


def test_a_start_that_fails_at_the_lock_finishes_at_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed_once(world, "_stage")
    works = CheckpointLock.swap
    for effect in (False, True):

        def broken(self: CheckpointLock, *arguments: Any, effect: bool = effect) -> None:
            if effect:
                works(self, *arguments)
            raise StorageError("injected", field="test")

        monkeypatch.setattr(CheckpointLock, "swap", broken)
        refused_with(world, "storage_failed")
        assert len(staged_epochs(world)) == 1
        monkeypatch.undo()
    grow(world, range(5, 7))
    assert staged_epochs(world) == []
    check_one_history(world, signed_heads(world))


@pytest.mark.parametrize("what", ["signature", "entry", "place", "row"])
def test_a_staged_epoch_that_is_damaged_is_neither_finished_nor_dropped(world: World, what: str) -> None:
    failed_once(world, "_stage")
    [blob] = staged_epochs(world)
    epoch = parse_staged(blob)
    place = epoch.note.index("\u2014 ") + len(f"\u2014 {ORIGIN} ") + 30
    other = "A" if epoch.note[place] != "A" else "B"
    damaged = {
        "signature": replace(epoch, note=epoch.note[:place] + other + epoch.note[place + 1 :]),
        "entry": replace(epoch, entries=(*epoch.entries[:-1], b"\xf6")),
        "place": replace(epoch, first_index=epoch.first_index - 16),
    }
    before = read_lock(world.data_dir / "lock.db")
    data = format_staged(damaged[what]) if what in damaged else blob[:-1]
    with sqlite3.connect(world.data_dir / "ledger.db") as connection:
        connection.execute("UPDATE staged SET blob = ?", (data,))
    refused_with(world, "lock_mismatch")
    assert staged_epochs(world) == [data]
    assert read_lock(world.data_dir / "lock.db") == before


@pytest.mark.parametrize("where", [("staged", "lock"), ("staged",), ("lock",)], ids=" and ".join)
def test_a_staged_note_is_the_one_in_the_lock_and_signed_with_our_keys(
    world: World, where: tuple[str, ...]
) -> None:
    failed_once(world, "_swap_lock")
    [blob] = staged_epochs(world)
    epoch = parse_staged(blob)
    # Size and root are right; only the signature is another, here or there or in both.
    place = epoch.note.index("\u2014 ") + len(f"\u2014 {ORIGIN} ") + 30
    other = "A" if epoch.note[place] != "A" else "B"
    note = epoch.note[:place] + other + epoch.note[place + 1 :]
    if "staged" in where:
        with sqlite3.connect(world.data_dir / "ledger.db") as connection:
            connection.execute("UPDATE staged SET blob = ?", (format_staged(replace(epoch, note=note)),))
    with sqlite3.connect(world.data_dir / "lock.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        if "lock" in where:
            connection.execute("UPDATE lock SET note = ?", (note,))
    refused_with(world, "lock_mismatch")
    assert len(staged_epochs(world)) == 1


def test_a_staged_epoch_that_was_changed_is_not_committed(world: World) -> None:
    async def first_life() -> None:
        service = await started(world)
        Broken(service, "_swap_lock", takes_effect=True)
        assert await outcome(service, world.credential(1)) == "storage_failed"
        await service.stop()

    asyncio.run(first_life())
    with sqlite3.connect(world.data_dir / "ledger.db") as connection:
        (blob,) = connection.execute("SELECT blob FROM staged").fetchone()
        place = blob.index(world.credential(1)) + 200
        connection.execute(
            "UPDATE staged SET blob = ?", (blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :],)
        )
    with pytest.raises(CodedError) as caught:
        world.open()
    assert caught.value.code == "lock_mismatch"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE entries SET entry = x'd284' WHERE leaf_index = 32", "bad_entry"),
        ("UPDATE entries SET entry = x'f6' WHERE leaf_index = 32", "bad_epoch"),
        (
            "UPDATE entries SET entry = (SELECT entry FROM entries WHERE leaf_index = 48) WHERE leaf_index = 32",
            "bad_seal",
        ),
        ("UPDATE entries SET chain = ZEROBLOB(32) WHERE leaf_index = 47", "bad_chain"),
        ("UPDATE tiles SET data = SUBSTR(data, 1, LENGTH(data) - 32)", "bad_tile"),
        ("UPDATE checkpoints SET root = ZEROBLOB(32) WHERE size = 32", "bad_checkpoint"),
        ("DELETE FROM checkpoints WHERE size = 32", "bad_checkpoint"),
    ],
)
def test_a_database_that_contradicts_itself_does_not_start(world: World, sql: str, code: str) -> None:
    grow(world, range(2))
    with sqlite3.connect(world.data_dir / "ledger.db") as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(sql).rowcount > 0
    with pytest.raises(ForkAlarm) as caught:
        world.open()
    assert caught.value.code == code


def test_the_beginning_may_be_interrupted_between_lock_and_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.store.entries import LedgerWriter

    def broken(self: LedgerWriter, rows: Any) -> None:
        raise StorageError("injected", field="test")

    monkeypatch.setattr(LedgerWriter, "commit", broken)
    world = World(tmp_path / "ledger")
    with pytest.raises(StorageError):
        world.found()
    monkeypatch.undo()
    assert grow(world, range(1)) == [32]


def test_the_beginning_may_be_interrupted_before_the_lock_and_signs_no_second_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(cls: type[CheckpointLock], *arguments: Any) -> CheckpointLock:
        raise StorageError("injected", field="test")

    monkeypatch.setattr(CheckpointLock, "create", classmethod(broken))
    world = World(tmp_path / "ledger")
    with pytest.raises(StorageError):
        world.found()
    monkeypatch.undo()
    [blob] = staged_epochs(world)
    world.clock.now += 60_000
    charter = load_charter(load_settings(world.data_dir)).entry
    accepts = [sign_accept(charter, f"governor-{i}", governor(i)) for i in range(3)]
    finish_ledger(world.data_dir, accepts, now_ms=world.clock, passphrase=passphrase)
    assert read_lock(world.data_dir / "lock.db").note == parse_staged(blob).note
    assert grow(world, range(1)) == [32]


@pytest.mark.parametrize("place", [-10, -500, -1500], ids=["seal", "credential", "note"])
def test_a_bit_that_flips_before_staging_is_never_signed_into_the_lock(
    world: World, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.service import plan

    works = plan.format_staged

    def flipped(epoch: plan.StagedEpoch) -> bytes:
        blob = bytearray(works(epoch))
        blob[place] ^= 1
        return bytes(blob)

    async def body() -> None:
        service = await started(world)
        before = read_lock(world.data_dir / "lock.db")
        monkeypatch.setattr(plan, "format_staged", flipped)
        assert await outcome(service, world.credential(1)) == "storage_failed"
        assert read_lock(world.data_dir / "lock.db") == before
        await service.stop()

    asyncio.run(body())
    monkeypatch.undo()
    assert grow(world, range(1, 2)) == [32]
