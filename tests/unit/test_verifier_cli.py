"""The command line: exit codes that tell the truth, and words that a person can use."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import qrcode

from credential.core.birth import year_only
from credential.core.issue import PersonClaims
from credential.core.names import name_from_input
from ledger.core.delta import make_delta
from ledger.core.pin import format_pin, parse_pin
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from ledger.errors import StorageError
from tests.support.ledgers import START_S, TinyCard, TinyLedger
from verifier import cli

AT = str(START_S + 3600)


class Desk:
    """A ledger with two cards, one withdrawn, its files, and a way to run the command."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.ledger = TinyLedger()
        civil = self.ledger.admit()
        person = PersonClaims(names=(name_from_input("مريم", "Maryam"),), birth=year_only(2009))
        self.card = self.ledger.issue(civil, person)
        self.withdrawn: TinyCard = self.ledger.issue(civil)
        self.ledger.close_epoch()
        self.ledger.change_status(civil, self.withdrawn, VALID, WITHDRAWN, REASON_WITHDRAWN)
        self.ledger.close_epoch()
        self.pin = self.file("pin.json", format_pin(self.ledger.pin))
        self.bundle = self.file("bundle.cbor", self.ledger.bundle())
        monkeypatch.setenv("SAFECONDUCT_STATION", str(folder / "station"))

    def file(self, name: str, data: bytes) -> str:
        path = self.folder / name
        path.write_bytes(data)
        return str(path)

    def run(self, *arguments: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["sc-verifier", *arguments])
        try:
            code = cli.main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 1
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def ready(self) -> Desk:
        assert self.run("pin", self.pin)[0] == 0
        assert self.run("import", self.bundle)[0] == 0
        return self

    def verify(self, *arguments: str) -> tuple[int, str, str]:
        return self.run("verify", *arguments, "--at", AT)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_a_station_is_set_up_with_a_pin_and_a_list(desk: Desk) -> None:
    code, out, _ = desk.run(
        "pin", "--origin", desk.ledger.origin, "--charter", desk.ledger.charter_hash.hex()
    )
    assert code == 0
    assert desk.ledger.charter_hash.hex() in out
    assert desk.run("status")[0] == 1
    code, out, _ = desk.run("import", desk.bundle)
    assert code == 0
    assert f"tree_size: {desk.ledger.tree_size}" in out
    code, out, _ = desk.run("status", "--json")
    assert code == 0
    assert json.loads(out)["issuers"] == 1
    copy = desk.folder / "copy.cbor"
    assert desk.run("export", str(copy))[0] == 0
    assert copy.read_bytes() == Path(desk.bundle).read_bytes()


def test_a_genuine_card_exits_0_and_answers_three_questions(desk: Desk) -> None:
    code, out, err = desk.ready().verify(desk.card.front())
    assert (code, err) == (0, "")
    assert "● CONFIRMED" in out
    for line in (
        "Is it genuine?",
        "Is it in force as of 15 Nov 2026?",
        "Does the person match?",
        "Under 18? yes",
    ):
        assert line in out
    assert "[List from 15 Nov 2026 (today)]" in out
    assert "Now: Check that the person matches." in out
    assert "MARYAM" not in out


def test_an_old_list_exits_0_too(desk: Desk) -> None:
    code, out, _ = desk.ready().run("verify", desk.card.front(), "--at", "2026-12-04T12:00:00Z")
    assert code == 0
    assert "Confirmed, list is 19 days old" in out
    code, out, _ = desk.run("verify", desk.card.front(), "--at", "2023-12-04T12:00:00+03:00")
    assert code == 0
    assert "clock of this device is wrong" in out


def test_every_other_verdict_exits_1(desk: Desk) -> None:
    code, out, _ = desk.ready().verify(desk.withdrawn.front())
    assert code == 1
    assert "WITHDRAWN" in out
    code, out, _ = desk.verify("SC1:6")
    assert code == 1
    assert "malformed:" in out


