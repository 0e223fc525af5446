"""The audit: a true ledger passes, and every stored byte that is changed is named with code and place.

One ledger is stored once per run and copied for each case. Its last epochs reach into the third tile, so
that there are two tiles of level 0 that are full, one that is not, and one of level 1.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from credential.core.issue import PersonClaims
from ledger import cli
from ledger.api import create_app
from ledger.audit import audit, pool
from ledger.audit.report import AuditReport
from ledger.codes import exit_code
from ledger.core import cbor, cose
from ledger.core.calendar_days import month_of_seconds
from ledger.core.chain import extend_chain
from ledger.core.checkpoint import Checkpoint, parse_checkpoint, sign_checkpoint
from ledger.core.cose_key import PublicKey
from ledger.core.cosignature import cosign
from ledger.core.epoch import BuiltEpoch
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.note import format_signature_line
from ledger.core.pin import Pin, format_pin
from ledger.core.seal import Seal
from ledger.core.statement import PADDING, is_padding, parse_statement, sign_statement
from ledger.core.status_change import HolderProof, StatusChange, StatusRow, format_status_change
from ledger.errors import ForkAlarm, LedgerError, StorageError
from ledger.service.replay import Replay
from ledger.store.engine import DATABASE_NAME
from ledger.store.lock import LOCK_NAME, CheckpointLock, LockedHead
from tests.support.ledgers import TinyLedger, signer
from tests.support.log_service import ORIGIN, World
from tests.support.stored_ledgers import Epochs, served, tampering, write_ledger

EPOCHS, CREDENTIALS = 9, 60


class RecordingLedger(TinyLedger):
    """A ledger in memory that remembers its epochs."""

    def _append(self, built: BuiltEpoch) -> None:
        super()._append(built)
        self.__dict__.setdefault("epochs", []).append((list(built.entries), built.time_ms))


@dataclass(frozen=True)
class Stored:
    """A stored ledger, what it holds by kind of entry, and the ledger in memory that it came from."""

    folder: Path
    ledger: TinyLedger
    epochs: Epochs
    places: dict[str, list[int]]

    @property
    def pin(self) -> Pin:
        return self.ledger.pin

    @property
    def size(self) -> int:
        return self.ledger.tree_size


def heads(folder: Path) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        return database.execute("SELECT size, note FROM checkpoints ORDER BY size").fetchall()


def places_of(entries: Sequence[bytes]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        kind = "padding" if is_padding(entry) else parse_statement(entry).kind
        places.setdefault(kind, []).append(index)
    return places


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    ledger = RecordingLedger()
    civil = ledger.admit()
    for _ in range(EPOCHS):
        cards = [ledger.issue(civil, PersonClaims()) for _ in range(CREDENTIALS)]
        ledger.close_epoch()
        ledger.change_status(civil, cards[0], 0, 2, 4)
    ledger.close_epoch()
    epochs: Epochs = ledger.__dict__["epochs"]
    folder = write_ledger(tmp_path_factory.mktemp("audit") / "ledger", ledger, epochs)
    size = heads(folder)[-1][0]
    cosigned = ledger.checkpoint()
    assert size == ledger.tree_size > 512
    lines = "".join(line + "\n" for line in cosigned.splitlines() if "witness-" in line)
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as database:
        database.execute("UPDATE checkpoints SET cosignatures = ? WHERE size = ?", (lines, size))
        database.commit()
    return Stored(folder, ledger, epochs, places_of(ledger.entries))


@pytest.fixture
def copy(stored: Stored, tmp_path: Path) -> Stored:
    folder = tmp_path / "copy"
    shutil.copytree(stored.folder, folder)
    return replace(stored, folder=folder)


def change_entry(folder: Path, index: int, change: Callable[[bytes], bytes]) -> None:
    with tampering(folder) as database:
        (entry,) = database.execute("SELECT entry FROM entries WHERE leaf_index = ?", (index,)).fetchone()
        database.execute("UPDATE entries SET entry = ? WHERE leaf_index = ?", (change(entry), index))


def change_tile(folder: Path, level: int, n: int, place: int) -> None:
    with tampering(folder) as database:
        (data,) = database.execute("SELECT data FROM tiles WHERE level = ? AND n = ?", (level, n)).fetchone()
        database.execute(
            "UPDATE tiles SET data = ? WHERE level = ? AND n = ?", (flipped(data, 32 * place), level, n)
        )


def flipped(data: bytes, place: int = -1) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def checked(copy: Stored, **options: Any) -> AuditReport:
    return audit(str(copy.folder), options.pop("pin", copy.pin), **options)


def found(report: AuditReport) -> tuple[str, int | None]:
    assert report.ok == (report.code == "ok")
    assert report.ok or report.detail
    return report.code, report.index


@pytest.fixture(params=[1, 2])
def jobs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """One process, and two of them even where the ledger is small."""
    monkeypatch.setattr(pool, "FIRST_CHUNK_ENTRIES", 256)
    monkeypatch.setattr(pool, "CHUNK_ENTRIES", 256)
    monkeypatch.setattr(pool, "FEW_CHUNKS", 0)
    return int(request.param)


# -- a true ledger --------------------------------------------------------------------------------------


def test_a_true_ledger_passes(stored: Stored, jobs: int) -> None:
    seen: list[tuple[int, int]] = []
    report = checked(stored, jobs=jobs, progress=lambda *place: seen.append(place))
    assert (report.code, report.index, report.tree_size) == ("ok", None, stored.size)
    assert b64encode(bytes.fromhex(report.root)).decode() == heads(stored.folder)[-1][1].splitlines()[2]
    assert report.counts == {kind: len(places) for kind, places in sorted(stored.places.items())}
    assert report.epochs == len(stored.epochs) == len(seen)
    assert seen[-1] == (stored.size, stored.size)
    assert report.issuers == {"civil-1": "Civil registry of Example"}
    assert report.last_time_ms == stored.ledger.time_ms
    assert report.quorum
    assert report.cosigned == {"w1": stored.ledger.now_s, "w2": stored.ledger.now_s}
    assert report.to_dict()["counts"] == report.counts


def test_chunks_of_any_size_find_the_same(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = checked(stored)
    monkeypatch.setattr(pool, "CHUNK_ENTRIES", 256)
    assert checked(stored) == whole


def test_an_earlier_head_is_extended(stored: Stored) -> None:
    for size, note in heads(stored.folder):
        report = checked(stored, against=note)
        assert (report.code, report.against_size) == ("ok", size)


def test_a_directory_without_ledger_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as refusal:
        audit(str(tmp_path), Pin("ledger.example/none", bytes(32)))
    assert refusal.value.code == "not_found"


# -- stored bytes ---------------------------------------------------------------------------------------

KINDS = ("charter", "accept", "padding", "seal", "govern", "status", "credential")


@pytest.mark.parametrize("at", [0, -1], ids=["first", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_entry_of_each_kind_is_named(copy: Stored, kind: str, at: int) -> None:
    index = copy.places[kind][at]
    change_entry(copy.folder, index, flipped)
    assert found(checked(copy)) == ("bad_entry", index)


@pytest.mark.parametrize("place", [0, 3, 20, 60, 90, 150, 250, 300, 350])
def test_every_part_of_a_credential_counts(copy: Stored, place: int) -> None:
    index = copy.places["credential"][100]
    change_entry(copy.folder, index, lambda entry: flipped(entry, place))
    assert found(checked(copy)) == ("bad_entry", index)


def test_workers_name_the_same_place(copy: Stored, jobs: int) -> None:
    index = copy.places["credential"][-1]
    change_entry(copy.folder, index, flipped)
    report = checked(copy, jobs=jobs)
    assert (report.code, report.index, report.rule) == ("bad_entry", index, "signature")


def test_a_credential_in_the_place_of_padding_is_named(copy: Stored) -> None:
    index = copy.places["padding"][-1]
    change_entry(copy.folder, index, lambda entry: copy.ledger.entries[copy.places["credential"][0]])
    assert found(checked(copy)) == ("bad_entry", index)


def test_padding_in_the_place_of_a_credential_is_named(copy: Stored) -> None:
    index = copy.places["credential"][70]
    change_entry(copy.folder, index, lambda entry: PADDING)
    assert found(checked(copy)) == ("bad_entry", index)


@pytest.mark.parametrize("at", [0, 17, 255, 256, -1])
def test_a_changed_chain_value_is_named(copy: Stored, at: int) -> None:
    index = at % copy.size
    with tampering(copy.folder) as database:
        database.execute("UPDATE entries SET chain = ? WHERE leaf_index = ?", (bytes(32), index))
    assert found(checked(copy)) == ("bad_chain", index)


@pytest.mark.parametrize(("level", "n", "place", "index"), [(0, 0, 9, 9), (0, 2, 1, 513), (1, 0, 1, 256)])
def test_a_changed_tile_is_named(copy: Stored, level: int, n: int, place: int, index: int) -> None:
    change_tile(copy.folder, level, n, place)
    report = checked(copy)
    assert found(report) == ("bad_tile", index)
    assert report.rule.startswith(f"tile/{level}")


def test_a_missing_tile_is_named(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("DELETE FROM tiles WHERE level = 0 AND n = 1")
    assert found(checked(copy)) == ("bad_tile", 256)


def test_swapped_entries_are_named(copy: Stored) -> None:
    first, second = copy.places["credential"][200:202]
    with tampering(copy.folder) as database:
        for index, other in ((first, second), (second, first)):
            entry = copy.ledger.entries[other]
            database.execute("UPDATE entries SET entry = ? WHERE leaf_index = ?", (entry, index))
    assert found(checked(copy)) == ("bad_entry", first)


def test_a_row_that_is_missing_is_named(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("DELETE FROM entries WHERE leaf_index = 300")
    assert found(checked(copy)) == ("bad_entry", 300)


def test_of_two_changes_the_first_is_named(copy: Stored) -> None:
    change_tile(copy.folder, 0, 2, 60)
    change_entry(copy.folder, 560, flipped)
    change_entry(copy.folder, 530, flipped)
    assert found(checked(copy)) == ("bad_entry", 530)


# -- heads ----------------------------------------------------------------------------------------------


def change_note(folder: Path, change: Callable[[str], str]) -> None:
    with tampering(folder) as database:
        (note,) = database.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
        database.execute("UPDATE checkpoints SET note = ? WHERE note = ?", (change(note), note))


def test_a_head_without_the_second_signature_is_refused(copy: Stored) -> None:
    change_note(copy.folder, lambda note: note.rsplit("\u2014", 1)[0])
    assert found(checked(copy)) == ("bad_checkpoint", None)


def test_a_head_with_a_changed_signature_is_refused(copy: Stored) -> None:
    other = heads(copy.folder)[0][1].splitlines()

    def change(note: str) -> str:
        lines = note.splitlines()
        return "\n".join([*lines[:4], *other[4:]]) + "\n"

    assert len(other) > 5
    change_note(copy.folder, change)
    assert found(checked(copy)) == ("bad_checkpoint", None)


def test_a_head_with_another_root_is_refused(copy: Stored) -> None:
    other = heads(copy.folder)[0][1].splitlines()[2]
    change_note(copy.folder, lambda note: note.replace(note.splitlines()[2], other, 1))
    report = checked(copy)
    assert (report.code, report.rule) == ("bad_checkpoint", "note")


def test_a_head_that_the_log_signed_for_another_root_is_refused(copy: Stored) -> None:
    ledger = copy.ledger
    lie = sign_checkpoint(Checkpoint(ledger.origin, copy.size, bytes(32)), ledger.log_signers, ledger.now_s)
    change_note(copy.folder, lambda _: lie)
    assert found(checked(copy)) == ("bad_checkpoint", copy.size)
    with tampering(copy.folder) as database:
        database.execute("UPDATE checkpoints SET root = ? WHERE size = ?", (bytes(32), copy.size))
    assert found(checked(copy)) == ("bad_checkpoint", copy.size)
    with served(copy.folder) as url:
        report = audit(url, copy.pin)
    assert (report.code, report.rule) == ("bad_checkpoint", "root")


def test_a_head_of_a_larger_tree_is_refused(copy: Stored) -> None:
    larger = str(copy.size + 16)
    change_note(copy.folder, lambda note: note.replace(note.splitlines()[1], larger, 1))
    report = checked(copy)
    assert (report.code, report.rule, report.index) == ("bad_checkpoint", "tree_size", copy.size)


def test_a_head_within_an_epoch_is_refused(copy: Stored) -> None:
    smaller, ledger = copy.size - 16 * 2, copy.ledger
    change_note(copy.folder, lambda note: note.replace(note.splitlines()[1], str(smaller), 1))
    assert found(checked(copy)) == ("bad_checkpoint", smaller)
    begin = copy.size - len(copy.epochs[-1][0]) - len(copy.epochs[-2][0])
    within = Checkpoint(ledger.origin, smaller, root_hash(ledger.leaves[:smaller]))
    change_note(copy.folder, lambda _: sign_checkpoint(within, ledger.log_signers, ledger.now_s))
    with served(copy.folder) as url:
        assert found(audit(url, copy.pin)) == ("bad_epoch", begin)


@pytest.mark.parametrize("size", [2**50, 2**53 + 16, 2**60, 17])
def test_a_size_that_nobody_signed_ends_the_audit_at_once(copy: Stored, size: int) -> None:
    change_note(copy.folder, lambda note: note.replace(note.splitlines()[1], str(size), 1))
    assert checked(copy).code == "bad_checkpoint"
    with served(copy.folder) as url:
        report = audit(url, copy.pin, jobs=2)
    assert (report.code, report.counts) == ("bad_checkpoint", {})


def test_a_head_that_is_no_note_is_refused(copy: Stored) -> None:
    change_note(copy.folder, lambda note: "not a note")
    assert found(checked(copy)) == ("bad_checkpoint", None)


def test_another_ledger_than_the_pinned_one_is_refused(stored: Stored) -> None:
    elsewhere = checked(stored, pin=Pin("ledger.example/other", stored.pin.charter_hash))
    assert (elsewhere.code, elsewhere.rule) == ("bad_checkpoint", "checkpoint.origin")
    other = checked(stored, pin=Pin(stored.pin.origin, bytes(32)))
    assert (other.code, other.rule, other.index) == ("bad_rule", "charter", 0)


def test_without_cosignatures_the_report_says_so(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("UPDATE checkpoints SET cosignatures = ''")
    report = checked(copy)
    assert (report.code, report.quorum, report.cosigned) == ("not_cosigned", False, {})
    assert exit_code(report.code) == 1
    accepted = checked(copy, allow_uncosigned=True)
    assert (accepted.code, accepted.quorum, accepted.cosigned_size) == ("ok", False, None)


def test_the_command_says_not_cosigned_and_takes_it_where_told(
    copy: Stored, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tampering(copy.folder) as database:
        database.execute("UPDATE checkpoints SET cosignatures = ''")
    pin = copy.folder.parent / "pin.json"
    pin.write_bytes(format_pin(copy.pin))
    found = []
    for further in ([], ["--allow-uncosigned"]):
        line = ["sc-ledger", "audit", str(copy.folder), "--pin", str(pin), "--jobs", "1", *further]
        monkeypatch.setattr(sys, "argv", line)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        found.append((stop.value.code, capsys.readouterr().out.split(":")[0]))
    assert found == [(1, "NOT COSIGNED"), (0, "CONSISTENT")]


def cosign_only(folder: Path, ledger: TinyLedger, size: int, witnesses: int = 2) -> None:
    """Leave one head with cosignatures: that of this size, of so many witnesses."""
    text = dict(heads(folder))[size].partition("\n\n")[0] + "\n"
    lines = [cosign(w, parse_checkpoint(text), text, ledger.now_s) for w in ledger.witnesses[:witnesses]]
    joined = "".join(format_signature_line(line).rstrip("\n") + "\n" for line in lines)
    with tampering(folder) as database:
        database.execute("UPDATE checkpoints SET cosignatures = ''")
        database.execute("UPDATE checkpoints SET cosignatures = ? WHERE size = ?", (joined, size))


def test_an_older_head_with_a_quorum_is_enough_for_a_directory(copy: Stored) -> None:
    older = heads(copy.folder)[-3][0]
    cosign_only(copy.folder, copy.ledger, older)
    report = checked(copy)
    assert (report.code, report.tree_size, report.quorum) == ("ok", copy.size, True)
    assert (report.cosigned_size, set(report.cosigned)) == (older, {"w1", "w2"})
    with served(copy.folder) as url:
        assert audit(url, copy.pin).code == "not_cosigned"


def test_one_of_two_witnesses_is_no_quorum(copy: Stored) -> None:
    cosign_only(copy.folder, copy.ledger, copy.size, witnesses=1)
    report = checked(copy)
    assert (report.code, set(report.cosigned)) == ("not_cosigned", {"w1"})


def test_a_cosignature_of_an_older_head_that_does_not_verify_is_named(copy: Stored) -> None:
    older, newer = heads(copy.folder)[2][0], heads(copy.folder)[3][0]
    cosign_only(copy.folder, copy.ledger, older)
    with tampering(copy.folder) as database:
        query = "SELECT cosignatures FROM checkpoints WHERE size = ?"
        (lines,) = database.execute(query, (older,)).fetchone()
        database.execute("UPDATE checkpoints SET cosignatures = ? WHERE size = ?", (lines, newer))
    assert found(checked(copy)) == ("bad_checkpoint", newer)


# -- a directory that contradicts itself ----------------------------------------------------------------


def loosened(folder: Path) -> None:
    """Take the types of every table away, as somebody can who writes the file by hand."""
    with tampering(folder) as database:
        for name in ("entries", "statements", "tiles", "staged", "checkpoints", "meta"):
            database.execute(f"CREATE TABLE loose AS SELECT * FROM {name}")
            database.execute(f"DROP TABLE {name}")
            database.execute(f"ALTER TABLE loose RENAME TO {name}")


@pytest.mark.parametrize(
    ("change", "code", "index"),
    [
        ("UPDATE entries SET entry = 'abc' WHERE leaf_index = 40", "bad_entry", 40),
        ("UPDATE entries SET entry = 5 WHERE leaf_index = 300", "bad_entry", 300),
        ("UPDATE entries SET entry = CAST(x'FF80' AS TEXT) WHERE leaf_index = 40", "bad_entry", 40),
        ("UPDATE entries SET entry = zeroblob(70000) WHERE leaf_index = 40", "bad_entry", 40),
        ("UPDATE entries SET entry = zeroblob(2000000) WHERE leaf_index = 40", "bad_entry", 0),
        ("UPDATE entries SET chain = '' WHERE leaf_index = 40", "bad_chain", 40),
        ("UPDATE entries SET chain = x'00' WHERE leaf_index = 40", "bad_chain", 40),
        ("UPDATE entries SET chain = substr(chain, 1, 31) WHERE leaf_index = 40", "bad_chain", 40),
        ("UPDATE tiles SET data = 'abc' WHERE level = 0 AND n = 1", "bad_tile", 256),
        ("UPDATE tiles SET data = data || zeroblob(32) WHERE level = 0 AND n = 1", "bad_tile", 256),
        ("UPDATE tiles SET data = 7 WHERE level = 1", "bad_tile", 0),
        ("UPDATE checkpoints SET note = CAST(note AS BLOB)", "bad_checkpoint", "size"),
        ("UPDATE checkpoints SET note = CAST(x'FF41' AS TEXT)", "bad_checkpoint", "size"),
        ("UPDATE checkpoints SET cosignatures = x'00'", "bad_checkpoint", "size"),
        ("UPDATE checkpoints SET cosignatures = 'x'", "bad_checkpoint", None),
        ("UPDATE checkpoints SET root = 'a'", "bad_checkpoint", "size"),
        ("UPDATE checkpoints SET time_ms = 'late'", "bad_checkpoint", "size"),
        ("UPDATE meta SET value = x'00'", "bad_checkpoint", None),
        ("DELETE FROM checkpoints", "bad_checkpoint", 0),
        ("DROP TABLE tiles", "bad_tile", 0),
        ("DROP TABLE entries", "bad_entry", 0),
        ("DROP TABLE statements", "bad_entry", 0),
        ("DROP TABLE checkpoints", "bad_checkpoint", 0),
        ("DROP TABLE meta", "bad_checkpoint", 0),
        ("ALTER TABLE entries RENAME COLUMN chain TO link", "bad_entry", 0),
    ],
)
def test_a_value_of_another_type_is_an_alarm(
    copy: Stored, change: str, code: str, index: int | str | None
) -> None:
    loosened(copy.folder)
    with tampering(copy.folder) as database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute(change)
    assert found(checked(copy)) == (code, copy.size if index == "size" else index)
    assert exit_code(code) == 3


def test_workers_report_a_value_of_another_type(copy: Stored, jobs: int) -> None:
    loosened(copy.folder)
    with tampering(copy.folder) as database:
        database.execute("UPDATE entries SET entry = 'abc' WHERE leaf_index IN (400, 540)")
    assert found(checked(copy, jobs=jobs)) == ("bad_entry", 400)


def test_an_earlier_fault_is_named_before_a_value_of_another_type(copy: Stored) -> None:
    loosened(copy.folder)
    change_tile(copy.folder, 0, 0, 33)
    with tampering(copy.folder) as database:
        database.execute("UPDATE entries SET entry = 'abc' WHERE leaf_index = 40")
    assert found(checked(copy)) == ("bad_tile", 33)


@pytest.mark.parametrize(
    "change",
    ["SET root = zeroblob(32)", "SET note = 'junk'", "SET time_ms = time_ms + 1", None],
)
def test_every_stored_head_is_that_of_the_replayed_tree(copy: Stored, change: str | None) -> None:
    older = heads(copy.folder)[4][0]
    with tampering(copy.folder) as database:
        how = "DELETE FROM checkpoints" if change is None else f"UPDATE checkpoints {change}"
        database.execute(f"{how} WHERE size = ?", (older,))
    assert found(checked(copy)) == ("bad_checkpoint", older)


def test_entries_beyond_the_head_are_named(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("INSERT INTO entries VALUES (?, x'F6', zeroblob(32))", (copy.size,))
    assert found(checked(copy)) == ("bad_checkpoint", copy.size)


@pytest.mark.parametrize("change", ["DELETE FROM statements", "UPDATE statements SET leaf_index = 3"])
def test_an_index_of_statements_that_is_not_right_is_named(copy: Stored, change: str) -> None:
    index = copy.places["credential"][150]
    with tampering(copy.folder) as database:
        database.execute(f"{change} WHERE leaf_index = ?", (index,))
    report = checked(copy)
    assert (report.code, report.rule, report.index) == ("bad_entry", "statements", index)


def test_an_index_of_statements_with_a_row_of_nothing_is_named(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("INSERT INTO statements VALUES (zeroblob(32), 5)")
    report = checked(copy)
    assert (report.code, report.rule) == ("bad_entry", "statements")


@pytest.mark.parametrize("key", ["origin", "charter"])
def test_a_database_that_says_it_is_another_ledger_is_named(copy: Stored, key: str) -> None:
    with tampering(copy.folder) as database:
        database.execute("UPDATE meta SET value = 'x' WHERE key = ?", (key,))
    report = checked(copy)
    assert (report.code, report.rule) == ("bad_checkpoint", f"meta.{key}")


def make_lock(copy: Stored, size: int, root: bytes, *, origin: str = "", at: Path | None = None) -> None:
    path = at or copy.folder / LOCK_NAME
    CheckpointLock.create(path, origin or copy.pin.origin, LockedHead(size, root, "note")).close()


def test_the_lock_beside_the_database_must_hold_the_stored_head(copy: Stored) -> None:
    make_lock(copy, copy.size, root_hash(copy.ledger.leaves))
    assert checked(copy).code == "ok"


@pytest.mark.parametrize(("ahead", "same_root"), [(-16, True), (0, False), (16, True)])
def test_a_lock_with_another_head_is_a_mismatch(copy: Stored, ahead: int, same_root: bool) -> None:
    make_lock(copy, copy.size + ahead, root_hash(copy.ledger.leaves) if same_root else bytes(32))
    report = checked(copy)
    assert (report.code, report.rule) == ("lock_mismatch", "lock")
    assert report.index == copy.size + min(ahead, 0)


def test_a_lock_of_another_ledger_is_a_mismatch(copy: Stored) -> None:
    make_lock(copy, copy.size, root_hash(copy.ledger.leaves), origin="ledger.example/other")
    assert checked(copy).code == "lock_mismatch"


def test_a_lock_that_is_ahead_by_the_staged_epoch_is_in_order(copy: Stored) -> None:
    make_lock(copy, copy.size + 16, bytes(32))
    with tampering(copy.folder) as database:
        database.execute("INSERT INTO staged VALUES (?, zeroblob(32), x'00')", (copy.size + 16,))
    assert checked(copy).code == "ok"


def test_a_lock_at_the_place_of_the_settings_is_compared(copy: Stored) -> None:
    elsewhere = copy.folder.parent / "elsewhere.db"
    make_lock(copy, copy.size - 16, bytes(32), at=elsewhere)
    assert checked(copy).code == "ok"
    (copy.folder / "ledger.json").write_text(json.dumps({"lock": str(elsewhere)}))
    assert checked(copy).code == "lock_mismatch"


# -- places that take no writes -------------------------------------------------------------------------


def refuse_ordinary_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite fail as it does where it cannot make the file that readers share."""
    connect = sqlite3.connect

    def refusing(database: Any, **options: Any) -> sqlite3.Connection:
        if "mode=ro" in str(database):
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error
        connection: sqlite3.Connection = connect(database, **options)
        return connection

    monkeypatch.setattr(sqlite3, "connect", refusing)


