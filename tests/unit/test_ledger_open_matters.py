"""A governor without a directory: what a service names as open is checked against the list, and a liar shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ledger.api import create_app
from ledger.cli import app as ledger_app
from ledger.core import cbor
from ledger.core.actions import RefuseHeld, Suspend
from ledger.core.bundle import parse_bundle
from ledger.core.cells import cells_from_leaves
from ledger.core.cose_key import SoftwareSigner
from ledger.core.govern_hint import (
    MAX_APPROVALS,
    MAX_HELD,
    MAX_HINT_BYTES,
    GovernHint,
    format_govern_hint,
    parse_govern_hint,
)
from ledger.core.ledger_verbs import SetGovernors, SetThreshold
from ledger.core.merkle import leaf_hash
from ledger.core.opened_bundle import open_bundle
from ledger.core.pin import Pin
from ledger.core.registry.governance import Governance
from ledger.core.registry.quarantine import DAY_MS, LAPSE_MS
from ledger.core.statement import is_padding, parse_statement, sign_statement
from ledger.core.tiles import TilePath, format_entry_bundle, parse_entry_bundle
from ledger.errors import CodedError, MalformedError
from ledger.governance_view import read_remote_view, read_view
from ledger.inspect import describe_governance, describe_held
from ledger.open_matters import LoggedEntries, OpenMatters, read_matters
from ledger.remote import RemoteLedger
from ledger.service.service import LedgerService
from tests.support.log_service import ORIGIN, World, governor, seed

Answer = Callable[[httpx.Request], httpx.Response]


@dataclass
class Served:
    """What an honest service answered, by path, and the ledger that it is of."""

    world: World
    pin: Pin
    bundle: bytes
    hint: bytes
    entries: list[bytes]

    def view(self, **other: Any) -> tuple[Governance, OpenMatters]:
        """Return what a governor sees of a service that answers this, with other answers in its place."""

        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.path
            for prefix, value in other.items():
                if path.startswith(f"/{prefix}"):
                    return value if isinstance(value, httpx.Response) else httpx.Response(200, content=value)
            if path in ("/bundle", "/govern"):
                return httpx.Response(200, content=self.bundle if path == "/bundle" else self.hint)
            assert path == f"/tile/entries/000.p/{len(self.entries)}"
            return httpx.Response(200, content=format_entry_bundle(self.entries))

        client = httpx.Client(transport=httpx.MockTransport(answer))
        with RemoteLedger("http://ledger.test", client) as remote:
            return read_remote_view(remote, self.pin)

    def lines(self, view: tuple[Governance, OpenMatters]) -> list[str]:
        governance, matters = view
        return [*describe_governance(governance), *describe_held(governance, matters.held)]


def serve(world: World, *steps: Callable[[World, LedgerService], Any]) -> Served:
    """Run a service through some steps and return what it answers then."""

    async def whole() -> Served:
        service = world.open()
        app = create_app(service)
        async with app.router.lifespan_context(app):
            for step in steps:
                await step(world, service)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://ledger.test") as client:
                bundle = (await client.get("/bundle")).content
                answer = await client.get("/govern")
                assert answer.headers["content-type"] == "application/cbor"
                assert answer.headers["cache-control"] == "no-cache"
                size = parse_bundle(bundle).tree_size
                tile = (await client.get(f"/tile/entries/000.p/{size}")).content
        pin = Pin(ORIGIN, world.charter_hash)
        return Served(world, pin, bundle, answer.content, parse_entry_bundle(tile, size))

    return asyncio.run(whole())


async def hold(world: World, service: LedgerService) -> None:
    """Admit the issuer, register 22 credentials, and ask for 21 of them to be withdrawn."""
    await asyncio.gather(*(service.submit(entry) for entry in world.admission()))
    await asyncio.gather(*(service.submit(world.credential(n)) for n in range(22)))
    await service.submit(world.status(1, [(n, 0, 1 if n else 2, 3 if n else 4) for n in range(21)]))


async def propose(world: World, service: LedgerService) -> None:
    """Open a proposal on the issuer and one on the ledger, one approval each."""
    for entry in (
        *world.action("civil-1", 1, [Suspend()], [0]),
        *world.action(ORIGIN, 0, [SetThreshold(2)], [1]),
    ):
        await service.submit(entry)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return serve(World(tmp_path_factory.mktemp("open") / "data").found(), hold, propose)


def renamed(served: Served, **changed: Any) -> bytes:
    return format_govern_hint(replace(parse_govern_hint(served.hint), **changed))


# -- what an honest service shows ---------------------------------------------------------------------------


def test_a_service_shows_what_a_directory_shows(served: Served) -> None:
    shown = served.lines(served.view())
    assert shown == served.lines(read_view(str(served.world.data_dir), served.pin))
    [held] = parse_govern_hint(served.hint).held
    assert f"Held at entry {held}: 20 withdrawals and 1 suspensions of civil-1 on list sc:1/0" in shown
    assert sum(line.startswith("Open proposal, approved by ") for line in shown) == 2
    governance, matters = served.view()
    [change] = matters.held
    assert 0 < change.time_ms < change.lapses_ms == change.time_ms + LAPSE_MS
    assert [list(proposal.approvals) for proposal in governance.proposals.values()] == [
        ["governor-0"],
        ["governor-1"],
    ]


def test_the_command_shows_it_and_says_what_it_cannot_know(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = served.view()
    monkeypatch.setattr("ledger.governance_view.read_view", lambda source, pin: view)
    shown = CliRunner().invoke(ledger_app, ["govern", "status", "http://ledger.test"])
    assert shown.exit_code == 0
    assert "Held at entry" in shown.stdout
    assert "since 2026-" in shown.stdout
    assert "lapses at 2026-" in shown.stdout
    assert "it may leave one out, a mirror of the ledger shows all" in shown.stderr


def test_where_nothing_waits_nothing_is_shown(tmp_path: Path) -> None:
    quiet = serve(World(tmp_path / "data").found())
    assert parse_govern_hint(quiet.hint) == GovernHint(16, (), ())
    _, matters = quiet.view()
    assert matters.held == ()
    assert len(matters.notes) == 1


def test_a_bundle_file_says_how_many_places_are_held(served: Served, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(served.bundle)
    _, matters = read_view(str(tmp_path / "bundle"), served.pin)
    assert matters.held == ()
    assert matters.notes[0].startswith("21 places of list sc:1/0 read as held")
    assert "open proposals" in matters.notes[1]


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (503, "read_only")])
def test_a_service_that_cannot_answer_still_shows_the_rest(served: Served, status: int, code: str) -> None:
    governance, matters = served.view(govern=httpx.Response(status, content=_problem(code)))
    assert "civil-1" in governance.issuers
    assert "does not say" in matters.notes[-1]
    assert matters.notes[0].startswith("21 places")


# -- what a lying one shows ---------------------------------------------------------------------------------


def test_another_entry_in_the_place_is_an_alarm(served: Served) -> None:
    [held] = parse_govern_hint(served.hint).held
    for place, entry in ((held, served.entries[held][:-1] + b"\x00"), (held, b"\xf6"), (0, b"\xf6")):
        entries = [*served.entries[:place], entry, *served.entries[place + 1 :]]
        with pytest.raises(CodedError) as caught:
            served.view(tile=format_entry_bundle(entries))
        assert caught.value.code == "bad_entry"


@pytest.mark.parametrize("data", [b"", b"junk", b"\xff" * 70_000], ids=["empty", "short", "long"])
def test_entry_bundles_of_another_form_are_an_alarm(served: Served, data: bytes) -> None:
    with pytest.raises(CodedError) as caught:
        served.view(tile=data)
    assert caught.value.code == "bad_entry"


def test_any_other_index_shows_nothing_and_is_said(served: Served) -> None:
    honest = parse_govern_hint(served.hint)
    size = len(served.entries)
    everything = tuple(range(size))
    governance, matters = served.view(govern=renamed(served, held=everything, approvals=everything))
    _, plain = served.view()
    assert matters.held == plain.held
    assert {
        index for proposal in governance.proposals.values() for index in proposal.approvals.values()
    } == set(honest.approvals)
    for index in set(everything):
        said = any(f"Entry {index}, which" in note for note in matters.notes)
        assert said, index  # each is at least in the wrong one of the two lists


def test_what_is_left_out_shows_where_places_read_held(served: Served) -> None:
    governance, matters = served.view(govern=renamed(served, held=(), approvals=()))
    assert (matters.held, governance.proposals) == ((), {})
    assert matters.notes[0].startswith("21 places of list sc:1/0 read as held")


def test_indexes_beyond_the_list_are_not_read(served: Served) -> None:
    size = len(served.entries)
    hint = renamed(served, size=size + 160, held=(size + 3,), approvals=(size, size + 159))
    governance, matters = served.view(govern=hint)
    assert governance.proposals == {}
    assert f"at {size + 160} entries" in matters.notes[0]


@pytest.mark.parametrize("data", [b"", b"\xa0", b"\x80", b"junk", bytes(200_000)])
def test_an_answer_of_another_form_is_refused(served: Served, data: bytes) -> None:
    with pytest.raises(CodedError) as caught:
        served.view(govern=data)
    assert caught.value.code in ("malformed", "unsupported", "not_reachable")


def test_more_than_a_look_is_worth_is_not_read(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.open_matters.MAX_FETCHED_BYTES", 1000)
    with pytest.raises(CodedError) as caught:
        served.view()
    assert caught.value.code == "too_large"


def test_one_entry_bundle_is_fetched_once(served: Served) -> None:
    asked: list[TilePath] = []

    def read(path: TilePath) -> bytes:
        asked.append(path)
        return format_entry_bundle(served.entries)

    opened = open_bundle(served.bundle, served.pin)
    read_matters(opened, parse_govern_hint(served.hint), read)
    assert asked == [TilePath("entries", 0, len(served.entries))]
    with pytest.raises(MalformedError):
        LoggedEntries(read, opened.cells).entry(len(served.entries))


# -- what was open once and is not now ----------------------------------------------------------------------


async def decide(world: World, service: LedgerService) -> None:
    """Refuse what is held, so that its place and the proposal on the issuer are settled."""
    [held] = service.sequencer.registry.places.quarantine.held
    for entry in world.action("civil-1", 1, [RefuseHeld(held)], (0, 1)):
        await service.submit(entry)


async def ask_again(world: World, service: LedgerService) -> None:
    await service.submit(world.status(2, [(n, 0, 1 if n else 2, 3 if n else 4) for n in range(21)]))


def test_a_refused_request_for_the_same_places_is_not_taken_for_the_one_that_holds_them(
    tmp_path: Path,
) -> None:
    again = serve(World(tmp_path / "data").found(), hold, propose, decide, ask_again)
    [held] = parse_govern_hint(again.hint).held
    first = next(n for n in range(held) if _is_status(again, n))
    governance, matters = again.view(govern=renamed(again, held=(first, held)))
    assert [change.index for change in matters.held] == [held]
    assert any(f"Entry {first}, which" in note for note in matters.notes)
    assert again.lines((governance, matters)) == again.lines(read_view(str(again.world.data_dir), again.pin))


def test_what_has_taken_effect_lapsed_or_was_struck_is_no_open_proposal(tmp_path: Path) -> None:
    world = World(tmp_path / "data").found()
    dee = SoftwareSigner.from_seed("ed25519", seed("dee")).public_key
    own = tuple((f"governor-{n}", governor(n).public_key) for n in range(3))

    async def lapse(world: World, service: LedgerService) -> None:
        for entry in world.action(ORIGIN, 0, [SetThreshold(2)], [0]):
            await service.submit(entry)
        world.clock.now += 8 * DAY_MS
        await service.submit(world.credential(50))

    async def strike_and_bring_back(world: World, service: LedgerService) -> None:
        without = (own[0], own[1], ("dee", dee))
        suspend = world.action("civil-1", 1, [Suspend()], [2])
        await service.submit(suspend[0])
        for counter, governors in ((0, without), (1, own)):
            for entry in world.action(ORIGIN, counter, [SetGovernors(governors, 2)], (0, 1)):
                await service.submit(entry)

    async def approve_anew(world: World, service: LedgerService) -> None:
        world.clock.now += 1000  # the same action would be the same statement
        for entry in world.action("civil-1", 1, [Suspend()], [2]):
            await service.submit(entry)

    later = serve(world, hold, lapse, strike_and_bring_back)
    assert parse_govern_hint(later.hint).approvals == ()
    everything = tuple(range(len(later.entries)))
    governance, matters = later.view(govern=renamed(later, approvals=everything))
    assert governance.proposals == {}
    assert len(matters.notes) == len(everything) + 1
    anew = serve(world, approve_anew)
    [approval] = parse_govern_hint(anew.hint).approvals
    governance, _ = anew.view(govern=renamed(anew, approvals=tuple(range(len(anew.entries)))))
    assert [proposal.approvals for proposal in governance.proposals.values()] == [{"governor-2": approval}]
    assert anew.lines(anew.view()) == anew.lines(read_view(str(world.data_dir), anew.pin))


def test_what_was_held_on_two_days_is_dated_by_its_own_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hold_more(world: World, service: LedgerService) -> None:
        world.clock.now += DAY_MS
        await asyncio.gather(*(service.submit(world.credential(n)) for n in range(22, 44)))
        await service.submit(world.status(2, [(n, 0, 1, 3) for n in range(22, 43)]))

    twice = serve(World(tmp_path / "data").found(), hold, hold_more)
    _, matters = twice.view()
    assert len(matters.notes) == 1
    assert matters.held[1].time_ms - matters.held[0].time_ms >= DAY_MS
    assert twice.lines(twice.view()) == twice.lines(read_view(str(twice.world.data_dir), twice.pin))
    # A service names the oldest where they are too many, and the list says that there are more.
    monkeypatch.setattr("ledger.service.service.MAX_HELD", 1)
    again = serve(twice.world)
    assert parse_govern_hint(again.hint).held == (matters.held[0].index,)
    assert again.view()[1].notes[0].startswith("21 places of list sc:1/0")


# -- entries that a tree would hold only if nobody had replayed it ------------------------------------------


def matters_of(
    served: Served, entry: bytes, *, held: bool = True, also: bytes = b"\xf6", **changed: Any
) -> tuple[Governance, OpenMatters]:
    """Return what is seen of a tree that ends with these two entries, and a seal."""
    opened = open_bundle(served.bundle, served.pin)
    entries = [*served.entries, entry, also, *[b"\xf6"] * 13, served.entries[-1]]
    size = len(served.entries)
    cells = cells_from_leaves([leaf_hash(item) for item in entries])
    named = GovernHint(size + 16, (size,), ()) if held else GovernHint(size + 16, (), (size, size + 1))
    opened = replace(opened, cells=cells, **changed)
    matters = read_matters(opened, named, lambda path: format_entry_bundle(entries))
    return opened.governance, matters


def damaged(entry: bytes) -> bytes:
    return entry[:-1] + bytes([entry[-1] ^ 1])


ROWS = [(n, 0, 1 if n else 2, 3 if n else 4) for n in range(21)]


def test_a_change_is_shown_only_if_every_part_of_it_holds(served: Served) -> None:
    opened = open_bundle(served.bundle, served.pin)
    raw, reasons = opened.lists["sc:1/0"]
    world = served.world
    good = world.status(7, ROWS)
    assert [len(change.rows) for change in matters_of(served, good)[1].held] == [21]
    elsewhere = {**opened.lists, "sc:2/0": (raw, reasons)}
    late = replace(opened.seal, time_ms=opened.seal.time_ms + LAPSE_MS)
    for entry, changed in (
        (damaged(good), {}),
        (world.status(7, [(n, 2, 1, 3) for n in range(1, 21)]), {}),  # counted when it was suspended
        (world.status(7, ROWS, "sc:2/0"), {"lists": elsewhere}),
        (world.status(7, ROWS, "sc:1/1"), {}),
        (good, {"lists": {"sc:1/0": (bytes(len(raw)), reasons)}}),
        (good, {"lists": {"sc:1/0": (raw, {})}}),
        (good, {"seal": late}),
    ):
        _, matters = matters_of(served, entry, **changed)
        assert matters.held == ()
        assert any(f"Entry {len(served.entries)}, which" in note for note in matters.notes)


def test_an_approval_is_shown_only_if_it_verifies_and_once(served: Served) -> None:
    good = served.world.action(ORIGIN, 0, [SetThreshold(2)], [0])[0]
    stranger = sign_statement(
        "govern",
        "governor-9",
        ORIGIN,
        parse_statement(good).body,
        SoftwareSigner.from_seed("ed25519", seed("x")),
    )
    size = len(served.entries)
    governance, _ = matters_of(served, good, held=False)
    assert [proposal.approvals for proposal in governance.proposals.values()] == [{"governor-0": size}]
    for bad in (damaged(good), stranger):
        governance, _ = matters_of(served, bad, held=False)
        assert governance.proposals == {}
    seal = open_bundle(served.bundle, served.pin).seal
    late = replace(seal, time_ms=seal.time_ms + 8 * DAY_MS)
    governance, _ = matters_of(served, good, held=False, seal=late)
    assert governance.proposals == {}
    governance, matters = matters_of(served, good, held=False, also=good)
    assert [proposal.approvals for proposal in governance.proposals.values()] == [{"governor-0": size}]
    assert any(f"Entry {size + 1}, which" in note for note in matters.notes)


def _is_status(served: Served, index: int) -> bool:
    entry = served.entries[index]
    return not is_padding(entry) and parse_statement(entry).kind == "status"


def _problem(code: str) -> bytes:
    return cbor.encode({-1: "title", -2: "detail", "sc:problem": {"code": code}})


# -- the bytes ----------------------------------------------------------------------------------------------

indexes = st.lists(st.integers(0, 2**53 - 2), unique=True, max_size=20).map(
    lambda found: tuple(sorted(found))
)


@given(held=indexes, approvals=indexes)
def test_an_answer_reads_back(held: tuple[int, ...], approvals: tuple[int, ...]) -> None:
    hint = GovernHint(2**53 - 1, held, approvals)
    assert parse_govern_hint(format_govern_hint(hint)) == hint


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_malformed(data: bytes) -> None:
    try:
        hint = parse_govern_hint(data)
    except MalformedError:
        return
    assert format_govern_hint(hint) == data


VALUE: dict[Any, Any] = {1: 1, 2: 96, 3: [80], 4: [64, 65]}


@pytest.mark.parametrize(
    "changed",
    [
        {1: 2}, {1: True}, {2: -1}, {2: 2**53}, {2: 65}, {2: None}, {3: [80, 80]}, {3: [81, 80]}, {3: [96]},
        {3: {}}, {3: [b"\x01"]}, {3: [-1]}, {4: [True]}, {5: 0}, {"a": 0},
        {2: 2**40, 3: list(range(MAX_HELD + 1))}, {2: 2**40, 4: list(range(MAX_APPROVALS + 1))},
    ],
)  # fmt: skip
def test_no_other_value_is_an_answer(changed: dict[Any, Any]) -> None:
    assert parse_govern_hint(cbor.encode(VALUE)) == GovernHint(96, (80,), (64, 65))
    with pytest.raises(MalformedError):
        parse_govern_hint(cbor.encode({**VALUE, **changed}))


def test_the_caps_of_an_answer_fit_into_its_bytes() -> None:
    top = 2**53 - 1
    most = GovernHint(top, tuple(range(top - MAX_HELD, top)), tuple(range(top - MAX_APPROVALS, top)))
    assert len(format_govern_hint(most)) <= MAX_HINT_BYTES
    with pytest.raises(MalformedError) as caught:
        parse_govern_hint(bytes(MAX_HINT_BYTES + 1))
    assert caught.value.code == "too_large"
