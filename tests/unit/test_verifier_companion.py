"""The companion check: recorded, ended or not recorded, beside the verdicts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from credential.core.birth import year_only
from credential.core.issue import Companion, PersonClaims
from ledger.core.calendar_days import DAY_S
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from tests.support.ledgers import START_S, TinyCard, TinyLedger
from verifier.core.companion import CompanionResult, check_companion
from verifier.core.evidence import Evidence
from verifier.core.verdict import verify

FRIDAY: date = datetime.fromtimestamp(START_S, UTC).date() + timedelta(days=5)


class Family:
    """A child, an uncle, a stranger, and the uncle's authorisation until Friday."""

    def __init__(self, *, own_card: bool = True) -> None:
        self.ledger = TinyLedger()
        civil = self.ledger.admit()
        self.civil = civil
        self.child = self.ledger.issue(civil, PersonClaims(birth=year_only(2016)))
        self.uncle = self.ledger.issue(civil, PersonClaims(birth=year_only(1980)))
        self.stranger = self.ledger.issue(civil, PersonClaims(birth=year_only(1981)))
        right = Companion(self.child.sub, "travel", FRIDAY, self.uncle.sub if own_card else "")
        self.right = self.ledger.issue(civil, PersonClaims(companion=right), vct="sc:companion")
        self.ledger.close_epoch()

    def check(self, *cards: TinyCard, days: int = 0) -> CompanionResult | None:
        return check_companion([self.evidence(card, days) for card in cards])

    def evidence(self, card: TinyCard, days: int = 0) -> Evidence:
        at = START_S + days * DAY_S + 3600
        return verify(card.front(), self.ledger.trusted(), max(at, self.ledger.now_s))


def test_a_recorded_companion_is_recorded() -> None:
    family = Family()
    found = family.check(family.uncle, family.child, family.right)
    assert found == CompanionResult("recorded", "travel", FRIDAY)
    assert found.to_json() == {"result": "recorded", "scope": "travel", "until": FRIDAY.isoformat()}


def test_s12_on_saturday_the_authorisation_ended_yesterday() -> None:
    family = Family()
    pair = (family.uncle, family.child, family.right)
    assert family.check(*pair, days=5) == CompanionResult("recorded", "travel", FRIDAY)
    assert family.check(*pair, days=6) == CompanionResult("ended", "travel", FRIDAY)


def test_a_companions_own_card_may_stand_for_the_adult() -> None:
    family = Family(own_card=False)
    assert family.check(family.right, family.child) == CompanionResult("recorded", "travel", FRIDAY)


def test_a_stranger_with_the_card_of_the_uncle_is_not_recorded() -> None:
    family = Family()
    assert family.check(family.stranger, family.child, family.right) == CompanionResult("not_recorded")
    assert family.check(family.uncle, family.right) == CompanionResult("not_recorded")


def test_s2_an_aunt_and_a_niece_without_a_link_are_neutral() -> None:
    family = Family()
    assert family.check(family.uncle, family.child) == CompanionResult("not_recorded")


def test_two_adults_or_one_card_raise_no_question() -> None:
    family = Family()
    assert family.check(family.uncle, family.stranger) is None
    assert family.check(family.child) is None
    assert family.check(family.right) is None
    assert check_companion([]) is None


def test_a_withdrawn_authorisation_does_not_count() -> None:
    family = Family()
    family.ledger.change_status(family.civil, family.right, VALID, WITHDRAWN, REASON_WITHDRAWN)
    family.ledger.close_epoch()
    assert family.check(family.uncle, family.child, family.right) == CompanionResult("not_recorded")
