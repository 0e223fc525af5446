"""Python and the phone page agree on what is damaged: mutations of the vectors, seeded, asked of both.

Every format is asked 2,000 times in every run; `SAFECONDUCT_MUTATIONS=20000 python3 scripts/test tests/web` asks more,
and `SAFECONDUCT_MUTATIONS_SEED` others. What only a signer can make is dear and is asked less often. A difference
prints the inputs, which make a vector.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Final

import pytest

from credential.core import base45
from credential.core.presentation import present
from ledger.core import cbor
from tests.support.agreement import DAMAGED, compare, compare_damaged
from tests.support.councils import Council
from tests.support.list_changes import ListChanges
from tests.support.mutations import mutate
from tests.support.page_formats import FORMATS
from tests.support.phone_page import PhonePage, ask_python
from tests.support.signed_inputs import AUD, World

MUTATIONS: Final = int(os.environ.get("SAFECONDUCT_MUTATIONS", "2000"))
SEED: Final = os.environ.get("SAFECONDUCT_MUTATIONS_SEED", "agreement")
NEVER_REFUSE: Final = ("merkle",)
FOREIGN: Final = (
    "SC1:0", "SCK1:0", "SCN1:", "SCF1:", "hc1:6BF", "shc:/5676", "MDOC:x", "openid4vp:", "WiFi:S:x", "BEGIN:VCARD",
    "mecard:N", "tel:1", "mailto:a", "geo:1", "HTTPS://example.org", "www.example.org", '{"hdr": 1}', "0123456789",
    "6BFOXN*TS0BI$ZD", "NCFOXN", "x", "", "\u0661\u0662", "\U0001f600" * 70,
)  # fmt: skip


@pytest.mark.parametrize("form", DAMAGED)
def test_both_readers_say_the_same_of_what_is_damaged(page: PhonePage, form: str) -> None:
    outcomes = {answer.outcome for answer in compare_damaged(page, form, MUTATIONS, SEED)}
    assert len(outcomes) > 1 or form in NEVER_REFUSE


def test_every_format_of_the_page_is_compared() -> None:
    others = {"load", "make_delta", "newer", "opened", "recognise", "signature"}
    assert set(DAMAGED) | others == set(FORMATS)


@pytest.fixture(scope="module")
def world(page: PhonePage) -> World:
    made = World()
    for name, given in made.bundles().items():
        question = {"name": name, "bundle": given}
        assert page.ask("load", question).outcome == ask_python("load", question).outcome == "ok"
    return made


def test_both_readers_say_the_same_of_cards_and_tokens_whose_signer_errs(
    page: PhonePage, world: World
) -> None:
    rng = random.Random(f"{SEED}/codes")
    answers = compare(page, [("codes", world.codes(rng)) for _ in range(MUTATIONS)])
    states = {
        verdict["state"] for answer in answers if answer.result for verdict in answer.result["verdicts"]
    }
    assert {"confirmed", "confirmed_stale", "unreadable", "altered", "incomplete", "not_yet_listed"} <= states


def test_both_readers_end_the_five_minutes_of_a_token_at_the_same_second(
    page: PhonePage, world: World
) -> None:
    card, clock_s = world.cards[0], world.ledger.now_s + 3600
    ages = (-301, -300, 0, 60, 61)
    texts = [present(card.logged(), card.secret, [], aud=AUD, iat_s=clock_s + age) for age in ages]
    given = {"bundles": ["first"], "now_s": clock_s, "slip": None, "audience": AUD, "nonce": None}
    answers = compare(page, [("codes", {"texts": [text], **given}) for text in texts])
    bindings = [answer.result["verdicts"][0]["holder_binding"] for answer in answers]
    assert bindings == ["none", "key", "key", "key", "none"]


@pytest.mark.parametrize("form", ["frames", "head"])
def test_both_readers_say_the_same_of_what_stations_exchange(
    page: PhonePage, world: World, form: str
) -> None:
    rng = random.Random(f"{SEED}/{form}")
    make = world.frames if form == "frames" else world.head
    outcomes = {
        answer.outcome for answer in compare(page, [(form, make(rng)) for _ in range(MUTATIONS // 4)])
    }
    assert "ok" in outcomes
    assert len(outcomes) > 1


def test_both_readers_fold_the_same_governance(page: PhonePage) -> None:
    rng = random.Random(f"{SEED}/opened")
    council = Council()
    answers = compare(page, [("opened", council.bundle(rng)) for _ in range(MUTATIONS // 24)])
    opened = [answer.result for answer in answers if answer.outcome == "ok"]
    assert len(answers) // 5 < len(opened) < len(answers)
    assert max(len(result["log_keys"]) for result in opened) > 1
    states = {key[2] for result in opened for issuer in result["issuers"] for key in issuer["keys"]}
    assert states == {0, 1, 2}


def test_both_readers_count_the_open_approvals_of_a_governor(page: PhonePage) -> None:
    council = Council()
    answers = compare(page, [("opened", council.crowded(count)) for count in (256, 257)])
    assert [(answer.outcome, answer.field) for answer in answers] == [("ok", ""), ("bundle_invalid", "iss")]


def test_both_readers_strike_the_approval_of_a_governor_whose_key_was_replaced(page: PhonePage) -> None:
    (answer,) = compare(page, [("opened", Council().struck())])
    assert (answer.outcome, answer.field) == ("bundle_invalid", "approvals")


def test_both_readers_see_the_same_characters(page: PhonePage) -> None:
    points = [*range(0x3100), *range(0xFE00, 0x10000), *range(0xDFF00, 0xE0200)]
    names = [f"x{chr(point)}" for point in points]
    texts = ["SCN1:" + base45.encode(cbor.encode([name, bytes(8)])) for name in names]
    answers = compare(page, [("challenge", text) for text in texts])
    refused = [point for point, answer in zip(points, answers, strict=True) if answer.outcome != "ok"]
    assert 200 < len(refused) < 300
    assert 0x200B in refused
    assert not {0x200C, 0x200D, 0x20} & set(refused)


def test_both_readers_call_what_they_cannot_check_by_the_same_name(page: PhonePage) -> None:
    rng = random.Random(f"{SEED}/recognise")
    texts = [*FOREIGN, *(mutate(rng, rng.choice(FOREIGN), FOREIGN, is_text=True) for _ in range(MUTATIONS))]
    kinds = {answer.result["kind"] for answer in compare(page, [("recognise", text) for text in texts])}
    assert len(kinds) > 12


@pytest.mark.parametrize("form", ["delta", "make_delta"])
def test_both_readers_join_a_list_and_a_delta_alike(page: PhonePage, form: str) -> None:
    rng = random.Random(f"{SEED}/{form}")
    changes = ListChanges()
    make = changes.delta if form == "delta" else changes.pair
    outcomes = Counter(
        answer.outcome for answer in compare(page, [(form, make(rng)) for _ in range(MUTATIONS)])
    )
    assert {"ok", "malformed", "bundle_invalid"} <= set(outcomes)
    assert outcomes["ok"] > MUTATIONS // 2
