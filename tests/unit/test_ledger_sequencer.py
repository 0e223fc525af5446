"""The sequencer: what it takes, in which order it writes, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from ledger.core.actions import Change, Suspend
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose import parse_sign1
from ledger.core.cose_key import SoftwareSigner
from ledger.core.epoch import MAX_EPOCH_ENTRIES, MAX_EPOCH_STATEMENTS
from ledger.core.ledger_verbs import SetGovernors
from ledger.core.merkle import leaf_hash
from ledger.core.statement import PADDING, parse_statement
from ledger.errors import CodedError
from ledger.service import intake
from ledger.service.rate import TokenBuckets
from ledger.service.replay import Replay
from ledger.service.service import LedgerService
from ledger.store.engine import open_engine
from ledger.store.entries import LedgerReader
from tests.support.log_service import DAY_S, ORIGIN, World, governor, seed

_T = TypeVar("_T")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "ledger").found()


def run(world: World, body: Callable[[LedgerService], Coroutine[Any, Any, _T]], **chosen: Any) -> _T:
    """Start the service with the issuer admitted, run the body, stop."""

    async def whole() -> _T:
        service = world.open(**chosen)
        await service.start()
        try:
            if service.head.size == 16:
                await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
            return await body(service)
        finally:
            await service.stop()

    return asyncio.run(whole())


async def code_of(answer: Awaitable[object]) -> str:
    try:
        await answer
    except CodedError as error:
        return error.code
    return "ok"


def replayed(world: World) -> Replay:
    """Replay all that is stored, every signature and seal, as an auditor does."""
    engine = open_engine(world.data_dir / "ledger.db", "read")
    reader = LedgerReader(engine)
    replay = Replay(reader.entries, charter_hash=world.charter_hash)
    head = reader.head()
    assert head is not None
    replay.advance(head.size, head.root)
    engine.dispose()
    return replay


def test_what_is_acknowledged_is_where_it_says(world: World) -> None:
    entries = [world.credential(number) for number in range(40)]

    async def body(service: LedgerService) -> None:
        placed = await asyncio.gather(*(service.submit(entry) for entry in entries))
        assert len({place.leaf_index for place in placed}) == 40
        for entry, place in zip(entries, placed, strict=True):
            assert place.entry == entry
            assert place.is_new
            assert place.statement_id == parse_statement(entry).statement_id
            found = await service.find(place.statement_id)
            assert found is not None
            assert found.leaf_index == place.leaf_index

    run(world, body)
    assert replayed(world).frontier.size % 16 == 0


def test_what_is_committed_and_not_yet_published_is_not_found(world: World) -> None:
    async def body(service: LedgerService) -> None:
        first = await service.submit(world.credential(1))
        before = service.head
        second = await service.submit(world.credential(2))
        assert second.leaf_index >= before.size
        after, service.sequencer.head = service.head, before
        try:
            # Its receipt would be of a tree that nobody can fetch yet.
            assert await service.find(second.statement_id) is None
            assert await service.find(first.statement_id) is not None
        finally:
            service.sequencer.head = after
        found = await service.find(second.statement_id)
        assert found is not None
        assert found.leaf_index == second.leaf_index

    run(world, body)


def test_an_epoch_has_the_order_of_the_protocol(world: World) -> None:
    async def body(service: LedgerService) -> list[int]:
        logged = await service.submit(world.credential(0))
        assert logged.is_new
        first = service.head.size
        batch = [world.credential(number) for number in range(1, 20)] + [world.status(1, [(0, 0, 2, 4)])]
        placed = await asyncio.gather(*(service.submit(entry) for entry in batch))
        assert placed[-1].leaf_index == first
        by_index = sorted(placed[:-1], key=lambda place: place.leaf_index)
        assert [p.statement_id for p in by_index] == sorted(p.statement_id for p in by_index)
        return [place.leaf_index - first for place in by_index]

    assert run(world, body) == list(range(1, 20))
    assert len(replayed(world).registry.lists["sc:1/0"].reasons) == 1  # type: ignore[union-attr]


def test_the_order_of_arrival_is_not_the_order_in_which_threads_verify(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(service: LedgerService) -> list[int]:
        verified: list[Callable[[None], None]] = []
        pool = service.sequencer.intake._pool
        monkeypatch.setattr(pool, "verify", lambda statement, key, done: verified.append(done))
        titles = [Change(title=f"Office {number}") for number in range(4)]
        approvals = [world.action("civil-1", 1, [title], (0,))[0] for title in titles]
        futures = [service.sequencer.submit(entry) for entry in approvals]
        for done in reversed(verified):
            done(None)
        return [(await future).leaf_index for future in futures]

    placed = run(world, body)
    assert placed == sorted(placed)


def test_an_epoch_closes_at_the_charter_s_period_and_not_when_something_arrives(tmp_path: Path) -> None:
    slow = World(tmp_path / "slow", epoch_ms=150).found()

    async def body(service: LedgerService) -> float:
        began_s = asyncio.get_running_loop().time()
        for number in range(4):
            await service.submit(slow.credential(number))
        return asyncio.get_running_loop().time() - began_s

    # Four epochs end at four boundaries, hence after three whole periods at least.
    assert run(slow, body) >= 3 * 0.15


def test_a_checkpoint_has_the_second_of_its_epoch(world: World) -> None:
    async def body(service: LedgerService) -> None:
        for late_ms in (0, 1, 999, 1000):
            world.clock.now = world.clock.now // 1000 * 1000 + 60_000 + late_ms - world.clock.step
            await service.submit(world.credential(late_ms))
            head = service.head
            assert open_checkpoint(head.note, world.log_keys()).timestamp_s == head.time_ms // 1000

    run(world, body)


def test_the_same_statement_again_gives_the_first_index_and_the_logged_bytes(world: World) -> None:
    entry = world.credential(1)

    async def body(service: LedgerService) -> None:
        both = await asyncio.gather(service.submit(entry), service.submit(entry))
        assert both[0].leaf_index == both[1].leaf_index
        assert sorted(place.is_new for place in both) == [False, True]
        again = await service.submit(entry)
        assert (again.leaf_index, again.entry, again.is_new) == (both[0].leaf_index, entry, False)
        other = entry[:-64] + parse_sign1(world.credential(1), max_size=4096).signature
        assert (await service.submit(other)).entry == entry
        damaged = entry[:-1] + bytes([entry[-1] ^ 1])
        assert (await service.submit(damaged)).entry == entry

    run(world, body)


def test_an_approval_that_was_struck_is_not_logged_a_second_time(world: World) -> None:
    own = tuple((f"governor-{n}", governor(n).public_key) for n in range(3))
    without = (own[0], own[1], ("dee", SoftwareSigner.from_seed("ed25519", seed("dee")).public_key))

    async def body(service: LedgerService) -> None:
        [approval] = world.action("civil-1", 1, [Suspend()], [2])
        first = await service.submit(approval)
        for counter, governors in ((0, without), (1, own)):
            action = world.action(ORIGIN, counter, [SetGovernors(governors, 2)], (0, 1))
            await asyncio.gather(*(service.submit(entry) for entry in action))
        size = service.head.size
        # It is in no open proposal now, and the rules alone would count it anew.
        again = await asyncio.gather(service.submit(approval), service.submit(approval))
        assert [(placed.leaf_index, placed.is_new) for placed in again] == [(first.leaf_index, False)] * 2
        assert service.head.size == size
        assert service.intake.pending_count == 0
        await service.submit(world.credential(1))
        assert service.sequencer.fatal is None

    run(world, body)
    replayed(world)


def test_every_refusal_has_the_code_of_the_first_check_that_fails(world: World) -> None:
    async def body(service: LedgerService) -> None:
        good = world.credential(1)
        await service.submit(good)
        submit = service.submit
        other = world.credential(2)
        assert await code_of(submit(other[:-1] + bytes([other[-1] ^ 1]))) == "bad_signature"
        assert await code_of(submit(world.credential(3, idx=1))) == "place_taken"
        assert await code_of(submit(world.credential(4, iss="civil-2"))) == "unknown_issuer"
        assert await code_of(submit(world.credential(5, uri="sc:2/0"))) == "out_of_scope"
        assert await code_of(submit(world.credential(6, vct="sc:companion"))) == "out_of_scope"
        assert await code_of(submit(world.status(2, [(1, 0, 1, 3)]))) == "stale_action"
        assert await code_of(submit(world.status(1, [(1, 0, 1, 1)]))) == "bad_transition"
        for entry, code in ((PADDING, "malformed"), (bytes(65_536), "too_large"), (b"\xd2", "malformed")):
            with pytest.raises(CodedError) as caught:
                submit(entry)
            assert caught.value.code == code
        charter = (world.data_dir / "charter.cose").read_bytes()
        assert (await submit(charter)).leaf_index == 0
        assert service.head.size == 48

    run(world, body)


def test_two_credentials_for_one_place_in_one_epoch_leave_one(world: World) -> None:
    async def body(service: LedgerService) -> list[str]:
        answers = [code_of(service.submit(world.credential(number, idx=9))) for number in (1, 2, 3)]
        return list(await asyncio.gather(*answers))

    assert sorted(run(world, body)) == ["ok", "place_taken", "place_taken"]
    replayed(world)


def test_an_epoch_in_which_nothing_applies_is_not_written(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await service.submit(world.credential(1))
        size = service.head.size
        both = [world.status(1, [(1, 0, 2, 4)]), world.status(1, [(1, 0, 1, 3)])]
        codes = await asyncio.gather(*(code_of(service.submit(entry)) for entry in both))
        assert sorted(codes) == ["ok", "stale_action"]
        assert service.head.size == size + 16
        await asyncio.sleep(0.06)
        assert service.head.size == size + 16

    run(world, body)


def test_after_a_week_without_entries_the_clock_of_today_is_judged_by(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await service.submit(world.credential(1))
        world.clock.now += 60 * DAY_S * 1000
        assert await code_of(service.submit(world.credential(2))) == "ok"

    run(world, body)
    replayed(world)


def test_times_rise_when_the_clock_stands_or_steps_back_a_little(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await service.submit(world.credential(1))
        before = service.head.time_ms
        world.clock.now -= 30_000
        await service.submit(world.credential(2))
        assert service.head.time_ms == before + 1
        world.clock.now, world.clock.step = before + 1, 0
        await service.submit(world.credential(3))
        assert service.head.time_ms == before + 2

    run(world, body)


def test_a_clock_far_behind_makes_the_ledger_wait_and_not_lie(world: World) -> None:
    async def body(service: LedgerService) -> None:
        await service.submit(world.credential(1))
        size = service.head.size
        world.clock.now -= 3_600_000
        assert await code_of(service.submit(world.credential(2))) == "read_only"
        assert service.head.size == size
        world.clock.now += 3_600_000
        assert await code_of(service.submit(world.credential(2))) == "ok"

    run(world, body)


def test_the_rate_of_the_service_is_per_issuer_and_comes_before_the_signature(world: World) -> None:
    limit = TokenBuckets(rate_per_s=0.001, burst=2)

    async def body(service: LedgerService) -> None:
        assert await code_of(service.submit(world.credential(1))) == "ok"
        assert await code_of(service.submit(world.credential(2))) == "ok"
        damaged = world.credential(3)[:-1] + b"\x00"
        assert await code_of(service.submit(damaged)) == "rate_limited"
        (approval, *_) = world.action("civil-1", 1, [Suspend()], (2,))
        assert await code_of(service.submit(approval)) == "ok"

    run(world, body, limit=limit)


def test_what_waits_is_bounded(world: World) -> None:
    async def body(service: LedgerService) -> None:
        entries = [world.credential(number) for number in range(8)]
        codes = await asyncio.gather(*(code_of(service.submit(entry)) for entry in entries))
        assert codes.count("rate_limited") == 3
        assert codes.count("ok") == 5

    run(world, body, max_pending_bytes=5 * 400)


def test_an_epoch_takes_as_many_statements_as_leave_room_for_padding_and_seal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (MAX_EPOCH_STATEMENTS, MAX_EPOCH_ENTRIES) == (65_520, 65_536)

    async def body(service: LedgerService) -> None:
        monkeypatch.setattr(intake, "MAX_EPOCH_STATEMENTS", 5)
        entries = [world.credential(number) for number in range(8)]
        codes = await asyncio.gather(*(code_of(service.submit(entry)) for entry in entries))
        assert sorted(codes) == ["ok"] * 5 + ["rate_limited"] * 3

    run(world, body)


def test_stopping_closes_the_last_epoch_and_refuses_what_comes_later(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", epoch_ms=3_600_000).found()

    async def body() -> None:
        service = world.open()
        await service.start()
        waiting = [service.submit(entry) for entry in world.admission()]
        await asyncio.sleep(0.1)
        assert not any(future.done() for future in waiting)
        await asyncio.wait_for(service.stop(), 5)
        assert [place.leaf_index for place in await asyncio.gather(*waiting)] == [16, 17]
        assert await code_of(service.submit(world.credential(1))) == "read_only"

    asyncio.run(body())


def test_a_cancelled_client_does_not_stop_the_others(world: World) -> None:
    async def body(service: LedgerService) -> None:
        gone = service.submit(world.credential(1))
        kept = service.submit(world.credential(1))
        gone.cancel()
        assert (await kept).entry == world.credential(1)

    run(world, body)


def test_many_clients_at_once_are_all_served(world: World) -> None:
    entries = [world.credential(number) for number in range(600)]

    async def body(service: LedgerService) -> int:
        queue = iter(entries)

        async def client() -> int:
            return sum([(await service.submit(entry)).is_new for entry in queue])

        return sum(await asyncio.gather(*(client() for _ in range(64))))

    assert run(world, body) == 600
    registry = replayed(world).registry
    assert registry is not None
    assert registry.lists["sc:1/0"].used == 600


def test_the_sequence_goes_on_after_a_restart(world: World) -> None:
    async def first(service: LedgerService) -> int:
        return (await service.submit(world.credential(1))).leaf_index

    async def second(service: LedgerService) -> int:
        assert (await service.submit(world.credential(1))).leaf_index == index
        assert await code_of(service.submit(world.credential(3, idx=1))) == "place_taken"
        return (await service.submit(world.credential(2))).leaf_index

    index = run(world, first)
    assert run(world, second) == index + 16
    assert leaf_hash(replayed(world)._source(index, index + 1)[0]) == leaf_hash(world.credential(1))


def test_a_second_service_on_one_directory_is_refused(world: World) -> None:
    async def body(_service: LedgerService) -> str:
        with pytest.raises(CodedError) as caught:
            world.open()
        return caught.value.code

    assert run(world, body) == "read_only"
