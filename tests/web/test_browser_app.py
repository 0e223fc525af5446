"""The shell of the phone page in a real browser: from screen to screen, in and out, and what must not come along."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from pathlib import Path
from typing import Any, Final

import pytest
from PIL import Image, ImageOps
from playwright.sync_api import FilePayload

from credential.core.birth import year_only
from credential.core.challenge import CHALLENGE_PREFIX, parse_challenge
from credential.core.frames import FRAME_PREFIX, format_frames, join_frames
from credential.core.issue import PersonClaims
from credential.core.presentation import present
from ledger.core.calendar_days import DAY_S
from ledger.core.delta import make_delta
from scripts import web
from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer, served
from tests.support.browser_user import FORCED_CARDS, User
from tests.support.browser_world import World
from tests.support.camera_videos import HEIGHT, WIDTH
from tests.support.ledgers import TinyCard, TinyLedger
from tests.web.test_browser_show import (
    _HIDE,
    _PASTE,
    SHOW,
    WORDS,
    again,
    document,
    give,
    ready,
)
from verifier.images import read_codes
from verifier.phone_build import BuiltPage

APP: Final = WORDS.sections["phone"]["app"]
KEEP: Final = WORDS.sections["phone"]["keep"]
SCAN: Final = WORDS.sections["phone"]["scan"]
PRACTICE: Final = WORDS.sections["phone"]["practice"]


def press(phone: Phone, name: str) -> None:
    phone.page.get_by_role("button", name=name, exact=True).click()


def is_at_camera(phone: Phone) -> bool:
    return phone.page.get_by_role("heading", name=SCAN["title"]).count() == 1


# -- a check that waits for its next code ---------------------------------------------------------------


def test_a_check_that_waits_for_another_card_goes_by_itself_like_its_result(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    phone.page.clock.install()
    give(phone, world.cards["child"].text)
    press(phone, SHOW["together"]["adult"])
    back = phone.page.get_by_role("button", name=APP["to_result"])
    phone.wait_until("the way back", back.is_visible)
    phone.page.clock.run_for(91_000)
    keep = phone.page.get_by_role("button", name=SHOW["leaving"]["keep"])
    keep.click()
    phone.page.clock.run_for(119_000)
    assert back.count() == 1
    phone.page.clock.run_for(2_000)
    phone.wait_until("a new check", lambda: back.count() == 0)
    assert keep.count() == 0
    give(phone, world.cards["adult"].text)
    assert phone.page.get_by_role("article").count() == 1

    press(phone, SHOW["together"]["more"])
    phone.page.evaluate(_HIDE, True)
    phone.page.clock.run_for(60_000)  # a photo is taken in another app
    phone.page.evaluate(_HIDE, False)
    assert back.count() == 1
    phone.page.evaluate(_HIDE, True)
    phone.page.clock.run_for(121_000)
    phone.page.evaluate(_HIDE, False)
    phone.wait_until("a new check", lambda: back.count() == 0)
    assert phone.messages == []


def test_a_page_that_was_left_comes_back_without_the_check(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    give(phone, world.cards["child"].text)
    press(phone, SHOW["together"]["adult"])
    field = phone.page.get_by_label(SCAN["text"], exact=True)
    phone.wait_until("the field", field.is_visible)
    field.fill("SC1:HALF")
    phone.page.evaluate("window.dispatchEvent(new Event('pagehide'))")
    phone.wait_until("a new check", lambda: phone.page.get_by_text(APP["tasks"]["together"]).count() == 0)
    phone.wait_until("an empty field", lambda: field.input_value() == "")
    assert phone.page.get_by_role("button", name=APP["to_result"]).count() == 0


_SLOW_PICTURES: Final = """
  const open = window.createImageBitmap.bind(window);
  window.createImageBitmap = async (...given) => {
    const bitmap = await open(...given);
    if (given[0] instanceof Blob) await new Promise((done) => { window.letGo = done; });
    return bitmap;
  };
