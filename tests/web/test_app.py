"""The shell's pure parts: what codes read one after the other come to, and the numbered codes of a colleague."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from credential.core.frames import format_frames
from credential.core.presentation import present
from credential.core.qr_text import format_seal_keys
from scripts import web
from tests.support.ledgers import TinyCard
from tests.support.phone_page import PhonePage, phone_page
from tests.support.signed_inputs import World

MESSAGE = random.Random(5).randbytes(4000)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def shell(page: PhonePage, world: World) -> Iterator[PhonePage]:
    with phone_page(web.FOLDER / "tests" / "app.ts") as running:
        for name, bundle in world.bundles().items():
            assert running.ask("load", {"name": name, "bundle": bundle}).outcome == "ok"
        yield running


NONCE = bytes(range(16))


def check(
    shell: PhonePage, world: World, *steps: dict[str, str], audience: str = "", nonce: bytes | None = None
) -> list[Any]:
    question = {
        "bundles": ["first"],
        "now_s": world.ledger.now_s,
        "audience": audience,
        "nonce": nonce and nonce.hex(),
        "steps": steps,
    }
    answers: list[Any] = shell.ask("check", question).result
    return answers


def front(card: TinyCard) -> dict[str, str]:
    return {"text": card.front()}


def test_one_card_is_one_result(shell: PhonePage, world: World) -> None:
    adult, *_ = world.cards
    [answer] = check(shell, world, front(adult))
    assert (answer["texts"], answer["states"], answer["companion"]) == (1, ["confirmed"], None)


def test_a_code_that_was_read_already_changes_nothing(shell: PhonePage, world: World) -> None:
    adult, *_ = world.cards
    _, again = check(shell, world, front(adult), {**front(adult), "task": "together"})
    assert again == {"refused": "same", "texts": 1}


def test_a_family_is_one_check_whose_companion_result_stands_beside_the_cards(
    shell: PhonePage, world: World
) -> None:
    adult, child, right = world.cards
    first, second, third = check(shell, world, front(child), front(adult), front(right))
    assert [len(answer["states"]) for answer in (first, second, third)] == [1, 2, 3]
    assert first["companion"] is None
    assert second["companion"] == "not_recorded"
    assert (third["states"], third["companion"]) == (["confirmed"] * 3, "recorded")


def test_a_slip_opens_the_card_of_the_check_and_no_other(shell: PhonePage, world: World) -> None:
    adult, child, _ = world.cards
    slip = {"text": adult.slip_text(), "task": "slip"}
    closed, opened = check(shell, world, {"text": adult.back()}, slip)
    assert "names" not in closed["opened"][0]
    assert "names" in opened["opened"][0]
    assert check(shell, world, {"text": child.back()}, slip)[1] == {"refused": "wrong_slip", "texts": 1}


def test_a_slip_that_was_changed_is_refused_and_the_result_stays(shell: PhonePage, world: World) -> None:
    adult, *_ = world.cards
    slip = adult.slip()
    keys = {name: bytes(32) for name in slip.keys}
    changed = format_seal_keys(type(slip)(slip.sub, keys))
    _, refused = check(shell, world, {"text": adult.back()}, {"text": changed, "task": "slip"})
    assert refused == {"refused": "wrong_slip", "texts": 1}


def test_a_slip_that_came_before_the_side_it_does_not_fit_opens_nothing_and_ends_nothing(
    shell: PhonePage, world: World
) -> None:
    adult, *_ = world.cards
    slip = adult.slip()
    changed = format_seal_keys(type(slip)(slip.sub, {name: bytes(32) for name in slip.keys}))
    _, _, both, good = check(
        shell, world, front(adult), {"text": changed}, {"text": adult.back()}, {"text": adult.slip_text()}
    )
    assert (both["states"], both["slip_problem"]) == (["confirmed"], "wrong_secret")
    assert "names" not in both["opened"][0]
    assert "names" in good["opened"][0]
    assert good["slip_problem"] is None


def test_another_card_is_no_slip(shell: PhonePage, world: World) -> None:
    adult, child, _ = world.cards
    _, refused = check(shell, world, front(adult), {**front(child), "task": "slip"})
    assert refused == {"refused": "no_slip", "texts": 1}


def test_a_slip_without_a_card_is_said_to_be_one(shell: PhonePage, world: World) -> None:
    adult, *_ = world.cards
    [answer] = check(shell, world, {"text": adult.slip_text()})
    assert answer["states"] == ["unreadable"]


def answer_of(card: TinyCard, world: World, nonce: bytes | None, aud: str = "hut-7") -> dict[str, str]:
    """What the bearer's device shows after it was asked."""
    token = present(card.logged(), card.secret, [], aud=aud, iat_s=world.ledger.now_s, cnonce=nonce)
    return {"text": token, "task": "device"}


