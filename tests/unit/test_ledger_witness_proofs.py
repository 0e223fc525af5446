"""Evidence files from a witness's memory: alarms and forks, proven from a copy of the ledger, and nothing else."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ledger.audit import audit
from ledger.core.checkpoint import parse_checkpoint
from ledger.core.evidence import check_evidence
from ledger.core.note import parse_note
from ledger.store.witness_state import STATE_NAME, Alarm, RefusedHead, StoredHead, WitnessState
from ledger.witness import proofs
from ledger.witness.folder import make_witness
from ledger.witness.proofs import prove_from_memory
from ledger.witness.report import describe_state
from tests.support.misbehaviour import LyingLedger
from tests.unit.test_ledger_audit_evidence import LIES, grown, stored

NOW_S = 1_800_000_000
ALARMS = [name for name, (_, kind, _) in LIES.items() if kind != "wrong_root"]


def memory(path: Path) -> WitnessState:
    return WitnessState.create(path / "state.db")


def grown_apart() -> tuple[LyingLedger, LyingLedger]:
    """One ledger with two histories; the second is larger."""
    mine, theirs = grown(), grown()
    mine.admit("agency-a")
    theirs.admit("agency-b")
    theirs.admit("agency-c")
    return mine, theirs


def head_of(note: str) -> StoredHead:
    checkpoint = parse_checkpoint(parse_note(note).text)
    return StoredHead(checkpoint.tree_size, checkpoint.root_hash, note)


@pytest.mark.parametrize("name", ALARMS)
def test_what_a_replay_refuses_for_ever_is_proven(tmp_path: Path, name: str) -> None:
    lie, _, code = LIES[name]
    ledger = grown()
    lie(ledger)
    folder = stored(tmp_path, ledger)
    index = audit(str(folder), ledger.pin, allow_uncosigned=True).index
    with closing(memory(tmp_path)) as state:
        state.keep_alarm(ledger.origin, Alarm(code, index, "", ledger.heads[ledger.tree_size], NOW_S))
        [(file, data)] = prove_from_memory(state, ledger.origin, ledger.pin, str(folder))
    finding = check_evidence(data, ledger.pin)
    assert (finding.code, finding.index, finding.against) == (code, index, "operator")
    assert file == f"{code}-{index}.evidence"


def test_a_fork_is_proven_from_the_larger_history_whichever_the_witness_knows(tmp_path: Path) -> None:
    mine, theirs = grown_apart()
    folder = stored(tmp_path, theirs)
    cosigned, refused = mine.heads[mine.tree_size], theirs.heads[theirs.tree_size]
    with closing(memory(tmp_path)) as state:
        assert state.remember(mine.origin, None, head_of(cosigned), NOW_S)
        head = head_of(refused)
        state.keep_refused(mine.origin, RefusedHead(head.size, head.root, refused, True, "", NOW_S))
        [(_, data)] = prove_from_memory(state, mine.origin, mine.pin, str(folder))
    finding = check_evidence(data, mine.pin)
    assert (finding.kind, {size for size, _ in finding.heads}) == (
        "fork", {mine.tree_size, theirs.tree_size}
    )  # fmt: skip


def test_an_honest_history_proves_nothing(tmp_path: Path) -> None:
    ledger = grown()
    folder = stored(tmp_path, ledger)
    with closing(memory(tmp_path)) as state:
        assert state.remember(ledger.origin, None, head_of(ledger.heads[ledger.ends[3]]), NOW_S)
        state.keep_alarm(ledger.origin, Alarm("bad_rule", 20, "", ledger.heads[ledger.tree_size], NOW_S))
        assert list(prove_from_memory(state, ledger.origin, ledger.pin, str(folder))) == []


def test_the_report_writes_the_files_or_says_what_it_lacks(tmp_path: Path) -> None:
    mine, theirs = grown_apart()
    folder, witness = stored(tmp_path, theirs), tmp_path / "w"
    make_witness(witness, "w.example", lambda: b"a passphrase")
    refused = head_of(mine.heads[mine.tree_size])
    with closing(WitnessState.open(witness / STATE_NAME)) as state:
        state.keep_refused(
            mine.origin, RefusedHead(refused.size, refused.root, refused.note, True, "another root", NOW_S)
        )
    lines, speaks = describe_state(witness, tmp_path / "out-1")
    assert speaks
    assert not list((tmp_path / "out-1").glob("*.evidence"))
    lines, _ = describe_state(witness, tmp_path / "out-2", None, mine.pin)
    assert f"{mine.origin}: evidence files need --pin and --from." in lines
    lines, _ = describe_state(witness, tmp_path / "out-3", str(folder), mine.pin)
    [path] = (tmp_path / "out-3").glob("*.evidence")
    assert f"Evidence: {path}" in lines
    assert check_evidence(path.read_bytes(), mine.pin).kind == "fork"


def test_a_ledger_that_is_gone_hides_nothing_of_what_the_witness_remembers(tmp_path: Path) -> None:
    mine, theirs = grown_apart()
    witness = tmp_path / "w"
    make_witness(witness, "w.example", lambda: b"a passphrase")
    refused = head_of(theirs.heads[theirs.tree_size])
    with closing(WitnessState.open(witness / STATE_NAME)) as state:
        assert state.remember(mine.origin, None, head_of(mine.heads[mine.tree_size]), NOW_S)
        state.keep_refused(
            mine.origin, RefusedHead(refused.size, refused.root, refused.note, True, "another", NOW_S)
        )
    lines, speaks = describe_state(witness, tmp_path / "out", str(tmp_path / "gone"), mine.pin)
    assert speaks
    assert any(line.startswith("  Contradicts: ") for line in lines)
    assert "not_found" in lines[-1]
    assert "--from" in lines[-1]
    assert list((tmp_path / "out").glob("*.checkpoint"))


def test_two_roots_that_begin_alike_are_two_files(tmp_path: Path) -> None:
    witness, origin = tmp_path / "w", "log.example/one"
    make_witness(witness, "w.example", lambda: b"a passphrase")
    with closing(WitnessState.open(witness / STATE_NAME)) as state:
        assert state.remember(origin, None, StoredHead(16, bytes(32), "cosigned"), NOW_S)
        for number in (1, 2):
            root = bytes(31) + bytes([number])
            state.keep_refused(origin, RefusedHead(16, root, f"refused {number}", True, "", NOW_S))
    describe_state(witness, tmp_path / "out")
    found = sorted(path.read_text() for path in (tmp_path / "out").iterdir())
    assert found == ["cosigned", "refused 1", "refused 2"]


def test_a_thousand_notes_do_not_read_the_copy_a_thousand_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = grown()
    seen: list[str] = []
    monkeypatch.setattr(proofs, "_MOST_NOTES", 3)
    monkeypatch.setattr(proofs, "collect_evidence", lambda *_, against: seen.append(against))
    with closing(memory(tmp_path)) as state:
        for number in range(9):
            root = bytes(31) + bytes([number])
            refused = RefusedHead(16, root, f"note {number}", number > 7, "", NOW_S)
            state.keep_refused(ledger.origin, refused)
        assert list(proofs.prove_from_memory(state, ledger.origin, ledger.pin, "copy")) == []
    assert seen == ["note 8", "note 0", "note 1"]