@pytest.fixture
def closed(copy: Stored) -> Iterator[Stored]:
    """A closed ledger in a directory that takes no writes."""
    with closing(sqlite3.connect(copy.folder / DATABASE_NAME)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in ("-wal", "-shm"):
        copy.folder.joinpath(DATABASE_NAME + name).unlink(missing_ok=True)
    copy.folder.chmod(0o555)
    yield copy
    copy.folder.chmod(0o755)


def test_a_closed_ledger_is_audited_where_nothing_can_be_written(
    closed: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_ordinary_reading(monkeypatch)
    assert checked(closed).code == "ok"
    assert {path.name for path in closed.folder.iterdir()} == {DATABASE_NAME}


def test_a_ledger_that_was_not_closed_says_what_to_do(copy: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy.folder / (DATABASE_NAME + "-wal")).write_bytes(b"pages")
    refuse_ordinary_reading(monkeypatch)
    with pytest.raises(StorageError, match="copy it to a writable place first"):
        checked(copy)


# -- a tail that was cut off ------------------------------------------------------------------------------


def test_missing_entries_behind_the_head_are_named(copy: Stored) -> None:
    begin = copy.size - len(copy.epochs[-1][0])
    with tampering(copy.folder) as database:
        database.execute("DELETE FROM entries WHERE leaf_index >= ?", (begin,))
    assert found(checked(copy)) == ("bad_checkpoint", begin)


def test_a_whole_epoch_cut_off_passes_alone_and_fails_against_a_head_seen_before(
    stored: Stored, tmp_path: Path
) -> None:
    cut = write_ledger(tmp_path / "cut", stored.ledger, stored.epochs[:-1])
    size = heads(cut)[-1][0]
    alone = audit(str(cut), stored.pin)
    assert (alone.code, alone.tree_size, alone.quorum) == ("not_cosigned", size, False)
    seen = audit(str(cut), stored.pin, against=stored.ledger.checkpoint())
    assert (seen.code, seen.rule, seen.index) == ("inconsistent", "tree_size", size)


@pytest.mark.parametrize("size", ["a smaller one", "the same", "a larger one"])
def test_another_history_fails_against_a_head_seen_before(stored: Stored, tmp_path: Path, size: str) -> None:
    entries, time_ms = stored.epochs[-1]
    others = {
        "a smaller one": [*stored.epochs[:-2], (entries, time_ms)],
        "the same": [*stored.epochs[:-1], (entries[::-1], time_ms)],
        "a larger one": [*stored.epochs, (entries, time_ms + 1)],
    }
    other_size, note = heads(write_ledger(tmp_path / "fork", stored.ledger, others[size]))[-1]
    assert (other_size > stored.size) - (other_size < stored.size) == list(others).index(size) - 1
    report = checked(stored, against=note)
    assert report.code == "inconsistent"
    assert report.rule == ("tree_size" if size == "a larger one" else "root")


def test_a_head_that_the_ledger_never_signed_proves_nothing(stored: Stored) -> None:
    text = stored.ledger.checkpoint()
    forged = "".join(text.partition("\n\n")[:2]) + "\u2014 nobody AAAAAAAA\n"
    seen: list[int] = []
    for against in (forged, "hello", "", text.replace(stored.pin.origin, "ledger.example/other")):
        with pytest.raises(LedgerError) as refusal:
            checked(stored, against=against, progress=lambda done, _: seen.append(done))
        assert (refusal.value.code, refusal.value.field) == ("bad_input", "against")
    assert exit_code("bad_input") == 1
    assert seen == []


# -- signed lies ------------------------------------------------------------------------------------------


def resealed(stored: Stored, entries: Sequence[bytes], **lies: Any) -> bytes:
    """Return the seal of an epoch again, with some of its words replaced, signed by the service key."""
    seal: Seal = parse_statement(entries[-1]).body
    origin = stored.ledger.origin
    return sign_statement("seal", origin, origin, replace(seal, **lies), stored.ledger.service)


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("index", 1),
        ("chain", 1),
        ("registry_digest", 1),
        ("registry_digest", 2),
        ("status_digest", 1),
        ("govern_head", 1),
    ],
)
def test_a_seal_that_lies_is_named(stored: Stored, tmp_path: Path, name: str, jobs: int) -> None:
    entries, time_ms = stored.epochs[-1]
    lie = 3 if name == "index" else bytes(32)
    epochs = [*stored.epochs[:-1], ([*entries[:-1], resealed(stored, entries, **{name: lie})], time_ms)]
    report = audit(str(write_ledger(tmp_path / "lie", stored.ledger, epochs)), stored.pin, jobs=jobs)
    assert (report.code, report.rule, report.index) == ("bad_seal", name, stored.size - 1)


