"""One person's papers: written in the order that matters, and again after a crash at any moment."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from credential.core.case_file import open_case
from issuer import handover, vault
from issuer.cards import stem_of
from issuer.errors import IssuerError
from issuer.files import replace_file
from issuer.handover import hand_out
from issuer.vault import WORDS_KNOWN, WORDS_ON_SCREEN, WORDS_ON_SHEET, Papers
from ledger.core.statement import parse_statement
from ledger.errors import CodedError
from tests.support.crashes import Crash, crash_at
from tests.support.desks import DeskWorld, person

CREATED = datetime(2026, 11, 15, tzinfo=UTC)
FAILURES = {"too_large": True, "storage_failed": False}


@pytest.fixture(autouse=True)
def plain_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Papers without pictures: this is about when they are written."""
    monkeypatch.setattr(vault, "_SCRYPT_N", 2)

    def print_again(
        folder: Path, case_file: bytes, secret: bytes, *, print_name: bool, created: datetime
    ) -> None:
        stem = stem_of(case_file)
        replace_file(folder / f"{stem}-card.pdf", json.dumps([secret.hex(), print_name]).encode())

    monkeypatch.setattr(handover, "print_again", print_again)
    monkeypatch.setattr(handover, "make_words_sheet", lambda secret, created: secret)


@pytest.fixture
def world(tmp_path: Path) -> DeskWorld:
    return DeskWorld(tmp_path)


def issue(world: DeskWorld, papers: Papers, secret: bytes | None = None) -> list[str]:
    """What `sc-issuer issue` does for one person."""
    [issued] = world.desk.issue_people([(person(), secret)], papers=papers)
    assert not isinstance(issued, CodedError)
    return list(hand_out(world.folder, issued, papers, created=CREATED, kept=world.desk.forget))


def resend(world: DeskWorld) -> list[str]:
    """What `sc-issuer resend` does."""
    world.desk.register_pending()
    return [
        line
        for issued, papers in world.desk.interrupted()
        for line in hand_out(world.folder, issued, papers, created=CREATED, kept=world.desk.forget)
    ]


def credentials(world: DeskWorld) -> list[str]:
    statements = [parse_statement(entry) for entry in world.ledger.entries if len(entry) > 1]
    return [statement.sub for statement in statements if statement.kind == "credential"]


def secrets_held(world: DeskWorld) -> int:
    return int(world.store.query("SELECT count(*) FROM secret")[0][0])


@pytest.mark.parametrize("words", [WORDS_ON_SHEET, WORDS_ON_SCREEN, WORDS_KNOWN])
def test_the_words_leave_the_desk_in_the_wanted_way_and_no_other(world: DeskWorld, words: str) -> None:
    secret = bytes(range(16))
    lines = issue(world, Papers(words, print_name=True), secret)
    assert any("words:" in line for line in lines) == (words == WORDS_ON_SCREEN)
    assert len(list(world.folder.glob("*-words.pdf"))) == (words == WORDS_ON_SHEET)
    assert secrets_held(world) == 0
    assert world.desk.interrupted() == []


def test_a_crash_at_any_durable_write_loses_no_card_and_gives_none_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers = Papers(WORDS_ON_SHEET, print_name=True)
    at = 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        folder.mkdir()
        world = DeskWorld(folder)
        with crash_at(monkeypatch, at):
            try:
                issue(world, papers)
            except Crash:
                pass
            else:
                break
        world.reopen()
        resend(world)
        found = credentials(world)
        assert len(found) == len(list(folder.glob("*.case"))) == len(list(folder.glob("*-card.pdf")))
        if at > 2:  # from the first commit on there is a card to lose
            [sub] = found
            secret = (folder / f"card-{sub}-words.pdf").read_bytes()
            assert open_case((folder / f"card-{sub}.case").read_bytes(), secret).is_listed
            printed = json.loads((folder / f"card-{sub}-card.pdf").read_bytes())
            assert printed == [secret.hex(), True]
        assert secrets_held(world) == 0
        assert world.store.outgoing() == []
    assert at == 17


def test_without_a_network_the_secret_is_erased_once_the_papers_are_written(world: DeskWorld) -> None:
    world.ledger.offline = True
    lines = issue(world, Papers())
    assert "not registered yet" in lines[-1]
    assert secrets_held(world) == 0
    assert len(world.desk.pending()) == 1
    assert resend(world) == []


@pytest.mark.parametrize(("code", "is_erased"), FAILURES.items())
def test_a_card_that_cannot_be_printed_keeps_nothing_back_but_a_full_disk_does(
    world: DeskWorld, monkeypatch: pytest.MonkeyPatch, code: str, is_erased: bool
) -> None:
    def fail(*_given: object, **_named: object) -> None:
        raise IssuerError(code, "as a test wants it")

    with monkeypatch.context() as inside:
        inside.setattr(handover, "print_again", fail)
        with pytest.raises(IssuerError):
            issue(world, Papers())
    assert len(list(world.folder.glob("*.case"))) == 1
    assert secrets_held(world) == (0 if is_erased else 1)
    assert (resend(world) == []) == is_erased
    assert secrets_held(world) == 0


def test_what_the_ledger_refused_is_not_handed_out(world: DeskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.core.actions import Suspend

    world.ledger.offline = True
    world.desk.issue_people([(person(), None)])
    world.ledger.offline = False
    world.ledger.act("civil-1", Suspend())
    world.reopen()
    assert resend(world) == []
    assert secrets_held(world) == 0
    assert world.store.outgoing() == []
