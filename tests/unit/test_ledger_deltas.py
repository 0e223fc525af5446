"""Daily deltas of a running ledger: written when the day is over, static from then on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.api import create_app
from ledger.core.bundle import parse_bundle
from ledger.core.calendar_days import date_of_seconds
from ledger.core.delta import apply_delta, make_delta, parse_delta
from ledger.core.opened_bundle import open_bundle
from ledger.errors import StorageError
from ledger.service.deltas import MAX_IDLE_DAYS, DeltaFolder
from ledger.service.service import LedgerService
from ledger.service.witnesses import LocalWitness
from ledger.store.engine import DATABASE_NAME, open_engine
from ledger.store.entries import LedgerWriter
from tests.support.ledgers import TinyLedger
from tests.support.log_service import World

Body = Callable[[httpx.AsyncClient, LedgerService], Coroutine[Any, Any, None]]
DAY_MS = 86_400_000
WAIT = {"Prefer": "wait"}


def run(world: World, body: Body, **settings: Any) -> None:
    async def whole() -> None:
        clients = [LocalWitness(witness) for witness in world.witnesses(world.data_dir.parent / "w")]
        service = world.open(clients, **settings)
        app = create_app(service)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                await body(client, service)

    asyncio.run(whole())


def today(world: World) -> date:
    return datetime.fromtimestamp(world.clock.now / 1000, UTC).date()


async def post(client: httpx.AsyncClient, service: LedgerService, *entries: bytes) -> bytes:
    """Register entries, wait until their head is published, and return the bundle."""
    for entry in entries:
        assert (await client.post("/entries", content=entry, headers=WAIT)).status_code == 201
    await service.published_checkpoint()
    return (await client.get("/bundle")).content


def test_a_day_that_is_over_has_a_static_delta(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2).found()
    days = [today(world)]

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await post(client, service, *world.admission())
        first_end = await post(client, service, world.credential(1))
        world.clock.now += DAY_MS
        days.append(today(world))
        middle = await post(client, service, world.credential(2))
        second_end = await post(client, service, world.credential(3), world.status(1, [(1, 0, 2, 4)]))
        for day in (*days, days[1] + timedelta(days=1)):
            assert (await client.get(f"/delta/{day}")).status_code == 404, day
        world.clock.now += DAY_MS
        await post(client, service, world.credential(4))
        answer = await client.get(f"/delta/{days[1]}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert (await client.get(f"/delta/{days[0]}")).status_code == 404  # there is no bundle before it
        for bundle in (first_end, middle, second_end):
            assert apply_delta(bundle, answer.content) == second_end
        delta = parse_delta(answer.content)
        sizes = [parse_bundle(bundle).tree_size for bundle in (first_end, second_end)]
        assert [delta.from_size, delta.to_size] == sizes
        for path in ("/delta/x", "/delta/2026-13-01", "/delta/last-" + str(days[1]), "/delta/..%2fledger"):
            assert (await client.get(path)).status_code == 404, path

    run(world, body)


def test_a_day_is_that_of_the_witnesses_and_not_of_the_seal(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2).found()

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        first_end = await post(client, service, *world.admission())
        world.clock.now += DAY_MS
        over = today(world)
        await post(client, service, world.credential(1))
        world.clock.now += DAY_MS
        # Nobody says anything on the third day: its witnesses alone say that the second is over.
        answer = await client.get(f"/delta/{over}")
        for _ in range(1000):
            if answer.status_code == 200:
                break
            await asyncio.sleep(0.02)
            answer = await client.get(f"/delta/{over}")
        assert answer.status_code == 200
        led_to = open_bundle(apply_delta(first_end, answer.content), world.pin())
        assert led_to.checkpoint.tree_size == service.head.size
        assert date_of_seconds(led_to.now_min_s) == over

    run(world, body, recosign_s=0.05)


def test_a_day_that_ends_while_the_ledger_is_stopped_is_not_lost(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2).found()
    ends: list[bytes] = []

    async def first(client: httpx.AsyncClient, service: LedgerService) -> None:
        ends.append(await post(client, service, *world.admission()))
        world.clock.now += DAY_MS
        ends.append(await post(client, service, world.credential(1)))

    run(world, first)
    day = today(world)
    world.clock.now += 3 * DAY_MS

    async def second(client: httpx.AsyncClient, service: LedgerService) -> None:
        await post(client, service, world.credential(2))
        data = (await client.get(f"/delta/{day}")).content
        assert apply_delta(ends[0], data) == apply_delta(ends[1], data)
        for idle in (1, 2):
            unchanged = await client.get(f"/delta/{day + timedelta(days=idle)}")
            assert parse_delta(unchanged.content).cells == b""
        assert (await client.get(f"/delta/{today(world)}")).status_code == 404

    run(world, second)


@pytest.fixture
def folder(tmp_path: Path) -> DeltaFolder:
    return DeltaFolder(tmp_path / "deltas")


def test_a_day_is_closed_once(folder: DeltaFolder, tmp_path: Path) -> None:
    ledger = TinyLedger()
    first, day = ledger.bundle(), date(2026, 11, 15)
    folder.close_day(day, first, day + timedelta(days=1))
    ledger.admit()
    second = ledger.bundle()
    folder.close_day(day + timedelta(days=1), second, day + timedelta(days=2))
    delta = folder.read(day + timedelta(days=1))
    assert delta == make_delta(first, second)
    ledger.admit("another")
    folder.close_day(day + timedelta(days=1), ledger.bundle(), day + timedelta(days=2))
    assert folder.read(day + timedelta(days=1)) == delta
    assert sorted(path.name for path in (tmp_path / "deltas").iterdir()) == [
        "2026-11-16.cbor",
        "last-2026-11-16.cbor",
    ]


def test_a_long_silence_leaves_few_files(folder: DeltaFolder, tmp_path: Path) -> None:
    day = date(2026, 11, 15)
    folder.close_day(day, TinyLedger().bundle(), day + timedelta(days=400))
    assert len(list((tmp_path / "deltas").iterdir())) == 1 + MAX_IDLE_DAYS
    assert folder.read(day + timedelta(days=399)) is not None


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "deltas").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        DeltaFolder(tmp_path / "deltas").close_day(
            date(2026, 11, 15), TinyLedger().bundle(), date(2026, 11, 16)
        )
    assert caught.value.code == "storage_failed"


def test_a_delta_that_cannot_be_written_does_not_stop_the_ledger(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger", threshold=2).found()
    (world.data_dir / "deltas").write_bytes(b"")

    async def body(client: httpx.AsyncClient, service: LedgerService) -> None:
        await post(client, service, *world.admission())
        world.clock.now += DAY_MS
        bundle = await post(client, service, world.credential(1))
        assert parse_bundle(bundle).tree_size == service.head.size

    run(world, body)


def test_a_delta_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    folder, day = DeltaFolder(tmp_path), date(2026, 9, 21)
    for data in (b"first", b"second"):
        folder._write(f"{day.isoformat()}.cbor", data)
    assert folder.read(day) == b"first"


def test_a_bridge_stays_as_it_was_when_its_quorum_was_first_there(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger").found()
    store = LedgerWriter(open_engine(world.data_dir / DATABASE_NAME))
    for text in ("first", "renewed"):
        store.keep_bridge(16, text)
    # One of a larger tree is none of this bundle's.
    assert (store.bridges(), store.bridges(16), store.bridges(15)) == ({16: "first"}, {16: "first"}, {})
    store.engine.dispose()
