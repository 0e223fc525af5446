"""`sc-ledger compare`: the first entry at which two copies part, in words, in JSON and as evidence."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ledger import cli
from ledger.core.evidence import check_evidence
from ledger.core.pin import format_pin
from tests.support.ledgers import TinyLedger
from tests.support.misbehaviour import LyingLedger
from tests.support.stored_ledgers import write_ledger
from tests.unit.test_ledger_audit import change_entry, flipped
from tests.unit.test_ledger_audit_evidence import grown, stored


class Desk:
    """Two copies of one ledger, and a way to run the command on them."""

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.ledger = grown()
        (folder / "one").mkdir()
        self.one = stored(folder / "one", self.ledger)
        self.pin = folder / "pin.json"
        self.pin.write_bytes(format_pin(self.ledger.pin))

    def other(self, ledger: LyingLedger) -> Path:
        (self.folder / "two").mkdir()
        return stored(self.folder / "two", ledger)

    def run(self, other: Path, *more: str) -> tuple[int, str]:
        arguments = ["compare", str(self.one), str(other), "--pin", str(self.pin), *more]
        self._monkeypatch.setattr(sys, "argv", ["sc-ledger", *arguments])
        try:
            code = cli.main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 1
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def test_a_copy_that_is_further_agrees_as_far_as_both_go(desk: Desk) -> None:
    further = grown()
    further.admit("agency")
    code, shown = desk.run(desk.other(further))
    assert code == 0
    assert f"THE SAME in the first {desk.ledger.tree_size} entries" in shown


def test_two_histories_are_named_by_their_first_entry_and_proven(desk: Desk, tmp_path: Path) -> None:
    cleaned = LyingLedger()
    civil = cleaned.admit()
    for number in range(17):
        if number == 7:
            cleaned.admit("agency")
        else:
            cleaned.issue(civil)
            cleaned.close_epoch()
    pairs = zip(desk.ledger.entries, cleaned.entries, strict=False)
    index = next(place for place, (mine, theirs) in enumerate(pairs) if mine != theirs)
    other = desk.other(cleaned)
    code, shown = desk.run(other, "--evidence", str(tmp_path / "found"))
    assert code == 3
    assert f"DIFFERENT from entry {index} on" in shown
    assert "it has signed two histories" in shown
    assert "Credential of type sc:identity" in shown
    assert "Admit agency as an issuer" in shown
    [path] = (tmp_path / "found").glob("*.evidence")
    assert check_evidence(path.read_bytes(), desk.ledger.pin).kind == "fork"
    code, told = desk.run(other, "--json")
    found = json.loads(told)
    assert (code, found["index"], found["is_fork"]) == (3, index, True)


def test_a_changed_byte_is_the_copy_s_and_no_evidence_against_the_log(desk: Desk, tmp_path: Path) -> None:
    other = Path(shutil.copytree(desk.one, tmp_path / "other"))
    change_entry(other, 33, flipped)
    code, shown = desk.run(other, "--evidence", str(tmp_path / "found"))
    assert code == 3
    assert "DIFFERENT from entry 33 on" in shown
    assert "its own tree does not commit to" in shown
    assert not (tmp_path / "found").exists()


def test_copies_of_two_ledgers_are_not_compared(desk: Desk, tmp_path: Path) -> None:
    stranger = TinyLedger("ledger.example/stranger")
    epochs = [(list(stranger.entries), stranger.time_ms)]
    code, shown = desk.run(write_ledger(tmp_path / "stranger", stranger, epochs))
    assert code == 1
    assert "bad_input" in shown
