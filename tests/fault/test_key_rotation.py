"""The service changes its keys: with a restart in between, and with a crash at each point of the switch.

docs/protocol.md sections 3 (verbs 12 to 14), 5 and 9 ("Bridging"). What must hold each time: one history,
every bundle opens under the pin from genesis, receipts verify under keys that are still to be had, and the
prepared keys end up in the place of the old ones.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.api import create_app
from ledger.audit import audit
from ledger.core import cbor
from ledger.core.actions import Verb
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose_key import parse_cose_key
from ledger.core.ledger_verbs import SetLogKeys, SetServiceKeys, SetWitnessPolicy, parse_service_keys
from ledger.core.merkle import leaf_hash
from ledger.core.opened_bundle import OpenedBundle, open_bundle
from ledger.core.pin import Pin
from ledger.core.receipt import check_inclusion_receipt
from ledger.errors import CodedError, LedgerError, StorageError
from ledger.service import key_ring
from ledger.service.key_ring import prepare_next_keys
from ledger.service.keys import LOG_ROLES, ROLES, SERVICE_ROLES
from ledger.service.service import LedgerService, open_service
from ledger.service.witnesses import LocalWitness, WitnessClient
from tests.fault.test_commit_order import Broken, check_one_history
from tests.support.log_service import ORIGIN, World, passphrase, policy_text, seed

KINDS = {"log": LOG_ROLES, "service": SERVICE_ROLES, "both": ROLES}
_counter = itertools.count()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger").found()


def opened(world: World, witnesses: Sequence[WitnessClient] = (), **chosen: Any) -> LedgerService:
    """Open the ledger with the key files as they are now."""
    return open_service(
        world.data_dir, passphrase=passphrase, now_ms=world.clock, witnesses=witnesses, **chosen
    )


async def started(world: World, witnesses: Sequence[WitnessClient] = ()) -> LedgerService:
    service = opened(world, witnesses)
    await service.start()
    if service.head.size == 16:
        await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    return service


def prepare(keys_dir: Path, kind: str) -> list[Verb]:
    """Prepare keys and return the verbs that governors decide on."""
    files = prepare_next_keys(
        keys_dir, ORIGIN, KINDS[kind], lambda n: (seed(f"next {next(_counter)}") * 2)[:n], passphrase
    )
    verbs: list[Verb] = []
    for path in files:
        value: Any = cbor.decode(path.read_bytes(), max_size=9999)
        verbs.append(
            SetLogKeys((value[0], value[1]))
            if path.stem == "log-keys"
            else SetServiceKeys(*parse_service_keys(value))
        )
    return verbs


async def decide(service: LedgerService, world: World, verbs: Sequence[Verb], counter: int = 0) -> int:
    placed = [await service.submit(entry) for entry in world.action(ORIGIN, counter, verbs, (0, 1))]
    return placed[-1].leaf_index


async def view(service: LedgerService, world: World) -> OpenedBundle:
    return open_bundle(await service.bundle(), Pin(ORIGIN, world.charter_hash))


async def check_receipt(service: LedgerService, entry: bytes, index: int) -> None:
    """Check a receipt under the key that a station knows, and under the set of keys."""
    receipt = await service.receipt(index)
    for key in (service.receipts_key, service.receipts_keys[0]):
        assert check_inclusion_receipt(receipt, leaf_hash(entry), key)[1] == index


async def registered(service: LedgerService, world: World, number: int) -> int:
    entry = world.credential(number)
    index = (await service.submit(entry)).leaf_index
    await check_receipt(service, entry, index)
    return index


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


def private_files(world: World) -> set[str]:
    keys = world.data_dir / "keys"
    return {str(path.relative_to(keys)) for path in keys.rglob("*") if path.is_file()}


def settled() -> set[str]:
    return {f"{role}.pem" for role in ROLES}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restart", ["never", "after-action", "after-switch"])
def test_keys_change_at_the_opening_of_the_next_epoch(world: World, kind: str, restart: str) -> None:
    async def body() -> None:
        service = await started(world)
        old = service.sequencer.registry.governance.terms
        await registered(service, world, 1)
        await decide(service, world, prepare(world.data_dir / "keys", kind))
        assert service.sequencer.registry.governance.terms.log_keys == old.log_keys
        opened_before = await view(service, world)
        assert opened_before.governance.terms.service_key == old.service_key
        if restart == "after-action":
            await service.stop()
            service = await started(world)
        index = await registered(service, world, 2)
        if restart == "after-switch":
            await service.stop()
            service = await started(world)
        await registered(service, world, 3)
        new = service.sequencer.registry.governance.terms
        assert (new.log_keys != old.log_keys) == (kind != "service")
        assert (new.service_key != old.service_key) == (kind != "log")
        assert (new.receipts_key != old.receipts_key) == (kind != "log")
        assert (await view(service, world)).governance.terms == new
        assert len((await view(service, world)).cells) == service.head.size * 2
        assert len(service.receipts_keys) == (1 if kind == "log" else 2)
        await check_receipt(service, world.credential(2), index)
        await service.stop()
        assert private_files(world) == settled()

    asyncio.run(body())
    check_one_history_of(world)


def check_one_history_of(world: World) -> None:
    """Replay everything, under the keys of each time; a head seen under the first keys included."""
    from ledger.store.engine import open_engine
    from ledger.store.entries import LedgerReader

    engine = open_engine(world.data_dir / "ledger.db", "read")
    heads = list(LedgerReader(engine).checkpoints())
    engine.dispose()
    check_one_history(world, [(head.size, head.root) for head in heads])
    pin = Pin(ORIGIN, world.charter_hash)
    for head in heads:
        report = audit(str(world.data_dir), pin, against=head.note)
        assert (report.code, report.against_size) == ("ok", head.size)
    forged = heads[0].note.replace(ORIGIN, "ledger.test/two", 1)
    with pytest.raises(LedgerError) as refused:
        audit(str(world.data_dir), pin, against=forged)
    assert refused.value.code == "bad_input"


def test_two_rotations_in_a_row(world: World) -> None:
    async def body() -> None:
        service = await started(world)
        for number in range(2):
            await decide(service, world, prepare(world.data_dir / "keys", "both"), number)
            await registered(service, world, number)
            await service.sequencer.between_epochs(lambda: None)  # the files are moved after the answer
        assert len(service.receipts_keys) == 3
        assert len((await view(service, world)).governance.effects) == 3
        await service.stop()
        assert private_files(world) == settled()

    asyncio.run(body())
    check_one_history_of(world)


STEPS = ("_stage", "_swap_lock", "_commit", "_publish")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("takes_effect", [False, True], ids=["not-done", "done"])
def test_a_crash_in_the_first_epoch_under_new_keys(
    world: World, kind: str, step: str, takes_effect: bool
) -> None:
    async def first_life() -> None:
        service = await started(world)
        await decide(service, world, prepare(world.data_dir / "keys", kind))
        await view(service, world)
        Broken(service, step, takes_effect=takes_effect)
        with pytest.raises(CodedError):
            await service.submit(world.credential(1))
        await service.stop()

    async def second_life() -> None:
        service = await started(world)
        for number in (1, 2):
            await registered(service, world, number)
        await view(service, world)
        await service.stop()

    asyncio.run(first_life())
    asyncio.run(second_life())
    assert private_files(world) == settled()
    check_one_history_of(world)


class CrashError(Exception):
    """The process is gone."""


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize("takes_effect", [False, True], ids=["not-done", "done"])
def test_a_crash_at_each_point_of_the_switch_of_files(
    world: World, place: int, takes_effect: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four renames, then the folder is tidied; each is interrupted before or after it happened."""
    calls = itertools.count()

    def broken(works: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any) -> Any:
            if next(calls) != place:
                return works(*arguments)
            if takes_effect:
                works(*arguments)
            raise CrashError

        return step

    async def first_life() -> None:
        service = await started(world)
        await decide(service, world, prepare(world.data_dir / "keys", "both"))
        await view(service, world)
        monkeypatch.setattr(key_ring, "move_file", broken(key_ring.move_file))
        monkeypatch.setattr(key_ring, "_tidy", broken(key_ring._tidy))
        await registered(service, world, 1)
        await until(lambda: service.sequencer.fatal is not None)
        await service.stop()
        monkeypatch.undo()

    async def second_life() -> None:
        service = await started(world)
        await registered(service, world, 2)
        await view(service, world)
        await service.stop()

    asyncio.run(first_life())
    asyncio.run(second_life())
    assert private_files(world) == settled()
    check_one_history_of(world)