def test_a_seal_of_another_key_is_named(stored: Stored, tmp_path: Path) -> None:
    entries, time_ms = stored.epochs[-1]
    seal, origin = parse_statement(entries[-1]).body, stored.ledger.origin
    forged = sign_statement("seal", origin, origin, seal, stored.ledger.issuers["civil-1"].signer)
    epochs = [*stored.epochs[:-1], ([*entries[:-1], forged], time_ms)]
    report = audit(str(write_ledger(tmp_path / "forged", stored.ledger, epochs)), stored.pin)
    assert found(report) == ("bad_seal", stored.size - 1)


def test_time_that_does_not_rise_is_named(stored: Stored, tmp_path: Path) -> None:
    entries, time_ms = stored.epochs[-1]
    seal = resealed(stored, entries, time_ms=stored.epochs[-2][1])
    epochs = [*stored.epochs[:-1], ([*entries[:-1], seal], time_ms)]
    report = audit(str(write_ledger(tmp_path / "late", stored.ledger, epochs)), stored.pin)
    assert (report.code, report.rule, report.index) == ("bad_epoch", "seal.time_ms", stored.size - 1)


def epoch_of(stored: Stored, *entries: bytes) -> list[bytes]:
    """Return an epoch behind the last one that holds these entries, sealed whatever they are."""
    padded = [*entries, *[PADDING] * (-(len(entries) + 1) % 16)]
    head = extend_chain(stored.ledger.chain_head, [leaf_hash(entry) for entry in padded])[-1]
    seal = resealed(
        stored,
        stored.epochs[-1][0],
        index=stored.size + len(padded),
        chain=head,
        time_ms=stored.ledger.time_ms + 60_000,
    )
    return [*padded, seal]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_epoch_without_statements_is_refused_where_nothing_lapses(
    stored: Stored, tmp_path: Path, jobs: int
) -> None:
    epochs = [*stored.epochs, (epoch_of(stored), stored.ledger.time_ms + 60_000)]
    report = audit(str(write_ledger(tmp_path / "empty", stored.ledger, epochs)), stored.pin, jobs=jobs)
    assert found(report) == ("bad_epoch", stored.size)


