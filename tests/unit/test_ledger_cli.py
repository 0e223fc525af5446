"""The command line of a ledger: founding, governing, auditing, inspecting; and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from credential.core.profiles import built_in_profiles
from ledger import cli
from ledger.core.actions import Admission, Scope
from ledger.core.cose_key import SoftwareSigner
from ledger.core.pin import parse_pin
from ledger.core.statement import parse_statement, sign_statement
from ledger.govern_files import parse_action_file
from ledger.service.keys import open_key_files
from tests.support.ledgers import TinyLedger

PASSPHRASE = "correct horse"
ORIGIN = "ledger.example/cli"
NAMES = ("ana", "bo", "chi")


@dataclass
class Console:
    """Runs the command line in this process, in a folder of its own."""

    folder: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    out: str = field(default="")
    err: str = field(default="")

    def run(self, *arguments: str) -> int:
        """Return the exit code; `out` and `err` are what was printed."""
        self.capture.readouterr()
        self.patch.setattr(sys, "argv", ["sc-ledger", *arguments])
        try:
            code = cli.main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = self.capture.readouterr()
        self.out, self.err = captured.out, captured.err
        return code

    def prepare(self, *more: str, policy: str = "quorum none\n") -> int:
        (self.folder / "policy").write_text(policy)
        governors = [part for name in NAMES for part in ("--governor", f"{name}={name}.pem.pub")]
        return self.run(
            "init", "--prepare", "data", "--origin", ORIGIN, *governors, "--threshold", "2",
            "--witness-policy", "policy", *more,
        )  # fmt: skip

    def sign(self, action: str, name: str, out: str) -> int:
        return self.run(
            "govern", "sign", action, "--key", f"{name}.pem", "--name", name, "--out", out, "--yes"
        )

    def accept_all(self) -> None:
        for name in NAMES:
            charter = ("data/charter.cose", "--key", f"{name}.pem")
            assert self.run("govern", "accept", *charter, "--out", f"{name}.accept", "--yes") == 0

    def finish(self) -> int:
        return self.run("init", "--finish", "data", *(f"{name}.accept" for name in NAMES))


@pytest.fixture
def console(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, keys: Path
) -> Console:
    for path in keys.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", PASSPHRASE)
    return Console(tmp_path, capsys, monkeypatch)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of three governors, and an issuer's application."""
    folder = tmp_path_factory.mktemp("keys")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAFECONDUCT_PASSPHRASE", PASSPHRASE)
        for name in NAMES:
            patch.setattr(
                sys, "argv", ["sc-ledger", "govern", "key", name, "--out", str(folder / f"{name}.pem")]
            )
            with pytest.raises(SystemExit) as stop:
                cli.main()
            assert stop.value.code == 0
    signer = SoftwareSigner.from_seed("p256", bytes(32))
    admission = Admission("interior", "Civil registry", (signer.public_key,), Scope(("sc:identity",), 10, 1))
    application = sign_statement("application", "civil-1", ORIGIN, admission, signer)
    (folder / "application.cose").write_bytes(application)
    return folder


def test_a_ledger_is_founded_by_files_and_audits_clean(console: Console) -> None:
    assert console.prepare() == 0
    console.accept_all()
    assert console.finish() == 0
    pin = parse_pin((console.folder / "data" / "pin.json").read_bytes())
    assert pin.origin == ORIGIN
    assert pin.charter_hash.hex() in console.out
    assert console.run("audit", "data", "--pin", "data/pin.json", "--jobs", "1") == 0
    assert console.out.startswith(f"CONSISTENT: 16 entries of {ORIGIN}")
    assert console.run("audit", "data", "--pin", "data/pin.json", "--jobs", "1", "--json") == 0
    report = json.loads(console.out)
    assert (report["code"], report["counts"]["accept"], report["quorum"]) == ("ok", 3, True)


def test_the_default_profiles_are_those_of_the_credential_package(console: Console) -> None:
    assert console.prepare() == 0
    charter = parse_statement((console.folder / "data" / "charter.cose").read_bytes()).body
    assert charter.profiles == {
        vct: (profile.digest_count, profile.validity_days) for vct, profile in built_in_profiles().items()
    }


def test_private_keys_are_encrypted_and_for_their_owner_only(console: Console) -> None:
    assert console.prepare() == 0
    folder = console.folder / "data" / "keys"
    for path in (*folder.glob("*.pem"), console.folder / "ana.pem"):
        assert b"ENCRYPTED" in path.read_bytes()
        assert os.name == "nt" or path.stat().st_mode & 0o077 == 0
    assert open_key_files(folder, ORIGIN, PASSPHRASE.encode)


