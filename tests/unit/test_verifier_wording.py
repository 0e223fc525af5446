"""The words: every state and every code has them, and none says more than is known."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from ledger.core.calendar_days import DAY_S
from ledger.core.status_change import REASON_NAMES, REASON_WITHDRAWN, VALID, WITHDRAWN
from ledger.errors import MalformedError
from tests.support.ledgers import TinyCard, TinyLedger
from verifier.core.evidence import BESIDE, LEADING, Verdict
from verifier.core.verdict import StationPolicy, judge
from verifier.core.wording import Told, parse_wording, tell
from verifier.errors import StationError
from verifier.words import load_wording

WORDS = load_wording()


@cache
def a_ledger() -> tuple[TinyLedger, TinyCard]:
    ledger = TinyLedger()
    card = ledger.issue(ledger.admit())
    ledger.close_epoch()
    return ledger, card


def told(*, days: int = 0, position: bool = True) -> Told:
    ledger, card = a_ledger()
    text = card.front(position=position)
    return tell(judge(text, ledger.trusted(), ledger.now_s + days * DAY_S), WORDS)


def test_the_states_are_told_apart_without_colour() -> None:
    states = WORDS.states.values()
    assert len(states) == 12
    for part in ("word", "shape", "symbol"):
        assert len({getattr(state, part) for state in states}) == 12, part
    assert len({state.titled(19) for state in states}) == len({state.titled(None) for state in states}) == 12


def test_red_is_for_two_states_alone() -> None:
    assert {name for name, state in WORDS.states.items() if state.colour == "red"} == {
        "altered",
        "not_listed",
    }


def test_every_code_and_every_reason_has_a_line() -> None:
    assert set(WORDS.sections["lines"]) == {*LEADING, *BESIDE}
    assert set(WORDS.sections["reasons"]) == set(REASON_NAMES.values())


@pytest.mark.parametrize(
    "claim",
    [
        "identity",
        "proven",
        "anonymous",
        "fake",
        "fraud",
        "illegal",
        "guilty",
        "victim",
        "trafficking",
        "refugee",
    ],
)
def test_no_sentence_claims_more_than_is_known(claim: str) -> None:
    sentences = json.dumps([vars_of(state) for state in WORDS.states.values()]) + json.dumps(
        {key: value for key, value in WORDS.sections.items() if key != "kinds"}
    )
    assert not re.search(claim, sentences, re.IGNORECASE)


def vars_of(state: object) -> list[str]:
    names = ("title", "title_one", "title_other", "title_unknown_age", "word", "meaning", "now")
    return [getattr(state, name) for name in names]


def test_the_three_questions_are_never_merged() -> None:
    said = told()
    assert [question for question, _ in said.questions] == [
        "Is it genuine?",
        "Is it in force as of 15 Nov 2026?",
        "Does the person match?",
    ]
    assert said.questions[0][1] == "Yes: authentic as signed by Civil registry of Example, and on the ledger."
    assert said.questions[1][1] == "Yes, until 1 Jan 2030."
    assert "decide" in said.questions[2][1]


def test_the_age_of_the_list_is_always_said() -> None:
    assert told().freshness == "List from 15 Nov 2026 (today)"
    assert told(days=1).freshness == "List from 15 Nov 2026 (1 day)"
    assert told(days=19).freshness == "List from 15 Nov 2026 (19 days)"
    assert told(days=19).title == "Confirmed, list is 19 days old"
    assert told(days=-1000).freshness == "List from 15 Nov 2026 (age not known: the clock is wrong)"
    assert told(days=-1000).title == "Confirmed, age of the list is not known"
    assert told(days=-1000).lines[0].startswith("The clock of this device is wrong.")


def test_a_list_of_one_day_is_one_day_old() -> None:
    ledger, card = a_ledger()
    strict = StationPolicy(stale_after_days=0)
    said = tell(judge(card.front(), ledger.trusted(), ledger.now_s + DAY_S, policy=strict), WORDS)
    assert said.title == "Confirmed, list is 1 day old"
    assert said.freshness == "List from 15 Nov 2026 (1 day)"


def test_what_is_not_listed_yet_is_not_called_genuine() -> None:
    said = told(position=False)
    assert said.title == "Signed, not yet in your list"
    assert said.questions[0][1].startswith("Signed by")
    assert said.questions[1][1] == "Not known."


def test_a_withdrawal_says_by_whom_when_and_why() -> None:
    ledger = TinyLedger()
    civil = ledger.admit()
    card = ledger.issue(civil)
    ledger.close_epoch()
    ledger.change_status(civil, card, VALID, WITHDRAWN, REASON_WITHDRAWN)
    ledger.close_epoch()
    said = tell(judge(card.front(), ledger.trusted(), ledger.now_s), WORDS)
    assert said.lines == ("Withdrawn by the issuer in Nov 2026: no fault stated.",)
    assert said.questions[1][1] == "No. Withdrawn by the issuer in Nov 2026: no fault stated."


def test_a_code_of_another_system_is_named_and_said_to_be_beyond_this_station() -> None:
    ledger, _ = a_ledger()
    said = tell(judge("HC1:6BFOXN", ledger.trusted(), ledger.now_s), WORDS)
    assert said.title == "It looks like a health certificate of the European Union."
    assert said.state.now == "This cannot be checked here. Scan the code of a card."
    assert said.questions[0][1] == "Not known. This code is of another kind."
    assert said.lines == ()


def test_a_damaged_card_is_to_be_read_once_more() -> None:
    ledger, _ = a_ledger()
    said = tell(judge("SC1:damaged", ledger.trusted(), ledger.now_s), WORDS)
    assert said.state.now == WORDS.state("unreadable").now
    assert said.title == "Could not read"


def test_every_raised_code_can_be_told() -> None:
    for code in ("malformed", "too_large", "unsupported"):
        verdict = Verdict.of_error(MalformedError("x", code=code))
        assert tell(verdict, WORDS).title == "Could not read"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"language": "xx", "states": {}}'])
def test_words_with_missing_parts_are_refused(data: bytes) -> None:
    with pytest.raises(StationError):
        parse_wording(data)


def test_a_language_that_is_not_there_is_refused() -> None:
    with pytest.raises(StationError):
        load_wording("../en")