def holder_statement(stored: Stored, case: str) -> bytes:
    """Return the replacement of the last credential by its holder, or by somebody who only says so."""
    index = stored.places["credential"][-1]
    entry = stored.ledger.entries[index]
    claims = parse_statement(entry).body
    other = signer("somebody", "ed25519")
    row = StatusRow(claims.idx, 0, 3, 1, month_of_seconds(stored.ledger.now_s))
    path = bytes(128) if case == "a path of nothing" else stored.ledger.path(index)
    body = StatusChange(claims.uri, 0, (row,), HolderProof(index, path, entry))
    # What the credential's key would have signed, with a signature that another key made.
    header = {1: other.alg, 4: PublicKey("ed25519", claims.cnf).kid, 15: {1: claims.sub, 2: claims.uri}}
    typ = "application/vnd.safeconduct.status+cose"
    if case == "a forged signature":
        payload = cbor.encode(format_status_change(body))
        return cose.format_sign1(cose.sign({**header, 16: typ}, payload, other))
    return sign_statement("status", claims.sub, claims.uri, body, other)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("a forged signature", "bad_entry"),
        ("another key", "bad_rule"),
        ("a path of nothing", "bad_rule"),
    ],
)
def test_auditor_and_witness_refuse_the_same_of_a_holder(
    stored: Stored, tmp_path: Path, case: str, code: str, jobs: int
) -> None:
    epoch = epoch_of(stored, holder_statement(stored, case))
    epochs = [*stored.epochs, (epoch, stored.ledger.time_ms + 60_000)]
    report = audit(str(write_ledger(tmp_path / "holder", stored.ledger, epochs)), stored.pin, jobs=jobs)
    assert found(report) == (code, stored.size)
    entries = [*stored.ledger.entries, *epoch]
    with pytest.raises(ForkAlarm) as caught:
        Replay(lambda start, stop: entries[start:stop]).advance(len(entries), bytes(32))
    assert (caught.value.code, caught.value.index, caught.value.field) == (*found(report), report.rule)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("case", ["the same again", "an unknown issuer", "a forged signature"])
