"""Practice cards: made anew they are the same, and no station can be made to believe them."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from ledger.core.pin import Pin, format_pin, is_practice, make_pin, parse_pin
from ledger.errors import CodedError
from scripts import make_practice
from tests.support.ledgers import TinyLedger
from verifier import cli
from verifier.core.trust import open_bundle
from verifier.core.verdict import judge
from verifier.errors import BundleError, StationError
from verifier.station import Station

OF_PRACTICE = (
    make_practice.ORIGIN,
    "practice.invalid",
    "practice.invalid/",
    "practice.invalid:443/deck",
    "practice.invalid./deck",
    "PRACTICE.Invalid/deck",
    "station.practice.invalid/deck",
)
LOOKALIKES = (
    "ledger.example/practice.invalid",
    "practice.invalid.example/deck",
    "mypractice.invalid/deck",
    "practice-invalid/deck",
    "invalid/practice.invalid",
)


def deck() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(make_practice.DECK.read_text("utf-8"))
    return value


def deck_pin() -> Pin:
    return Pin(deck()["pin"]["origin"], bytes.fromhex(deck()["pin"]["charter"]))


def texts() -> list[tuple[str, int]]:
    return [(text, card["now_s"]) for card in deck()["cards"] for text in card["texts"]]


def live_ledger() -> TinyLedger:
    """A ledger whose governors admitted an issuer under the very name that the practice cards have."""
    ledger = TinyLedger()
    issuer = ledger.admit(make_practice.ISSUER, kind="ed25519")
    ledger.issue(issuer)
    ledger.close_epoch()
    return ledger


def test_made_anew_the_deck_is_the_one_that_is_here() -> None:
    assert {
        path: path.read_text("utf-8") for path in make_practice.make_files()
    } == make_practice.make_files()


def test_a_changed_deck_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = tmp_path / "deck.json"
    changed.write_text(make_practice.DECK.read_text("utf-8").replace("withdrawn", "confirmed"), "utf-8")
    monkeypatch.setattr(make_practice, "DECK", changed)
    monkeypatch.setattr(make_practice, "ROOT", tmp_path)
    assert make_practice.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: deck.json\n"


def test_the_deck_is_small() -> None:
    assert make_practice.DECK.stat().st_size < make_practice.MAX_DECK_BYTES


def test_by_its_own_list_each_card_is_what_it_is_there_for() -> None:
    trusted = open_bundle(b64decode(deck()["bundle"]), deck_pin())
    found = [
        [judge(text, trusted, card["now_s"]).state for text in card["texts"]] for card in deck()["cards"]
    ]
    assert found == [card["states"] for card in deck()["cards"]]
    assert [states[0] for states in found[:5]] == [
        "confirmed", "confirmed_stale", "withdrawn", "replaced", "altered",
    ]  # fmt: skip


def test_live_a_practice_card_is_of_an_unknown_issuer_even_where_the_name_is_taken() -> None:
    trusted = live_ledger().trusted()
    assert make_practice.ISSUER in trusted.issuers
    assert {judge(text, trusted, now_s).state for text, now_s in texts()} == {"unknown_issuer"}
    without = TinyLedger()
    without.admit()
    assert {judge(text, without.trusted(), now_s).state for text, now_s in texts()} == {"unknown_issuer"}


@pytest.mark.parametrize("origin", OF_PRACTICE)
def test_no_pin_names_the_ledger_of_practice_cards(origin: str) -> None:
    assert is_practice(origin)
    with pytest.raises(CodedError) as made:
        make_pin(origin, "00" * 32)
    with pytest.raises(CodedError) as parsed:
        parse_pin(format_pin(Pin(origin, bytes(32))))
    assert (made.value.code, parsed.value.code) == ("bad_input", "bad_input")
    assert (made.value.field, parsed.value.field) == ("origin", "origin")


@pytest.mark.parametrize("origin", LOOKALIKES)
def test_an_origin_that_only_looks_like_it_can_be_pinned(origin: str) -> None:
    assert make_pin(origin, "00" * 32).origin == origin


def test_a_station_takes_neither_the_pin_nor_the_list(tmp_path: Path) -> None:
    station = Station(tmp_path / "station")
    with pytest.raises(StationError) as caught:
        station.set_pin(deck_pin())
    assert caught.value.code == "bad_input"
    assert not (tmp_path / "station").exists()
    ledger = live_ledger()
    station.set_pin(ledger.pin)
    station.import_bundle(ledger.bundle())
    before = station.export_bundle()
    with pytest.raises(StationError):
        station.set_pin(deck_pin())
    with pytest.raises(BundleError):
        station.import_bundle(b64decode(deck()["bundle"]))
    assert station.export_bundle() == before
    assert station.evidence_files() == []
    assert [ledger.pin().origin for ledger in station.ledgers()] == [ledger.origin]


def test_a_pin_that_was_put_into_the_folder_by_hand_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pin.json").write_bytes(format_pin(deck_pin()))
    (tmp_path / "bundle.cbor").write_bytes(b64decode(deck()["bundle"]))
    with pytest.raises(CodedError) as caught:
        Station(tmp_path).trusted_lists()
    assert caught.value.code == "bad_input"


def test_the_commands_refuse_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pin, bundle = tmp_path / "deck-pin.json", tmp_path / "deck.cbor"
    pin.write_bytes(format_pin(deck_pin()))
    bundle.write_bytes(b64decode(deck()["bundle"]))
    folder = tmp_path / "station"
    monkeypatch.setenv("SAFECONDUCT_STATION", str(folder))
    text = texts()[0][0]
    for arguments in (
        ("pin", str(pin)),
        ("pin", "--origin", deck_pin().origin, "--charter", deck_pin().charter_hash.hex()),
        ("verify", text, "--bundle", str(bundle), "--pin", str(pin)),
    ):
        monkeypatch.setattr("sys.argv", ["sc-verifier", *arguments])
        assert cli.main() not in (0, 3)
        assert "practice cards are never believed" in capsys.readouterr().err
    assert not folder.exists()