def test_a_ledger_does_not_begin_without_every_accept(console: Console) -> None:
    assert console.prepare() == 0
    console.accept_all()
    assert console.run("init", "--finish", "data", "ana.accept", "bo.accept") == 2
    assert "ana, bo, chi" in console.err
    assert console.run("init", "--finish", "data", "ana.accept", "bo.accept", "bo.accept") == 1
    assert "out_of_scope" in console.err
    assert not (console.folder / "data" / "pin.json").exists()
    assert console.finish() == 0
    assert console.finish() == 2


@pytest.mark.parametrize(
    ("more", "code", "word"),
    [
        (("--threshold", "3"), 1, "threshold"),
        (("--profile", "sc:identity"), 2, "VCT=DIGESTS:DAYS"),
        (("--profile", "sc:identity=4:99999"), 1, "profiles"),
        (("--governor", "ana"), 2, "NAME=FILE"),
        (("--governor", "dora=missing.pub"), 1, "not_found"),
        (("--governor", "dora=ana.pem.pub"), 1, "one key"),
        (("--governor", "Dora=" + "00" * 20), 1, "malformed"),
        (("--origin", "https://has spaces"), 1, "origin"),
        (("--witness-policy", "missing"), 1, "not_found"),
    ],
)
def test_a_charter_that_breaks_a_rule_is_refused_and_leaves_nothing(
    console: Console, more: tuple[str, ...], code: int, word: str
) -> None:
    assert console.prepare(*more) == code
    assert word in console.err
    assert not any((console.folder / "data").glob("**/*.pem"))
    assert console.prepare() == 0


def test_a_witness_policy_that_is_not_text_or_no_policy_is_refused(console: Console) -> None:
    assert console.prepare(policy="quorum nobody\n") == 1
    (console.folder / "bytes").write_bytes(b"\xff\xfe")
    assert console.prepare("--witness-policy", "bytes") == 1
    assert "bad_input" in console.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("init",),
        ("init", "--prepare", "data", "--finish", "data"),
        ("init", "--prepare", "data"),
        ("govern", "propose", "suspend", "--out", "x.action"),
        ("govern", "propose", "suspend", "--subject", "civil-1", "--out", "x.action"),
        ("inspect", "application.cose", "4"),
        ("serve", ".", "--port", "70000"),
        ("no-such-command",),
    ],
)
def test_a_call_that_is_not_one_exits_with_2(console: Console, arguments: tuple[str, ...]) -> None:
    assert console.run(*arguments) == 2
    assert console.err
    assert not (console.folder / "x.action").exists()


def test_a_file_that_is_there_is_never_overwritten(console: Console) -> None:
    before = (console.folder / "ana.pem").read_bytes()
    assert console.run("govern", "key", "ana", "--out", "ana.pem") == 1
    (console.folder / "new.pem.pub").write_text("somebody's")
    assert console.run("govern", "key", "ana", "--out", "new.pem") == 1
    assert "not overwritten" in console.err
    assert (console.folder / "ana.pem").read_bytes() == before
    assert not (console.folder / "new.pem").exists()
    assert not list(console.folder.glob(".*.part"))


