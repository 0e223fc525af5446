"""The drill of the phone page: judged for real by its own list, nothing to a station, and passed by right choices."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from scripts import make_practice, web
from tests.support.ledgers import TinyLedger
from tests.support.phone_page import PhonePage, ask_python
from tests.unit.test_verifier_practice import LOOKALIKES, OF_PRACTICE, live_ledger

ORDER = ["other", "right", "another", "other", "right", "right", "right", "right", "right", "other"]


@pytest.fixture(scope="module")
def room(page: PhonePage) -> dict[str, Any]:
    """What `verifier/web/tests/practice.ts` says; `page` is asked for to skip where there is no Node."""
    ledger: TinyLedger = live_ledger()
    question = {
        "live": {
            "origin": ledger.origin,
            "charter": ledger.charter_hash.hex(),
            "bundle": ledger.bundle().hex(),
        },
        "choices": ORDER,
    }
    done = subprocess.run(
        [
            str(web.node()),
            "--disable-warning=ExperimentalWarning",
            str(web.FOLDER / "tests" / "practice.ts"),
        ],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        cwd=web.FOLDER,
        env=web.node_environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cards() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(make_practice.DECK.read_text("utf-8"))["cards"]
    return found


def phone_words() -> dict[str, Any]:
    file = web.FOLDER.parent / "data" / "en.json"
    found: dict[str, Any] = json.loads(file.read_text("utf-8"))["phone"]["practice"]
    return found


def test_the_page_comes_to_the_states_that_the_cards_are_made_for(room: dict[str, Any]) -> None:
    expected = [{name: card[name] for name in ("name", "states", "companion")} for card in cards()]
    assert room["deck"] == expected


def test_the_first_card_cannot_exclude_a_child_and_is_confirmed_all_the_same(room: dict[str, Any]) -> None:
    assert room["deck"][0]["states"] == ["confirmed"]
    assert room["answers"][0] == [{"12": "no", "15": "no", "18": "cannot_exclude"}]


def test_practice_cards_are_nothing_to_a_station_on_a_phone(room: dict[str, Any]) -> None:
    assert len(room["live"]) > room["forced"]
    assert set(room["live"]) == {"unknown_issuer"}


@pytest.mark.parametrize("origin", [*OF_PRACTICE, *LOOKALIKES])
def test_page_and_python_refuse_a_pin_of_practice_cards_alike(page: PhonePage, origin: str) -> None:
    text = json.dumps({"origin": origin, "charter": "00" * 32})
    answer = page.ask("pin", text)
    assert answer == ask_python("pin", text)
    assert answer.outcome == ("bad_input" if origin in OF_PRACTICE else "ok")


def test_every_card_has_one_right_choice_and_words_for_each(room: dict[str, Any]) -> None:
    words = phone_words()["cards"]
    assert list(words) == [card["name"] for card in room["deck"]]
    for name, choices in room["order"].items():
        assert sorted(choices) == ["another", "other", "right"]
        assert set(words[name]) == {"story", *choices, *(f"{choice}_why" for choice in choices)}
        assert len({words[name][choice] for choice in choices}) == len(choices)


def test_the_right_choice_has_no_place_of_its_own(room: dict[str, Any]) -> None:
    places = {choices.index("right") for choices in room["order"].values()}
    assert places == {0, 1, 2}


def test_a_wrong_choice_asks_again_and_a_right_one_goes_on(room: dict[str, Any]) -> None:
    seen = [(step["card"], step.get("wrong"), step.get("passed"), step["isOver"]) for step in room["steps"]]
    assert seen == [
        (0, None, None, False),
        (0, "other", None, False),
        (1, None, 0, False),
        (1, "another", 0, False),
        (1, "other", 0, False),
        (2, None, 1, False),
        (3, None, 2, False),
        (4, None, 3, False),
        (4, None, 4, True),
        (4, None, 4, True),
        (4, None, 4, True),
    ]