def test_files_images_and_standard_input_are_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.ready()
    image = desk.folder / "photo.png"
    qrcode.make(desk.card.front(), mask_pattern=3).get_image().save(image)
    text = desk.file("codes.txt", f"{desk.card.front()}\r\n{desk.card.back()}\n".encode())
    assert desk.verify(str(image))[0] == 0
    assert desk.verify(text)[0] == 0
    assert desk.verify(text)[1].count("CONFIRMED") == 1
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(desk.card.front().encode())))
    assert desk.verify("-")[0] == 0
    assert desk.verify(desk.file("noise", bytes(range(128, 256))))[0] == 1


def test_different_cards_are_each_judged_and_the_worst_exit_counts(desk: Desk) -> None:
    code, out, _ = desk.ready().verify(desk.card.front(), desk.withdrawn.front(), "--json")
    assert code == 1
    body = json.loads(out)
    assert body["state"] == "withdrawn"
    assert [card["state"] for card in body["cards"]] == ["confirmed", "withdrawn"]
    assert body["companion_check"]["result"] == "not_recorded"


def test_the_slip_opens_names_on_request(desk: Desk) -> None:
    code, out, _ = desk.ready().verify(desk.card.back(), "--slip", desk.card.slip_text())
    assert code == 0
    assert "MARYAM" in out
    slip = desk.file("slip.txt", desk.card.slip_text().encode() + b"\n")
    code, out, _ = desk.verify(desk.card.back(), "--slip", slip, "--json")
    assert json.loads(out)["opened"]["names"][0]["latin"] == "MARYAM"
    code, _, err = desk.verify(desk.card.back(), "--slip", desk.withdrawn.slip_text())
    assert code == 1
    assert err.startswith("wrong_secret:")


def test_a_list_can_be_given_by_file(desk: Desk) -> None:
    assert desk.verify(desk.card.front(), "--bundle", desk.bundle, "--pin", desk.pin)[0] == 0
    assert desk.verify(desk.card.front(), "--pin", desk.pin)[0] == 2
    bad = desk.file("bad.cbor", Path(desk.bundle).read_bytes()[:-1])
    code, _, err = desk.verify(desk.card.front(), "--bundle", bad, "--pin", desk.pin)
    assert code == 1
    assert err.startswith("bundle_invalid:")


def test_without_a_list_the_verdict_is_that(desk: Desk) -> None:
    desk.run("pin", desk.pin)
    code, out, _ = desk.verify(desk.card.front())
    assert code == 1
    assert "no_bundle:" in out
    assert "No list loaded" in out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("verify",),
        ("pin",),
        ("verify", "SC1:6", "--at", "yesterday"),
        ("verify", "SC1:6", "--at", "2026-11-22T10:00:00"),
        ("verify", "no-such-file.png"),
        ("sync", "ftp://ledger.example"),
        ("nothing",),
    ],
)
def test_a_wrong_call_exits_2(desk: Desk, arguments: tuple[str, ...]) -> None:
    desk.ready()
    assert desk.run(*arguments)[0] == 2


def test_a_station_without_a_pin_exits_2(desk: Desk) -> None:
    code, _, err = desk.verify(desk.card.front())
    assert code == 2
    assert err.startswith("usage:")


def test_a_fork_exits_3_and_stays_said(desk: Desk) -> None:
    other = TinyLedger()
    other.admit("another")
    fork = desk.file("fork.cbor", other.bundle())
    code, _, err = desk.ready().run("import", fork)
    assert code == 3
    assert err.startswith("fork:")
    code, out, _ = desk.run("status")
    assert code == 3
    assert "evidence" in out


def test_an_older_list_exits_1(desk: Desk) -> None:
    old = desk.file("old.cbor", TinyLedger().bundle())
    code, _, err = desk.ready().run("import", old)
    assert code == 1
    assert err.startswith("bundle_invalid:")