def test_a_device_that_was_asked_answers_with_its_key(shell: PhonePage, world: World) -> None:
    adult, child, _ = world.cards
    steps = [answer_of(adult, world, NONCE), {**front(child), "task": "together"}]
    first, both = check(shell, world, *steps, audience="hut-7", nonce=NONCE)
    assert (first["states"], first["binding"]) == (["confirmed"], ["key"])
    assert (both["binding"], both["companion"]) == (["key", "none"], "not_recorded")


@pytest.mark.parametrize(("nonce", "aud"), [(NONCE[::-1], "hut-7"), (None, "hut-7"), (NONCE, "hut-8")])
def test_an_answer_to_somebody_else_or_from_before_is_not_taken_for_one(
    shell: PhonePage, world: World, nonce: bytes | None, aud: str
) -> None:
    adult, *_ = world.cards
    [answer] = check(shell, world, answer_of(adult, world, nonce, aud), audience="hut-7", nonce=NONCE)
    assert (answer["states"], answer["binding"]) == (["incomplete"], ["none"])


def test_a_picture_of_a_card_is_no_answer_of_a_device(shell: PhonePage, world: World) -> None:
    adult, *_ = world.cards
    shown = {**front(adult), "task": "device"}
    steps = [shown, answer_of(adult, world, NONCE)]
    refused, answer = check(shell, world, *steps, audience="hut-7", nonce=NONCE)
    assert refused == {"refused": "no_answer", "texts": 0}
    assert answer["binding"] == ["key"]


def test_more_codes_than_one_check_takes_are_refused(shell: PhonePage, world: World) -> None:
    answers = check(shell, world, *({"text": f"SC1:{number}"} for number in range(17)))
    assert [answer["texts"] for answer in answers] == [*range(1, 17), 16]
    assert answers[-1]["refused"] == "too_many"


def test_a_code_of_another_system_is_a_result_and_not_a_fault(shell: PhonePage, world: World) -> None:
    [answer] = check(shell, world, {"text": "HC1:6BFOXN"})
    assert answer["states"] == ["unreadable"]


def frames(shell: PhonePage, texts: list[str]) -> list[Any]:
    answers: list[Any] = shell.ask("frames", texts).result
    return answers


def test_frames_come_in_any_order_and_again_and_make_the_message(shell: PhonePage) -> None:
    texts = format_frames("delta", MESSAGE, 500)
    shuffled = [*texts[1:], texts[1], texts[0]]
    *before, last = frames(shell, shuffled)
    count = len(texts)
    assert [answer["done"] for answer in before] == [*range(1, count), count - 1]
    assert {answer["count"] for answer in before} == {count}
    assert last == {"kind": "delta", "message": MESSAGE.hex(), "done": 0, "count": 0}


def test_a_frame_of_another_message_begins_anew(shell: PhonePage) -> None:
    first, other = format_frames("head", MESSAGE, 500), format_frames("head", MESSAGE[::-1], 500)
    answers = frames(shell, [*first[:3], *other])
    assert [answer["done"] for answer in answers[2:4]] == [3, 1]
    assert answers[-1]["message"] == MESSAGE[::-1].hex()


def test_a_text_that_is_no_frame_changes_nothing(shell: PhonePage) -> None:
    texts = format_frames("head", MESSAGE, 500)
    answers = frames(shell, [texts[0], "SCF1:ABC", texts[1]])
    assert [answer["done"] for answer in answers] == [1, 1, 2]
    assert answers[1]["code"] == "malformed"
