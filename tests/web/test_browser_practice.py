"""The first run, the drill and the settings in a real browser, by the labels that people see."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from scripts import make_practice, web
from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_world import World, print_card_front
from tests.support.camera_videos import MakeVideo

FORCED = 5
MOST_ACTIONS = 9
WORDS: dict[str, Any] = json.loads((web.FOLDER.parent / "data" / "en.json").read_text("utf-8"))
PRACTICE: dict[str, Any] = WORDS["phone"]["practice"]
SETTINGS: dict[str, Any] = WORDS["phone"]["settings"]
DECK: list[dict[str, Any]] = json.loads(make_practice.DECK.read_text("utf-8"))["cards"]
CARDS = [PRACTICE["cards"][card["name"]] for card in DECK]


class Worker:
    """Somebody with a phone, who touches what she reads and counts it."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone
        self.actions = 0

    def touch(self, label: str) -> None:
        self.phone.page.get_by_role("button", name=label).click()
        self.actions += 1

    def sees(self, heading: str) -> None:
        self.phone.page.get_by_role("heading", name=heading, exact=True).first.wait_for()

    def has_focus_on(self, heading: str) -> bool:
        return self.heading_with_focus() == heading

    def heading_with_focus(self) -> str:
        return str(self.phone.page.evaluate("document.activeElement.innerText"))

    def first_run(self, post: str = "desk") -> None:
        self.sees(PRACTICE["proves"]["title"])
        self.touch(PRACTICE["next"])
        self.sees(PRACTICE["privacy"]["title"])
        self.touch(PRACTICE["next"])
        self.sees(PRACTICE["station"]["title"])
        self.touch(SETTINGS["posts"][post])

    def drill(self) -> None:
        for number, card in enumerate(CARDS[:FORCED], 1):
            self.sees(card_heading(number))
            self.touch(card["right"])
        self.sees(PRACTICE["over"])

    def to_settings(self) -> None:
        self.touch(WORDS["phone"]["app"]["tabs"]["settings"])
        self.sees(SETTINGS["title"])


def card_heading(number: int) -> str:
    text: str = PRACTICE["card"]
    return text.replace("{number}", str(number)).replace("{count}", str(FORCED))


def fits(phone: Phone) -> bool:
    """Whether nothing of the screen is wider than the window."""
    return bool(
        phone.page.evaluate(
            """() => [...document.querySelectorAll("main, main *")].every((part) => {
                const { left, right } = part.getBoundingClientRect();
                return (left >= -1 && right <= innerWidth + 1) || part.closest(".unseen");
            })"""
        )
    )


def test_nine_touches_lead_from_the_first_visit_to_a_camera_that_reads(
    station_server: StationServer, open_page: OpenPage, world: World, camera_video: MakeVideo
) -> None:
    phone = open_page(station_server.url, video=camera_video(world.cards["confirmed"].print))
    worker = Worker(phone)
    worker.first_run("border")
    worker.drill()
    worker.touch(PRACTICE["start"])
    assert worker.actions <= MOST_ACTIONS
    phone.wait_until("a verdict on a live card", lambda: WORDS["states"]["confirmed"]["word"] in phone.seen())
    assert phone.messages == []


