"""The screen of a result in a real browser: what it says, what it hides until it is held, and when it goes."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
from playwright.sync_api import Locator

from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_world import STATES, Card, World
from verifier.words import load_wording

WORDS: Final = load_wording()
SHOW: Final = WORDS.sections["phone"]["show"]
PERSON: Final = ("مريم بنت يوسف", "MARYAM BINT YUSUF")
PULSES: Final = {"confirmed": 1, "confirmed_stale": 1, "altered": 3, "not_listed": 3}
READY: Final = {
    "language": "en", "post": "border", "practised": True, "discreet": False, "sound": False, "vibration": True,
    "staleAfterDays": 7, "audience": "", "helpName": "Amina", "helpPhone": "+252 61 234 567",
}  # fmt: skip
_RECORD_BUZZES: Final = """
  window.buzzes = [];
  Object.defineProperty(Navigator.prototype, "vibrate", {
    value(pattern) { if (pattern !== 0) window.buzzes.push(pattern); return true; } });
"""
_NO_BUZZES: Final = "delete Navigator.prototype.vibrate;"
_SAVE: Final = """settings => new Promise((done, fail) => {
  const opening = indexedDB.open("station");
  opening.onerror = () => fail(opening.error);
  opening.onsuccess = () => {
    const database = opening.result;
    const saving = database.transaction(["settings", "ledgers"], "readwrite");
    const found = saving.objectStore("ledgers").getAll();
    saving.objectStore("settings").put(settings, "settings");
    saving.oncomplete = () => { database.close(); done(found.result.some(ledger => ledger.bundle)); };
    saving.onerror = () => fail(saving.error);
  };
})"""
_HIDE: Final = """isHidden => {
  const seen = isHidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => seen });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
_PASTE: Final = """text => {
  const data = new DataTransfer();
  data.setData("text/plain", text);
  document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
}"""
_LOADS: Final = """address => new Promise(done => {
  const image = new Image();
  image.onload = () => done(true);
  image.onerror = () => done(false);
  image.src = address;
})"""


def ready(
    open_page: OpenPage, station: StationServer, script: str = _RECORD_BUZZES, **settings: Any
) -> Phone:
    """A station that is set up and has its list, at the camera's screen."""
    phone = open_page(None, camera="none")
    phone.page.add_init_script(script)
    phone.page.goto(station.url)
    phone.wait_until(
        "a database", lambda: phone.page.evaluate("indexedDB.databases().then(all => all.length)")
    )
    phone.wait_until("a list, and saved settings", lambda: phone.page.evaluate(_SAVE, {**READY, **settings}))
    phone.page.reload()
    phone.wait_until("a list", lambda: phone.page.get_by_text("List from").is_visible())
    return phone


def give(phone: Phone, *texts: str) -> None:
    """Paste texts of codes, and wait for what they lead to."""
    results = phone.page.locator(".results")

    def shows() -> bool:
        if results.count() == 1:
            return True
        phone.page.evaluate(_PASTE, "\n".join(texts))
        return False

    phone.wait_until("a result", shows)


def give_with_slip(phone: Phone, card: Card) -> None:
    """Show both sides of a card, and the slip that opens what they have sealed."""
    give(phone, card.text)
    phone.page.get_by_role("button", name=SHOW["together"]["more"]).click()
    give(phone, card.back)
    phone.page.get_by_role("button", name=SHOW["slip"]).click()
    give(phone, card.slip)


def again(phone: Phone) -> None:
    phone.page.get_by_role("button", name="Check another card").click()
    phone.wait_until("the camera's screen", lambda: phone.page.locator(".results").count() == 0)


