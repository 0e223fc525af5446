"""What governors type and read: every verb on the ledger proposed, shown in words, signed, and its status."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli import app
from ledger.core.ledger_verbs import (
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.core.pin import Pin, format_pin
from ledger.errors import CodedError
from ledger.govern_files import parse_action_file, words_of
from ledger.governance_view import read_governance
from ledger.governor_keys import format_public_key, make_governor_key
from ledger.inspect import describe_action
from ledger.service.service import open_service
from tests.support.ledgers import signer
from tests.support.log_service import ORIGIN, PASSPHRASE, World, governor, passphrase

PROFILES = ("sc:identity=4:1095", "sc:companion=3:365", "sc:visa=2:30")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", PASSPHRASE.decode())
    world = World(tmp_path / "data").found()
    Path("dee.pub").write_bytes(format_public_key(signer("dee", "ed25519").public_key))
    Path("policy").write_text("quorum none\n", encoding="utf-8")
    Path("next.json").write_bytes(format_pin(Pin("ledger.test/two", bytes(32))))
    return world


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def prepared_keys() -> None:
    run("keys", "next", "data")


CASES = [
    (
        ("governors", "2", "governor-0=", "governor-1=", "dee=dee.pub"),
        SetGovernors,
        "2 of these 3 governors decide",
    ),
    (("threshold", "2"), SetThreshold, "2 governors decide"),
    (("witness-policy", "policy"), SetWitnessPolicy, "Replace the witnesses"),
    (("log-keys", "data/keys/next/log-keys.pub"), SetLogKeys, "keys that sign checkpoints"),
    (("service-keys", "data/keys/next/service-keys.pub"), SetServiceKeys, "keys of seals and of receipts"),
    (("profiles", *PROFILES), SetProfiles, "credential type sc:visa: 2 digests, valid for 30 days"),
    (("rules", "1"), SetRules, "rules of version 1"),
    (("successor", "next.json"), SetSuccessor, "End this ledger: ledger.test/two goes on"),
]


@pytest.mark.parametrize(
    ("words", "verb", "said"), CASES, ids=lambda value: value[0] if type(value) is tuple else ""
)
def test_every_verb_on_the_ledger_is_proposed_and_shown_in_words(
    world: World, words: tuple[str, ...], verb: type, said: str
) -> None:
    prepared_keys()
    proposed = run("govern", "propose", "--from", "data", "--out", "it.action", *words)
    action = parse_action_file(Path("it.action").read_bytes())
    assert (action.subject, action.counter) == (ORIGIN, 0)
    assert [type(item) for item in action.verbs] == [verb]
    shown = run("govern", "show", "it.action")
    assert said in shown
    assert "in words:" in shown
    assert shown in proposed


def test_an_action_with_all_verbs_goes_from_file_to_effect_and_status(world: World) -> None:
    prepared_keys()
    words = [word for case in CASES if case[1] is not SetSuccessor for word in case[0]]
    run("govern", "propose", "--from", "data", "--out", "it.action", *words)
    action = parse_action_file(Path("it.action").read_bytes())
    keep = make_governor_key(Path("own.pem"), PASSPHRASE)
    assert keep.public_key != governor(0).public_key
    signed = run(
        "govern", "sign", "it.action", "--key", "own.pem", "--name", "own", "--yes", "--out", "own.approval"
    )
    assert words_of(sha256(Path("it.action").read_bytes()).digest()) in signed
    assert run("govern", "show", "own.approval") == run("govern", "show", "it.action")

    async def body() -> bytes:
        service = open_service(world.data_dir, passphrase=passphrase, now_ms=world.clock)
        await service.start()
        for entry in world.action(ORIGIN, 0, action.verbs, (0, 1)):
            await service.submit(entry)
        data = await service.bundle()
        await service.stop()
        return data

    Path("bundle").write_bytes(asyncio.run(body()))
    # Who reads a bundle takes profiles and rules for held at once: there are no epochs to be seen in it.
    for source, scheduled in (("data", 5), ("bundle", 3)):
        status = run("govern", "status", source)
        assert "governor dee" in status
        assert "the next on the ledger itself has the counter 1" in status
        assert status.count("Scheduled: ") == scheduled
    assert read_governance("bundle").counter == 1
    # The governor who was kept by name keeps her key.
    assert dict(read_governance("data").governors)["governor-0"] == governor(0).public_key


@pytest.mark.parametrize(
    "words",
    [("governors",), ("governors", "2"), ("governors", "2", "x=", "y=", "z="), ("threshold",), ("threshold", "x"),
     ("profiles",), ("profiles", "a=b"), ("profiles", "sc:a=1:1", "sc:a=1:1"), ("rules", "x"), ("successor", "policy"),
     ("log-keys", "dee.pub"), ("service-keys", "dee.pub"), ("witness-policy", "dee.pub"), ("suspend", "threshold"),
     ("governors", "3", "governor-0=", "governor-1=", "dee=dee.pub"), ("nothing",)],
)  # fmt: skip
def test_a_verb_with_wrong_arguments_is_refused_and_writes_nothing(
    world: World, words: tuple[str, ...]
) -> None:
    with pytest.raises(CodedError):
        run("govern", "propose", "--from", "data", "--out", "it.action", "--subject", ORIGIN, *words)
    assert not Path("it.action").exists()


def test_the_subject_of_the_ledger_may_be_given_without_a_source(world: World) -> None:
    words = (
        "govern",
        "propose",
        "--subject",
        ORIGIN,
        "--counter",
        "4",
        "--out",
        "it.action",
        "threshold",
        "2",
    )
    run(*words)
    action = parse_action_file(Path("it.action").read_bytes())
    assert (action.subject, action.counter) == (ORIGIN, 4)
    with pytest.raises(CodedError) as caught:
        run("govern", "propose", "--counter", "4", "--out", "b", "threshold", "2")
    assert caught.value.code == "usage"


def test_confirm_and_refuse_are_proposed_on_an_issuer(world: World) -> None:
    words = ("--subject", "civil-1", "--counter", "1", "--out", "it.action", "confirm", "40", "refuse", "41")
    run("govern", "propose", *words)
    shown = run("govern", "show", "it.action")
    assert "held of entry 40 of civil-1 take effect" in shown
    assert "Refuse the changes of status held of entry 41" in shown


def test_keys_next_prepares_what_it_is_told_and_says_it_in_words(world: World) -> None:
    log = run("keys", "next", "data", "--only", "log")
    assert "log-keys.pub" in log
    assert "service-keys.pub" not in log
    assert {path.name for path in Path("data/keys/next").iterdir()} == {
        "log-ed25519.pem", "log-mldsa44.pem", "log-keys.pub",
    }  # fmt: skip
    run(
        "govern", "propose", "--from", "data", "--out", "it.action", "log-keys", "data/keys/next/log-keys.pub"
    )
    line = next(line for line in log.splitlines() if "in words" in line)
    assert line.split(": ")[1] in run("govern", "show", "it.action").replace("\n", " ")
    with pytest.raises(CodedError) as caught:
        run("keys", "next", "data")
    assert caught.value.code == "bad_input"
    with pytest.raises(CodedError) as caught:
        run("keys", "next", "data", "--only", "both")
    assert caught.value.code == "usage"


def test_no_words_are_missing_for_any_verb(world: World) -> None:
    prepared_keys()
    for words, _, _ in CASES:
        out = f"{words[0]}.action"
        run("govern", "propose", "--from", "data", "--out", out, *words)
        assert len(describe_action(parse_action_file(Path(out).read_bytes()))) >= 4
