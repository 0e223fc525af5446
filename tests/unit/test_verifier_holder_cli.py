"""Presenting on the command line, and a station that asks: from the twelve words to a bound verdict."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from credential.core.birth import year_only
from credential.core.case_file import Case, seal_case
from credential.core.challenge import parse_challenge
from credential.core.holder import format_words
from credential.core.issue import PersonClaims
from credential.core.names import name_from_input
from credential.symbols import make_symbol, symbol_png
from ledger.core.pin import format_pin
from tests.support.ledgers import START_S, TinyCard, TinyLedger
from verifier import cli
from verifier.images import read_codes

AT = str(START_S + 3600)
NONCE = "00112233445566778899aabbccddeeff"


class Holder:
    """A person with a card, a case file and her words, and a station that has the list."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        monkeypatch.chdir(folder)
        monkeypatch.delenv("SAFECONDUCT_STATION_NAME", raising=False)
        self.ledger = TinyLedger()
        civil = self.ledger.admit()
        person = PersonClaims(names=(name_from_input("مريم", "Maryam"),), birth=year_only(2009), sex="female")
        self.card: TinyCard = self.ledger.issue(civil, person)
        self.other: TinyCard = self.ledger.issue(civil, person)
        self.ledger.close_epoch()
        self.pin = self.file("pin.json", format_pin(self.ledger.pin))
        self.bundle = self.file("bundle", self.ledger.bundle())
        self.words = self.file("words", format_words(self.card.secret).encode() + b"\n")
        self.case = self.file("card.case", self.sealed())

    def sealed(self) -> bytes:
        logged = self.card.logged()
        assert logged.position is not None
        case = Case(
            logged.entry,
            logged.position.index,
            logged.position.path,
            logged.disclosures,
            (),
            "Civil registry",
        )
        return seal_case(case, self.card.secret, "civil-1", self.card.sub, bytes(12))

    def file(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["sc-verifier", *arguments])
        self._capsys.readouterr()
        try:
            code = cli.main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 1
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def present(self, *arguments: str) -> tuple[int, str, str]:
        return self.run("present", *arguments, "--words-file", self.words, "--at", AT)

    def verify(self, *arguments: str) -> dict[str, object]:
        code, out, err = self.run(
            "verify", *arguments, "--at", AT, "--bundle", self.bundle, "--pin", self.pin, "--json"
        )
        assert code in (0, 1), err
        body: dict[str, object] = json.loads(out)
        return body


@pytest.fixture
def holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Holder:
    return Holder(tmp_path, monkeypatch, capsys)


def test_a_case_file_and_the_words_make_a_text_and_a_picture(holder: Holder) -> None:
    code, out, err = holder.present(holder.case, "--aud", "hut-7", "--nonce", NONCE, "--open", "names, sex")
    assert (code, err) == (0, "")
    assert read_codes((holder.folder / "presentation.png").read_bytes()) == [out.strip()]
    for source in (out.strip(), "presentation.png"):
        found = holder.verify(source, "--aud", "hut-7", "--nonce", NONCE)
        assert (found["state"], found["holder_binding"]) == ("confirmed", "key")
        assert set(found["opened"]) == {"names", "sex"}  # type: ignore[call-overload]
    code, out, _ = holder.run(
        "verify", "presentation.png", "--aud", "hut-7", "--nonce", NONCE, "--at", AT,
        "--bundle", holder.bundle, "--pin", holder.pin,
    )  # fmt: skip
    assert "just now, by the device that holds the key" in out


def test_the_codes_of_the_paper_card_do_as_well(holder: Holder) -> None:
    front = holder.file("front.png", symbol_png(make_symbol(holder.card.front(), max_version=40), 4))
    code, out, _ = holder.present(front, holder.card.back(), "--aud", "hut-7", "--open", "birth")
    assert code == 0
    found = holder.verify(out.strip(), "--aud", "hut-7")
    assert (found["state"], found["holder_binding"]) == ("confirmed", "key")
    assert set(found["opened"]) == {"birth"}  # type: ignore[call-overload]
    code, _, err = holder.present(front, "--aud", "hut-7", "--open", "names")
    assert code == 1
    assert "[names]" in err


def test_a_stations_challenge_is_shown_and_answered(holder: Holder) -> None:
    code, out, _ = holder.run("nonce", "--aud", "hut-7", "--out", "challenge.png")
    assert code == 0
    lines = dict(line.split(": ", 1) for line in out.splitlines() if ": " in line)
    challenge = parse_challenge(lines["challenge"])
    assert (challenge.aud, challenge.cnonce.hex()) == ("hut-7", lines["nonce"])
    assert read_codes((holder.folder / "challenge.png").read_bytes()) == [lines["challenge"]]
    assert "█" in out
    assert holder.run("nonce", "--aud", "hut-7")[1] != out
    for source in ("challenge.png", lines["challenge"]):
        code, out, _ = holder.present(holder.case, "--challenge", source)
        assert code == 0
        found = holder.verify(out.strip(), "--aud", "hut-7", "--nonce", lines["nonce"])
        assert found["holder_binding"] == "key"


def test_what_was_shown_elsewhere_or_before_asks_for_a_fresh_code(holder: Holder) -> None:
    text = holder.present(holder.case, "--aud", "hut-7", "--nonce", NONCE)[1].strip()
    for station in (("--aud", "hut-8", "--nonce", NONCE), ("--aud", "hut-7", "--nonce", "00" * 16), ()):
        found = holder.verify(text, *station)
        assert (found["state"], found["holder_binding"]) == ("incomplete", "none")
        assert found["codes"] == ["bad_key_binding"]
        assert str(found["now"]).startswith("Ask for a fresh code")


def test_words_of_somebody_else_present_nothing(holder: Holder) -> None:
    holder.words = holder.file("words", format_words(holder.other.secret).encode())
    for sources in ((holder.case,), (holder.card.front(),), (holder.card.back(),)):
        code, _, err = holder.present(*sources, "--aud", "hut-7")
        assert code == 1
        assert err.startswith("wrong_secret:")
    assert not (holder.folder / "presentation.png").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("CASE",),
        ("CASE", "--aud", "hut-7", "--nonce", "0011"),
        ("CASE", "--aud", "hut-7", "--nonce", "not hexadecimal"),
        ("CASE", "--aud", "hut-7", "--challenge", "SCN1:0"),
        ("CASE", "--aud", "h" * 256),
        ("CASE", "CASE", "--aud", "hut-7"),
        ("FRONT", "OTHER", "--aud", "hut-7"),
    ],
)
def test_a_wrong_call_exits_2(holder: Holder, arguments: tuple[str, ...]) -> None:
    named = {"CASE": holder.case, "FRONT": holder.card.front(), "OTHER": holder.other.front()}
    code, _, err = holder.present(*(named.get(word, word) for word in arguments))
    assert (code, err.split(":")[0]) == (2, "usage")


def test_a_station_needs_a_name_to_ask(holder: Holder) -> None:
    assert holder.run("nonce")[0] == 2
    assert holder.run("nonce", "--aud", "hut\n7")[0] == 2


def test_a_picture_of_the_slip_opens_what_is_sealed(holder: Holder) -> None:
    slip = holder.file("slip.png", symbol_png(make_symbol(holder.card.slip_text(), max_version=40), 4))
    assert holder.verify(holder.card.back())["opened"] == {}
    found = holder.verify(holder.card.back(), "--slip", slip)
    assert set(found["opened"]) == {"names", "birth", "sex"}  # type: ignore[call-overload]
