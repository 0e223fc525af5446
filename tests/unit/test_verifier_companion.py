"""The companion check: recorded, ended or not recorded, beside the verdicts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from credential.core.birth import year_only
from credential.core.issue import Companion, PersonClaims, companion_hash
from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.status_change import REASON_WITHDRAWN, VALID, WITHDRAWN
from tests.support.ledgers import START_S, TinyCard, TinyLedger
from verifier.core.companion import CompanionResult, check_companion
from verifier.core.evidence import Evidence
from verifier.core.verdict import judge, verify
from verifier.core.wording import tell, tell_companion
from verifier.words import load_wording

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
    assert found.to_json() == {
        "result": "recorded",
        "scope": "travel",
        "until": FRIDAY.isoformat(),
        "ended_days_ago": None,
    }


def test_s12_on_saturday_the_authorisation_ended_yesterday() -> None:
    family = Family()
    pair = (family.uncle, family.child, family.right)
    assert family.check(*pair, days=5) == CompanionResult("recorded", "travel", FRIDAY)
    assert family.check(*pair, days=6) == CompanionResult("ended", "travel", FRIDAY, 1)


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
    for days in (0, 5, 6, 40):
        found = family.check(family.uncle, family.child, family.right, days=days)
        assert found == CompanionResult("not_recorded"), days


def test_a_withdrawn_card_of_the_child_or_of_the_adult_makes_no_link() -> None:
    for place in ("child", "uncle"):
        family = Family()
        withdrawn = getattr(family, place)
        family.ledger.change_status(family.civil, withdrawn, VALID, WITHDRAWN, REASON_WITHDRAWN)
        family.ledger.close_epoch()
        assert family.check(family.uncle, family.child, family.right) == CompanionResult("not_recorded")


def test_another_issuers_child_with_the_same_subject_is_another_child() -> None:
    family = Family()
    cards = [family.evidence(card) for card in (family.uncle, family.child, family.right)]
    other = cards[1]._replace(issuer=cards[1].issuer._replace(id="consul-7"))
    assert check_companion([cards[0], other, cards[2]]) == CompanionResult("not_recorded")


def test_an_authorisation_may_name_a_child_of_another_issuer() -> None:
    family = Family()
    consulate = family.ledger.admit("consul-7")
    child = family.ledger.issue(consulate, PersonClaims(birth=year_only(2016)))
    right = Companion(f"consul-7/{child.sub}", "travel", FRIDAY, family.uncle.sub)
    card = family.ledger.issue(family.civil, PersonClaims(companion=right), vct="sc:companion")
    family.ledger.close_epoch()
    assert family.check(family.uncle, child, card) == CompanionResult("recorded", "travel", FRIDAY)


def test_an_authorisation_ends_with_the_validity_of_its_card() -> None:
    """A desk issues none that lasts longer; another program might have."""
    family = Family()
    cards = [family.evidence(card) for card in (family.uncle, family.child, family.right)]
    right = cards[2].companion
    assert right is not None
    longer = cards[2]._replace(companion=replace(right, until=date(2030, 1, 1)))
    last_day = date_of_seconds(longer.exp_s) - timedelta(days=1)
    assert check_companion([*cards[:2], longer]) == CompanionResult("recorded", "travel", last_day)
    late = longer._replace(state="expired", judged_s=longer.exp_s + 3 * DAY_S)
    assert check_companion([*cards[:2], late]) == CompanionResult("ended", "travel", last_day, 4)


def test_cards_of_an_old_list_make_a_link_too() -> None:
    family = Family()
    cards = [family.evidence(card) for card in (family.uncle, family.child, family.right)]
    stale = [card._replace(state="confirmed_stale") for card in cards]
    assert check_companion(stale) == CompanionResult("recorded", "travel", FRIDAY)


def test_of_two_that_ended_the_later_one_is_told() -> None:
    family = Family()
    earlier = Companion(family.child.sub, "school", FRIDAY - timedelta(days=2), family.uncle.sub)
    other = family.ledger.issue(family.civil, PersonClaims(companion=earlier), vct="sc:companion")
    family.ledger.close_epoch()
    for rights in ((family.right, other), (other, family.right)):
        found = family.check(family.uncle, family.child, *rights, days=6)
        assert found == CompanionResult("ended", "travel", FRIDAY, 1)


def test_no_card_authorises_somebody_to_accompany_its_own_holder() -> None:
    family = Family()
    uncle, own = family.evidence(family.uncle), family.evidence(family.right)
    right = own.companion
    assert right is not None
    named = replace(right, child=companion_hash(right.salt, own.issuer.id, own.sub))
    assert check_companion([uncle, own._replace(companion=named)]) == CompanionResult("not_recorded")


def test_one_card_read_twice_raises_no_question() -> None:
    family = Family()
    assert family.check(family.child, family.child) is None


def test_the_result_is_told_with_the_day_and_without_blame() -> None:
    words = load_wording()
    ended = CompanionResult("ended", "travel", FRIDAY, 1)
    line, questions = tell_companion(ended, words)
    assert "(travel) ended yesterday, 20 Nov 2026." in line
    assert "no offence" in line
    assert len(questions) == 3
    assert "ended on 20 Nov 2026." in tell_companion(replace(ended, ended_days_ago=2), words)[0]
    recorded = tell_companion(CompanionResult("recorded", "school", FRIDAY), words)
    assert recorded == (
        "Recorded: this adult may accompany this child (school, until 20 Nov 2026).",
        (),
    )
    assert tell_companion(CompanionResult("not_recorded"), words)[0].startswith("No link between these")


def test_a_companions_card_says_by_itself_when_it_ended() -> None:
    family, words = Family(), load_wording()
    for days, when in ((6, "yesterday, 20 Nov 2026"), (8, "on 20 Nov 2026")):
        at = START_S + days * DAY_S + 3600
        told = tell(judge(family.right.front(), family.ledger.trusted(), at), words)
        assert f"The authorisation to accompany ended {when}." in told.lines