def test_a_broken_rule_is_named_though_everything_else_fits(
    stored: Stored, tmp_path: Path, case: str, jobs: int
) -> None:
    again = stored.ledger.entries[stored.places["credential"][0]]
    stranger = TinyLedger("ledger.example/stranger")
    foreign = stranger.issue(stranger.admit("civil-9"), submit=False).issued.entry
    entry, code = {
        "the same again": (again, "bad_rule"),
        "an unknown issuer": (foreign, "bad_rule"),
        "a forged signature": (flipped(again), "bad_entry"),
    }[case]
    epochs = [*stored.epochs, (epoch_of(stored, entry), stored.ledger.time_ms + 60_000)]
    report = audit(str(write_ledger(tmp_path / "broken", stored.ledger, epochs)), stored.pin, jobs=jobs)
    assert found(report) == (code, stored.size)


def test_credentials_out_of_order_are_named_though_everything_else_fits(
    stored: Stored, tmp_path: Path
) -> None:
    entries, time_ms = stored.epochs[2]
    assert parse_statement(entries[3]).kind == parse_statement(entries[4]).kind == "credential"
    swapped = [*entries[:3], entries[4], entries[3], *entries[5:]]
    epochs = [*stored.epochs[:2], (swapped, time_ms), *stored.epochs[3:]]
    report = audit(str(write_ledger(tmp_path / "order", stored.ledger, epochs)), stored.pin)
    first = sum(len(epoch) for epoch, _ in stored.epochs[:2])
    assert found(report) == ("bad_epoch", first + 4)


