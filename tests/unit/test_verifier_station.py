"""A station's folder: a pin, the newest list, evidence of a contradiction, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.core.evidence import check_evidence
from ledger.core.pin import Pin
from ledger.errors import CodedError, ForkAlarm, StorageError
from tests.support.ledgers import START_S, TinyLedger
from verifier.core.verdict import judge
from verifier.errors import BundleError
from verifier.station import Station


@pytest.fixture
def ledger() -> TinyLedger:
    return TinyLedger()


@pytest.fixture
def station(tmp_path: Path, ledger: TinyLedger) -> Station:
    opened = Station(tmp_path / "station")
    opened.set_pin(ledger.pin)
    return opened


def files(station: Station) -> set[str]:
    return {
        str(path.relative_to(station.folder))
        for path in station.folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_new_station_has_a_pin_and_no_list(station: Station, ledger: TinyLedger) -> None:
    assert station.pin() == ledger.pin
    assert station.trusted() is None
    with pytest.raises(CodedError) as caught:
        station.export_bundle()
    assert caught.value.code == "no_bundle"


def test_a_station_without_a_pin_says_so(tmp_path: Path) -> None:
    with pytest.raises(CodedError) as caught:
        Station(tmp_path).pin()
    assert caught.value.code == "usage"


def test_a_pin_is_written_once(station: Station, ledger: TinyLedger) -> None:
    station.set_pin(ledger.pin)
    with pytest.raises(CodedError) as caught:
        station.set_pin(Pin(ledger.origin, bytes(32)))
    assert caught.value.code == "bad_input"
    assert station.pin() == ledger.pin
    assert files(station) == {"pin.json"}


def test_an_imported_list_is_used_and_exported(station: Station, ledger: TinyLedger) -> None:
    data = ledger.bundle()
    assert station.import_bundle(data).tree_size == 16
    assert station.export_bundle() == data
    again = Station(station.folder).trusted()
    assert again is not None
    assert again.tree_size == 16
    assert files(station) == {"pin.json", "bundle.cbor", "head.json"}


def test_a_list_that_another_process_imported_is_seen(station: Station, ledger: TinyLedger) -> None:
    station.import_bundle(ledger.bundle())
    first = station.trusted()
    assert station.trusted() is first
    ledger.admit("a")
    Station(station.folder).import_bundle(ledger.bundle())
    second = station.trusted()
    assert second is not None
    assert second.tree_size == 32


def test_a_station_never_goes_back(station: Station, ledger: TinyLedger) -> None:
    old = ledger.bundle()
    ledger.admit("a")
    new = ledger.bundle()
    station.import_bundle(new)
    with pytest.raises(BundleError):
        station.import_bundle(old)
    assert station.export_bundle() == new
    station.import_bundle(new)
    renewed = ledger.bundle(time_s=START_S + 7200)
    station.import_bundle(renewed)
    assert station.export_bundle() == renewed


def test_a_list_that_does_not_verify_is_not_kept(station: Station, ledger: TinyLedger) -> None:
    good = ledger.bundle()
    station.import_bundle(good)
    for bad in (b"", good[:-1], good + b"x", TinyLedger("ledger.example/other").bundle()):
        with pytest.raises(BundleError):
            station.import_bundle(bad)
    assert station.export_bundle() == good
    assert files(station) == {"pin.json", "bundle.cbor", "head.json"}


def test_both_sides_of_a_fork_are_kept(station: Station, ledger: TinyLedger) -> None:
    other = TinyLedger()
    ledger.admit("a")
    other.admit("b")
    mine, theirs = ledger.bundle(), other.bundle()
    station.import_bundle(mine)
    with pytest.raises(ForkAlarm):
        station.import_bundle(theirs)
    kept = {path.suffix: path.read_bytes() for path in station.evidence_files()}
    assert {path.read_bytes() for path in station.evidence_files()} == {mine, theirs, kept[".evidence"]}
    finding = check_evidence(kept[".evidence"], ledger.pin)
    assert (finding.kind, finding.against, len(finding.witnesses)) == ("fork", "operator", 2)
    assert station.export_bundle() == mine
    with pytest.raises(ForkAlarm):
        station.import_bundle(theirs)
    assert len(station.evidence_files()) == 3


def test_a_damaged_list_is_refused_and_can_be_replaced(station: Station, ledger: TinyLedger) -> None:
    data = ledger.bundle()
    station.import_bundle(data)
    (station.folder / "bundle.cbor").write_bytes(data[:-5])
    with pytest.raises(BundleError):
        Station(station.folder).trusted()
    station.import_bundle(data)
    assert station.trusted() is not None


def test_a_damaged_list_opens_no_way_back(station: Station, ledger: TinyLedger) -> None:
    old = ledger.bundle()
    ledger.admit("later")
    newest = ledger.bundle()
    station.import_bundle(newest)
    for data in (newest[:-5], old):
        (station.folder / "bundle.cbor").write_bytes(data)
        with pytest.raises(BundleError):
            Station(station.folder).trusted()
        with pytest.raises(BundleError):
            Station(station.folder).import_bundle(old)
    assert Station(station.folder).import_bundle(newest).tree_size == ledger.tree_size


def test_a_failed_write_leaves_the_old_list(
    station: Station, ledger: TinyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = ledger.bundle()
    station.import_bundle(old)
    ledger.admit("a")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError) as caught:
        station.import_bundle(ledger.bundle())
    assert caught.value.code == "storage_failed"
    assert station.export_bundle() == old
    assert files(station) == {"pin.json", "bundle.cbor", "head.json"}


def test_s9_a_seized_station_holds_nothing_of_any_person(station: Station, ledger: TinyLedger) -> None:
    civil = ledger.admit()
    cards = [ledger.issue(civil) for _ in range(5)]
    ledger.close_epoch()
    station.import_bundle(ledger.bundle())
    before = {path: path.read_bytes() for path in station.folder.rglob("*") if path.is_file()}
    for card in cards:
        assert judge(card.front(), station.trusted(), ledger.now_s).state == "confirmed"
    after = {path: path.read_bytes() for path in station.folder.rglob("*") if path.is_file()}
    assert after == before
    dump = b"".join(after.values())
    for card in cards:
        claims = card.issued.claims
        assert claims.sub.encode() not in dump
        assert claims.cnf not in dump
        assert not any(digest in dump for digest in claims.digests)


def test_a_lost_list_does_not_let_an_older_one_in(station: Station, ledger: TinyLedger) -> None:
    old = ledger.bundle()
    ledger.admit("a")
    new = ledger.bundle()
    station.import_bundle(new)
    (station.folder / "bundle.cbor").unlink()
    assert station.trusted() is None
    with pytest.raises(BundleError):
        station.import_bundle(old)
    station.import_bundle(new)
    assert station.export_bundle() == new


def test_a_damaged_list_of_one_ledger_does_not_stop_the_others(station: Station, ledger: TinyLedger) -> None:
    other = TinyLedger("ledger.example/other")
    station.set_pin(other.pin)
    station.import_bundle(ledger.bundle())
    station.import_bundle(other.bundle())
    (station.folder / "bundle.cbor").write_bytes(b"damaged")
    again = Station(station.folder)
    assert [trusted.origin for trusted in again.trusted_lists()] == [other.origin]
    for further in again.ledgers():
        (further.folder / "bundle.cbor").write_bytes(b"damaged")
    with pytest.raises(BundleError):
        Station(station.folder).trusted_lists()


@pytest.mark.parametrize("swapped", [False, True])
def test_one_issuer_on_two_ledgers_is_judged_where_its_card_is(swapped: bool) -> None:
    here, there = TinyLedger(), TinyLedger("ledger.example/other")
    for one in (here, there):
        one.admit()
    there.admit("b")
    civil = here.admit("c")
    there.admit("c")
    card = here.issue(civil)
    here.close_epoch()
    lists = [here.trusted(), there.trusted()][:: -1 if swapped else 1]
    verdict = judge(card.front(), lists, here.now_s)
    assert verdict.evidence is not None
    assert verdict.codes == ()
