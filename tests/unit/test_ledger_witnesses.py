"""Witnesses, and the service that asks them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.core.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint, sign_checkpoint
from ledger.core.cosignature import CosignerKey, check_cosignature
from ledger.core.merkle import Frontier, prove_consistency
from ledger.core.note import parse_note, parse_signature_line
from ledger.core.policy import parse_policy
from ledger.errors import CodedError, ForkAlarm, StorageError, VerificationError
from ledger.service import publisher
from ledger.service.replay import EntrySource, Replay
from ledger.service.service import LedgerService
from ledger.service.settings import LedgerSettings
from ledger.service.witnesses import LocalWitness, Witness, WitnessClient, WitnessConflictError
from ledger.store.engine import open_engine
from ledger.store.entries import LedgerReader
from ledger.store.witness_state import WitnessState
from tests.support.log_service import ORIGIN, World, policy_text


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger", threshold=2).found()


class Silent:
    """A witness that nobody reaches."""

    def __init__(self, key: CosignerKey) -> None:
        self.key = key

    async def last_checkpoint(self, origin: str) -> str | None:
        raise StorageError("no answer", code="not_reachable")

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        await asyncio.sleep(60)
        raise AssertionError("the caller gives up before")


class Liar(Silent):
    """A witness that answers with somebody else's line."""

    def __init__(self, key: CosignerKey, line: str) -> None:
        super().__init__(key)
        self.line = line

    async def last_checkpoint(self, origin: str) -> str | None:
        return "not a note"

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        return self.line


class Broken(Silent):
    """A witness of which the client has a defect."""

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        raise RuntimeError("a defect")


def source_of(entries: list[bytes]) -> EntrySource:
    return lambda start, stop: entries[start:stop]


def reader(world: World) -> LedgerReader:
    return LedgerReader(open_engine(world.data_dir / "ledger.db", "read"))


async def grow(world: World, clients: Sequence[WitnessClient], numbers: range) -> LedgerService:
    service = world.open(clients, witness_timeout_s=0.3)
    await service.start()
    if service.head.size == 16:
        await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    for number in numbers:
        await service.submit(world.credential(number))
    return service


def grown(world: World, clients: Sequence[WitnessClient], numbers: range) -> tuple[str, int]:
    """Run a service for a while and return its published checkpoint and its size."""

    async def body() -> tuple[str, int]:
        service = await grow(world, clients, numbers)
        try:
            return await service.published_checkpoint(), service.head.size
        finally:
            await service.stop()

    return asyncio.run(body())


def test_a_published_checkpoint_satisfies_the_policy_of_the_charter(world: World, tmp_path: Path) -> None:
    witnesses = world.witnesses(tmp_path / "w")
    text, size = grown(world, [LocalWitness(witness) for witness in witnesses], range(3))
    opened = open_checkpoint(text, world.log_keys())
    assert opened.checkpoint.tree_size == size
    policy = parse_policy(policy_text(2))
    for name, key in policy.witness_keys().items():
        line = next(line for line in opened.note.signatures if line.name == key.name)
        assert check_cosignature(key, line, opened.checkpoint, opened.note.text) > 0, name


def test_a_witness_that_fails_or_lies_never_blocks_registration(world: World, tmp_path: Path) -> None:
    one, two, three = world.witnesses(tmp_path / "w")
    line = one.add_checkpoint(0, (), reader(world).head().note)  # type: ignore[union-attr]
    clients: list[WitnessClient] = [LocalWitness(one), LocalWitness(two), Liar(three.key, line)]
    text, size = grown(world, clients, range(3))
    assert parse_checkpoint(parse_note(text).text).tree_size == size
    assert three.key.name not in {found.name for found in parse_note(text).signatures}


def test_a_defect_in_asking_one_witness_ends_no_publishing(world: World, tmp_path: Path) -> None:
    one, two, three = world.witnesses(tmp_path / "w")
    text, size = grown(world, [LocalWitness(one), LocalWitness(two), Broken(three.key)], range(3))
    assert parse_checkpoint(parse_note(text).text).tree_size == size


def test_without_a_quorum_entries_are_taken_and_nothing_new_is_published(
    world: World, tmp_path: Path
) -> None:
    one, two, _ = world.witnesses(tmp_path / "w")
    before, size = grown(world, [LocalWitness(one), LocalWitness(two)], range(1))

    class Deaf(Silent):
        async def last_checkpoint(self, origin: str) -> str | None:
            return None

    async def body() -> None:
        service = await grow(world, [LocalWitness(one), Deaf(two.key)], range(1, 2))
        assert service.head.size == size + 16
        assert await service.published_checkpoint() == before
        with pytest.raises(CodedError) as caught:
            await service.status_token(9, 9)
        assert caught.value.code == "not_found"
        assert service.health().published_size == size
        assert len(await service.bundle()) > 0
        await service.stop()

    asyncio.run(body())