def test_a_credential_left_out_is_named_by_the_seal(stored: Stored, tmp_path: Path) -> None:
    entries, time_ms = stored.epochs[2]
    place = next(at for at, entry in enumerate(entries) if entry == PADDING)
    short = [*entries[: place - 1], PADDING, *entries[place:]]
    epochs = [*stored.epochs[:2], (short, time_ms), *stored.epochs[3:]]
    report = audit(str(write_ledger(tmp_path / "short", stored.ledger, epochs)), stored.pin)
    first = sum(len(epoch) for epoch, _ in stored.epochs[:2])
    assert found(report) == ("bad_seal", first + len(entries) - 1)


# -- over HTTP --------------------------------------------------------------------------------------------


def test_a_true_ledger_passes_over_http(stored: Stored, jobs: int) -> None:
    with served(stored.folder) as url:
        assert audit(url, stored.pin, jobs=jobs, against=heads(stored.folder)[1][1]).code == "ok"


@pytest.mark.parametrize("kind", ["credential", "status", "seal", "padding"])
def test_a_changed_entry_is_named_over_http(copy: Stored, kind: str) -> None:
    index = copy.places[kind][-1]
    change_entry(copy.folder, index, flipped)
    with served(copy.folder) as url:
        assert found(audit(url, copy.pin)) == ("bad_entry", index)


