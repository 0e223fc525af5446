"""What is held through the real service: an idle ledger lets it lapse; auditor and witness see the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ledger.audit import audit
from ledger.core.calendar_days import month_of_seconds
from ledger.core.cells import CELL_SIZE, prove_in_cell
from ledger.core.cose_key import SoftwareSigner
from ledger.core.merkle import leaf_hash
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.registry.quarantine import LAPSE_MS
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow
from ledger.errors import CodedError
from ledger.inspect import describe_entry, describe_report
from ledger.service.rate import TokenBuckets
from ledger.service.replay import Replay
from ledger.service.service import LedgerService
from ledger.store.engine import open_engine
from ledger.store.entries import LedgerReader
from tests.support.log_service import DAY_S, ORIGIN, World, seed

HELD = 13
_T = TypeVar("_T")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger").found()


def run(world: World, body: Callable[[LedgerService], Coroutine[Any, Any, _T]], **chosen: Any) -> _T:
    """Start the service, run the body, stop."""

    async def whole() -> _T:
        service = world.open(**chosen)
        await service.start()
        try:
            return await body(service)
        finally:
            await service.stop()

    return asyncio.run(whole())


async def hold(world: World, service: LedgerService) -> None:
    """Admit the issuer, register 22 credentials, and ask for 21 of them to be withdrawn."""
    await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    await asyncio.gather(*(service.submit(world.credential(n)) for n in range(22)))
    await service.submit(world.status(1, [(n, 0, 1, 3) for n in range(21)]))


async def grown(service: LedgerService, size: int, *, within_s: float = 5.0) -> bool:
    """Tell whether the ledger grows beyond `size` within a time."""
    for _ in range(int(within_s / 0.01)):
        if service.head.size > size:
            return True
        await asyncio.sleep(0.01)
    return False


def entries_of(world: World) -> tuple[list[bytes], bytes]:
    engine = open_engine(world.data_dir / "ledger.db", "read")
    reader = LedgerReader(engine)
    head = reader.head()
    assert head is not None
    entries = list(reader.entries(0, head.size))
    engine.dispose()
    return entries, head.root


def replayed(world: World) -> Registry:
    """Return the registry of a witness that replays everything, every signature too."""
    entries, root = entries_of(world)
    replay = Replay(lambda start, stop: entries[start:stop], charter_hash=world.charter_hash)
    return replay.advance(len(entries), root)


def statuses(registry: Registry) -> list[int]:
    return [registry.lists["sc:1/0"].status(n) for n in range(22)]


def test_an_idle_ledger_lets_what_is_held_lapse(world: World) -> None:
    async def body(service: LedgerService) -> int:
        await hold(world, service)
        size, held_ms = service.head.size, service.head.time_ms
        assert not await grown(service, size, within_s=0.2)
        world.clock.now = held_ms + LAPSE_MS - 60_000
        assert not await grown(service, size, within_s=0.2)
        world.clock.now = held_ms + LAPSE_MS
        assert await grown(service, size)
        assert service.head.size == size + CELL_SIZE
        # Once, and then the ledger is idle again.
        assert not await grown(service, size + CELL_SIZE, within_s=0.2)
        return size

    size = run(world, body)
    entries, _ = entries_of(world)
    assert entries[size:-1] == [b"\xf6"] * 15
    registry = replayed(world)
    assert statuses(registry) == [0] * 22
    assert registry.next_timer_ms() is None
    for jobs in (1, 2):
        report = audit(str(world.data_dir), Pin(ORIGIN, world.charter_hash), jobs=jobs)
        assert (report.code, report.tree_size) == ("ok", size + CELL_SIZE)


def test_a_ledger_that_was_off_lets_it_lapse_when_it_starts(world: World) -> None:
    async def first(service: LedgerService) -> int:
        await hold(world, service)
        return service.head.size

    async def second(service: LedgerService) -> None:
        assert await grown(service, size)

    size = run(world, first)
    assert statuses(replayed(world)) == [HELD] * 21 + [0]
    report = audit(str(world.data_dir), Pin(ORIGIN, world.charter_hash))
    [held] = report.held
    assert (held["index"], held["issuer"], held["list"], held["places"]) == (
        size - 16,
        "civil-1",
        "sc:1/0",
        21,
    )
    assert held["until_s"] == (report.last_time_ms + LAPSE_MS) // 1000
    lines = describe_report(report, against_given=False)
    assert any(f"held: entry {size - 16}, by which civil-1" in line for line in lines)
    world.clock.now += LAPSE_MS + DAY_S * 1000
    run(world, second)
    assert statuses(replayed(world)) == [0] * 22


def test_a_statement_that_needs_the_lapse_is_taken_when_it_is_due(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await hold(world, service)
        world.clock.now = service.head.time_ms + LAPSE_MS
        await service.submit(world.status(2, [(0, 0, 2, 4)]))

    run(world, body)
    assert statuses(replayed(world)) == [2] + [0] * 21


def replacement(world: World, number: int, *, by: str = "holder", **changed: Any) -> bytes:
    """Return the holder's own replacement of credential `number`, proved from the stored entries."""
    entries, _ = entries_of(world)
    index = next(at for at, entry in enumerate(entries) if _is_credential(entry, f"sc:1/0 {number}"))
    start = index // CELL_SIZE * CELL_SIZE
    leaves = [leaf_hash(entry) for entry in entries[start : start + CELL_SIZE]]
    proof = HolderProof(index, prove_in_cell(leaves, index - start), entries[index])
    row = StatusRow(number, changed.get("old", 0), 3, 1, month_of_seconds(world.clock.seconds()))
    body = StatusChange("sc:1/0", 0, (row,), proof)
    sub = parse_statement(entries[index]).sub
    return sign_statement("status", sub, "sc:1/0", body, SoftwareSigner.from_seed("ed25519", seed(by)))