def test_the_first_start_needs_no_witness_and_a_later_one_needs_a_quorum(
    world: World, tmp_path: Path
) -> None:
    one, two, three = world.witnesses(tmp_path / "w")
    silent = [Silent(witness.key) for witness in (one, two, three)]

    async def body() -> None:
        service = await grow(world, silent, range(1))
        with pytest.raises(CodedError) as caught:
            service.checkpoint()
        assert caught.value.code == "no_bundle"
        await service.stop()
        again = world.open([LocalWitness(one), *silent[1:]], witness_timeout_s=0.3)
        with pytest.raises(StorageError) as refused:
            await again.start()
        assert refused.value.code == "not_reachable"
        third = await grow(world, [LocalWitness(one), LocalWitness(two)], range(1, 2))
        await third.stop()

    asyncio.run(body())


@pytest.mark.parametrize("size", [16, 32])
def test_a_witness_that_holds_our_signature_on_another_tree_stops_the_start(
    world: World, tmp_path: Path, size: int
) -> None:
    one, two, three = world.witnesses(tmp_path / "w")

    class Elsewhere(LocalWitness):
        async def last_checkpoint(self, origin: str) -> str | None:
            assert world.keys is not None
            other = Checkpoint(origin, size, bytes(31) + b"x")
            return sign_checkpoint(other, world.keys.log, world.clock.seconds())

    async def body() -> None:
        service = await grow(world, [LocalWitness(one), LocalWitness(two)], range(1))
        assert service.head.size >= size
        await service.published_checkpoint()
        await service.stop()
        again = world.open([LocalWitness(one), LocalWitness(two), Elsewhere(three)])
        with pytest.raises(ForkAlarm) as refused:
            await again.start()
        assert refused.value.code == "lock_mismatch"

    asyncio.run(body())


def test_an_idle_ledger_is_cosigned_anew(world: World, tmp_path: Path) -> None:
    clients = [LocalWitness(witness) for witness in world.witnesses(tmp_path / "w")]

    async def body() -> tuple[str, str]:
        service = world.open(clients, recosign_s=0.05)
        await service.start()
        first = await service.published_checkpoint()
        world.clock.now += 3_600_000
        await asyncio.sleep(0.3)
        second = service.checkpoint()
        await service.stop()
        return first, second

    first, second = asyncio.run(body())
    policy = parse_policy(policy_text(2))
    assert parse_note(first).text == parse_note(second).text
    assert len(parse_note(first).signatures) == len(parse_note(second).signatures) == 5
    for key in policy.witness_keys().values():
        times = [
            check_cosignature(key, line, parse_checkpoint(parse_note(text).text), parse_note(text).text)
            for text in (first, second)
            for line in parse_note(text).signatures
            if line.name == key.name
        ]
        assert times[1] - times[0] >= 3600
    stored = reader(world).head()
    assert stored is not None
    assert stored.text.startswith(stored.note)


