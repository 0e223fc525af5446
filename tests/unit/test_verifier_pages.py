"""The station's pages: verdicts in words, nothing personal without a click, no script, no other host."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from credential.core.birth import year_only
from credential.core.issue import PersonClaims
from credential.core.names import Name
from tests.support.ledgers import TinyCard, TinyLedger
from tests.unit.test_verifier_api import Client, picture
from verifier.api import BODY_MAX_BYTES, create_app
from verifier.core.wording import RESULT_STATES
from verifier.station import Station
from verifier.words import load_wording

WORDS = load_wording()
PORTRAIT = b"RIFF\x00\x00\x00\x00WEBP" + bytes(780)
NAME = '<b>"Selam" & Co</b>'
VOID = frozenset(("meta", "link", "input", "img", "circle", "path", "rect"))


class Page(HTMLParser):
    """What a page is made of; it fails on a tag that is not closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.shut: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            hidden = "details" in self._open and "summary" not in self._open
            (self.shut if hidden else self.texts).append(" ".join(data.split()))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]

    @property
    def text(self) -> str:
        return " ".join(self.texts)


class Desk:
    """A station with a list, and the cards of its ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = TinyLedger()
        civil = self.ledger.admit(title="Registry <of> Example")
        names = (Name(NAME, "Latn", "SELAM"), Name("ሰላም", "Ethi", "SELAM", "known_as"))
        person = PersonClaims(
            names=names, birth=year_only(2009, told="before the rain"), sex="female",
            nationalities=("ETH",), birthplace="Mekele", portrait=PORTRAIT,
        )  # fmt: skip
        self.card = self.ledger.issue(civil, person)
        self.withdrawn: TinyCard = self.ledger.issue(civil)
        self.ledger.close_epoch()
        self.ledger.change_status(civil, self.withdrawn, 0, 1, 3)
        self.ledger.close_epoch()
        self.station = Station(folder)
        self.station.set_pin(self.ledger.pin)
        self.station.import_bundle(self.ledger.bundle())
        self.now_s = self.ledger.now_s
        self.client = Client(create_app(self.station, now_s=lambda: self.now_s))

    def check(self, text: str = "", slip: str = "", image: bytes = b"") -> httpx.Response:
        files = {"image": ("photo.png", image, "image/png")}
        return self.client.post("/check", files=files, data={"text": text, "slip": slip})


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("station"))


def test_the_form_is_complete_and_needs_no_script(desk: Desk) -> None:
    answer = desk.client.get("/")
    page = Page(answer.text)
    [form] = page.all("form")
    assert (form["method"], form["action"], form["enctype"]) == ("post", "check", "multipart/form-data")
    labelled = {label["for"] for label in page.all("label")}
    fields = page.all("input") + page.all("textarea")
    assert {field["id"] for field in fields} == labelled == {"image", "text", "slip"}
    hints = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {field["aria-describedby"] for field in fields} <= hints
    assert "List from 15 Nov 2026 (today)" in page.text
    assert WORDS.text("page", "get_help") in page.text


def test_a_verdict_is_a_shape_a_word_and_what_to_do_now(desk: Desk) -> None:
    answer = desk.check(desk.card.front())
    assert answer.status_code == 200
    page = Page(answer.text)
    state = WORDS.state("confirmed")
    for said in (state.word, state.now, "List from 15 Nov 2026 (today)", WORDS.text("page", "get_help")):
        assert said in page.text
    for question in ("Is it genuine?", "Is it in force as of 15 Nov 2026?", "Does the person match?"):
        assert question in page.texts
    assert "Yes: authentic as signed by Registry <of> Example, and on the ledger." in page.texts
    assert "Under 18?" in page.texts
    assert [attributes for attributes in page.all("svg") if attributes["aria-hidden"] == "true"]
    assert [attributes for _, attributes in page.tags if attributes.get("role") == "status"]
    assert page.all("article")[0]["class"] == "verdict green"


def test_an_image_is_checked(desk: Desk) -> None:
    page = Page(desk.check(image=picture(desk.card.front())).text)
    assert WORDS.state("confirmed").word in page.text
    assert WORDS.state("unreadable").word in Page(desk.check(image=b"no picture").text).text


def test_what_the_bearer_opened_is_shut_until_a_click(desk: Desk) -> None:
    answer = desk.check(f"{desk.card.front()}\r\n{desk.card.back()}", desk.card.slip_text())
    page = Page(answer.text)
    personal = (NAME, "SELAM", "Mekele", "female", "ETH", "before the rain", "2009")
    for value in personal:
        assert value not in page.text, value
        assert value in " ".join(page.shut), value
    assert all("open" not in attributes for attributes in page.all("details"))
    assert "Show what the bearer opened (6)" in page.texts
    [image] = page.all("img")
    assert str(image["src"]).startswith("data:image/webp;base64,")
    assert image["alt"] == WORDS.text("page", "picture_alt")
    assert "<b>" not in answer.text


def test_without_a_slip_nothing_is_opened(desk: Desk) -> None:
    page = Page(desk.check(desk.card.back()).text)
    assert page.all("details") == page.all("img") == []
    assert "Parts that stay closed: " in page.text


def test_several_cards_are_told_apart_and_the_worst_leads(desk: Desk) -> None:
    page = Page(desk.check(f"{desk.card.front()}\n{desk.withdrawn.front()}").text)
    words = [WORDS.state(name).word for name in ("withdrawn", "confirmed")]
    # The title of the page, then both cards.
    assert [text for text in page.texts if text in words] == [words[0], *words]
    assert "Card 2: Issuer withdrew this" in page.texts
    assert "Card 1" in page.texts
    assert WORDS.text("page", "companion") in page.texts
    assert "No. Withdrawn by the issuer in Nov 2026: no fault stated." in page.texts
    assert "Withdrawn by the issuer in Nov 2026: no fault stated." not in page.texts


def test_the_answers_on_age_stand_before_the_questions_and_who_issued_it_after_them(desk: Desk) -> None:
    text = Page(desk.check(desk.card.front()).text).text
    places = [text.index(part) for part in ("Under 18?", "Is it genuine?", "Authority", "Issued in")]
    assert places == sorted(places)


def test_what_two_cards_say_together_comes_right_after_the_one_that_leads(desk: Desk) -> None:
    text = Page(desk.check(f"{desk.card.front()}\n{desk.withdrawn.front()}").text).text
    assert text.index(WORDS.text("page", "companion")) < text.rindex(WORDS.state("confirmed").word)


def test_a_request_that_is_none_shows_the_form_again(desk: Desk) -> None:
    nothing = desk.check()
    assert nothing.status_code == 400
    assert WORDS.text("page", "nothing") in Page(nothing.text).text
    wrong = desk.check(desk.card.front(), desk.withdrawn.slip_text())
    assert wrong.status_code == 403
    assert "(wrong_secret)" in Page(wrong.text).text
    large = desk.check(image=bytes(BODY_MAX_BYTES))
    assert large.status_code == 413
    assert "(too_large)" in Page(large.text).text
    assert [attributes for _, attributes in Page(large.text).tags if attributes.get("role") == "alert"]
    assert (
        desk.client.post("/check", content=b"{", headers={"content-type": "application/json"}).status_code
        == 400
    )


def test_a_station_without_a_list_says_so(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.set_pin(TinyLedger().pin)
    client = Client(create_app(station))
    assert "No list loaded" in Page(client.get("/").text).text


def test_each_of_several_lists_has_its_own_age(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    other = TinyLedger("ledger.example/other")
    desk.station.set_pin(other.pin)
    desk.station.import_bundle(other.bundle())
    page = Page(desk.client.get("/").text)
    for ledger in (desk.ledger, other):
        assert f"{ledger.origin}: List from 15 Nov 2026 (today)" in page.texts
    described = desk.client.get("/list").json()
    assert [item["origin"] for item in described["ledgers"]] == [desk.ledger.origin, other.origin]
    assert WORDS.state("confirmed").word in Page(desk.check(desk.card.front()).text).text


def test_every_shape_of_the_words_is_drawn() -> None:
    from importlib import resources

    drawn = resources.files("verifier").joinpath("templates", "shapes.html").read_text()
    named = set(re.findall(r'name == "([a-z-]+)"', drawn))
    shapes = {WORDS.state(name).shape for name in RESULT_STATES}
    assert shapes - named == {"dotted-square"}
    assert named <= shapes


@pytest.mark.parametrize("path", ["/", "/docs", "/check", "/head", "/style.css"])
def test_no_page_runs_a_script_names_another_host_or_is_kept(desk: Desk, path: str) -> None:
    if path == "/check":
        answer = desk.check(f"{desk.card.front()}\n{desk.card.back()}", desk.card.slip_text())
    else:
        answer = desk.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "//" not in re.sub(r"data:[^\"]*", "", answer.text)
    if path == "/style.css":
        assert "url(" not in answer.text
        assert "@import" not in answer.text
        return
    page = Page(answer.text)
    assert not {"script", "iframe", "object", "style", "base"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in page.tags for name in attributes if name == "style"]
    [html] = page.all("html")
    assert (html["lang"], html["dir"]) == ("en", "ltr")
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("title")) == 1
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_the_routes_are_listed(desk: Desk) -> None:
    page = Page(desk.client.get("/docs").text)
    assert "/verify" in page.texts
    assert "Say that the process answers." in page.texts
    assert desk.client.get("/redoc").status_code == 404


def test_a_check_leaves_no_residue(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for _ in range(20):
        assert desk.check(desk.card.front()).status_code == 200
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