def test_a_wrong_choice_is_explained_and_asks_again(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    worker = Worker(phone)
    worker.first_run()
    for number, (made, card) in enumerate(zip(DECK[:FORCED], CARDS[:FORCED], strict=True), 1):
        worker.sees(card_heading(number))
        phone.wait_until("the focus", partial(worker.has_focus_on, card_heading(number)))
        for state in made["states"]:
            assert WORDS["states"][state]["word"] in phone.seen()
        assert phone.page.get_by_text(card["story"]).is_visible()
        for wrong in ("other", "another"):
            worker.touch(card[wrong])
            said = phone.page.get_by_role("status").filter(has_text=card[f"{wrong}_why"])
            said.wait_for()
            assert worker.heading_with_focus() == card[wrong]
            worker.sees(card_heading(number))
        worker.touch(card["right"])
        phone.page.get_by_role("status").filter(has_text=card["right_why"]).wait_for()
    worker.sees(PRACTICE["over"])
    assert phone.messages == []


def test_the_sixth_card_is_of_two_people_and_for_whoever_wants_it(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    worker = Worker(phone)
    worker.first_run()
    worker.drill()
    worker.touch(PRACTICE["more"])
    worker.sees(PRACTICE["further_card"])
    phone.page.get_by_text(WORDS["companion"]["not_recorded"]).wait_for()
    worker.touch(CARDS[FORCED]["other"])
    worker.touch(CARDS[FORCED]["right"])
    worker.sees(PRACTICE["over"])
    assert not phone.page.get_by_role("button", name=PRACTICE["more"]).is_visible()
    worker.touch(PRACTICE["start"])
    worker.sees(WORDS["phone"]["scan"]["title"])


def test_after_a_reload_the_first_run_goes_on_where_the_settings_say(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    worker = Worker(phone)
    worker.touch(PRACTICE["next"])
    phone.page.reload()
    worker.first_run("shelter")
    worker.sees(card_heading(1))
    worker.touch(CARDS[0]["right"])
    worker.sees(card_heading(2))
    phone.page.reload()
    worker.drill()
    assert phone.page.get_by_text(PRACTICE["remember_discreet"]).is_visible()
    phone.page.reload()
    worker.drill()
    worker.touch(PRACTICE["start"])
    worker.sees(WORDS["phone"]["scan"]["title"])
    phone.page.reload()
    worker.sees(WORDS["phone"]["scan"]["title"])


def test_a_practice_card_is_never_confirmed_by_a_station(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url, camera="none")
    worker = Worker(phone)
    worker.first_run()
    worker.drill()
    worker.touch(PRACTICE["start"])
    page = phone.page
    field = page.get_by_label(WORDS["phone"]["scan"]["text"])
    for text in (text for card in DECK for text in card["texts"]):
        worker.sees(WORDS["phone"]["scan"]["problems"]["none"]["title"])
        if not field.is_visible():
            page.get_by_text(WORDS["phone"]["scan"]["text_summary"]).click()
        field.fill(text)
        page.get_by_role("button", name=WORDS["page"]["check"], exact=True).click()
        page.get_by_text(WORDS["states"]["unknown_issuer"]["word"], exact=True).first.wait_for()
        assert WORDS["states"]["confirmed"]["word"] not in phone.seen()
        page.get_by_role("button", name=WORDS["page"]["again"]).click()


def test_a_phone_takes_neither_pin_nor_list_of_the_practice_cards(
    station_server: StationServer, open_page: OpenPage
) -> None:
    deck = json.loads(make_practice.DECK.read_text("utf-8"))
    phone = open_page(station_server.url, camera="none")
    worker = Worker(phone)
    worker.first_run()
    worker.drill()
    worker.touch(PRACTICE["start"])
    worker.touch(WORDS["phone"]["app"]["tabs"]["lists"])
    keep = WORDS["phone"]["keep"]
    field = phone.page.get_by_label(keep["update"]["file"]).first  # the second is for heads
    pin = json.dumps(deck["pin"]).encode()
    for name, data, code in (
        ("pin.json", pin, "bad_input_origin"),
        ("bundle.cbor", b64decode(deck["bundle"]), "bundle_invalid"),
    ):
        field.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": data})
        phone.page.get_by_text(keep["refused"][code], exact=True).wait_for()
    assert make_practice.ORIGIN not in phone.seen()
    phone.page.reload()
    worker.touch(WORDS["phone"]["app"]["tabs"]["lists"])
    worker.sees(keep["title"])
    assert make_practice.ORIGIN not in phone.seen()


def test_a_practice_card_before_the_camera_is_not_confirmed(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo
) -> None:
    video = camera_video(print_card_front(DECK[0]["texts"][0]))
    phone = open_page(station_server.url, video=video)
    worker = Worker(phone)
    worker.first_run()
    worker.drill()
    worker.touch(PRACTICE["start"])
    word = WORDS["states"]["unknown_issuer"]["word"]
    phone.wait_until("a verdict", lambda: word in phone.seen())
    assert WORDS["states"]["confirmed"]["word"] not in phone.seen()


def test_every_setting_is_saved_at_once_and_there_after_a_reload(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    page = phone.page
    worker = Worker(phone)
    worker.touch(PRACTICE["next"])
    worker.touch(PRACTICE["next"])
    page.get_by_text(PRACTICE["station"]["help"]).click()
    page.get_by_label(SETTINGS["help_name"]).fill("Protection desk")
    page.get_by_label(SETTINGS["help_phone"]).fill("+999 1234")
    worker.touch(SETTINGS["posts"]["shelter"])
    worker.drill()
    worker.touch(PRACTICE["start"])
    worker.to_settings()
    assert page.get_by_label(SETTINGS["discreet"], exact=True).is_checked()
    assert page.get_by_label(SETTINGS["help_name"]).input_value() == "Protection desk"
    page.get_by_label(SETTINGS["post"]).select_option(label=SETTINGS["posts"]["border"])
    assert not page.get_by_label(SETTINGS["discreet"], exact=True).is_checked()
    page.get_by_label(SETTINGS["sound"], exact=True).check()
    page.get_by_label(SETTINGS["vibration"], exact=True).uncheck()
    page.get_by_label(SETTINGS["stale"]).select_option(label="14 days")
    page.get_by_label(SETTINGS["audience"]).fill("hut-7")
    page.get_by_label(SETTINGS["audience"]).fill("hut\u200b8")
    page.get_by_text(SETTINGS["audience_problem"]).wait_for()
    page.get_by_label(SETTINGS["help_phone"]).fill("")

    def saved() -> dict[str, Any]:
        page.reload()
        worker.to_settings()
        return {
            "post": page.get_by_label(SETTINGS["post"]).input_value(),
            "discreet": page.get_by_label(SETTINGS["discreet"], exact=True).is_checked(),
            "sound": page.get_by_label(SETTINGS["sound"], exact=True).is_checked(),
            "vibration": page.get_by_label(SETTINGS["vibration"], exact=True).is_checked(),
            "stale": page.get_by_label(SETTINGS["stale"]).input_value(),
            "audience": page.get_by_label(SETTINGS["audience"]).input_value(),
            "help": page.get_by_label(SETTINGS["help_name"]).input_value(),
            "phone": page.get_by_label(SETTINGS["help_phone"]).input_value(),
        }

    assert saved() == {
        "post": "border", "discreet": False, "sound": True, "vibration": False, "stale": "14",
        "audience": "hut-7", "help": "Protection desk", "phone": "",
    }  # fmt: skip
    assert phone.messages == []


def test_practice_is_done_again_from_the_settings_and_left_at_any_time(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    worker = Worker(phone)
    worker.first_run()
    worker.drill()
    worker.touch(PRACTICE["start"])
    worker.to_settings()
    worker.touch(SETTINGS["practise"])
    worker.sees(card_heading(1))
    worker.touch(PRACTICE["leave"])
    worker.sees(SETTINGS["title"])
    worker.touch(SETTINGS["practise"])
    worker.drill()
    phone.page.get_by_role("main").get_by_role("button", name=PRACTICE["done"], exact=True).click()
    worker.sees(SETTINGS["title"])


def test_a_keyboard_is_enough_for_the_first_run(station_server: StationServer, open_page: OpenPage) -> None:
    phone = open_page(station_server.url, touch=False)
    worker = Worker(phone)

    def press(label: str) -> None:
        for _ in range(20):
            if phone.tab().startswith(label):
                phone.page.keyboard.press("Enter")
                return
        raise AssertionError(f"the keyboard does not reach {label}")

    worker.sees(PRACTICE["proves"]["title"])
    press(PRACTICE["next"])
    worker.sees(PRACTICE["privacy"]["title"])
    press(PRACTICE["next"])
    press(SETTINGS["posts"]["desk"])
    for number, card in enumerate(CARDS[:FORCED], 1):
        worker.sees(card_heading(number))
        press(card["right"])
    worker.sees(PRACTICE["over"])
    press(PRACTICE["start"])
    worker.sees(WORDS["phone"]["scan"]["title"])


def test_twice_the_text_keeps_to_the_width_and_the_way_on_in_view(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url)
    worker = Worker(phone)
    steps: list[Callable[[], None]] = [
        lambda: worker.touch(PRACTICE["next"]),
        lambda: worker.touch(PRACTICE["next"]),
        lambda: worker.touch(SETTINGS["posts"]["shelter"]),
        *(lambda card=card: worker.touch(card["right"]) for card in CARDS[:FORCED]),
        lambda: worker.touch(PRACTICE["more"]),
        lambda: worker.touch(CARDS[FORCED]["right"]),
    ]
    worker.sees(PRACTICE["proves"]["title"])
    for direction in ("ltr", "rtl"):
        phone.page.evaluate("direction => { document.documentElement.dir = direction; }", direction)
        for size in ("100%", "200%"):
            phone.page.evaluate("size => { document.documentElement.style.fontSize = size; }", size)
            assert phone.page.get_by_role("button", name=PRACTICE["next"]).bounding_box()["y"] < 640  # type: ignore[index]
    for number, step in enumerate(steps):
        step()
        assert fits(phone), f"step {number}"
    worker.touch(PRACTICE["start"])
    worker.to_settings()
    assert fits(phone)