def test_a_short_passphrase_makes_no_key(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", "short")
    assert console.run("govern", "key", "dora", "--out", "dora.pem") == 1
    assert "at least 8" in console.err
    assert not (console.folder / "dora.pem").exists()


def test_a_passphrase_file_goes_before_the_environment(console: Console) -> None:
    (console.folder / "secret").write_text("another passphrase\n")
    assert console.run("govern", "key", "dora", "--out", "dora.pem", "--passphrase-file", "secret") == 0
    assert console.run("govern", "propose", "admit", "application.cose", "--out", "a.action") == 0
    signing = ("govern", "sign", "a.action", "--key", "dora.pem", "--name", "dora", "--yes")
    assert console.run(*signing, "--out", "1.approval") == 1
    assert "wrong_secret" in console.err
    assert not (console.folder / "1.approval").exists()
    assert console.run(*signing, "--out", "1.approval", "--passphrase-file", "secret") == 0


def test_an_action_has_the_same_words_for_all_who_read_it(console: Console) -> None:
    assert console.run("govern", "propose", "admit", "application.cose", "--out", "a.action") == 0
    words = next(line for line in console.out.splitlines() if "in words" in line)
    assert len(words.split(":")[1].split()) == 8
    assert console.sign("a.action", "ana", "ana.approval") == 0
    assert words in console.out
    assert console.run("govern", "show", "ana.approval") == 0
    assert words in console.out
    # Another governor may approve what she got as an approval: the payload is the same.
    assert console.sign("ana.approval", "bo", "bo.approval") == 0
    bodies = [parse_statement((console.folder / f"{n}.approval").read_bytes()).body for n in ("ana", "bo")]
    assert bodies[0] == bodies[1] == parse_action_file((console.folder / "a.action").read_bytes())


def test_nothing_is_signed_without_a_yes(console: Console) -> None:
    assert console.run("govern", "propose", "admit", "application.cose", "--out", "a.action") == 0
    console.patch.setattr("typer.confirm", lambda question: False)
    assert console.run("govern", "sign", "a.action", "--key", "ana.pem", "--name", "ana", "--out", "x") == 2
    assert not (console.folder / "x").exists()


def test_a_charter_that_does_not_name_the_key_is_not_accepted(console: Console) -> None:
    assert console.prepare() == 0
    assert console.run("govern", "key", "eve", "--out", "eve.pem") == 0
    charter = ("data/charter.cose", "--key", "eve.pem", "--out", "eve.accept", "--yes")
    assert console.run("govern", "accept", *charter) == 1
    assert "unknown_issuer" in console.err
    damaged = bytearray((console.folder / "data" / "charter.cose").read_bytes())
    damaged[-1] ^= 1
    (console.folder / "damaged").write_bytes(damaged)
    assert console.run("govern", "accept", "damaged", "--key", "ana.pem", "--out", "ana.accept", "--yes") == 1
    assert "bad_signature" in console.err


@pytest.mark.parametrize(
    ("verbs", "word"),
    [
        (("admit",), "admit APPLICATION_FILE"),
        (("admit", "missing.cose"), "not_found"),
        (("admit", "ana.pem.pub"), "malformed"),
        (("suspend", "twice", "--subject", "civil-1"), "not a verb"),
        (("retire-key", "12", "--subject", "civil-1"), "16 hex digits"),
        (("distrust-key", "00" * 8, "-1", "--subject", "civil-1"), ""),
        (("distrust-key", "00" * 8, "soon", "--subject", "civil-1"), "FROM is a number"),
        (("add-key", "application.cose", "--subject", "civil-1"), "malformed"),
        (("change", "--subject", "civil-1"), "change replaces"),
        (("change", "rate=5", "--subject", "civil-1"), "whole scope"),
        (("change", "colour=red", "--subject", "civil-1"), "change takes"),
        (("change", "title=" + "x" * 81, "--subject", "civil-1"), "1 to 80"),
        (("suspend", "--subject", "Civil 1"), "not a name"),
        (("suspend", "--subject", "civil-1", "--until", "tomorrow"), "YYYY-MM-DD"),
        (("admit", "application.cose", "--subject", "civil-2"), "civil-1"),
        (("suspend", "--subject", "civil-1", "--from", "missing"), "not_found"),
        (("suspend", "--subject", "civil-1", "--from", "ftp://x"), "not_found"),
    ],
)
def test_an_action_that_makes_no_sense_is_not_written(
    console: Console, verbs: tuple[str, ...], word: str
) -> None:
    counter = () if "--from" in verbs else ("--counter", "1")
    assert console.run("govern", "propose", *verbs, *counter, "--out", "x.action") in (1, 2)
    assert word in console.err
    assert not (console.folder / "x.action").exists()


def test_every_verb_is_told_in_plain_words(console: Console) -> None:
    kid = "00" * 8
    verbs = (
        "suspend", "reinstate", "add-key", "ana.pem.pub", "retire-key", kid, "distrust-key", kid, "77",
        "change", "title=Registry", "authority=home", "vcts=sc:identity,sc:companion", "rate=5", "desks=2",
    )  # fmt: skip
    made = ("--subject", "civil-1", "--counter", "1", "--until", "2026-12-01", "--out", "a.action")
    assert console.run("govern", "propose", *verbs, *made) == 0
    for said in ("Suspend", "suspension", "further key", "Retire", "entry 77", "Registry", "2 desks"):
        assert said in console.out
    assert "2026-12-02 00:00 UTC" in console.out
    action = parse_action_file((console.folder / "a.action").read_bytes())
    assert len(action.verbs) == 6
    assert action.counter == 1


def test_status_and_counter_come_from_a_directory(console: Console) -> None:
    assert console.prepare() == 0
    console.accept_all()
    assert console.finish() == 0
    assert console.run("govern", "status", "data", "--pin", "data/pin.json") == 0
    assert "2 of 3 governors decide: ana, bo, chi" in console.out
    suspend = ("suspend", "--subject", "civil-1", "--from", "data", "--out", "a.action")
    assert console.run("govern", "propose", *suspend) == 0
    assert parse_action_file((console.folder / "a.action").read_bytes()).counter == 0


def test_status_and_counter_come_from_a_bundle_file(console: Console) -> None:
    ledger = TinyLedger()
    ledger.admit("civil-1")
    (console.folder / "bundle").write_bytes(ledger.bundle())
    suspend = ("suspend", "--subject", "civil-1", "--from", "bundle", "--out", "a.action")
    assert console.run("govern", "propose", *suspend) == 0
    assert parse_action_file((console.folder / "a.action").read_bytes()).counter == 1
    assert console.run("govern", "status", "bundle") == 0
    assert "Issuer 1: civil-1, active" in console.out
    (console.folder / "pin.json").write_text(json.dumps({"origin": ledger.origin, "charter": "00" * 32}))
    assert console.run("govern", "status", "bundle", "--pin", "pin.json") == 1
    assert "not the pinned ledger" in console.err


def test_an_address_that_nobody_answers_at_exits_with_4(console: Console) -> None:
    assert console.run("govern", "propose", "admit", "application.cose", "--out", "a.action") == 0
    assert console.sign("a.action", "ana", "ana.approval") == 0
    nowhere = "http://127.0.0.1:9"
    assert console.run("govern", "submit", nowhere, "ana.approval") == 4
    assert console.run("govern", "status", nowhere) == 4
    assert console.run("inspect", nowhere, "0") == 4
    assert console.run("govern", "submit", nowhere, "a.action") == 1
    assert console.run("govern", "submit", "ledger.example", "ana.approval") == 1


def test_an_entry_is_found_by_index_identity_and_file(console: Console) -> None:
    assert console.prepare() == 0
    console.accept_all()
    assert console.finish() == 0
    assert console.run("inspect", "data", "1") == 0
    assert "governor ana accepts the charter" in console.out
    by_index = console.out
    identity = next(line.split()[1] for line in console.out.splitlines() if line.startswith("Identity"))
    assert console.run("inspect", "data", identity) == 0
    assert console.out == by_index
    assert console.run("inspect", "ana.accept") == 0
    assert console.out == by_index.partition("\n")[2]
    assert console.run("inspect", "data", "5") == 0
    assert "Padding" in console.out
    for missing in ("16", "99999999999999", "ff" * 32):
        assert console.run("inspect", "data", missing) == 1
        assert "not_found" in console.err
    assert console.run("inspect", "data", "first") == 1
    assert console.run("inspect", "keys-are-not-here", "1") == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"{}", 1), (b"not json", 1), (b"x" * 5000, 1), (b'{"origin": "a", "charter": "0"}', 1)],
)
def test_a_pin_that_is_none_is_refused(console: Console, content: bytes, code: int) -> None:
    (console.folder / "pin.json").write_bytes(content)
    assert console.run("audit", ".", "--pin", "pin.json") == code