def test_no_setting_lets_an_idle_ledger_wait_longer_than_an_hour(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publisher._LONGEST_RECOSIGN_S == 3600
    assert LedgerSettings(world.data_dir).recosign_s <= 3600
    monkeypatch.setattr(publisher, "_LONGEST_RECOSIGN_S", 0.05)
    clients = [LocalWitness(witness) for witness in world.witnesses(tmp_path / "w")]

    async def body() -> tuple[str, str]:
        service = world.open(clients, recosign_s=86_400.0)
        await service.start()
        first = await service.published_checkpoint()
        world.clock.now += 3_600_000
        await asyncio.sleep(0.3)
        second = service.checkpoint()
        await service.stop()
        return first, second

    first, second = asyncio.run(body())
    assert parse_note(first).text == parse_note(second).text
    assert first != second


def test_a_witness_cosigns_only_what_extends_its_last_tree(world: World, tmp_path: Path) -> None:
    witness = world.witnesses(tmp_path / "w")[0]
    grown(world, [LocalWitness(other) for other in world.witnesses(tmp_path / "v")], range(2))
    store = reader(world)
    heads = list(store.checkpoints())
    assert [head.size for head in heads] == [16, 32, 48, 64]
    witness.add_checkpoint(0, (), heads[0].note)
    proof = prove_consistency(16, 48, store.nodes(48))
    with pytest.raises(WitnessConflictError) as conflict:
        witness.add_checkpoint(0, (), heads[2].note)
    assert conflict.value.size == 16
    with pytest.raises(VerificationError):
        witness.add_checkpoint(16, (), heads[2].note)
    with pytest.raises(VerificationError):
        witness.add_checkpoint(16, proof[:-1] + (bytes(32),), heads[2].note)
    forged = heads[2].note.replace("ledger.test/one\n48\n", "ledger.test/one\n64\n")
    with pytest.raises(VerificationError):
        witness.add_checkpoint(16, proof, forged)
    line = parse_signature_line(witness.add_checkpoint(16, proof, heads[2].note))
    checkpoint = parse_checkpoint(parse_note(heads[2].note).text)
    assert check_cosignature(witness.key, line, checkpoint, parse_note(heads[2].note).text) > 0
    with pytest.raises(WitnessConflictError):
        witness.add_checkpoint(16, (), heads[0].note)


def test_a_witness_remembers_before_it_answers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness = world.witnesses(tmp_path / "w")[0]
    head = reader(world).head()
    assert head is not None

    def no_disk(*_: object) -> bool:
        raise StorageError("no space", field="witness")

    monkeypatch.setattr(WitnessState, "remember", no_disk)
    with pytest.raises(StorageError):
        witness.add_checkpoint(0, (), head.note)
    assert witness.last_checkpoint(ORIGIN) is None
    monkeypatch.undo()
    line = witness.add_checkpoint(0, (), head.note)
    remembered = world.witnesses(tmp_path / "w")[0].last_checkpoint(ORIGIN)
    assert remembered == head.note + line
    assert witness.last_checkpoint("another.log") is None


def test_a_damaged_state_of_a_witness_is_not_taken_for_none(world: World, tmp_path: Path) -> None:
    one, two, _ = world.witnesses(tmp_path / "w")
    for witness in (one, two):
        witness.add_checkpoint(0, (), reader(world).head().note)  # type: ignore[union-attr]
        witness.close()
    for damage in (b"{", b"", b"\0" * 8192, (tmp_path / "w" / "1.db").read_bytes()):
        (tmp_path / "w" / "0.db").write_bytes(damage)
        with pytest.raises(StorageError):
            world.witnesses(tmp_path / "w")


def test_a_replaying_witness_cosigns_what_the_rules_accept(world: World, tmp_path: Path) -> None:
    store = reader(world)
    replays = [Replay(store.entries, charter_hash=world.charter_hash) for _ in range(3)]
    witnesses = world.witnesses(tmp_path / "w", replays)
    text, size = grown(world, [LocalWitness(witness) for witness in witnesses], range(20))
    assert {line.name for line in parse_note(text).signatures} == {ORIGIN, "w1.test", "w2.test", "w3.test"}
    assert replays[0].frontier.size == size


@pytest.mark.parametrize("place", [0, 16, 18, 32, 33, 47])
def test_a_replaying_witness_refuses_an_entry_that_breaks_a_rule(
    world: World, tmp_path: Path, place: int
) -> None:
    grown(world, [LocalWitness(other) for other in world.witnesses(tmp_path / "v")], range(1))
    store = reader(world)
    head = store.head()
    assert head is not None
    entries = store.entries(0, head.size)
    for changed in (entries[place][:-1] + bytes([entries[place][-1] ^ 1]), b"\xf6", entries[17]):
        if changed == entries[place]:
            continue
        lying = [*entries[:place], changed, *entries[place + 1 :]]
        frontier = Frontier()
        replay = Replay(source_of(lying))
        with pytest.raises(ForkAlarm):
            replay.advance(head.size, head.root)
        assert replay.frontier.size == frontier.size == 0


def test_a_replaying_witness_refuses_a_tree_that_its_entries_do_not_give(world: World) -> None:
    store = reader(world)
    head = store.head()
    assert head is not None
    replay = Replay(store.entries)
    with pytest.raises(ForkAlarm) as caught:
        replay.advance(head.size, bytes(32))
    assert caught.value.code == "bad_checkpoint"
    for size in (0, 8, 17, 32):
        with pytest.raises(ForkAlarm):
            Replay(store.entries).advance(size, head.root)
    with pytest.raises(ForkAlarm):
        Replay(store.entries, charter_hash=bytes(32)).advance(head.size, head.root)


def test_a_witness_of_another_name_does_not_count(world: World, tmp_path: Path) -> None:
    from ledger.core.cosignature import Ed25519Cosigner

    one, two, _ = world.witnesses(tmp_path / "w")
    stranger = Witness(
        Ed25519Cosigner("stranger.test", bytes(32)),
        ORIGIN,
        world.log_keys(),
        tmp_path / "s.db",
        world.clock.seconds,
    )
    text, _ = grown(world, [LocalWitness(one), LocalWitness(two), LocalWitness(stranger)], range(1))
    assert "stranger.test" in text
    again = world.open([LocalWitness(one), LocalWitness(stranger)])
    with pytest.raises(StorageError):
        asyncio.run(again.start())