"""


def test_a_photo_that_is_read_too_late_joins_no_other_check(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server, _SLOW_PICTURES)
    photo = FilePayload(name="card.png", mimeType="image/png", buffer=world.cards["withdrawn"].png)
    phone.page.locator("input[type=file]").set_input_files([photo])
    phone.poll("the photo is being read", "typeof window.letGo === 'function'")
    give(phone, world.cards["confirmed"].text)
    phone.page.evaluate("window.letGo()")
    phone.page.evaluate("new Promise((done) => setTimeout(done, 1000))")
    assert phone.page.locator("article h2").all_inner_texts() == ["CONFIRMED"]
    assert "WITHDRAWN" not in document(phone)
    again(phone)
    phone.page.evaluate("delete window.letGo")
    phone.page.locator("input[type=file]").set_input_files([photo])
    phone.poll("the photo is being read", "typeof window.letGo === 'function'")
    phone.page.evaluate("window.letGo()")
    phone.wait_until("in time it is read", phone.page.get_by_role("article", name="WITHDRAWN").is_visible)


def test_a_result_that_comes_while_nobody_sees_the_page_is_covered_and_goes(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    phone.page.clock.install()
    phone.page.evaluate(_HIDE, True)
    give(phone, world.cards["withdrawn"].text)
    phone.page.clock.run_for(100)
    phone.wait_until("nothing on it", lambda: "WITHDRAWN" not in document(phone))
    phone.page.clock.run_for(11_000)
    phone.page.evaluate(_HIDE, False)
    phone.wait_until("the camera's screen", lambda: is_at_camera(phone))
    assert "WITHDRAWN" not in document(phone)


# -- families -------------------------------------------------------------------------------------------


FAMILIES: Final = [
    (("adult", "right", "child"), "recorded"),
    (("right", "child", "adult"), "recorded"),
    (("right", "adult", "child"), "recorded"),
    (("stranger", "right", "child"), "not_recorded"),
    (("child", "right", "stranger"), "not_recorded"),
    (("child", "withdrawn", "right"), "not_recorded"),
    (("child_2", "right", "adult"), "not_recorded"),
    (("child", "child_2", "adult", "right"), "recorded"),
]


def test_a_family_is_told_the_same_in_any_order(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    for names, result in FAMILIES:
        for place, name in enumerate(names):
            give(phone, world.cards[name].text)
            if place < len(names) - 1:
                phone.page.locator("button", has_text=_asks()).first.click()
        assert phone.page.get_by_role("region", name=SHOW["companion"][result]).count() == 1, names
        assert phone.page.get_by_role("article").count() == len(names)
        again(phone)
    assert phone.messages == []


def _asks() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(SHOW["together"][who]) for who in ("adult", "child", "more")))


# -- the bearer's device --------------------------------------------------------------------------------


class Town:
    """A ledger of today whose holders have their words at hand, and a list of yesterday."""

    def __init__(self) -> None:
        self.now_s = int(time.time())
        self.ledger = TinyLedger("ledger.example/devices", start_s=self.now_s - 40 * DAY_S)
        civil = self.ledger.admit()
        year = time.gmtime(self.now_s).tm_year
        self.cards = [
            self.ledger.issue(civil, PersonClaims(birth=year_only(year - age))) for age in (40, 8, 35)
        ]
        self.ledger.close_epoch()
        self.before = self.ledger.bundle(time_s=self.now_s - DAY_S)
        self.ledger.issue(civil)
        self.ledger.close_epoch()
        self.today = self.ledger.bundle(time_s=self.now_s - 3600)

    def world(self, bundle: bytes) -> World:
        return World(self.ledger.pin, self.now_s, bundle, bundle, {})

    def answer(self, card: TinyCard, challenge: str) -> str:
        """What `sc-verifier present` shows on the bearer's device."""
        asked = parse_challenge(challenge)
        return present(
            card.logged(), card.secret, [], aud=asked.aud, iat_s=int(time.time()), cnonce=asked.cnonce
        )


@pytest.fixture(scope="module")
def town() -> Town:
    return Town()


def picture_on(phone: Phone) -> bytes:
    """The code on the screen, without the bars that may lie over it, and with the white around it."""
    data = phone.page.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    code = Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2])))
    out = io.BytesIO()
    ImageOps.expand(code.convert("L"), 24, 255).save(out, "PNG")
    return out.getvalue()


def code_on(phone: Phone, prefix: str) -> str:
    """The text of the code on the screen, as another camera reads it."""
    return phone.wait_until("a code", lambda: next(iter(read_codes(picture_on(phone), prefix)), None))


