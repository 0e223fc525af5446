"""The second opinion: the same verdict with nothing but the core, `cryptography` and `cbor2`."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ledger.core.evidence import check_evidence
from ledger.core.evidence.form import format_evidence
from ledger.core.evidence.heads import prove_fork
from ledger.core.note import format_vkey
from ledger.core.pin import Pin, format_pin
from ledger.evidence_words import describe_finding
from tests.docs.repository import ROOT
from tests.support.misbehaviour import LyingLedger
from tests.support.witness_cases import body, key_set, note, proof

ALLOWED = {"ledger", "cryptography", "cbor2"}
PURE = ("ledger.core", "ledger.codes", "ledger.errors", "ledger.evidence_words", "ledger.second_opinion")

# Refuses every module that is not of the standard library, allowed, or what those load themselves.
GUARD = f"""
import importlib.abc, json, runpy, sys
ALLOWED = {sorted(ALLOWED)!r} + ["_cffi_backend", "_openssl", "_cbor2"]

class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ImportError("refused: " + name)
        if top == "ledger" and name != "ledger" and not name.startswith({PURE!r}):
            raise ImportError("refused: " + name)
        return None

before = set(sys.modules)
sys.meta_path.insert(0, Guard())
sys.argv = ["second_opinion", *sys.argv[1:]]
try:
    runpy.run_module("ledger.second_opinion", run_name="__main__")
finally:
    loaded = sorted(set(sys.modules) - before)
    sys.stderr.write(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pin, another pin, and a fork."""
    ledger = LyingLedger()
    ledger.admit()
    size = ledger.tree_size
    fork = prove_fork(ledger.terms(), ledger.head(), size, ledger.head(root=bytes(32)), size, ledger.node())
    path = tmp_path_factory.mktemp("opinion")
    (path / "fork.evidence").write_bytes(format_evidence(fork))
    (path / "pin.json").write_bytes(format_pin(ledger.pin))
    (path / "other.json").write_bytes(format_pin(Pin(ledger.origin, bytes(32))))
    return path


def asked(folder: Path, *arguments: str, code: str = GUARD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
    )


def test_it_says_the_same_words_and_loads_nothing_else(folder: Path) -> None:
    done = asked(folder, "check", "fork.evidence", "--pin", "pin.json")
    assert done.returncode == 0, done.stderr[-500:]
    pin = Pin("ledger.example/tiny", bytes.fromhex(json.loads((folder / "pin.json").read_text())["charter"]))
    finding = check_evidence((folder / "fork.evidence").read_bytes(), pin)
    assert done.stdout.splitlines() == describe_finding(finding)
    loaded = json.loads(done.stderr)
    ours = [name for name in loaded if name.startswith("ledger.")]
    assert all(name.startswith(PURE) for name in ours)
    assert {"ledger.core.evidence.check", "ledger.core.registry.fold"} <= set(ours)
    done = asked(folder, "check", "fork.evidence", "--pin", "pin.json", "--json")
    assert json.loads(done.stdout) == finding.to_dict()


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("check", "fork.evidence", "--pin", "other.json"), 1),
        (("check", "pin.json", "--pin", "pin.json"), 1),
        (("check", "fork.evidence", "--pin", "fork.evidence"), 1),
        (("check", "none", "--pin", "pin.json"), 4),
        (("check", "fork.evidence"), 2),
        ((), 2),
    ],
)
def test_its_exit_codes(folder: Path, arguments: tuple[str, ...], exit_code: int) -> None:
    assert asked(folder, *arguments).returncode == exit_code


@pytest.mark.parametrize(
    ("request_body", "cosigned", "said", "exit_code"),
    [
        (body(0, note(32)), None, "A witness cosigns: 32 entries", 0),
        (body(32, note(48), proof(32, 48)), 32, "A witness cosigns: 48 entries", 0),
        (body(16, note(48), proof(16, 48)), 32, "refuses with 409: ", 1),
        (body(32, note(48, "false"), proof(32, 48, "false")), 32, "refuses with 422: ", 1),
        (body(32, note(48, keys="others"), proof(32, 48)), 32, "refuses with 403: ", 1),
        (b"junk", None, "refuses with 400: ", 1),
    ],
)
def test_it_judges_as_a_witness_does(
    tmp_path: Path, request_body: bytes, cosigned: int | None, said: str, exit_code: int
) -> None:
    (tmp_path / "request").write_bytes(request_body)
    more: tuple[str, ...] = ()
    if cosigned is not None:
        (tmp_path / "last").write_text(note(cosigned), newline="")
        more = ("--cosigned", "last")
    keys = [part for key in key_set() for part in ("--log-key", format_vkey(key))]
    done = asked(tmp_path, "witness", "request", *keys, *more)
    assert (done.returncode, said in done.stdout) == (exit_code, True), done.stdout + done.stderr[-300:]


def test_the_guard_of_these_tests_refuses_what_is_not_allowed(folder: Path) -> None:
    for module in ("typer", "httpx", "ledger.store.engine", "ledger.cli"):
        code = GUARD.replace(
            'runpy.run_module("ledger.second_opinion", run_name="__main__")', f"import {module}"
        )
        done = asked(folder, code=code)
        assert done.returncode == 1
        assert f"refused: {module.partition('.')[0]}" in done.stderr


def test_the_package_alone_asks_for_what_the_second_opinion_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {line.split(">=")[0] for line in project["dependencies"]} == ALLOWED - {"ledger"}
    assert project["optional-dependencies"]["audit"] == []
