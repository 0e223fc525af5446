"""A holder's own replacement at any desk: her words, her old card, and nobody else's leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from credential.core.card import LoggedCredential, Position, format_back, format_front, seal_keys
from credential.core.case_file import Case, open_case
from credential.core.names import Name
from credential.core.qr_text import parse_qr_text
from credential.errors import SecretError
from issuer.desk import Desk
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import InputError, IssuerError
from issuer.issued import Issued
from issuer.replacement import (
    OldCard,
    check_holder,
    keep_for_later,
    old_card_of,
    read_old_card,
    relay,
    relay_file,
    sign_replacement,
    waiting,
)
from ledger.core.status_change import AFFIRMED, HELD, REPLACED, SUSPENDED, VALID, WITHDRAWN
from ledger.errors import CodedError
from tests.support.desks import SubmittingLedger, person
from tests.support.ledgers import CountedBytes, signer
from verifier.core.evidence import Verdict
from verifier.core.verdict import judge

GRAM = 8
"""A run of so many equal bytes would let a scanner link two cards."""
STRANGERS = 12
STRANGER = (Name("Selam", "Latn", "SELAM"),)


class TwoAgencies:
    """Agency A, which issued the old card, and agency B, where its bearer goes."""

    def __init__(self, folder: Path) -> None:
        self.ledger = SubmittingLedger()
        self.folder = folder
        self.a = self._desk(1, "agency-a")
        self.b = self._desk(2, "agency-b")

    def _desk(self, number: int, issuer_id: str) -> Desk:
        key = signer(issuer_id)
        self.ledger.admit_key(issuer_id, key.public_key)
        config = DeskConfig(
            issuer_id, "interior", "Agency", self.ledger.origin, desk=0, desks=2, number=number,
            charter=self.ledger.charter_hash.hex(), ledger_url="http://ledger.example",
        )  # fmt: skip
        store = DeskStore(self.folder / f"{issuer_id}.sqlite")
        return Desk(
            config, key, store, self.ledger.client(),
            random_bytes=CountedBytes(issuer_id), now_s=lambda: self.ledger.now_s,
        )  # fmt: skip

    def replace(self, old: OldCard, secret: bytes, status: int = VALID) -> bytes:
        return sign_replacement(old, secret, status=status, now_s=self.ledger.now_s)

    def verdict(self, text: str) -> Verdict:
        return judge(text, self.ledger.trusted(), self.ledger.now_s)


@pytest.fixture
def world(tmp_path: Path) -> TwoAgencies:
    return TwoAgencies(tmp_path)


def case_of(issued: Issued) -> Case:
    return open_case(issued.case_file, issued.secret)


def front(issued: Issued) -> str:
    return format_front(case_of(issued).logged())


def codes(issued: Issued) -> list[bytes]:
    """The bytes of both codes of a card."""
    logged = case_of(issued).logged()
    keys = seal_keys(issued.secret, logged.claims)
    back = format_back(logged, keys, CountedBytes(f"nonce {logged.claims.sub}"))
    return [parse_qr_text(format_front(logged)), parse_qr_text(back)]


def grams(texts: list[bytes]) -> set[bytes]:
    return {text[at : at + GRAM] for text in texts for at in range(len(text) - GRAM + 1)}


def test_s8_agency_b_relays_her_replacement_and_agency_a_does_nothing(world: TwoAgencies) -> None:
    old = world.a.issue_person(person())
    old_front = front(old)
    assert world.verdict(old_front).state == "confirmed"
    store_a = (world.folder / "agency-a.sqlite").read_bytes()
    seqs = {uri: state.seq for uri, state in world.ledger.registry.lists.items()}

    statement = world.replace(read_old_card([old_front]), old.secret)
    registered = relay(world.ledger.client(), statement)
    new = world.b.issue_person(person(), old.secret)

    assert registered.entry == statement
    assert world.verdict(old_front).state == "replaced"
    assert world.verdict(front(new)).state == "confirmed"
    assert world.verdict(front(new)).codes == ()
    assert (world.folder / "agency-a.sqlite").read_bytes() == store_a
    # Agency A's next change of its list needs no news from anybody.
    assert {uri: state.seq for uri, state in world.ledger.registry.lists.items() if uri in seqs} == seqs


def test_s8_no_scanner_can_link_the_old_card_and_the_new(world: TwoAgencies) -> None:
    """No 8 bytes are equal but those that the cards of strangers, with the same answers, have as well."""
    constants = constants_of(world)
    old = world.a.issue_person(person())
    world.ledger.answer([world.replace(old_card_of(case_of(old)), old.secret)])
    new = world.b.issue_person(person(), old.secret)

    assert grams(codes(old)) & grams(codes(new)) <= constants
    before, after = case_of(old).logged().claims, case_of(new).logged().claims
    assert before.cnf != after.cnf
    assert before.sub != after.sub
    assert not set(before.digests) & set(after.digests)
    # The test can fail: a card printed twice shares what it is.
    assert not grams(codes(old)) & grams(codes(old)) <= constants


def test_the_statement_names_nothing_of_the_new_card_and_the_new_card_nothing_of_it(
    world: TwoAgencies,
) -> None:
    constants = constants_of(world)
    old = world.a.issue_person(person())
    statement = world.replace(old_card_of(case_of(old)), old.secret)
    relay(world.ledger.client(), statement)
    new = world.b.issue_person(person(), old.secret)
    assert grams([statement]) & grams(codes(new)) <= constants


def constants_of(world: TwoAgencies) -> set[bytes]:
    """What cards of strangers share too: some at each agency, of one age and with as many parts as hers."""
    stranger = replace(person(), names=STRANGER, sex="male", nationalities=("YEM",), birthplace="Aden")
    at_a: set[bytes] = set()
    at_b: set[bytes] = set()
    for _ in range(STRANGERS):
        at_a |= grams(codes(world.a.issue_person(stranger)))
        at_b |= grams(codes(world.b.issue_person(stranger)))
    return at_a & at_b


@pytest.mark.parametrize("status", [SUSPENDED, AFFIRMED, HELD])
def test_a_card_under_review_can_be_replaced_too(world: TwoAgencies, status: int) -> None:
    old = world.a.issue_person(person())
    statement = world.replace(old_card_of(case_of(old)), old.secret, status)
    with pytest.raises(CodedError) as caught:  # the place reads valid: what is signed is what is judged
        relay(world.ledger.client(), statement)
    assert caught.value.code == "stale_action"


@pytest.mark.parametrize("status", [WITHDRAWN, REPLACED, 7])
def test_what_ended_is_not_replaced(world: TwoAgencies, status: int) -> None:
    old = world.a.issue_person(person())
    with pytest.raises(IssuerError) as caught:
        world.replace(old_card_of(case_of(old)), old.secret, status)
    assert caught.value.code == "bad_transition"


def test_words_of_another_card_replace_nothing(world: TwoAgencies) -> None:
    old, other = world.a.issue_person(person()), world.a.issue_person(person())
    card = read_old_card([front(old)])
    for call in (lambda: world.replace(card, other.secret), lambda: check_holder(card, other.secret)):
        with pytest.raises(SecretError):
            call()


def test_a_card_of_another_place_is_not_listed(world: TwoAgencies) -> None:
    old = world.a.issue_person(person())
    case = case_of(old)
    moved = OldCard(case.entry, Position(case.index ^ 1, case.path), case.logged().claims)
    with pytest.raises(CodedError) as caught:
        relay(world.ledger.client(), world.replace(moved, old.secret))
    assert caught.value.code == "not_listed"


def test_front_back_or_case_file_are_one_card(world: TwoAgencies) -> None:
    old, other = world.a.issue_person(person()), world.a.issue_person(person())
    logged = case_of(old).logged()
    back = format_back(logged, seal_keys(old.secret, logged.claims), CountedBytes("n"))
    expected = old_card_of(case_of(old))
    for texts in ([front(old)], [back], [front(old), back]):
        assert read_old_card(texts) == expected
    for wrong in ([], [front(old), front(other)]):
        with pytest.raises(InputError):
            read_old_card(wrong)
    provisional = format_front(LoggedCredential(logged.entry, None, logged.disclosures))
    with pytest.raises(InputError, match="position"):
        read_old_card([provisional])


def test_a_statement_is_kept_under_a_name_that_says_nothing_and_sent_later(world: TwoAgencies) -> None:
    old = world.a.issue_person(person())
    statement = world.replace(old_card_of(case_of(old)), old.secret)
    path = keep_for_later(world.folder, statement)
    assert waiting(world.folder) == [path]
    assert old.sub not in path.name
    assert world.verdict(front(old)).state == "confirmed"
    world.ledger.offline = True
    with pytest.raises(CodedError):
        relay_file(world.ledger.client(), path)
    assert path.read_bytes() == statement
    world.ledger.offline = False
    relay_file(world.ledger.client(), path)
    assert waiting(world.folder) == []
    assert world.verdict(front(old)).state == "replaced"


def test_a_file_that_is_no_holders_statement_is_refused(world: TwoAgencies) -> None:
    old = world.a.issue_person(person())
    with pytest.raises(InputError):
        relay(world.ledger.client(), case_of(old).entry)
