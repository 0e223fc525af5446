"""Several pinned ledgers, and the least tree that a pin may carry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.merkle import root_hash
from ledger.core.pin import LeastTree, Pin, format_pin, parse_pin
from ledger.errors import ForkAlarm, MalformedError
from tests.support.ledgers import TinyLedger
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge
from verifier.errors import BundleError, StationError
from verifier.report import scan
from verifier.station import Station

OTHER = "ledger.example/other"


def test_a_card_is_judged_with_the_ledger_that_knows_its_issuer(tmp_path: Path) -> None:
    one, two = TinyLedger(), TinyLedger(OTHER)
    mine = one.issue(one.admit("civil-1", title="Registry One"))
    theirs = two.issue(two.admit("consulate-2", title="Consulate Two"))
    one.close_epoch()
    two.close_epoch()
    station = Station(tmp_path)
    station.set_pin(one.pin)
    station.set_pin(two.pin)
    assert station.trusted_lists() == ()
    for ledger in (two, one):
        assert station.import_bundle(ledger.bundle()).origin == ledger.origin
    lists = station.trusted_lists()
    assert [trusted.origin for trusted in lists] == [one.origin, two.origin]
    assert station.trusted_lists()[1] is lists[1]
    report = scan([mine.front(), theirs.front()], lists, one.now_s)
    assert [verdict.state for verdict in report.verdicts] == ["confirmed", "confirmed"]
    titles = [verdict.evidence.issuer.title for verdict in report.verdicts if verdict.evidence]
    assert titles == ["Registry One", "Consulate Two"]
    assert judge(theirs.front(), lists[0], one.now_s).state == "unknown_issuer"
    assert judge(theirs.front(), (), one.now_s).codes == ("no_bundle",)


def test_of_two_issuers_of_one_name_the_key_decides() -> None:
    one, two = TinyLedger(), TinyLedger(OTHER)
    one.admit("civil-1")
    civil = two.admit("civil-1", kind="ed25519")
    card = two.issue(civil)
    two.close_epoch()
    for lists in ((one.trusted(), two.trusted()), (two.trusted(), one.trusted())):
        assert judge(card.front(), lists, two.now_s).state == "confirmed"
    verdict = judge(card.front(), (one.trusted(),), two.now_s)
    assert (verdict.codes, verdict.field) == (("unknown_issuer",), "kid")


def test_a_list_of_a_ledger_that_is_not_pinned_is_refused(tmp_path: Path) -> None:
    one, two = TinyLedger(), TinyLedger(OTHER)
    station = Station(tmp_path)
    station.set_pin(one.pin)
    with pytest.raises(BundleError):
        station.import_bundle(two.bundle())
    station.set_pin(two.pin)
    for bad in (TinyLedger("ledger.example/third").bundle(), b"", b"\xa0"):
        with pytest.raises(BundleError):
            station.import_bundle(bad)
    assert station.trusted_lists() == ()


def test_two_ledgers_of_one_origin_are_never_believed_together(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.set_pin(TinyLedger().pin)
    station.set_pin(TinyLedger(OTHER).pin)
    for pin in (TinyLedger().pin, TinyLedger(OTHER).pin):
        station.set_pin(pin)
        with pytest.raises(StationError) as caught:
            station.set_pin(replace(pin, charter_hash=bytes(32)))
        assert caught.value.code == "bad_input"
    assert len(station.ledgers()) == 2


def test_a_fork_of_a_further_ledger_is_kept_as_evidence(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.set_pin(TinyLedger().pin)
    one, other = TinyLedger(OTHER), TinyLedger(OTHER)
    station.set_pin(one.pin)
    one.admit("a")
    other.admit("b")
    mine, theirs = one.bundle(), other.bundle()
    station.import_bundle(mine)
    with pytest.raises(ForkAlarm):
        station.import_bundle(theirs)
    kept = {path.read_bytes() for path in station.evidence_files() if path.suffix == ".cbor"}
    assert kept == {mine, theirs}


def least_of(ledger: TinyLedger) -> LeastTree:
    return LeastTree(ledger.tree_size, root_hash(ledger.leaves))


def test_no_list_below_the_least_tree_is_used() -> None:
    ledger = TinyLedger()
    small = ledger.bundle()
    ledger.admit()
    pin = replace(ledger.pin, least=least_of(ledger))
    assert open_bundle(ledger.bundle(), pin).tree_size == ledger.tree_size
    with pytest.raises(BundleError) as caught:
        open_bundle(small, pin)
    assert (caught.value.code, caught.value.step, caught.value.field) == ("bundle_invalid", 5, "least")
    ledger.admit("another")
    assert open_bundle(ledger.bundle(), pin).tree_size == ledger.tree_size


def test_no_list_that_does_not_extend_the_least_tree_is_used() -> None:
    ledger, fork = TinyLedger(), TinyLedger()
    ledger.admit("a")
    fork.admit("b")
    fork.admit("c")
    pin = replace(ledger.pin, least=least_of(ledger))
    with pytest.raises(BundleError) as caught:
        open_bundle(fork.bundle(), pin)
    assert caught.value.field == "least"


def test_a_station_keeps_the_larger_of_two_least_trees(tmp_path: Path) -> None:
    ledger = TinyLedger()
    small, old = least_of(ledger), ledger.bundle()
    station = Station(tmp_path)
    station.set_pin(ledger.pin)
    station.import_bundle(old)
    ledger.admit()
    large = least_of(ledger)
    for least, kept in ((small, small), (large, large), (small, large), (None, large)):
        station.set_pin(replace(ledger.pin, least=least))
        assert station.pin().least == kept
    with pytest.raises(BundleError):
        station.trusted()
    station.import_bundle(ledger.bundle())
    assert station.trusted() is not None


@given(st.integers(1, 2**49 - 1), st.binary(min_size=32, max_size=32))
def test_a_pin_with_a_least_tree_is_read_back(cells: int, root: bytes) -> None:
    pin = Pin("ledger.example/one", bytes(32), LeastTree(16 * cells, root))
    assert parse_pin(format_pin(pin)) == pin


@pytest.mark.parametrize(
    "least",
    [
        {},
        {"size": 16},
        {"size": 16, "root": "00"},
        {"size": 0, "root": "00" * 32},
        {"size": 17, "root": "00" * 32},
        {"size": 2**53, "root": "00" * 32},
        {"size": True, "root": "00" * 32},
        {"size": 16, "root": "0G" * 32},
        {"size": 16, "root": "00" * 32, "more": 1},
        None,
    ],
)
def test_another_least_tree_is_no_pin(least: object) -> None:
    value = {"origin": "ledger.example/one", "charter": "00" * 32, "least": least}
    with pytest.raises(MalformedError) as caught:
        parse_pin(json.dumps(value).encode())
    assert caught.value.code == "bad_input"


@pytest.mark.parametrize("swapped", [False, True])
def test_the_ledger_that_has_the_card_is_taken_before_one_that_does_not_reach_it(swapped: bool) -> None:
    here, short = TinyLedger(), TinyLedger("ledger.example/other")
    civil = here.admit()
    short.admit()
    card = here.issue(civil)
    here.close_epoch()
    assert card.index >= short.tree_size
    lists = [here.trusted(), short.trusted()][:: -1 if swapped else 1]
    assert judge(card.front(), lists, here.now_s).codes == ()


@pytest.mark.parametrize("swapped", [False, True])
def test_a_ledger_that_does_not_reach_the_card_is_taken_before_one_that_lacks_it(swapped: bool) -> None:
    here, other = TinyLedger(), TinyLedger("ledger.example/other")
    civil = here.admit()
    other.admit()
    old = here.trusted()
    other.admit("b")
    card = here.issue(civil)
    here.close_epoch()
    assert old.tree_size <= card.index < other.tree_size
    lists = [old, other.trusted()][:: -1 if swapped else 1]
    assert judge(card.front(), lists, here.now_s).codes == ("not_yet_listed",)