def test_an_audit_of_nothing_or_of_another_ledger_says_so(console: Console) -> None:
    (console.folder / "pin.json").write_text(json.dumps({"origin": ORIGIN, "charter": "00" * 32}))
    assert console.run("audit", ".", "--pin", "pin.json", "--jobs", "1") == 1
    assert "not_found" in console.err
    assert console.prepare() == 0
    console.accept_all()
    assert console.finish() == 0
    assert console.run("audit", "data", "--pin", "pin.json", "--jobs", "1") == 3
    assert console.out.startswith("NOT CONSISTENT")


def test_a_ledger_that_was_not_founded_or_whose_lock_is_gone_does_not_serve(console: Console) -> None:
    assert console.run("serve", "data", "--port", "0") == 1
    assert "not_found" in console.err
    assert console.prepare() == 0
    console.accept_all()
    assert console.finish() == 0
    console.patch.setenv("SAFECONDUCT_PASSPHRASE", "wrong passphrase")
    assert console.run("serve", "data", "--port", "0") == 1
    assert "wrong_secret" in console.err
    console.patch.setenv("SAFECONDUCT_PASSPHRASE", PASSPHRASE)
    assert console.run("serve", "data", "--port", "0", "--lock", "elsewhere/lock.db") == 3
    assert "lock_mismatch" in console.err
    assert not (console.folder / "elsewhere").exists()


def test_a_local_witness_gives_a_line_that_a_policy_takes(console: Console) -> None:
    assert console.run("witness", "make", "w1", "w1.example") == 0
    assert console.prepare(policy=console.out + "quorum w1\n") == 0
    assert console.run("witness", "make", "w1", "w1.example") == 1
    assert console.run("witness", "make", "w2", "has a space") == 1
    assert not (console.folder / "w2").exists()


def test_the_command_line_loads_neither_database_nor_network_before_it_needs_them() -> None:
    code = "import sys, ledger.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    heavy = {"alembic", "fastapi", "httpx", "jinja2", "sqlalchemy", "sqlmodel", "starlette", "uvicorn"}
    assert not heavy & set(done.stdout.split())
