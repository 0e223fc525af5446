"""`sc-issuer replace` and `relay`, and companions named by their cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.qr import read_symbols
from tests.unit.test_issuer_cli import PERSON, Console, console, ready, words_of

__all__ = ["console", "ready"]


@pytest.fixture
def bearer(ready: Console) -> Console:
    """A desk that issued one card; the file `words` has its words."""
    assert ready.run("issue", ready.write("p.json", PERSON), "--show-words") == 0
    (ready.folder / "words").write_text(words_of(ready.out))
    return ready


def front(console: Console) -> Path:
    return console.case_file.with_name(console.case_file.stem + "-front.png")


def statuses(console: Console) -> list[int]:
    return [state.status(idx) for state in console.ledger.registry.lists.values() for idx in state.reasons]


def replace(console: Console, *arguments: str) -> int:
    return console.run("replace", *arguments, "--words-file", "words")


@pytest.mark.parametrize("by", ["case", "picture", "text"])
def test_a_card_is_replaced_with_its_words_and_without_the_passphrase(
    bearer: Console, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("SAFECONDUCT_PASSPHRASE", "wrong horse")
    [text] = read_symbols(front(bearer).read_bytes())
    given = {
        "case": (str(bearer.case_file),),
        "picture": ("--card", str(front(bearer))),
        "text": ("--card", text),
    }
    assert replace(bearer, *given[by]) == 0
    assert "Registered at index" in bearer.out
    assert statuses(bearer) == [3]
    assert replace(bearer, *given[by]) == 1
    assert "bad_transition" in bearer.err


def test_it_can_wait_for_others_or_be_left(bearer: Console) -> None:
    card = ("--card", str(front(bearer)))
    assert replace(bearer, *card, "--when", "never") == 0
    assert replace(bearer, *card, "--when", "batch") == 0
    assert statuses(bearer) == []
    bearer.ledger.offline = True
    assert bearer.run("relay") == 4
    bearer.ledger.offline = False
    assert bearer.run("relay") == 0
    assert "registered at index" in bearer.out
    assert statuses(bearer) == [3]
    assert list((bearer.folder / "desk" / "replacements").iterdir()) == []
    assert bearer.run("relay") == 0


def test_a_file_that_is_refused_stays(bearer: Console) -> None:
    replace(bearer, str(bearer.case_file), "--when", "batch")
    assert bearer.run("status", "change", str(bearer.case_file), "--set", "suspended") == 0
    assert bearer.run("relay") == 1
    assert "stale_action" in bearer.err
    assert len(list((bearer.folder / "desk" / "replacements").iterdir())) == 1


def test_a_wrong_call_is_refused(bearer: Console) -> None:
    assert replace(bearer) == 1
    assert "[card]" in bearer.err
    assert replace(bearer, str(bearer.case_file), "--card", "SC1:6BF") == 1
    assert replace(bearer, str(bearer.case_file), "--when", "tomorrow") == 1
    assert "[when]" in bearer.err
    (bearer.folder / "words").write_text("abandon " * 11 + "about")
    for given in ((str(bearer.case_file),), ("--card", str(front(bearer)))):
        assert replace(bearer, *given) == 1
        assert "wrong_secret" in bearer.err
    assert statuses(bearer) == []


def test_a_new_card_is_issued_with_the_same_words(bearer: Console) -> None:
    replace(bearer, "--card", str(front(bearer)))
    person = bearer.write("p.json", PERSON)
    assert bearer.run("issue", person, "--words-file", "words", "--out", "new") == 0
    [new] = (bearer.folder / "new").glob("*.case")
    assert new.name != bearer.case_file.name
    assert not list((bearer.folder / "new").glob("*words*"))


def test_a_companion_names_both_people_by_their_cards(bearer: Console) -> None:
    adult = bearer.write("a.json", PERSON)
    assert bearer.run("issue", adult, "--out", "adult") == 0
    [adults] = (bearer.folder / "adult").glob("*-front.png")
    [text] = read_symbols(adults.read_bytes())
    companion = ("issue", adult, "--vct", "sc:companion", "--until", "2026-12-01", "--out", "companion")
    assert bearer.run(*companion, "--child", str(front(bearer)), "--adult", text) == 0
    assert bearer.run(*companion, "--child", str(front(bearer)), "--adult", str(front(bearer))) == 1
    assert "companion.child" in bearer.err
    assert bearer.run(*companion, "--child", "no-such-card.png") == 1


def test_an_authorisation_does_not_outlast_its_card(bearer: Console) -> None:
    person = bearer.write("p.json", PERSON)
    companion = ("issue", person, "--vct", "sc:companion", "--child", "A" * 16, "--until")
    assert bearer.run(*companion, "2027-04-01") == 1
    assert "valid before 2027-04-01" in bearer.err
    assert bearer.run(*companion, "2027-03-31") == 0
