"""The languages of the page in a real browser: the browser's own is chosen, and only its file is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_world import World
from tests.support.phone_page import PhonePage

DATA: Final = Path(__file__).parents[2] / "verifier" / "data"
WIDER: Final = """
    [...document.querySelectorAll("#app *")].filter((part) => {
        const { left, right } = part.getBoundingClientRect();
        return (left < -1 || right > innerWidth + 1) && !part.closest(".unseen");
    }).map((part) => part.outerHTML.slice(0, 100))
"""
"""What is wider than the window."""


def words(code: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((DATA / f"{code}.json").read_text(encoding="utf-8"))
    return value


def loaded(phone: Phone) -> list[str]:
    """Codes of the language files that the page asked for, without those that the service worker keeps for later."""
    names: list[str] = phone.page.evaluate(
        "performance.getEntriesByType('resource').map((entry) => entry.name.split('/').at(-1))"
    )
    codes = {path.stem for path in DATA.glob("*.json")}
    return sorted({name.split("-")[0] for name in names if name.endswith(".js")} & codes)


@pytest.mark.parametrize(
    ("browser", "code", "direction"),
    [("ar-EG", "ar", "rtl"), ("es-419", "es", "ltr")],
)
def test_the_page_speaks_the_language_of_the_browser(
    station_server: StationServer, open_page: OpenPage, browser: str, code: str, direction: str
) -> None:
    phone = open_page(station_server.url, language=browser)
    phone.wait_until("its words", lambda: phone.page.evaluate("document.documentElement.lang") == code)
    assert phone.page.evaluate("document.documentElement.dir") == direction
    assert loaded(phone) == [code]


def test_a_pseudo_locale_is_there_for_tests(station_server: StationServer, open_page: OpenPage) -> None:
    phone = open_page(station_server.url, language="en-XA")
    phone.wait_until("its words", lambda: phone.page.evaluate("document.documentElement.lang") == "en-XA")
    assert loaded(phone) == ["en"]


def choose(phone: Phone, code: str) -> None:
    phone.page.get_by_label("Language").select_option(code)
    phone.wait_until("its words", lambda: phone.page.evaluate("document.documentElement.lang") == code)


def test_a_language_is_chosen_by_its_own_name_and_stays(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(station_server.url, language="de")
    picker = phone.page.get_by_label("Language")
    picker.wait_for()
    offered = picker.locator("option").evaluate_all(
        "(all) => all.map(({ lang, dir, text }) => [lang, dir, text])"
    )
    files = [
        words(path.stem)
        for path in sorted(DATA.glob("*.json"), key=lambda path: (path.stem != "en", path.stem))
    ]
    assert offered == [[file["language"], file["direction"], file["name"]] for file in files]
    assert phone.page.get_by_text(words("en")["phone"]["words"]["not_reviewed"]).count() == 0
    choose(phone, "ar")
    arabic = words("ar")["phone"]
    phone.page.get_by_role("heading", name=arabic["practice"]["proves"]["title"]).wait_for()
    notice = phone.page.locator(".review-notice").inner_text()
    assert arabic["words"]["not_reviewed"] in notice
    assert words("en")["phone"]["words"]["not_reviewed"] in notice
    assert phone.page.evaluate("document.documentElement.dir") == "rtl"
    phone.page.reload()
    phone.page.get_by_role("heading", name=arabic["practice"]["proves"]["title"]).wait_for()
    assert phone.messages == []


def test_every_language_is_there_without_a_network(fresh_station: StationServer, open_page: OpenPage) -> None:
    phone = open_page(fresh_station.url)
    phone.page.get_by_label("Language").wait_for()
    phone.poll("the page is kept", "navigator.serviceWorker.ready.then(() => true)")
    fresh_station.stop()
    phone.page.reload()
    phone.page.get_by_label("Language").wait_for()
    choose(phone, "fr")
    phone.page.get_by_role("heading", name=words("fr")["phone"]["practice"]["proves"]["title"]).wait_for()
    assert phone.page.evaluate("document.documentElement.dir") == "ltr"


@pytest.mark.parametrize("code", ["en-XA", "ar"])
def test_every_screen_fits_with_large_text_in_long_and_in_right_to_left_words(
    station_server: StationServer, open_page: OpenPage, page_words: PhonePage, world: World, code: str
) -> None:
    file = page_words.ask("pseudo", {"language": code}).result if code == "en-XA" else words(code)
    said = file["phone"]
    phone = open_page(station_server.url, language=code)
    phone.wait_until("its words", lambda: phone.page.evaluate("document.documentElement.lang") == code)
    phone.page.evaluate("document.documentElement.style.fontSize = '200%'")

    def touch(label: str) -> None:
        phone.page.get_by_role("button", name=label, exact=True).first.click()

    def fits(heading: str) -> None:
        phone.page.get_by_role("heading", name=heading).first.wait_for()
        phone.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")
        assert phone.page.evaluate(WIDER) == [], heading

    practice = said["practice"]
    fits(practice["proves"]["title"])
    touch(practice["next"])
    fits(practice["privacy"]["title"])
    touch(practice["next"])
    fits(practice["station"]["title"])
    phone.page.get_by_role("button", name=said["settings"]["posts"]["desk"]).click()
    for card in ("age", "stale", "withdrawn", "replaced", "altered"):
        fits(practice["question"])
        touch(practice["cards"][card]["right"])
    fits(practice["over"])
    touch(practice["start"])
    fits(said["scan"]["title"])
    phone.page.locator("textarea").fill(world.cards["withdrawn"].text)
    touch(file["page"]["check"])
    fits(file["states"]["withdrawn"]["word"])
    touch(file["page"]["again"])
    for tab, heading in (("lists", said["keep"]["title"]), ("settings", said["settings"]["title"])):
        touch(said["app"]["tabs"][tab])
        fits(heading)