def test_a_file_that_cannot_be_moved_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(source: Path, target: Path) -> None:
        raise PermissionError(13, "not allowed")

    async def body() -> None:
        service = await started(world)
        await decide(service, world, prepare(world.data_dir / "keys", "both"))
        monkeypatch.setattr(key_ring, "move_file", refuses)
        for number in (1, 2):
            await registered(service, world, number)
        await service.stop()
        monkeypatch.undo()
        service = await started(world)
        await registered(service, world, 3)
        await service.stop()

    asyncio.run(body())
    assert private_files(world) == settled()


def test_without_the_private_keys_the_ledger_waits_for_them(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(world.data_dir / "keys", elsewhere)
    verbs = prepare(elsewhere, "both")

    async def body() -> None:
        service = await started(world)
        await decide(service, world, verbs)
        waiting = service.submit(world.credential(1))
        await until(lambda: service.health().waits_for == "keys")
        await asyncio.sleep(0.1)
        assert not waiting.done()
        shutil.copytree(elsewhere / "next", world.data_dir / "keys" / "next")
        await waiting
        assert service.health().waits_for == ""
        await view(service, world)
        await service.stop()

    asyncio.run(body())
    assert private_files(world) == settled()


def test_a_ledger_that_waits_for_keys_can_be_stopped(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(world.data_dir / "keys", elsewhere)
    verbs = prepare(elsewhere, "log")

    async def body() -> None:
        service = await started(world)
        await decide(service, world, verbs)
        waiting = service.submit(world.credential(1))
        await until(lambda: service.health().waits_for == "keys")
        await asyncio.wait_for(service.stop(), 5)
        with pytest.raises(StorageError) as caught:
            await waiting
        assert caught.value.code == "read_only"

    asyncio.run(body())


class Mute:
    """A witness that answers only while it is told to."""

    def __init__(self, witness: LocalWitness) -> None:
        self._witness = witness
        self.speaks = True

    @property
    def key(self) -> Any:
        return self._witness.key

    async def last_checkpoint(self, origin: str) -> str | None:
        return await self._witness.last_checkpoint(origin)

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        if not self.speaks:
            raise StorageError("mute", field="witness", code="not_reachable")
        return await self._witness.add_checkpoint(old_size, proof, note)


@pytest.mark.parametrize("restart", [False, True])
def test_registrations_wait_until_the_old_quorum_has_the_bridge(
    tmp_path: Path, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.service.publisher._RETRY_S", 0.05)
    world = World(tmp_path / "ledger", threshold=2).found()
    locals_ = [LocalWitness(witness) for witness in world.witnesses(tmp_path / "w")]

    async def body() -> None:
        mute = [Mute(witness) for witness in locals_]
        service = await started(world, mute)
        await service.published_checkpoint()
        for witness in mute:
            witness.speaks = False
        verbs = [*prepare(world.data_dir / "keys", "both"), SetWitnessPolicy(policy_text(3))]
        index = await decide(service, world, verbs)
        waiting = service.submit(world.credential(1))
        await until(lambda: service.health().waits_for == "witnesses")
        await asyncio.sleep(0.2)
        assert not waiting.done()
        assert service.head.size == (index // 16 + 1) * 16
        if restart:
            await service.stop()
            with pytest.raises(StorageError):
                await waiting
            service = await started(world, mute)
            assert service.health().waits_for == "witnesses"
            waiting = service.submit(world.credential(1))
        for local in locals_:  # they are wrapped, so nobody but the test can tell them
            for pair in service._history.all_log_keys():
                local.learn_log_keys(pair)
        for witness in mute[:2]:
            witness.speaks = True
        await waiting
        assert service.health().waits_for == ""
        # Two are the quorum of before; from here on all three are asked for.
        before = service.checkpoint()
        for witness in mute:
            witness.speaks = True
        for local in locals_:  # they are wrapped, so nobody but the test can tell them
            for pair in service._history.all_log_keys():
                local.learn_log_keys(pair)
        text = ""
        while text in ("", before):
            text = await service.published_checkpoint(5)
            await asyncio.sleep(0.05)
        await registered(service, world, 2)
        opened_now = await view(service, world)
        assert opened_now.checkpoint.tree_size == service.head.size
        open_checkpoint(opened_now.note, service._history.log_keys_at(service.head.size))
        await service.stop()

    asyncio.run(body())


def test_old_receipts_keys_stay_resolvable(world: World) -> None:
    async def body() -> None:
        service = await started(world)
        entry = world.credential(1)
        index = (await service.submit(entry)).leaf_index
        old_receipt, old_key = await service.receipt(index), service.receipts_key
        await decide(service, world, prepare(world.data_dir / "keys", "service"))
        await registered(service, world, 2)
        transport = httpx.ASGITransport(app=create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
            found: Any = cbor.decode((await client.get("/.well-known/scitt-keys")).content, max_size=9999)
            keys = [parse_cose_key({k: v for k, v in item.items() if k != 2}) for item in found]
            assert keys == [service.receipts_key, old_key]
            assert (await client.get("/healthz")).json()["waits_for"] == ""
        assert check_inclusion_receipt(old_receipt, leaf_hash(entry), old_key)[1] == index
        await service.stop()

    asyncio.run(body())


def test_prepared_keys_are_not_made_twice_and_need_the_passphrase(world: World) -> None:
    keys = world.data_dir / "keys"
    prepare(keys, "log")
    prepare(keys, "service")
    for kind in KINDS:
        with pytest.raises(StorageError) as caught:
            prepare(keys, kind)
        assert caught.value.code == "bad_input"
    shutil.rmtree(keys / "next")
    with pytest.raises(StorageError) as caught:
        prepare_next_keys(keys, ORIGIN, ROLES, lambda n: bytes(n), lambda: b"another")
    assert caught.value.code == "wrong_secret"
    assert not (keys / "next").exists()


def test_keys_that_were_prepared_anew_are_found_without_a_restart(world: World) -> None:
    keys = world.data_dir / "keys"
    prepare(keys, "both")

    async def body() -> None:
        service = await started(world)
        shutil.rmtree(keys / "next")
        await decide(service, world, prepare(keys, "both"))
        await registered(service, world, 1)
        await until(lambda: not (keys / "next").exists())
        await decide(service, world, prepare(keys, "both"), 1)
        await registered(service, world, 2)
        await service.stop()

    asyncio.run(body())
    assert private_files(world) == settled()


def test_a_prepared_file_that_was_exchanged_is_not_taken_into_use(world: World, tmp_path: Path) -> None:
    keys = world.data_dir / "keys"
    verbs = prepare(keys, "both")
    before = {path: path.read_bytes() for path in keys.glob("*.pem")}

    async def body() -> None:
        service = await started(world)
        (keys / "next").rename(tmp_path / "chosen")
        prepare(keys, "both")
        await decide(service, world, verbs)
        await registered(service, world, 1)
        await service.stop()
        assert {path: path.read_bytes() for path in keys.glob("*.pem")} == before
        shutil.rmtree(keys / "next")
        (tmp_path / "chosen").rename(keys / "next")
        service = await started(world)
        await registered(service, world, 2)
        await service.stop()

    asyncio.run(body())
    assert private_files(world) == settled()


def test_prepared_keys_that_nobody_decided_on_change_nothing(world: World) -> None:
    async def body() -> None:
        service = await started(world)
        prepare(world.data_dir / "keys", "both")
        await registered(service, world, 1)
        await service.stop()
        service = await started(world)
        await registered(service, world, 2)
        await service.stop()

    before = {path: path.read_bytes() for path in (world.data_dir / "keys").glob("*.pem")}
    asyncio.run(body())
    assert {path: path.read_bytes() for path in (world.data_dir / "keys").glob("*.pem")} == before
    assert len(private_files(world)) == 10
