"""`audit --evidence`: the file that is written for a violation holds, wherever the ledger is read from."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger import cli
from ledger.audit import audit, evidence, governed, pool
from ledger.audit.chunk import CHUNK_ENTRIES
from ledger.audit.evidence import collect_evidence
from ledger.audit.source import opened_source
from ledger.core.actions import Suspend
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.evidence import Finding, check_evidence
from ledger.core.evidence.bodies import BrokenRule, SavedBasis
from ledger.core.evidence.form import parse_evidence
from ledger.core.merkle import root_hash
from ledger.core.pin import Pin, format_pin
from ledger.core.statement import PADDING, parse_statement, sign_statement
from ledger.store.engine import DATABASE_NAME
from tests.support.ledgers import signer
from tests.support.misbehaviour import LyingLedger
from tests.support.stored_ledgers import served, tampering, write_ledger


def grown(*, rotated: bool = False) -> LyingLedger:
    """A ledger of a few epochs that reach into a second tile, whose keys changed once if asked for."""
    ledger = LyingLedger()
    civil = ledger.admit()
    if rotated:
        ledger.rotate("log-keys", "service-keys", "governors")
    for _ in range(15):
        ledger.issue(civil)
        ledger.close_epoch()
    assert ledger.tree_size > 256
    return ledger


def stored(folder: Path, ledger: LyingLedger) -> Path:
    """Store what the ledger says, with the heads that it signed."""
    path = write_ledger(folder / "ledger", ledger, ledger.epochs())
    with tampering(path) as database:
        for size, note in ledger.heads.items():
            text, lines = note.split("\n\n")
            ours = [line for line in lines.splitlines() if f" {ledger.origin} " in line]
            others = [line + "\n" for line in lines.splitlines() if line not in ours]
            database.execute(
                "UPDATE checkpoints SET note = ?, cosignatures = ? WHERE size = ?",
                (text + "\n\n" + "".join(line + "\n" for line in ours), "".join(others), size),
            )
    return path


def found(name: str, pin: Pin, **options: Any) -> tuple[Finding | None, str]:
    """Return what the evidence of an audit proves, and the code of its report."""
    report = audit(name, pin, allow_uncosigned=True, **options)
    data = collect_evidence(name, pin, report, against=options.get("against"))
    finding = None if data is None else check_evidence(data, pin)
    if finding is not None and finding.kind == "broken_rule":
        assert (finding.code, finding.index, finding.field) == (report.code, report.index, report.rule)
    return finding, report.code


def lying_seal(ledger: LyingLedger) -> None:
    ledger.lie_in_seal(status_digest=bytes(32))


def broken_chain(ledger: LyingLedger) -> None:
    ledger.lie_in_seal(chain=bytes(32))


def too_much_padding(ledger: LyingLedger) -> None:
    ledger.seal_again([*ledger.entries[ledger.ends[-2] : -1], *[PADDING] * 16])


def taken_twice(ledger: LyingLedger) -> None:
    ledger.seal_again([ledger.entries[ledger.ends[-3]], *[PADDING] * 14])


def forged_entry(ledger: LyingLedger) -> None:
    entries = ledger.entries[ledger.ends[-2] : -1]
    ledger.seal_again([entries[0][:-1] + bytes([entries[0][-1] ^ 1]), *entries[1:]])


def omitted_action(ledger: LyingLedger) -> None:
    ledger.act("civil-1", Suspend())
    before = parse_statement(ledger.entries[ledger.ends[-2] - 1]).body.govern_head
    ledger.lie_in_seal(govern_head=before)


def wrong_root(ledger: LyingLedger) -> None:
    ledger.heads[ledger.tree_size] = ledger.head(root=bytes(32))


LIES: dict[str, tuple[Callable[[LyingLedger], None], str, str]] = {
    "lying seal": (lying_seal, "broken_rule", "bad_seal"),
    "broken chain": (broken_chain, "broken_chain", "bad_seal"),
    "too much padding": (too_much_padding, "broken_rule", "bad_epoch"),
    "a place taken twice": (taken_twice, "broken_rule", "bad_rule"),
    "a forged entry": (forged_entry, "broken_rule", "bad_entry"),
    "an omitted action": (omitted_action, "omitted_action", "bad_seal"),
    "a wrong root": (wrong_root, "wrong_root", "bad_checkpoint"),
}


@pytest.mark.parametrize("rotated", [False, True], ids=["first keys", "other keys"])
@pytest.mark.parametrize("name", LIES)
def test_what_an_operator_did_is_proven_from_its_directory_and_its_service(
    tmp_path: Path, name: str, rotated: bool
) -> None:
    lie, kind, code = LIES[name]
    ledger = grown(rotated=rotated)
    lie(ledger)
    folder = stored(tmp_path, ledger)
    with served(folder) as url:
        for source in (str(folder), url):
            finding, reported = found(source, ledger.pin)
            assert finding is not None, source
            assert (reported, finding.kind, finding.against, finding.code) == (code, kind, "operator", code)


@pytest.mark.parametrize("name", ["lying seal", "broken chain", "a place taken twice"])
def test_a_fault_below_the_newest_head_is_proven(tmp_path: Path, name: str) -> None:
    lie, kind, code = LIES[name]
    ledger = grown()
    lie(ledger)
    for _ in range(2):
        ledger.issue(ledger.issuers["civil-1"])
        ledger.close_epoch()
    folder = stored(tmp_path, ledger)
    with served(folder) as url:
        for source in (str(folder), url):
            finding, _ = found(source, ledger.pin)
            assert finding is not None
            assert (finding.kind, finding.against, finding.code) == (kind, "operator", code)


@pytest.mark.parametrize("below", [False, True], ids=["newest", "below"])
def test_a_ledger_too_large_to_carry_is_judged_by_a_saved_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    ledger = grown()
    taken_twice(ledger)
    if below:
        ledger.issue(ledger.issuers["civil-1"])
        ledger.close_epoch()
    folder = stored(tmp_path, ledger)
    monkeypatch.setattr(evidence, "MAX_EVIDENCE_SIZE", 12_000)
    with served(folder) as url:
        for source in (str(folder), url):
            finding, code = found(source, ledger.pin)
            assert finding is not None
            assert (code, finding.kind) == ("bad_rule", "broken_rule")
            data = collect_evidence(source, ledger.pin, audit(source, ledger.pin))
            assert data is not None
            body = parse_evidence(data).body
            assert isinstance(body, BrokenRule)
            assert isinstance(body.basis, SavedBasis)


def test_a_changed_entry_convicts_the_copy_alone(tmp_path: Path) -> None:
    ledger = grown()
    folder = stored(tmp_path, ledger)
    index = ledger.ends[3]
    with tampering(folder) as database:
        database.execute("UPDATE entries SET entry = ? WHERE leaf_index = ?", (b"changed", index))
    finding, code = found(str(folder), ledger.pin)
    assert finding is not None
    assert (code, finding.kind, finding.against, finding.index) == (
        "bad_entry",
        "tampered_entry",
        "copy",
        index,
    )


def test_what_nobody_signed_gives_no_evidence(tmp_path: Path) -> None:
    ledger = grown()
    folder = stored(tmp_path, ledger)
    with tampering(folder) as database:
        database.execute("UPDATE entries SET chain = ? WHERE leaf_index = 40", (bytes(32),))
    assert found(str(folder), ledger.pin) == (None, "bad_chain")
    with tampering(folder) as database:
        database.execute("UPDATE tiles SET data = ? WHERE level = 0 AND n = 0", (bytes(8192),))
    finding, _ = found(str(folder), ledger.pin)
    assert finding is None


def test_a_true_ledger_gives_no_evidence(tmp_path: Path) -> None:
    ledger = grown(rotated=True)
    folder = stored(tmp_path, ledger)
    assert found(str(folder), ledger.pin) == (None, "ok")
    assert found(str(folder), ledger.pin, against=ledger.heads[ledger.ends[-2]]) == (None, "ok")


def test_a_head_seen_before_that_is_no_beginning_is_a_fork(tmp_path: Path) -> None:
    ledger = grown(rotated=True)
    seen = ledger.head(size=ledger.ends[-3], root=bytes(32))
    folder = stored(tmp_path, ledger)
    with served(folder) as url:
        for source in (str(folder), url):
            finding, code = found(source, ledger.pin, against=seen)
            assert code == "inconsistent"
            assert finding is not None
            assert (finding.kind, finding.against, finding.heads[1]) == (
                "fork",
                "operator",
                (ledger.ends[-3], bytes(32)),
            )
            assert finding.witnesses == ("witness-1.example", "witness-2.example")


def test_a_tail_that_was_cut_off_is_no_fork(tmp_path: Path) -> None:
    """A copy may be old; that its head is smaller than one seen before contradicts nothing that is signed."""
    ledger = grown()
    seen = ledger.head(size=ledger.tree_size + 16, root=bytes(32))
    assert found(str(stored(tmp_path, ledger)), ledger.pin, against=seen) == (None, "inconsistent")


def test_a_stored_head_that_the_log_signed_for_another_root_is_proven(tmp_path: Path) -> None:
    ledger = grown()
    size = ledger.ends[-2]
    ledger.heads[size] = ledger.head(size=size, root=bytes(32))
    finding, code = found(str(stored(tmp_path, ledger)), ledger.pin)
    assert finding is not None
    assert (code, finding.kind, finding.against) == ("bad_checkpoint", "wrong_root", "operator")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["sc-ledger", *arguments])
    try:
        return cli.main()
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def test_the_command_line_writes_and_checks_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = grown()
    lying_seal(ledger)
    folder, pin, kept = stored(tmp_path, ledger), tmp_path / "pin.json", tmp_path / "kept"
    pin.write_bytes(format_pin(ledger.pin))
    audited = ("audit", str(folder), "--pin", str(pin), "--jobs", "1", "--allow-uncosigned")
    assert run(monkeypatch, *audited, "--evidence", str(kept)) == 3
    [file] = kept.iterdir()
    assert file.name == f"bad_seal-{ledger.tree_size - 1}.evidence"
    assert f"Evidence: {file}" in capsys.readouterr().err
    assert run(monkeypatch, "evidence", "check", str(file), "--pin", str(pin)) == 0
    said = capsys.readouterr().out
    assert "The evidence holds: broken_rule" in said
    assert "Against: the operator." in said
    assert run(monkeypatch, "evidence", "check", str(file), "--pin", str(pin), "--json") == 0
    assert json.loads(capsys.readouterr().out)["index"] == ledger.tree_size - 1
    # What is there is not written over.
    assert run(monkeypatch, *audited, "--evidence", str(kept)) == 1
    capsys.readouterr()
    other = tmp_path / "other.json"
    other.write_bytes(format_pin(Pin(ledger.origin, bytes(32))))
    assert run(monkeypatch, "evidence", "check", str(file), "--pin", str(other)) == 1
    assert "The evidence proves nothing. not_proven" in capsys.readouterr().err
    assert run(monkeypatch, "evidence", "check", str(tmp_path / "none"), "--pin", str(pin)) == 1


def test_an_audit_that_passes_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = grown()
    folder, pin, kept = stored(tmp_path, ledger), tmp_path / "pin.json", tmp_path / "kept"
    pin.write_bytes(format_pin(ledger.pin))
    assert (
        run(monkeypatch, "audit", str(folder), "--pin", str(pin), "--jobs", "1", "--evidence", str(kept)) == 0
    )
    assert not kept.exists()
    assert "vidence" not in capsys.readouterr().err


def test_the_stored_heads_of_these_tests_are_the_ledgers(tmp_path: Path) -> None:
    ledger = grown()
    folder = stored(tmp_path, ledger)
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        rows = database.execute("SELECT size, root FROM checkpoints ORDER BY size").fetchall()
    assert rows == [(size, root_hash(ledger.leaves[:size])) for size in ledger.ends]
    head = Checkpoint(ledger.origin, ledger.tree_size, rows[-1][1])
    assert ledger.heads[ledger.tree_size].startswith(
        sign_checkpoint(head, ledger.log_signers, ledger.now_s).split("\n\n")[0]
    )


class EndlessSource:
    """A source that shows an honest beginning, a head that nobody signed, and seals of a stranger for ever."""

    def __init__(self, ledger: LyingLedger) -> None:
        self._ledger = ledger
        seal = parse_statement(ledger.entries[-1]).body
        stranger = signer("stranger")
        self._made_up = sign_statement("seal", ledger.origin, ledger.origin, seal, stranger)
        self.asked = 0

    def checkpoint(self) -> str:
        return self._ledger.head(size=1 << 40, root=bytes(32))

    def entries(self, start: int, stop: int, tree_size: int) -> tuple[list[bytes], bytes]:
        self.asked = stop
        assert stop <= governed.MOST_UNSEALED + 4 * CHUNK_ENTRIES, "there is an end to what is asked for"
        honest = self._ledger.entries[start:stop]
        return [*honest, *[self._made_up] * (stop - start - len(honest))], b""

    def heads(self, above: int) -> None:
        return None

    def close(self) -> None:
        pass


def test_a_source_that_never_ends_is_left_when_nothing_is_sealed_any_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(governed, "MOST_UNSEALED", 3 * CHUNK_ENTRIES)
    source = EndlessSource(grown(rotated=True))
    good = audit(str(stored(tmp_path, source._ledger)), source._ledger.pin, allow_uncosigned=True)
    report = replace(good, code="bad_entry", index=400)
    monkeypatch.setattr(evidence, "opened_source", lambda name: closing(source))
    assert collect_evidence("endless", source._ledger.pin, report) is None
    assert source.asked > 3 * CHUNK_ENTRIES


def test_of_seals_only_the_places_are_kept(tmp_path: Path) -> None:
    ledger = grown(rotated=True)
    with opened_source(str(stored(tmp_path, ledger))) as source:
        read = governed.read_governed(source, ledger.tree_size)
    assert list(read.seals) == [end - 1 for end in ledger.ends]
    assert {parse_statement(entry).kind for entry in read.entries.values()} == {"govern"}
    assert [effect.index for effect in read.effects] == [effect.index for effect in ledger.registry.effects]


@pytest.mark.parametrize("chunk", [256, 512])
@pytest.mark.parametrize("with_state", [False, True])
def test_the_counts_of_a_ledger_that_broke_a_rule_are_those_of_the_epochs_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, with_state: bool
) -> None:
    monkeypatch.setattr(pool, "FIRST_CHUNK_ENTRIES", chunk)
    ledger = grown(rotated=True)
    state = tmp_path / "state" if with_state else None
    if with_state:
        (tmp_path / "before").mkdir()
        assert audit(str(stored(tmp_path / "before", ledger)), ledger.pin, state=state).ok
    ledger.issue(next(iter(ledger.issuers.values())))
    ledger.close_epoch()
    lying_seal(ledger)
    report = audit(str(stored(tmp_path, ledger)), ledger.pin, state=state)
    assert (report.code, report.epochs) == ("bad_seal", len(ledger.ends) - 1)
    assert sum(report.counts.values()) == ledger.ends[-2]
    assert report.counts["seal"] == report.epochs