def hold(phone: Phone, place: Locator) -> None:
    """Put a finger on a place and leave it there."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    phone.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    phone.page.mouse.down()


def document(phone: Phone) -> str:
    return str(phone.page.content())


def test_every_state_is_said_by_word_shape_and_what_to_do_and_answers_three_questions_apart(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    for name in STATES:
        give(phone, world.cards[name].text)
        state = WORDS.state(name)
        card = phone.page.get_by_role("article", name=state.word)
        assert card.locator(".banner svg").count() == 1
        assert card.get_by_text(state.now).is_visible()
        assert re.search(rf"\blook-{state.colour}\b", str(card.get_attribute("class")))
        asked = card.locator(".questions dt").all_inner_texts()
        assert [question.split(" as of")[0].rstrip("?") for question in asked] == [
            "Is it genuine",
            "Is it in force",
            "Does the person match",
        ]
        assert phone.page.evaluate("document.activeElement.textContent") == SHOW["title"]
        said = phone.page.locator(".results > .unseen[role=status]")
        phone.wait_until("the word aloud", lambda said=said: said.inner_text().strip())  # type: ignore[misc]
        assert (
            said.inner_text().translate({0x2068: None, 0x2069: None}).startswith(f"{state.word}. {state.now}")
        )
        assert phone.page.get_by_role("button", name="Get help").is_visible()
        buzz = phone.page.evaluate("window.buzzes.at(-1)")
        assert (len(buzz) + 1) / 2 == PULSES.get(name, 2)
        again(phone)
    phone.page.get_by_role("button", name="Get help").click()
    assert phone.page.get_by_role("link", name="Call").get_attribute("href") == "tel:+25261234567"
    assert phone.messages == []


def test_the_discreet_screen_is_the_same_for_every_state_until_it_is_held(
    station_server: StationServer, old_station: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server, discreet=True)
    stale = ready(open_page, old_station, discreet=True)
    for shown in (phone, stale):  # a first touch, after which the heading shows its focus no longer
        give(shown, world.cards["confirmed"].text)
        again(shown)
        shown.page.evaluate("window.buzzes.length = 0")
    documents, pictures = set(), set()
    for name in (*STATES, "confirmed_stale"):
        shown = stale if name == "confirmed_stale" else phone
        give(shown, world.cards["confirmed" if name == "confirmed_stale" else name].text)
        results = shown.page.locator(".results")
        shown.page.mouse.move(0, 0)
        documents.add(results.evaluate("node => node.outerHTML"))
        if shown is phone:  # over it stands the line on the list's age, which is another one at the other
            pictures.add(results.screenshot(animations="disabled"))
        assert [len(buzz) for buzz in shown.page.evaluate("window.buzzes")] == [PULSES.get(name, 2) * 2 - 1]

        area = shown.page.get_by_role("button", name=SHOW["discreet"]["hold"])
        hold(shown, area)
        word = shown.page.get_by_text(WORDS.state(name).word, exact=True)
        shown.wait_until("the word under the finger", word.is_visible)
        assert shown.page.locator(".glance").get_by_text(WORDS.state(name).now).is_visible()
        shown.page.mouse.up()
        assert word.count() == 0
        documents.add(results.evaluate("node => node.outerHTML"))
        again(shown)
        shown.page.evaluate("window.buzzes.length = 0")
    give(phone, world.cards["confirmed"].text, world.cards["withdrawn"].text)
    documents.add(phone.page.locator(".results").evaluate("node => node.outerHTML"))
    assert len(documents) == 1
    assert len(pictures) == 1
    assert phone.messages == stale.messages == []


def test_a_discreet_result_is_reached_by_keyboard_and_in_two_steps_and_goes_with_the_focus(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server, _NO_BUZZES, discreet=True)
    give(phone, world.cards["withdrawn"].text)
    assert phone.page.get_by_text(SHOW["discreet"]["no_pulses"]).is_visible()
    word = phone.page.get_by_text("WITHDRAWN", exact=True)
    phone.page.locator(".hold-area").focus()
    for key in ("Space", "Enter"):
        phone.page.keyboard.down(key)
        phone.wait_until("the word", word.is_visible)
        phone.page.keyboard.up(key)
        assert word.count() == 0
    phone.page.keyboard.down("Space")
    phone.wait_until("the word", word.is_visible)
    phone.page.evaluate("window.dispatchEvent(new Event('blur'))")
    phone.wait_until("nothing", lambda: word.count() == 0)
    phone.page.keyboard.up("Space")

    phone.page.get_by_role("button", name=SHOW["discreet"]["steps"]).click()
    assert word.count() == 0
    phone.page.get_by_role("button", name=SHOW["discreet"]["armed"]).click()
    phone.wait_until("the whole result", phone.page.get_by_role("article", name="WITHDRAWN").is_visible)
    phone.page.keyboard.press("Escape")
    phone.wait_until("nothing", lambda: word.count() == 0)
    again(phone)
    assert phone.messages == []


def opened(phone: Phone) -> bool:
    return any(name in document(phone) for name in PERSON) or phone.page.locator("img").count() > 0


def test_what_the_bearer_opened_is_in_the_page_only_while_it_is_held(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    give_with_slip(phone, world.cards["arabic"])
    place = phone.page.get_by_role("button", name=SHOW["opened"]["hold"])
    assert not opened(phone)

    def shows() -> None:
        hold(phone, place)
        phone.wait_until("the name", lambda: phone.page.get_by_text(PERSON[0]).first.is_visible())
        assert PERSON[1] in document(phone)

    def hides(how: str) -> None:
        phone.wait_until(f"nothing after {how}", lambda: not opened(phone))
        phone.page.mouse.up()

    shows()
    said = phone.page.locator(".opened [role=status]").inner_text()
    assert said == SHOW["opened"]["shown_held"]
    phone.page.mouse.up()
    hides("letting go")
    for how in (
        "window.dispatchEvent(new Event('blur'))",
        "document.dispatchEvent(new Event('visibilitychange'))",
        "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))",
    ):
        shows()
        phone.page.evaluate(how)
        hides(how)

    place.focus()
    phone.page.keyboard.down("Enter")
    phone.wait_until("the name", lambda: opened(phone))
    phone.page.keyboard.up("Enter")
    hides("the key")

    phone.page.clock.install()
    phone.page.get_by_role("button", name=SHOW["opened"]["steps"]).click()
    assert not opened(phone)
    phone.page.get_by_role("button", name=SHOW["opened"]["armed"]).click()
    phone.wait_until("the name", lambda: opened(phone))
    phone.page.clock.run_for(9_900)
    assert opened(phone)
    phone.page.clock.run_for(200)
    hides("ten seconds")

    place.focus()
    phone.page.keyboard.down("Enter")
    phone.wait_until("the name", lambda: opened(phone))
    phone.page.clock.run_for(10_200)
    hides("ten seconds of a key that stays down")
    phone.page.keyboard.down("Enter")  # the key repeats
    phone.page.clock.run_for(1_000)
    assert not opened(phone)
    phone.page.keyboard.up("Enter")
    assert phone.messages == []


def test_the_address_of_a_portrait_ends_when_it_is_hidden(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    give_with_slip(phone, world.cards["portrait"])
    hold(phone, phone.page.get_by_role("button", name=SHOW["opened"]["hold"]))
    picture = phone.page.locator("img.portrait")
    phone.wait_until(
        "the portrait", lambda: picture.evaluate("image => image.complete && image.naturalWidth > 0")
    )
    address = picture.get_attribute("src")
    assert str(address).startswith("blob:")
    assert phone.page.evaluate(_LOADS, address)
    phone.page.mouse.up()
    phone.wait_until("no portrait", lambda: picture.count() == 0)
    assert not phone.page.evaluate(_LOADS, address)


def test_a_result_goes_when_nobody_uses_it_and_any_touch_keeps_it(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    phone.page.clock.install()
    give(phone, world.cards["confirmed"].text)
    phone.page.clock.run_for(89_000)
    notice = phone.page.locator(".leaving")
    assert notice.count() == 0
    phone.page.clock.run_for(2_000)
    assert "30 seconds" in notice.inner_text()
    phone.page.get_by_role("button", name=SHOW["leaving"]["keep"]).click()
    phone.wait_until("no notice", lambda: notice.count() == 0)
    phone.page.clock.run_for(119_000)
    assert phone.page.get_by_role("article").count() == 1
    phone.page.clock.run_for(2_000)
    phone.wait_until("the camera's screen", lambda: phone.page.locator(".results").count() == 0)
    assert "CONFIRMED" not in document(phone)


@pytest.mark.parametrize(("away_ms", "is_back"), [(9_000, True), (11_000, False)])
def test_a_hidden_page_has_no_result_in_it_and_brings_it_back_within_ten_seconds_only(
    station_server: StationServer, open_page: OpenPage, world: World, away_ms: int, is_back: bool
) -> None:
    phone = ready(open_page, station_server)
    phone.page.clock.install()
    give(phone, world.cards["withdrawn"].text)
    phone.page.evaluate(_HIDE, True)
    phone.wait_until("an empty page", lambda: "WITHDRAWN" not in document(phone))
    phone.page.clock.run_for(away_ms)
    phone.page.evaluate(_HIDE, False)
    phone.page.clock.run_for(100)
    phone.wait_until(
        "the result" if is_back else "the camera's screen",
        lambda: (phone.page.locator("article").count() == 1) is is_back,
    )
    assert phone.page.locator(".results").count() == int(is_back)


def test_two_cards_lead_with_the_one_that_matters_most_and_say_whether_they_belong_together(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    results: dict[tuple[str, ...], str] = {
        ("child", "adult", "right"): "recorded",
        ("child_2", "adult", "ended_right"): "ended",
        ("child", "stranger"): "not_recorded",
    }
    for names, result in results.items():
        give(phone, world.cards[names[0]].text)
        ask = SHOW["together"]["adult"]
        for name in names[1:]:
            phone.page.get_by_role("button", name=ask).click()
            give(phone, world.cards[name].text)
            ask = SHOW["together"]["more"]
        beside = phone.page.get_by_role("region", name=SHOW["companion"][result])
        assert beside.count() == 1
        questions = WORDS.sections["companion"]["questions"]
        assert beside.get_by_text(questions[0]).count() == (0 if result == "recorded" else 1)
        assert "look-red" not in document(phone)
        again(phone)

    give(phone, world.cards["confirmed"].text)
    phone.page.get_by_role("button", name=SHOW["together"]["more"]).click()
    give(phone, world.cards["withdrawn"].text)
    words = [heading.split("\n")[-1] for heading in phone.page.locator("article h2").all_inner_texts()]
    assert words == ["WITHDRAWN", "CONFIRMED"]
    phone.page.locator(".overview button").nth(1).click()
    assert "CONFIRMED" in phone.page.evaluate("document.activeElement.textContent")


def test_the_details_are_closed_and_hold_steps_and_codes_and_nothing_of_the_person(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    give(phone, world.cards["withdrawn"].text)
    details = phone.page.locator("details.evidence")
    assert details.get_attribute("open") is None
    details.locator("summary").click()
    assert details.locator(".steps li").count() == len(SHOW["details"]["steps"]) == 11
    assert details.locator(".steps code").all_inner_texts() == ["withdrawn"]
    again(phone)
    give(phone, world.cards["altered"].text)
    details.locator("summary").click()
    assert details.locator("code").first.inner_text() == "bad_signature"