def test_a_changed_tile_is_named_over_http(copy: Stored) -> None:
    change_tile(copy.folder, 0, 1, 7)
    with served(copy.folder) as url:
        assert found(audit(url, copy.pin)) == ("bad_tile", 263)


def test_a_service_that_keeps_entries_back_is_reported(copy: Stored) -> None:
    with tampering(copy.folder) as database:
        database.execute("DELETE FROM entries WHERE leaf_index >= 512")
    with served(copy.folder) as url, pytest.raises(StorageError) as refusal:
        audit(url, copy.pin)
    assert refusal.value.code == "not_found"


def test_a_service_that_is_not_there_is_not_reachable(stored: Stored) -> None:
    with served(stored.folder) as url:
        pass
    with pytest.raises(StorageError) as refusal:
        audit(url, stored.pin)
    assert refusal.value.code == "not_reachable"


@contextmanager
def running(world: World, entries: Sequence[bytes]) -> Iterator[str]:
    """Run the service of a world with the application that people use, and register entries."""
    service = world.open()
    server = uvicorn.Server(uvicorn.Config(create_app(service), port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            for entry in entries:
                answer = client.post("/entries", content=entry, headers={"Prefer": "wait"})
                assert answer.status_code in (201, 303)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_running_service_passes_over_http_and_from_its_directory(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger").found()
    pin = Pin(ORIGIN, world.charter_hash)
    with running(world, [*world.admission(), *(world.credential(n) for n in range(5))]) as url:
        report = audit(url, pin, jobs=2)
        assert (report.code, report.counts["credential"]) == ("ok", 5)
        assert audit(url, pin, against=httpx.get(url + "/checkpoint").text).against_size == report.tree_size
    assert audit(str(world.data_dir), pin).root == report.root