def _is_credential(entry: bytes, place: str) -> bool:
    if entry == b"\xf6":
        return False
    statement = parse_statement(entry)
    return statement.kind == "credential" and f"{statement.body.uri} {statement.body.idx}" == place


async def code_of(service: LedgerService, entry: bytes) -> str:
    try:
        await service.submit(entry)
    except CodedError as error:
        return error.code
    return "ok"


def test_anybody_may_relay_a_holder_s_replacement_and_all_readers_take_it(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await hold(world, service)
        own, held = replacement(world, 21), replacement(world, 3, old=HELD)
        assert await code_of(service, replacement(world, 21, by="somebody")) == "unknown_issuer"
        damaged = own[:-1] + bytes([own[-1] ^ 1])
        assert await code_of(service, damaged) == "bad_signature"
        assert await code_of(service, replacement(world, 3)) == "stale_action"
        index = parse_statement(own).body.proof.index
        assert describe_entry(own)[:3] == [
            f"Replacement by the holder of the credential {parse_statement(own).iss} on list sc:1/0",
            f"  proved by the credential at entry {index}",
            "  place 21: valid -> replaced (replaced, 2026-09)",
        ]
        placed = await service.submit(own)
        assert placed.is_new
        # The same again is where it was first.
        assert (await service.submit(own)).leaf_index == placed.leaf_index
        assert await code_of(service, held) == "ok"
        assert await code_of(service, replacement(world, 21, old=3)) == "bad_transition"
        # The issuer's own next change has the next number.
        assert await code_of(service, world.status(2, [(5, HELD, 3, 1)])) == "bad_transition"
        await service.submit(world.credential(30))
        await service.submit(world.status(2, [(30, 0, 3, 1)]))

    run(world, body)
    assert statuses(replayed(world)) == [3 if n in (3, 21) else HELD for n in range(22)]
    for jobs in (1, 2):
        report = audit(str(world.data_dir), Pin(ORIGIN, world.charter_hash), jobs=jobs)
        assert (report.code, report.counts["status"]) == ("ok", 4)


def test_holders_of_one_list_share_a_rate_that_is_not_the_issuer_s(world: World) -> None:
    async def first(service: LedgerService) -> None:
        await hold(world, service)

    async def second(service: LedgerService) -> None:
        codes = [await code_of(service, replacement(world, n, old=HELD)) for n in (1, 2, 3)]
        assert codes == ["ok", "ok", "rate_limited"]
        assert await code_of(service, world.credential(30)) == "ok"

    run(world, first)
    run(world, second, limit=TokenBuckets(rate_per_s=0.001, burst=2))
