"""An audit that goes on where the one before ended comes to the same verdict, and believes no saved file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ledger import cli
from ledger.audit import audit, pool, run, saved_audit
from ledger.audit.directory import DirectorySource
from ledger.audit.heads import Heads
from ledger.audit.report import AuditReport
from ledger.audit.saved_audit import parse_saved_audit, read_saved_audit
from ledger.core import cbor
from ledger.core.pin import Pin, format_pin
from ledger.core.tiles import TilePath, format_tile_path
from ledger.errors import CodedError, LedgerError, MalformedError
from tests.support.audited_ledgers import Epoch, RecordingLedger, busy_ledger, publish_stored, store_ledger
from tests.support.processes import ROOT
from tests.unit.test_ledger_audit import change_entry, change_tile, flipped, heads


@pytest.fixture(scope="session")
def ledger() -> RecordingLedger:
    return busy_ledger()


@pytest.fixture(scope="session")
def folder(ledger: RecordingLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole ledger, stored."""
    return store_ledger(tmp_path_factory.mktemp("resume") / "data", ledger.pin, ledger.history)


@pytest.fixture(scope="session")
def fresh(ledger: RecordingLedger, folder: Path) -> AuditReport:
    """The report of an audit from the first entry on."""
    report = audit(str(folder), ledger.pin)
    assert report.ok
    assert report.quorum
    return report


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FIRST_CHUNK_ENTRIES", 256)
    monkeypatch.setattr(pool, "CHUNK_ENTRIES", 256)
    monkeypatch.setattr(pool, "FEW_CHUNKS", 0)


def ends(history: list[Epoch]) -> list[int]:
    sizes = [0]
    for epoch in history:
        sizes.append(sizes[-1] + len(epoch.entries))
    return sizes[1:]


def state_after(
    tmp_path: Path, ledger: RecordingLedger, count: int, *, source: Callable[[Path], str] = str
) -> Path:
    """Return the state that the audit of the first `count` epochs leaves."""
    part = store_ledger(tmp_path / f"part {count}", ledger.pin, ledger.history[:count])
    state = tmp_path / f"after {count}.state"
    assert audit(source(part), ledger.pin, state=state, allow_uncosigned=True).ok
    assert state.is_file()
    return state


def test_the_history_has_an_epoch_that_ends_with_a_tile_and_some_that_do_not(ledger: RecordingLedger) -> None:
    assert {size % 256 == 0 for size in ends(ledger.history)} == {True, False}
    assert ledger.tree_size > 512


# -- the same verdict -----------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_after_every_epoch_an_audit_goes_on_to_the_same_report(
    ledger: RecordingLedger, folder: Path, fresh: AuditReport, tmp_path: Path, small_chunks: None, jobs: int
) -> None:
    counts = range(1, len(ledger.history) + 1) if jobs == 1 else (2, 8, len(ledger.history))
    for count in counts:
        remarks: list[str] = []
        state = state_after(tmp_path, ledger, count)
        report = audit(str(folder), ledger.pin, state=state, jobs=jobs, remark=remarks.append)
        assert report == replace(fresh, resumed_from=ends(ledger.history)[count - 1])
        assert remarks == []
        saved = read_saved_audit(state, ledger.pin)
        assert saved is not None
        assert saved.size == ledger.tree_size
        state.unlink()


def test_an_audit_goes_on_epoch_by_epoch_and_leaves_the_state_of_one_in_a_single_run(
    ledger: RecordingLedger, folder: Path, tmp_path: Path
) -> None:
    state, once = tmp_path / "state", tmp_path / "once"
    for count in range(1, len(ledger.history) + 1):
        part = store_ledger(tmp_path / str(count), ledger.pin, ledger.history[:count])
        assert audit(str(part), ledger.pin, state=state).ok
    assert audit(str(folder), ledger.pin, state=once).ok
    assert state.read_bytes() == once.read_bytes()