def test_a_service_that_does_not_answer_exits_4(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(_url: str) -> bytes:
        raise StorageError("the service did not answer", code="not_reachable")

    monkeypatch.setattr(cli, "fetch_bundle", unreachable)
    monkeypatch.setattr(cli, "fetch_delta", lambda _url, _day: None)
    code, _, err = desk.ready().run("sync", "https://ledger.example")
    assert code == 4
    assert err.startswith("not_reachable:")
    newer = desk.ledger.bundle(time_s=START_S + 9000)
    monkeypatch.setattr(cli, "fetch_bundle", lambda _url: newer)
    code, out, _ = desk.run("sync", "https://ledger.example")
    assert code == 0
    assert f"data_used: {len(newer)} bytes (the whole list)" in out


def test_a_day_that_is_over_is_synchronised_by_its_delta(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    later = desk.ledger.bundle(time_s=START_S + 9000)
    delta = make_delta(Path(desk.bundle).read_bytes(), later)
    monkeypatch.setattr(cli, "fetch_delta", lambda _url, _day: delta)
    monkeypatch.setattr("time.time", lambda: START_S + 90_000)
    code, out, _ = desk.ready().run("sync", "https://ledger.example")
    assert code == 0
    assert f"data_used: {len(delta)} bytes (daily changes: 1)" in out
    monkeypatch.setattr(cli, "fetch_bundle", lambda _url: later)
    assert "(the whole list)" in desk.run("sync", "--whole", "https://ledger.example")[1]


def test_a_further_ledger_is_believed_beside_the_first(desk: Desk) -> None:
    other = TinyLedger("ledger.example/other")
    other.admit("consulate-2")
    pin = desk.file("other.json", format_pin(other.pin))
    assert desk.ready().run("pin", pin)[0] == 0
    assert desk.run("status")[0] == 1
    code, out, _ = desk.run("import", desk.file("other.cbor", other.bundle()))
    assert code == 0
    assert f"origin: {other.origin}" in out
    code, out, _ = desk.run("status", "--json")
    assert code == 0
    assert json.loads(out)["origin"] == desk.ledger.origin
    assert [ledger["origin"] for ledger in json.loads(out)["ledgers"]] == [other.origin]
    assert desk.verify(desk.card.front())[0] == 0


def test_a_pin_is_shipped_with_the_least_tree(desk: Desk) -> None:
    shipped, copy = desk.folder / "shipped.json", desk.folder / "copy.cbor"
    assert desk.ready().run("export", str(copy), "--pin", str(shipped))[0] == 0
    pin = parse_pin(shipped.read_bytes())
    assert pin.least is not None
    assert pin.least.size == desk.ledger.tree_size
    new = ("--station", str(desk.folder / "new"))
    assert desk.run("pin", str(shipped), *new)[0] == 0
    older = desk.file("older.cbor", TinyLedger().bundle())
    assert desk.run("import", older, *new)[0] == 1
    assert desk.run("import", str(copy), *new)[0] == 0
    assert desk.run("export", str(copy), "--origin", "ledger.example/none")[0] == 2


def test_an_error_is_json_where_json_is_asked_for(desk: Desk) -> None:
    code, out, err = desk.run("verify", desk.card.front(), "--json")
    assert code == 2
    assert json.loads(out)["code"] == "usage"
    assert err.startswith("usage:")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_a_character_still_gets_the_verdict(desk: Desk, encoding: str) -> None:
    code = "import sys; from verifier.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", desk.card.front(), "--bundle", desk.bundle]
        + ["--pin", desk.pin, "--at", AT],
        capture_output=True, timeout=60, cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"CONFIRMED" in done.stdout


@pytest.mark.parametrize("typed", ["sck1:abc/def", " SCK1:ABC/DEF", "/no/such/SC1:6BF"])
def test_what_was_typed_is_never_repeated(desk: Desk, typed: str) -> None:
    code, out, err = desk.ready().verify(typed)
    assert code in (1, 2)
    assert "DEF" not in (out + err).upper().replace("DEFAULT", "")
    assert "6BF" not in out + err


def test_a_device_that_never_ends_is_too_large(desk: Desk) -> None:
    code, _, err = desk.run("import", "/dev/zero") if os.name == "posix" else (1, "", "too_large")
    assert code == 1
    assert "too_large" in err or "usage" in err