def test_the_bearers_device_is_asked_and_only_its_answer_counts(
    town: Town, built_page: BuiltPage, open_page: OpenPage, tmp_path: Path
) -> None:
    adult, child, other = town.cards
    with served(town.world(town.today), tmp_path / "station", built_page) as station:
        phone = ready(open_page, station, audience="hut-7")
        press(phone, APP["ask_device"]["button"])
        challenge = code_on(phone, CHALLENGE_PREFIX)
        assert parse_challenge(challenge).aud == "hut-7"
        press(phone, APP["ask_device"]["scan"])
        notice = phone.page.locator(".notice")

        def refuses() -> bool:
            phone.page.evaluate(_PASTE, adult.front())
            return bool(notice.inner_text() == APP["refused"]["no_answer"])

        phone.wait_until("no answer", refuses)
        assert phone.page.locator(".results").count() == 0
        give(phone, town.answer(adult, challenge))
        assert phone.page.get_by_text(WORDS.sections["holder_binding"]["key"]).is_visible()

        press(phone, SHOW["together"]["more"])
        press(phone, APP["ask_device"]["button"])
        assert code_on(phone, CHALLENGE_PREFIX) == challenge, "one check has one nonce"
        press(phone, APP["ask_device"]["scan"])
        give(phone, town.answer(other, challenge))
        assert phone.page.get_by_text(WORDS.sections["holder_binding"]["key"]).count() == 2
        press(phone, SHOW["together"]["more"])
        give(phone, child.front())
        assert phone.page.get_by_role("region", name=SHOW["companion"]["not_recorded"]).count() == 1
        again(phone)

        press(phone, APP["ask_device"]["button"])
        assert code_on(phone, CHALLENGE_PREFIX) != challenge
        press(phone, APP["ask_device"]["scan"])
        give(phone, town.answer(adult, challenge))
        assert phone.page.get_by_role("article", name=WORDS.state("incomplete").word).count() == 1
        assert phone.page.get_by_text(WORDS.sections["bad_key_binding"]["now"]).count() == 1
        assert phone.messages == []


# -- numbered codes from one phone to another -----------------------------------------------------------


def open_part(phone: Phone, title: str) -> None:
    press(phone, APP["tabs"]["lists"])
    phone.page.locator("summary", has_text=title).click()


def _starts(label: str) -> re.Pattern[str]:
    return re.compile("^" + re.escape(label.split("{")[0]))


def codes_on(phone: Phone) -> tuple[list[str], list[Image.Image]]:
    """All codes that follow one another on the screen: what they say, and how they look."""
    phone.page.set_viewport_size({"width": 720, "height": 900})  # as many pixels as the screen of a phone has
    number = phone.page.locator(".codes-number")
    if number.count() == 0:
        return [code_on(phone, FRAME_PREFIX)], []
    count = int(re.findall(r"\d+", number.inner_text())[-1])
    press(phone, SCAN["animated"]["pause"])
    texts: dict[str, Image.Image] = {}
    for _ in range(count):
        text = code_on(phone, FRAME_PREFIX)
        texts[text] = Image.open(io.BytesIO(picture_on(phone)))
        press(phone, SCAN["animated"]["next"])
        phone.wait_until("the next", lambda text=text: code_on(phone, FRAME_PREFIX) != text)  # type: ignore[misc]
    assert len(texts) == count
    return list(texts), list(texts.values())


