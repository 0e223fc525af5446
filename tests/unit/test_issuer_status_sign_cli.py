"""`sc-issuer status require`, `show`, `sign` and `send`: four eyes at the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer import cli
from issuer.desk_config import parse_config
from ledger import govern_cli
from tests.unit.test_issuer_cli import PERSON, Console, console, ready

__all__ = ["console", "ready"]


def make_key(name: str) -> str:
    """Make a second signer's key with the command that documents name, and return `NAME=FILE.pub`."""
    made = CliRunner().invoke(govern_cli.app, ["key", name, "--out", f"{name}.pem"])
    assert made.exit_code == 0, made.output
    return f"{name}={name}.pem.pub"


def request_of(console: Console) -> str:
    """Return the request file that the last command named."""
    found = re.search(r"^Request: (.+)$", console.out, re.MULTILINE)
    assert found is not None, console.out + console.err
    return found[1]


def sign(console: Console, request: str, name: str = "bo", out: str = "approval", *more: str) -> int:
    return console.run(
        "status", "sign", request, "--key", f"{name}.pem", "--name", name, "--out", out, "--yes", *more
    )


def approve_and_send(console: Console, request: str, name: str = "bo") -> int:
    Path("approval").unlink(missing_ok=True)
    assert sign(console, request, name) == 0, console.err
    return console.run("status", "send", request, "approval")


def statuses(console: Console) -> list[int]:
    return [state.status(idx) for state in console.ledger.registry.lists.values() for idx in state.reasons]


@pytest.fixture
def guarded(ready: Console) -> Console:
    """A desk with one card, where bo is the second signer."""
    assert ready.run("issue", ready.write("p.json", PERSON), "--show-words") == 0
    assert ready.run("status", "require", make_key("bo")) == 0
    assert approve_and_send(ready, request_of(ready)) == 0, ready.err
    assert "needs the approval of one of these" in ready.out
    return ready


def test_a_change_is_asked_for_shown_signed_and_sent(guarded: Console) -> None:
    assert guarded.run("status", "change", str(guarded.case_file), "--set", "withdrawn") == 0
    assert "Nothing was sent" in guarded.out
    assert statuses(guarded) == []
    request = request_of(guarded)
    words = re.search(r"In words: (.+)", guarded.out)
    assert words is not None
    assert guarded.run("status", "show", request, "--desk", "desk") == 0
    assert words[1] in guarded.out
    assert "withdrawn: 1, reason withdrawn" in guarded.out
    assert guarded.case_file.stem in guarded.out
    assert approve_and_send(guarded, request) == 0
    assert "Done: 1 changes of 1" in guarded.out
    assert statuses(guarded) == [1]
    assert guarded.run("status", "send", request, "approval") == 1
    assert "stale_action" in guarded.err


def test_a_batch_is_asked_for_and_a_dry_run_writes_nothing(guarded: Console) -> None:
    table = guarded.folder / "replaced.csv"
    table.write_text(f"sub\n{guarded.case_file.stem.removeprefix('card-')}\nAAAAAAAAAAAAAAAA\n", "utf-8")
    assert guarded.run("status", "batch", "replaced.csv", "--dry-run") == 1
    assert "Request:" not in guarded.out
    assert guarded.run("status", "batch", "replaced.csv", "--request", "monthly.request") == 1
    assert "not_found" in guarded.err
    assert statuses(guarded) == []
    assert approve_and_send(guarded, "monthly.request") == 0
    assert statuses(guarded) == [3]
    assert guarded.run("status", "batch", "replaced.csv") == 1
    assert "Request:" not in guarded.out


def test_a_holder_s_own_replacement_asks_nobody(ready: Console) -> None:
    assert ready.run("issue", ready.write("p.json", PERSON), "--show-words") == 0
    words = re.search(r"words: ((?:[a-z]+ ?){12})", ready.out)
    assert words is not None
    (ready.folder / "words").write_text(words[1])
    assert ready.run("status", "require", make_key("bo")) == 0
    assert approve_and_send(ready, request_of(ready)) == 0
    assert ready.run("replace", str(ready.case_file), "--words-file", "words") == 0
    assert statuses(ready) == [3]


def test_nothing_is_signed_unless_the_person_says_so(
    guarded: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded.run("status", "change", str(guarded.case_file), "--set", "suspended")
    arguments = ["status", "sign", request_of(guarded), "--key", "bo.pem", "--name", "bo", "--out", "no"]
    refused = CliRunner().invoke(cli.app, arguments, input="n\n")
    assert refused.exit_code == 1
    assert not Path("no").exists()
    agreed = CliRunner().invoke(cli.app, arguments, input="y\n")
    assert agreed.exit_code == 0
    assert Path("no").exists()


def test_a_request_that_is_over_is_not_signed(guarded: Console) -> None:
    guarded.run("status", "change", str(guarded.case_file), "--set", "suspended")
    request = request_of(guarded)
    guarded.ledger.time_ms += 8 * 86_400_000
    assert sign(guarded, request, "bo", "late") == 1
    assert "stale_action" in guarded.err
    assert not Path("late").exists()


def test_the_set_changes_and_ends_with_one_of_its_signers_alone(guarded: Console) -> None:
    assert guarded.run("status", "require", make_key("chi")) == 0
    request = request_of(guarded)
    assert approve_and_send(guarded, request, "chi") == 1
    assert "unknown_issuer" in guarded.err
    assert approve_and_send(guarded, request, "bo") == 0
    assert guarded.run("status", "require") == 0
    assert "chi: Ed25519" in guarded.out
    assert guarded.run("status", "require", "--nobody") == 0
    assert approve_and_send(guarded, request_of(guarded), "chi") == 0
    assert guarded.run("status", "change", str(guarded.case_file), "--set", "suspended") == 0
    assert statuses(guarded) == [2]


def test_settings_that_were_edited_or_made_anew_do_not_take_the_rule_away(guarded: Console) -> None:
    settings = guarded.folder / "desk/desk.json"
    assert parse_config(settings.read_bytes()).second_signers.are_required
    settings.unlink()
    assert guarded.init() == 0
    assert (
        guarded.run(
            "connect", "--ledger", "http://ledger.example", "--charter", guarded.ledger.charter_hash.hex(),
            "--bundle", "bundle",
        )
        == 0
    )  # fmt: skip
    assert guarded.run("status", "change", str(guarded.case_file), "--set", "withdrawn") == 1
    assert "stale_action" in guarded.err
    assert statuses(guarded) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("require", "bo"),
        ("require", "bo=bo.pem.pub"),
        ("require", "bo=bo.pem.pub", "--nobody"),
        ("show", "p.json"),
        ("show", "nothing"),
        ("send", "p.json", "bo.pem.pub"),
        ("sign", "p.json", "--key", "bo.pem", "--name", "bo", "--out", "x", "--yes"),
        ("sign", "p.json", "--key", "bo.pem", "--name", "B o", "--out", "x", "--yes"),
    ],
)
def test_what_is_typed_wrongly_is_said_and_changes_nothing(
    guarded: Console, arguments: tuple[str, ...]
) -> None:
    before = (guarded.folder / "desk/desk.json").read_bytes()
    assert guarded.run("status", *arguments) == 1
    assert (guarded.folder / "desk/desk.json").read_bytes() == before
    assert not Path("x").exists()
