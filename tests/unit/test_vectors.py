"""Every vector is run, every format has both outcomes, and the generator would write the same files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.codes import CODES
from scripts import make_vectors
from scripts.vector_cases import Case
from scripts.vector_cases.kept_signatures import KeepingSigner, KeptSignatures
from tests.support.ledgers import seed
from tests.support.vector_runner import FORMATS, VECTORS, run_case, show

FILES = sorted(path for path in VECTORS.glob("*/*.json"))
# Codes of a verdict on paper; bad_key_binding belongs to phones.
ON_PAPER = {
    "malformed", "too_large", "unsupported", "bad_signature", "bad_disclosure", "not_listed", "out_of_scope",
    "unknown_issuer", "no_bundle", "withdrawn", "suspended", "key_distrusted", "status_unknown", "replaced", "expired",
    "incomplete", "not_yet_listed", "stale", "quarantined", "not_yet_valid", "clock_wrong", "companion_ended",
}  # fmt: skip


def load(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_vector_gives_what_it_says(path: Path) -> None:
    case = load(path)
    assert list(case) == ["description", "input", "expect", "result"]
    assert case["expect"] == "ok" or case["expect"] in CODES
    assert run_case(path.parent.name, case) == (case["expect"], case["result"])


def test_every_format_has_cases_and_those_that_can_refuse_have_refusals() -> None:
    outcomes: dict[str, set[bool]] = {form: set() for form in FORMATS}
    for path in FILES:
        outcomes[path.parent.name].add(load(path)["expect"] == "ok")
    never_refuse = {"merkle", "chain"}
    for form, seen in outcomes.items():
        assert seen == ({True} if form in never_refuse else {True, False}), form


def test_every_kind_of_statement_is_there_good_and_refused() -> None:
    names = [path.stem for path in FILES if path.parent.name == "statement"]
    for kind in ("charter", "accept", "govern", "credential", "status", "seal"):
        assert f"{kind}-good" in names
        assert sum(name.startswith(f"{kind}-") for name in names) > 5


def test_the_verdicts_show_every_code_of_a_card_on_paper() -> None:
    seen: set[str] = set()
    for path in FILES:
        if path.parent.name == "verdict":
            case = load(path)
            seen |= set(case["result"].get("codes", [case["expect"]]))
    assert seen == ON_PAPER


def test_the_generator_would_change_nothing() -> None:
    made = make_vectors.make_files(VECTORS)
    there = {
        str(path.relative_to(VECTORS)): path.read_text(encoding="utf-8") for path in VECTORS.rglob("*.json")
    }
    assert made.keys() == there.keys()
    assert [name for name in made if made[name] != there[name]] == []


def test_check_names_what_differs_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(make_vectors, "VECTORS", tmp_path)
    monkeypatch.setattr(make_vectors, "make_files", lambda folder: {"cbor/one.json": "new\n"})
    (tmp_path / "cbor").mkdir()
    (tmp_path / "cbor" / "gone.json").write_text("old\n")
    assert make_vectors.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: cbor/gone.json\ndiffers: cbor/one.json\n"
    assert make_vectors.main([]) == 0
    assert [path.name for path in tmp_path.rglob("*.json")] == ["one.json"]
    assert make_vectors.main(["--check"]) == 0


def test_a_case_that_does_not_do_what_it_says_stops_the_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("cbor", "wrong", "00 is good CBOR", "00", "malformed")
    monkeypatch.setattr(make_vectors, "all_cases", lambda kept: iter([case]))
    with pytest.raises(ValueError, match="expects malformed and gives ok"):
        make_vectors.make_files(VECTORS)


def test_a_kept_signature_stays_and_a_broken_one_is_made_anew() -> None:
    from ledger.core.cosignature import MlDsa44Cosigner

    signer = MlDsa44Cosigner("log.example", seed("kept"))
    first = KeptSignatures({})
    signature = KeepingSigner(signer, first).sign(b"message")
    again = KeptSignatures(first.used)
    assert KeepingSigner(signer, again).sign(b"message") == signature
    spoiled = KeptSignatures(dict.fromkeys(first.used, "00" * 2420))
    assert KeepingSigner(signer, spoiled).sign(b"message") != bytes(2420)
    assert KeepingSigner(signer, first).verifier_key == signer.verifier_key


def test_values_of_cbor_have_one_notation() -> None:
    from ledger.core.cbor import CBORSimpleValue, CBORTag

    value = {1: b"\x01", "a": [True, None, 2**53, -(2**60)], CBORSimpleValue(59): CBORTag(18, {})}
    assert show(value) == {
        "map": [
            [1, {"bytes": "01"}],
            ["a", [True, None, {"int": "9007199254740992"}, {"int": "-1152921504606846976"}]],
            [{"simple": 59}, {"tag": 18, "value": {"map": []}}],
        ]
    }