def filmed(pictures: list[Image.Image], path: Path) -> Path:
    """The video of a phone's screen, with each code in view for a seventh of a second."""
    frames = []
    for picture in pictures:
        side = HEIGHT - 20
        scene = Image.new("RGB", (WIDTH, HEIGHT), (230, 228, 220))
        scene.paste(picture.resize((side, side), Image.Resampling.LANCZOS), ((WIDTH - side) // 2, 10))
        out = io.BytesIO()
        scene.save(out, "JPEG", quality=90)
        frames += [out.getvalue()] * 4
    path.write_bytes(b"".join(frames))
    return path


def test_a_colleagues_list_comes_over_by_the_camera(
    station_server: StationServer,
    old_station: StationServer,
    open_page: OpenPage,
    world: World,
    tmp_path: Path,
) -> None:
    theirs = ready(open_page, station_server)
    open_part(theirs, KEEP["hand_on"]["title"])
    theirs.page.get_by_role("button", name=_starts(KEEP["hand_on"]["codes"])).click()
    texts, pictures = codes_on(theirs)
    assert join_frames(texts) == ("bundle", world.bundle)

    user = User(open_page(old_station.url, video=filmed(pictures, tmp_path / "codes.mjpeg")))
    user.first_run()
    assert user.sees("phone.keep.news.list_newer")
    assert user.sees("freshness.today")
    user.phone.wait_until("the age", lambda: "today" in user.page.locator(".keep .age").inner_text())
    assert user.phone.messages == []


def test_a_colleagues_head_and_change_come_over_as_codes(
    town: Town, built_page: BuiltPage, open_page: OpenPage, tmp_path: Path
) -> None:
    with served(town.world(town.before), tmp_path / "station", built_page) as station:
        theirs, mine = ready(open_page, station), ready(open_page, station)
        delta = make_delta(town.before, town.today)
        theirs.page.evaluate(_PASTE, "\n".join(format_frames("delta", delta, 300)))
        theirs.wait_until("the change", lambda: theirs.page.locator(".keep .news").count() == 1)
        theirs.page.locator("summary", has_text=WORDS.sections["heads"]["page"]["heading"]).click()
        press(theirs, WORDS.sections["heads"]["page"]["own"])
        head, _ = codes_on(theirs)
        give_frames(mine, head)
        news = mine.page.locator(".keep .news")
        mine.wait_until("a comparison", news.is_visible)
        assert WORDS.sections["heads"]["unknown"] in news.inner_text()

        press(theirs, APP["back"])
        theirs.page.locator("summary", has_text=KEEP["hand_on"]["title"]).click()
        label = _starts(KEEP["hand_on"]["delta"])
        theirs.page.get_by_role("button", name=label).click()
        texts, _ = codes_on(theirs)
        assert join_frames(texts) == ("delta", delta)
        press(mine, APP["tabs"]["scan"])
        give_frames(mine, texts[::-1])
        mine.wait_until("the newer list", lambda: "today" in mine.page.locator(".keep .age").inner_text())
        mine.page.locator("summary", has_text=WORDS.sections["heads"]["page"]["heading"]).click()
        press(mine, APP["tabs"]["scan"])
        give_frames(mine, head)
        mine.wait_until("a comparison", lambda: WORDS.sections["heads"]["same"] in news.inner_text())
        assert theirs.messages == mine.messages == []


def give_frames(phone: Phone, texts: list[str]) -> None:
    """Paste numbered codes at the camera's screen, until they lead to the lists."""

    def leads() -> bool:
        if not is_at_camera(phone):
            return True
        phone.page.evaluate(_PASTE, "\n".join(texts))
        return False

    phone.wait_until("the lists", leads)


def test_numbered_codes_do_not_end_a_check_nor_change_its_list(
    town: Town, built_page: BuiltPage, open_page: OpenPage, tmp_path: Path
) -> None:
    adult, child, _ = town.cards
    with served(town.world(town.before), tmp_path / "station", built_page) as station:
        phone = ready(open_page, station)
        give(phone, child.front())
        press(phone, SHOW["together"]["adult"])
        phone.wait_until("the camera's screen", lambda: is_at_camera(phone))
        texts = format_frames("delta", make_delta(town.before, town.today))
        kind = WORDS.sections["kinds"]["frame"]

        def says() -> bool:
            phone.page.evaluate(_PASTE, "\n".join(texts))
            return kind in phone.page.locator(".notice").inner_text()

        phone.wait_until("what it is", says)
        assert "1 day" in phone.page.locator(".chip").inner_text()
        give(phone, adult.front())
        assert phone.page.get_by_role("article").count() == 2


# -- the way out ----------------------------------------------------------------------------------------


def test_the_way_out_is_on_every_screen_also_without_a_network(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(fresh_station.url))

    def leave(by: str) -> None:
        if by == "button":
            user.press("phone.app.leave")
        else:
            for _ in range(3):
                user.page.keyboard.press("Shift")
        user.phone.wait_until("an empty page", lambda: user.page.url == "about:blank")
        assert user.screen().strip() == ""
        assert user.page.title() == ""
        user.page.goto(fresh_station.url)

    for by in ("button", "Shift"):
        assert user.sees("phone.practice.proves.title")
        leave(by)
    user.press("phone.practice.next")
    user.press("phone.practice.next")
    leave("button")
    user.press("phone.practice.next")
    user.press("phone.practice.next")
    user.choose("phone.settings.posts.desk")
    assert user.sees(f"phone.practice.cards.{FORCED_CARDS[0]}.story")
    leave("button")
    for name in FORCED_CARDS:
        user.press(f"phone.practice.cards.{name}.right")
    user.press("phone.practice.start")
    user.phone.wait_until(
        "a worker that serves the page",
        lambda: user.page.evaluate(
            "navigator.serviceWorker.getRegistration().then((found) => found?.active?.state === 'activated')"
        ),
    )
    fresh_station.stop()
    for tab in ("scan", "lists", "settings"):
        for by in ("button", "Shift"):
            user.go_to(tab)
            leave(by)
    user.go_to("settings")
    user.press("phone.settings.practise")
    leave("button")
    for by in ("button", "Shift"):
        user.check(world.cards["withdrawn"].text)
        assert user.sees("states.withdrawn.word")
        leave(by)
        assert "WITHDRAWN" not in user.screen()


def test_a_fault_of_the_page_is_said_to_be_one_and_has_a_way_out_and_a_way_on(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = ready(open_page, station_server)
    phone.page.evaluate("""() => {
      window.whole = Object.getOwnPropertyDescriptor(Intl.NumberFormat.prototype, "format");
      Object.defineProperty(Intl.NumberFormat.prototype, "format",
        { configurable: true, get() { throw new Error("planted"); } });
    }""")
    phone.page.evaluate(_PASTE, world.cards["confirmed"].text)
    phone.wait_until("the fault", phone.page.get_by_role("heading", name=APP["defect"]["title"]).is_visible)
    assert "CONFIRMED" not in document(phone)
    assert phone.page.get_by_role("button", name=APP["leave"]).is_visible()
    phone.page.evaluate("Object.defineProperty(Intl.NumberFormat.prototype, 'format', window.whole)")
    press(phone, APP["defect"]["again"])
    phone.wait_until("the camera's screen", lambda: is_at_camera(phone))
    give(phone, world.cards["withdrawn"].text)
    assert phone.page.locator("article h2").all_inner_texts() == ["WITHDRAWN"]


# -- the first visit ------------------------------------------------------------------------------------


def tab_to(phone: Phone, name: str) -> None:
    for _ in range(60):
        if phone.tab().startswith(name):
            return
    raise AssertionError(f"no way to {name} by keyboard\n{phone.seen()}")


def test_the_keyboard_alone_leads_from_the_first_visit_to_a_verdict(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, camera="none", touch=False))
    phone = user.phone
    user.sees("phone.practice.proves.title")
    steps = [PRACTICE["next"], PRACTICE["next"], WORDS.sections["phone"]["settings"]["posts"]["border"]]
    steps += [PRACTICE["cards"][name]["right"] for name in FORCED_CARDS]
    for step in [*steps, PRACTICE["start"]]:
        tab_to(phone, step)
        phone.page.keyboard.press("Enter")
    user.sees("phone.scan.title")
    field = phone.page.get_by_label(SCAN["text"], exact=True)
    phone.wait_until("the field", field.is_visible)
    for _ in range(30):
        phone.tab()
        if field.evaluate("area => area === document.activeElement"):
            break
    phone.page.keyboard.insert_text(world.cards["withdrawn"].text)
    tab_to(phone, "Check")
    phone.page.keyboard.press("Enter")
    assert user.sees("states.withdrawn.word")
    assert phone.page.evaluate("document.activeElement.textContent") == SHOW["title"]
    tab_to(phone, WORDS.sections["page"]["again"])
    phone.page.keyboard.press("Enter")
    assert user.sees("phone.scan.title")


def test_a_list_that_is_slow_at_the_first_visit_comes_in_all_the_same(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = open_page(None, camera="none")
    phone.page.route("**/station.json", lambda route: held.append(route))
    held: list[Any] = []
    phone.page.goto(fresh_station.url)
    user = User(phone)
    user.first_run()
    user.check(world.cards["confirmed"].text)
    assert user.sees("states.unknown_issuer.word")
    assert user.sees("freshness.none")
    phone.wait_until("what was asked", lambda: held)
    held[0].continue_()
    assert user.sees("freshness.today")
    assert phone.page.locator("article h2").all_inner_texts() == [WORDS.state("unknown_issuer").word]
    user.again()
    user.check(world.cards["confirmed"].text)
    assert user.sees("states.confirmed.word")


def test_practice_cards_are_strangers_to_a_station_and_live_cards_to_the_practice(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    deck = json.loads((web.FOLDER / "src" / "practice" / "deck.json").read_text("utf-8"))
    phone = ready(open_page, station_server)
    texts = {text for card in deck["cards"] for text in card["texts"]}
    for text in sorted(texts):
        give(phone, text)
        word = phone.page.locator("article h2").inner_text()
        assert word in {WORDS.state(name).word for name in ("unknown_issuer", "unreadable", "altered")}
        again(phone)
    press(phone, APP["tabs"]["settings"])
    press(phone, WORDS.sections["phone"]["settings"]["practise"])
    story = phone.page.get_by_text(PRACTICE["cards"][FORCED_CARDS[0]]["story"])
    phone.wait_until("a practice card", story.is_visible)
    before = phone.page.locator("article h2").all_inner_texts()
    phone.page.evaluate(_PASTE, world.cards["withdrawn"].text)
    phone.page.evaluate("new Promise((done) => setTimeout(done, 300))")
    assert phone.page.locator("article h2").all_inner_texts() == before
    assert story.is_visible()
