"""The folder of a witness: its key, its list of logs, its commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ledger.cli import app
from ledger.codes import exit_code
from ledger.core.cosignature import parse_cosigner_vkey
from ledger.core.note import TYPE_ED25519_COSIGNATURE, TYPE_MLDSA44_COSIGNATURE, format_vkey
from ledger.core.pin import Pin, format_pin
from ledger.core.policy import parse_policy
from ledger.core.witness_protocol import parse_add_checkpoint
from ledger.errors import CodedError, LedgerError, StorageError
from ledger.service.log_witness import LogWitness
from ledger.store.witness_state import Alarm
from ledger.witness.folder import make_witness, open_witness_folder
from ledger.witness.logs import (
    WatchedLog,
    format_logs,
    log_of_pin,
    logs_of_policy,
    parse_logs,
    read_logs,
    with_log,
)
from tests.support.log_service import ORIGIN as LEDGER
from tests.support.log_service import World
from tests.support.witness_cases import FOREIGN, NOW_S, ORIGIN, body, foreign_signer, key_set, note, proof

WORDS = b"right words"


def words() -> bytes:
    return WORDS


@pytest.fixture
def made(tmp_path: Path) -> Path:
    make_witness(tmp_path / "w1", "w1.example", words)
    return tmp_path / "w1"


def run(*arguments: str, expect: int = 0) -> str:
    found = CliRunner().invoke(app, ["witness", *arguments], env={"SAFECONDUCT_PASSPHRASE": WORDS.decode()})
    code = found.exit_code
    if isinstance(found.exception, CodedError):
        code = exit_code(found.exception.code)
    assert code == expect, (found.output, found.exception)
    return found.output


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("ed25519", TYPE_ED25519_COSIGNATURE), ("ml-dsa-44", TYPE_MLDSA44_COSIGNATURE)]
)
def test_a_witness_has_one_key_of_the_chosen_kind(tmp_path: Path, algorithm: str, kind: int) -> None:
    vkey = make_witness(tmp_path / "w", "w.example", words, algorithm=algorithm)
    assert parse_cosigner_vkey(vkey).signature_type == kind
    with open_witness_folder(tmp_path / "w", words) as folder:
        assert format_vkey(folder.signer.verifier_key) == vkey
        assert folder.state.origins() == []
    assert b"ENCRYPTED" in (tmp_path / "w" / "key.pem").read_bytes()
    with pytest.raises(LedgerError):
        make_witness(tmp_path / "w", "w.example", words, algorithm=algorithm)
    with pytest.raises(LedgerError):
        make_witness(tmp_path / "v", "w.example", words, algorithm="rsa")
    assert not (tmp_path / "v").exists()


def test_a_folder_belongs_to_one_process(made: Path) -> None:
    with (
        open_witness_folder(made, words),
        pytest.raises(StorageError) as caught,
        open_witness_folder(made, words),
    ):
        pass
    assert caught.value.code == "read_only"
    with open_witness_folder(made, words):
        pass


def test_a_witness_without_its_memory_or_with_another_key_does_not_open(made: Path, tmp_path: Path) -> None:
    def refused(secret: bytes = WORDS) -> str:
        with pytest.raises(CodedError) as caught, open_witness_folder(made, lambda: secret):
            pass
        return caught.value.code

    assert refused(b"wrong words") == "wrong_secret"
    state = (made / "state.db").read_bytes()
    (made / "state.db").unlink()
    assert refused() == "storage_failed"
    (made / "state.db").write_bytes(state[:100])
    assert refused() == "storage_failed"
    (made / "state.db").write_bytes(state)
    make_witness(tmp_path / "w2", "w1.example", words)
    (made / "witness.vkey").write_bytes((tmp_path / "w2" / "witness.vkey").read_bytes())
    assert refused() == "malformed"
    (made / "witness.vkey").unlink()
    assert refused() == "not_found"


LIST = (
    WatchedLog(ORIGIN, (key_set(), key_set("next")), Pin(ORIGIN, bytes(32)), "https://ledger.example"),
    WatchedLog(FOREIGN, ((foreign_signer().verifier_key,),)),
)


def test_a_list_of_logs_reads_back() -> None:
    assert parse_logs(format_logs(LIST)) == LIST
    assert parse_logs(format_logs(())) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"origin": "another"},
        {"origin": 7},
        {"key_sets": []},
        {"key_sets": [[]]},
        {"key_sets": [["x"]]},
        {"key_sets": [[7]]},
        {"key_sets": {}},
        {"key_sets": [[format_vkey(foreign_signer().verifier_key)] * 2]},
        {"charter": "00"},
        {"charter": 5},
        {"replay": ""},
        {"replay": "https://x"},
        {"more": 1},
    ],
)
def test_a_list_of_another_form_is_refused(change: dict[str, object]) -> None:
    value = json.loads(format_logs(LIST[1:]))
    value["logs"][0] |= change
    with pytest.raises(CodedError):
        parse_logs(json.dumps(value).encode())


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(max_size=9), st.lists).map(
    lambda value: json.dumps({"logs": value}).encode()
))  # fmt: skip
def test_any_other_bytes_are_refused(data: bytes) -> None:
    try:
        logs = parse_logs(data)
    except CodedError:
        return
    assert logs == ()


def test_further_keys_are_added_to_a_log_and_another_charter_is_not() -> None:
    first = WatchedLog(ORIGIN, (key_set(),), Pin(ORIGIN, bytes(32)))
    more = WatchedLog(ORIGIN, (key_set("next"), key_set()))
    [both] = with_log([first], more)
    assert both.key_sets == (key_set(), key_set("next"))
    assert both.pin == first.pin
    with pytest.raises(LedgerError):
        with_log([first], WatchedLog(ORIGIN, (key_set(),), Pin(ORIGIN, b"1" * 32)))


def test_stolen_keys_are_put_out_of_the_list(made: Path) -> None:
    def vkeys(name: str) -> list[str]:
        return [part for key in key_set(name) for part in ("--vkey", format_vkey(key))]

    run("add-log", str(made), *vkeys("keys"))
    run("add-log", str(made), *vkeys("next"))
    assert [log.key_sets for log in read_logs(made)] == [(key_set(), key_set("next"))]
    run("add-log", str(made), *vkeys("next"), "--instead")
    [log] = read_logs(made)
    assert log.key_sets == (key_set("next"),)
    with open_witness_folder(made, words) as folder:
        witness = LogWitness(folder.signer, ORIGIN, log.key_sets[0], folder.state, lambda: NOW_S)
        answer = witness.cosign(parse_add_checkpoint(body(0, note(5))))
        assert not isinstance(answer, str)
        assert answer.status == 403
        assert isinstance(witness.cosign(parse_add_checkpoint(body(0, note(5, keys="next")))), str)
    # Of a pinned ledger the charter's keys come first, and the newest last.
    both = WatchedLog(ORIGIN, (key_set(), key_set("next")))
    assert with_log([both], both, instead=True) == (WatchedLog(ORIGIN, (key_set("next"),)),)


def test_a_directory_is_found_from_wherever_the_witness_is_started(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path / "ledger").found()
    (tmp_path / "pin.json").write_bytes(format_pin(Pin(LEDGER, world.charter_hash)))
    monkeypatch.chdir(tmp_path)
    run("add-log", str(made), "--pin", "pin.json", "ledger", "--replay")
    [log] = read_logs(made)
    assert log.replay == str((tmp_path / "ledger").resolve())


def test_the_log_lines_of_a_policy_with_one_origin_sign_together() -> None:
    keys = [*key_set(), foreign_signer().verifier_key]
    text = "".join(f"log {format_vkey(key)} https://x\n" for key in keys) + "quorum none\n"
    assert logs_of_policy(text) == (WatchedLog(ORIGIN, (key_set(),)), LIST[1])
    with pytest.raises(LedgerError):
        logs_of_policy("quorum none\n")


def test_the_keys_of_a_ledger_come_from_its_pinned_charter(tmp_path: Path) -> None:
    world = World(tmp_path / "ledger").found()
    pin = Pin(LEDGER, world.charter_hash)
    log = log_of_pin(pin, str(tmp_path / "ledger"), replay=True)
    world.witnesses(tmp_path / "w")
    assert log == WatchedLog(LEDGER, (tuple(world.log_keys()),), pin, str(tmp_path / "ledger"))
    with pytest.raises(LedgerError):
        log_of_pin(Pin(LEDGER, bytes(32)), str(tmp_path / "ledger"), replay=False)
    with pytest.raises(StorageError):
        log_of_pin(pin, str(tmp_path / "nowhere"), replay=False)
    with pytest.raises(StorageError):
        log_of_pin(pin, "http://127.0.0.1:1", replay=False)


def test_the_commands_make_a_witness_and_give_it_logs(tmp_path: Path) -> None:
    folder = str(tmp_path / "w1")
    line = run("make", folder, "w1.example", "--algorithm", "ml-dsa-44", "--url", "https://w1.example/")
    [found] = parse_policy(f"{line.strip()}\nquorum w1\n").witnesses
    assert (found.name, found.key.name, found.url) == ("w1", "w1.example", "https://w1.example")
    run("make", folder, "w1.example", expect=1)
    run("make", str(tmp_path / "w2"), "w2.example", "--url", "w2", expect=1)
    vkeys = [part for key in key_set() for part in ("--vkey", format_vkey(key))]
    assert run("add-log", folder, *vkeys) == f"Watches {ORIGIN}\n"
    (tmp_path / "policy").write_text(f"log {format_vkey(foreign_signer().verifier_key)}\nquorum none\n")
    run("add-log", folder, "--policy", str(tmp_path / "policy"))
    world = World(tmp_path / "ledger").found()
    (tmp_path / "pin.json").write_bytes(format_pin(Pin(LEDGER, world.charter_hash)))
    pin = ("--pin", str(tmp_path / "pin.json"))
    out = run("add-log", folder, *pin, str(tmp_path / "ledger"), "--replay")
    assert out.startswith(f"Watches {LEDGER}, replayed from ")
    assert [log.origin for log in read_logs(Path(folder))] == [ORIGIN, FOREIGN, LEDGER]
    run("add-log", folder, expect=2)
    run("add-log", folder, *pin, expect=2)
    run("add-log", folder, *vkeys, "--replay", expect=2)
    run("add-log", folder, *vkeys, *pin, str(tmp_path / "ledger"), expect=2)
    run("add-log", str(tmp_path / "nobody"), *vkeys, expect=1)
    (tmp_path / "w1" / "logs.json").write_text("{}")
    run("add-log", folder, *vkeys, expect=1)
    assert (tmp_path / "w1" / "logs.json").read_text() == "{}"


def test_a_witness_that_cannot_start_says_why(made: Path, tmp_path: Path) -> None:
    run("serve", str(tmp_path / "nobody"), expect=1)
    run("serve", str(made), "--replay", "pin.json", expect=2)
    run("serve", str(made), "--replay", "pin.json=https://x", expect=1)
    (made / "logs.json").write_text("[]")
    run("serve", str(made), expect=1)
    (made / "logs.json").unlink()
    (made / "state.db").write_bytes(b"{")
    run("serve", str(made), expect=4)


def test_the_status_names_what_speaks_against_a_log_and_writes_it_out(made: Path, tmp_path: Path) -> None:
    assert run("status", str(made)) == "Witness w1.example\n"
    with open_witness_folder(made, words) as folder:
        witness = LogWitness(folder.signer, ORIGIN, key_set(), folder.state, lambda: NOW_S)
        for old, new in ((0, 5), (5, 8)):
            assert isinstance(
                witness.cosign(parse_add_checkpoint(body(old, note(new), proof(old, new)))), str
            )
        assert "8 entries cosigned" in run("status", str(made))  # also while it runs
        witness.consider(parse_add_checkpoint(body(8, note(12), ())))
        assert "Refused: 12 entries" in run("status", str(made))
        witness.consider(parse_add_checkpoint(body(5, note(5, "other"))))
        folder.state.keep_alarm(FOREIGN, Alarm("bad_seal", 47, "the seal does not say", note(8), NOW_S))
    out = run("status", str(made), "--evidence", str(tmp_path / "evidence"), expect=3)
    assert "Contradicts: 5 entries" in out
    assert "Refused for ever: bad_seal at entry 47" in out
    names = sorted(path.name.partition("-")[2] for path in (tmp_path / "evidence").iterdir())
    assert [name.partition("-")[0] for name in names] == ["12", "5", "5", "alarm"]
    run("status", str(made), "--evidence", str(tmp_path / "evidence"), expect=1)