def test_with_nothing_new_only_the_last_tile_is_read(
    ledger: RecordingLedger, folder: Path, fresh: AuditReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    audit(str(folder), ledger.pin, state=state)
    read: list[int] = []
    entries = DirectorySource.entries

    def counting(self: Any, start: int, stop: int, size: int) -> Any:
        read.append(start)
        return entries(self, start, stop, size)

    monkeypatch.setattr(DirectorySource, "entries", counting)
    report = audit(str(folder), ledger.pin, state=state)
    assert report == replace(fresh, resumed_from=ledger.tree_size)
    assert read == [(ledger.tree_size - 1) // 256 * 256]


def test_a_head_seen_before_the_state_is_still_compared(
    ledger: RecordingLedger, folder: Path, tmp_path: Path
) -> None:
    state = state_after(tmp_path, ledger, 9)
    for size, note in heads(folder)[::5]:
        report = audit(str(folder), ledger.pin, against=note, state=state)
        assert (report.code, report.against_size) == ("ok", size)


def test_a_cosigned_head_before_the_state_still_counts(ledger: RecordingLedger, tmp_path: Path) -> None:
    state = state_after(tmp_path, ledger, 9)
    bare = [*ledger.history[:9], *[epoch._replace(cosignatures="") for epoch in ledger.history[9:]]]
    whole = store_ledger(tmp_path / "whole", ledger.pin, bare)
    report = audit(str(whole), ledger.pin, state=state)
    assert (report.code, report.cosigned_size) == ("ok", ends(ledger.history)[8])


def test_the_state_is_kept_where_nobody_has_cosigned(ledger: RecordingLedger, tmp_path: Path) -> None:
    bare = [epoch._replace(cosignatures="") for epoch in ledger.history[:6]]
    part, state = store_ledger(tmp_path / "part", ledger.pin, bare), tmp_path / "state"
    assert audit(str(part), ledger.pin, state=state).code == "not_cosigned"
    assert audit(str(part), ledger.pin, state=state).resumed_from == sum(len(epoch.entries) for epoch in bare)


# -- cut off --------------------------------------------------------------------------------------------


def test_an_audit_that_was_cut_off_goes_on_from_the_last_state_it_saved(
    ledger: RecordingLedger,
    folder: Path,
    fresh: AuditReport,
    tmp_path: Path,
    small_chunks: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "SAVE_EVERY", 1)
    state = tmp_path / "state"
    seen = 0

    def stop(done: int, _: int) -> None:
        nonlocal seen
        if done > 520:
            raise KeyboardInterrupt
        seen = done

    with pytest.raises(KeyboardInterrupt):
        audit(str(folder), ledger.pin, state=state, progress=stop)
    saved = read_saved_audit(state, ledger.pin)
    assert saved is not None
    assert 0 < saved.size <= seen
    assert sum(saved.counts.values()) == saved.size
    report = audit(str(folder), ledger.pin, state=state)
    assert report == replace(fresh, resumed_from=saved.size)


_CHILD = """
import os, signal, sys, time
from pathlib import Path
from ledger.audit import audit, pool, run
from ledger.core.pin import parse_pin
run.SAVE_EVERY = 1
pool.FIRST_CHUNK_ENTRIES = pool.CHUNK_ENTRIES = 256
pool.FEW_CHUNKS = 0
folder, pin, state, jobs, in_write = sys.argv[1:]
writes, fsync = 0, os.fsync

def killing(descriptor):
    global writes
    writes += 1
    if writes > int(in_write) > 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = killing
def progress(done, total):
    print(done, flush=True)
    time.sleep(0.02)
audit(folder, parse_pin(Path(pin).read_bytes()), jobs=int(jobs), state=Path(state), progress=progress)
"""


@pytest.mark.parametrize(("jobs", "in_write"), [(1, 0), (2, 0), (1, 3)])
def test_an_audit_that_was_killed_goes_on(
    ledger: RecordingLedger, folder: Path, fresh: AuditReport, tmp_path: Path, jobs: int, in_write: int
) -> None:
    state, pin = tmp_path / "state", tmp_path / "pin.json"
    pin.write_bytes(format_pin(ledger.pin))
    command = [sys.executable, "-c", _CHILD, str(folder), str(pin), str(state), str(jobs), str(in_write)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stdout is not None
        try:
            while not in_write and int(child.stdout.readline()) <= 512:
                pass
        finally:
            if not in_write:
                child.kill()
            code = child.wait(60)
            _end_session(child.pid)
    assert code == -signal.SIGKILL
    saved = read_saved_audit(state, ledger.pin)
    assert saved is not None
    assert 0 < saved.size < ledger.tree_size
    remarks: list[str] = []
    report = audit(str(folder), ledger.pin, state=state, remark=remarks.append)
    assert (report, remarks) == (replace(fresh, resumed_from=saved.size), [])


def _end_session(pid: int) -> None:
    """End the workers that the killed process has left; no other process is in this session."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    time.sleep(0.05)


# -- a ledger that is not the one that was audited ------------------------------------------------------


@pytest.mark.parametrize("count", [8, 9, 12, -1])
@pytest.mark.parametrize("published", [False, True])
def test_a_ledger_that_was_written_anew_below_the_state_is_an_alarm(
    ledger: RecordingLedger, tmp_path: Path, count: int, published: bool
) -> None:
    state = state_after(tmp_path, ledger, len(ledger.history) + count if count < 0 else count)
    before = state.read_bytes()
    other = busy_ledger(further=17)
    shared = next(
        at
        for at, (a, b) in enumerate(zip(ledger.history, other.history, strict=False))
        if a.entries != b.entries
    )
    data = store_ledger(tmp_path / "other", other.pin, other.history)
    source = str(publish_stored(data, tmp_path / "published")) if published else str(data)
    assert audit(source, ledger.pin).ok  # alone it is as good as the first one
    remarks: list[str] = []
    report = audit(source, ledger.pin, state=state, remark=remarks.append)
    assert (report.code, report.rule) == ("inconsistent", "entries")
    assert ends(ledger.history)[shared - 1] <= report.index < ends(ledger.history)[shared]  # type: ignore[operator]
    assert "begins again with the first entry" in remarks[0]
    assert state.read_bytes() == before


def test_what_no_head_was_found_for_accuses_nobody_later(
    ledger: RecordingLedger, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_chunks: None
) -> None:
    """A copy with seals of a stolen service key and a head that does not fit leaves a state on the way."""
    other = busy_ledger(further=17)
    copy = publish_stored(store_ledger(tmp_path / "data", other.pin, other.history), tmp_path / "published")
    note = (copy / "checkpoint").read_text()
    origin, size, _, rest = note.split("\n", 3)
    (copy / "checkpoint").write_text("\n".join([origin, size, base64.b64encode(bytes(32)).decode(), rest]))
    monkeypatch.setattr(run, "SAVE_EVERY", 1)
    monkeypatch.setattr(Heads, "check_sizes_are_signed", lambda *_: None)  # as after an exchange of log keys
    state, remarks = tmp_path / "state", list[str]()
    assert audit(str(copy), ledger.pin, state=state).code == "bad_checkpoint"
    saved = read_saved_audit(state, ledger.pin)
    assert saved is not None
    assert (saved.size > 0, saved.proven_size) == (True, 0)
    monkeypatch.undo()
    report = audit(str(folder), ledger.pin, state=state, remark=remarks.append)
    assert (report.code, report.resumed_from) == ("ok", 0)
    assert "it is written anew" in remarks[-1]
    saved = read_saved_audit(state, ledger.pin)
    assert saved is not None
    assert saved.proven_size == saved.size == report.tree_size


def test_a_head_below_the_state_is_an_alarm(ledger: RecordingLedger, tmp_path: Path) -> None:
    state = state_after(tmp_path, ledger, 9)
    before = state.read_bytes()
    part = store_ledger(tmp_path / "part", ledger.pin, ledger.history[:7])
    report = audit(str(part), ledger.pin, state=state)
    assert (report.code, report.rule, report.index) == ("inconsistent", "tree_size", ends(ledger.history)[6])
    assert state.read_bytes() == before


def test_a_changed_byte_where_the_state_ends_is_named_as_without_a_state(
    ledger: RecordingLedger, tmp_path: Path
) -> None:
    for count in (8, 9):
        state = state_after(tmp_path, ledger, count)
        size = ends(ledger.history)[count - 1]
        data = store_ledger(tmp_path / f"changed {count}", ledger.pin, ledger.history)
        change_entry(data, size - 1, flipped)
        alone = audit(str(data), ledger.pin)
        assert (alone.code, alone.index) == ("bad_entry", size - 1)
        assert audit(str(data), ledger.pin, state=state) == alone


@pytest.mark.parametrize("what", ["entry", "tile", "upper tile", "head"])
def test_what_is_wrong_behind_the_state_is_named_as_without_one(
    ledger: RecordingLedger, tmp_path: Path, what: str
) -> None:
    state = state_after(tmp_path, ledger, 9)
    data = store_ledger(tmp_path / "changed", ledger.pin, ledger.history)
    match what:
        case "entry":
            change_entry(data, ledger.tree_size - 20, flipped)
        case "tile":
            change_tile(data, 0, 2, 7)
        case "upper tile":
            change_tile(data, 1, 0, 0)
        case "head":
            signers = ledger.history[0].signers
            history = [*ledger.history[:-1], ledger.history[-1]._replace(signers=signers)]
            data = store_ledger(tmp_path / "old keys", ledger.pin, history)
    alone = audit(str(data), ledger.pin)
    assert not alone.ok
    assert audit(str(data), ledger.pin, state=state) == alone


def test_a_head_that_was_never_true_is_not_made_so_by_tiles_that_nobody_compares(
    ledger: RecordingLedger, folder: Path, tmp_path: Path
) -> None:
    """Tiles of level 0 below the state are not read again, so a head seen before is not held against them."""
    state = state_after(tmp_path, ledger, len(ledger.history))
    count = next(at for at, end in enumerate(ends(ledger.history), 1) if end % 256 and end > 256)
    first, size = ends(ledger.history)[count - 2 : count]
    assert first // 256 == size // 256
    last = ledger.history[count - 1]
    fork = [*ledger.history[: count - 1], last._replace(entries=last.entries[::-1])]
    data = store_ledger(tmp_path / "fork", ledger.pin, fork)
    published = publish_stored(folder, tmp_path / "published")
    tile = published / format_tile_path(TilePath(0, size // 256))
    false = publish_stored(data, tmp_path / "false") / format_tile_path(TilePath(0, size // 256, size % 256))
    tile.write_bytes(false.read_bytes() + tile.read_bytes()[size % 256 * 32 :])
    report = audit(str(published), ledger.pin, against=heads(data)[-1][1], state=state)
    assert (report.code, report.against_size) == ("bad_tile", None)
    report = audit(str(folder), ledger.pin, against=heads(data)[-1][1], state=state)
    assert (report.code, report.rule) == ("inconsistent", "root")


# -- a file that is not a state -------------------------------------------------------------------------


def replanted(data: bytes, change: Callable[[dict[int, Any]], object]) -> bytes:
    body = cbor.decode(cbor.decode(data, max_size=len(data))[0], max_size=len(data))
    change(body)
    encoded = cbor.encode(body)
    return cbor.encode([encoded, hashlib.sha256(encoded).digest()])


def with_cells(change: Callable[[bytes], bytes]) -> Callable[[dict[int, Any]], object]:
    """Return a change of the cells within the state of the registry."""

    def change_state(body: dict[int, Any]) -> None:
        body[5] = replanted(body[5], lambda state: state.update({12: change(state[12])}))

    return change_state


UNUSABLE: dict[str, Callable[[dict[int, Any]], object]] = {
    "another version": lambda body: body.update({1: 9}),
    "another origin": lambda body: body.update({2: "ledger.example/x"}),
    "another charter": lambda body: body.update({3: bytes(32)}),
    "no seal": lambda body: body.update({4: b"\x00"}),
    "another state": lambda body: body.update(
        {5: replanted(body[5], lambda state: state[3].update({12: 7}))}
    ),
    "too few entries": lambda body: body[7].update({"padding": 0}),
    "entries of an unknown kind": lambda body: body[7].update({"gift": 0}),
    "no epochs": lambda body: body.update({8: 0}),
    "cosigned later": lambda body: body.update({10: 1 << 40}),
    "other keys at the end": lambda body: body[6][0].pop(),
    "keys not from the start": lambda body: body[6][0].pop(0),
    "keys out of order": lambda body: body[6][0].reverse(),
}


@pytest.fixture(scope="session")
def good_state(ledger: RecordingLedger, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return state_after(tmp_path_factory.mktemp("state"), ledger, 9).read_bytes()


@pytest.mark.parametrize("name", [*UNUSABLE, "cut", "empty", "text"])
def test_a_file_that_is_no_state_is_named_and_the_audit_begins_with_the_first_entry(
    ledger: RecordingLedger, folder: Path, fresh: AuditReport, tmp_path: Path, good_state: bytes, name: str
) -> None:
    others = {"cut": good_state[:-100], "empty": b"", "text": b"hello"}
    data = others[name] if name in others else replanted(good_state, UNUSABLE[name])
    assert data != good_state
    state = tmp_path / "state"
    state.write_bytes(data)
    remarks: list[str] = []
    assert audit(str(folder), ledger.pin, state=state, remark=remarks.append) == fresh
    assert len(remarks) == 1
    assert "is of no use" in remarks[0]
    assert audit(str(folder), ledger.pin, state=state).resumed_from == ledger.tree_size


def test_a_planted_cell_does_not_pass_for_the_ledger(
    ledger: RecordingLedger, folder: Path, tmp_path: Path, good_state: bytes
) -> None:
    """The file contradicts the ledger and is whole: that one of the two was written anew is for people to judge."""
    for at in (0, 40, -1):
        planted = with_cells(lambda cells, at=at: flipped(cells, at))  # type: ignore[misc]
        state = tmp_path / "state"
        state.write_bytes(replanted(good_state, planted))
        report = audit(str(folder), ledger.pin, state=state)
        assert (report.code, report.rule) == ("inconsistent", "entries")


def test_the_state_of_another_ledger_is_refused_and_left_alone(
    folder: Path, ledger: RecordingLedger, tmp_path: Path, good_state: bytes
) -> None:
    state = tmp_path / "state"
    state.write_bytes(good_state)
    with pytest.raises(LedgerError) as refusal:
        audit(str(folder), Pin(ledger.origin, bytes(32)), state=state)
    assert (refusal.value.code, refusal.value.field) == ("bad_input", "state")
    assert state.read_bytes() == good_state


def test_a_state_that_cannot_be_written_ends_no_audit(
    ledger: RecordingLedger, folder: Path, fresh: AuditReport, tmp_path: Path
) -> None:
    remarks: list[str] = []
    state = tmp_path / "no folder" / "state"
    assert audit(str(folder), ledger.pin, state=state, remark=remarks.append) == fresh
    assert len(remarks) == 1
    assert "was not saved" in remarks[0]


@given(st.integers(min_value=0))
@settings(max_examples=200, deadline=None)
def test_a_change_of_one_bit_of_the_file_is_refused(good_state: bytes, bit: int) -> None:
    changed = bytearray(good_state)
    changed[bit % len(changed)] ^= 1 << bit // len(changed) % 8
    with pytest.raises(MalformedError):
        parse_saved_audit(bytes(changed))


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**53) | st.binary(max_size=40) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(range(1, 12)), PARTS)
@settings(max_examples=80, deadline=None)
def test_arbitrary_parts_of_the_file_are_refused_with_a_code(
    good_state: bytes, part: int, value: Any
) -> None:
    data = replanted(good_state, lambda body: body.update({part: value}))
    try:
        saved = parse_saved_audit(data)
    except CodedError:
        return
    assert part in (8, 9, 10)  # of the report only
    assert saved_audit.format_saved_audit(saved) == data


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_saved_audit(data)


# -- the command ----------------------------------------------------------------------------------------


def test_the_command_keeps_the_state_and_says_where_it_began(
    ledger: RecordingLedger, folder: Path, tmp_path: Path
) -> None:
    pin, state = tmp_path / "pin.json", tmp_path / "audit.state"
    pin.write_bytes(format_pin(ledger.pin))
    command = ["audit", str(folder), "--pin", str(pin), "--state", str(state), "--jobs", "1"]
    first = CliRunner().invoke(cli.app, command)
    assert (first.exit_code, "were replayed by an audit before" in first.stdout) == (0, False)
    again = CliRunner().invoke(cli.app, command)
    assert again.exit_code == 0
    assert f"The first {ledger.tree_size} entries were replayed by an audit before this one." in again.stdout
    as_json = CliRunner().invoke(cli.app, [*command, "--json"])
    assert json.loads(as_json.stdout)["resumed_from"] == ledger.tree_size
    state.write_bytes(b"hello")
    third = CliRunner().invoke(cli.app, command)
    assert third.exit_code == 0
    assert "is of no use" in third.stderr
