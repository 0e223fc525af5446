"""What stays on a phone and on the station after a day at the border: nothing of any card."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import OpenPage, Phone
from tests.support.browser_residue import Trace, Traces, secrets_of
from tests.support.browser_station import StationServer
from tests.support.browser_user import User
from tests.support.browser_world import Card, World, make_crowd, print_card_front
from tests.support.camera_videos import MakeVideo
from tests.web.test_browser_offline import wait_for_worker
from verifier.phone_build import BuiltPage

SUPPORT = Path(__file__).resolve().parent.parent / "support"
SCANNED = 1000
OPENED_EVERY = 100
"""Every so many bearers hand over the slip, so that names come to the screen."""
PLANTED = 6
NOBODY = 5
"""Cards that nobody was shown: what they have in common with the others is the form of all cards."""


@pytest.fixture(scope="module")
def crowd() -> World:
    return make_crowd(SCANNED + PLANTED + NOBODY, int(time.time()))


def groups(crowd: World) -> tuple[list[Card], list[Card], list[Card]]:
    cards = list(crowd.cards.values())
    return cards[:SCANNED], cards[SCANNED:-NOBODY], cards[-NOBODY:]


def traces_of(crowd: World, page: BuiltPage) -> Traces:
    scanned, planted, nobody = groups(crowd)
    public = [crowd.bundle, *(file.forms[-1].body for file in page.files.values())]
    public += [secret for card in nobody for secret in secrets_of(card)]
    return Traces({card.name: secrets_of(card) for card in [*scanned, *planted]}, public=public)


def test_a_thousand_cards_leave_nothing_behind(
    crowd: World, built_page: BuiltPage, open_page: OpenPage, tmp_path: Path
) -> None:
    """And what is planted on purpose, in every place and spelling, is found in the same run."""
    scanned, planted, _ = groups(crowd)
    traces = traces_of(crowd, built_page)
    with StationServer(crowd, tmp_path / "station", built_page) as server:
        user = User(open_page(server.url, camera="refused", keep_profile=True))
        user.first_run()
        wait_for_worker(user.phone)
        words = feed(user, [card.text for card in scanned])
        assert set(words) == {user.text("states.confirmed.word")}
        assert len(words) == SCANNED
        for card in scanned[::OPENED_EVERY]:
            open_with_slip(user, card)
        assert user.phone.messages == []
        plant(user.phone, planted)
        dump = user.page.evaluate((SUPPORT / "browser_dump.js").read_text("utf-8").partition("*/")[2])
        assert any(place.startswith("IndexedDB") for place in dump)
        assert any(place.startswith("cache") for place in dump)
        found = [trace for place, text in dump.items() for trace in traces.search(place, text.encode())]
        profile = user.phone.profile
        user.phone.close()
        log = "\n".join([server.log.getvalue(), *server.requests, *user.phone.requests])
    assert profile is not None
    found += traces.search("log of the server", log.encode())
    found += traces.search_folder(profile)
    found += traces.search_folder(tmp_path / "station")
    assert [trace for trace in found if trace.owner not in {card.name for card in planted}] == []
    assert_planted(found, planted)


def test_the_camera_leaves_nothing_behind(
    crowd: World, built_page: BuiltPage, open_page: OpenPage, camera_video: MakeVideo, tmp_path: Path
) -> None:
    card = groups(crowd)[0][3]
    with StationServer(crowd, tmp_path / "station", built_page) as server:
        video = camera_video(print_card_front(card.text))
        user = User(open_page(server.url, video=video, keep_profile=True))
        user.first_run()
        assert user.sees("states.confirmed.word")
        wait_for_worker(user.phone)
        user.press("page.again")
        dump = user.page.evaluate((SUPPORT / "browser_dump.js").read_text("utf-8").partition("*/")[2])
        profile = user.phone.profile
        user.phone.close()
    assert profile is not None
    traces = traces_of(crowd, built_page)
    assert [trace for place, text in dump.items() for trace in traces.search(place, text.encode())] == []
    assert traces.search_folder(profile) == []


def feed(user: User, texts: Sequence[str]) -> list[str]:
    """Check one code after the other through the field for text; the word of each result."""
    script = (SUPPORT / "browser_feed.js").read_text("utf-8").partition("*/")[2]
    values = {"texts": texts, "again": user.text("page.again"), "title": user.text("phone.show.title")}
    words: list[str] = user.page.evaluate(script, values)
    return words


def open_with_slip(user: User, card: Card) -> None:
    """Check the back of a card, take the slip, and look at what the bearer opened."""
    user.check(card.back)
    user.press("phone.show.slip")
    user.check(card.slip)
    user.press("phone.show.opened.steps")
    user.press("phone.show.opened.armed")
    name = card.person.names[0].text
    user.phone.wait_until("the name", lambda: name in user.screen())
    user.hide()
    user.again()


_PLANT = """async ([text, hex, base64, wide, packed, name]) => {
    localStorage.setItem("draft", text);
    history.replaceState(hex, "");
    await fetch(`station.json?seen=${base64}`);
    const opened = indexedDB.open("planted", 1);
    await new Promise((resolve, reject) => {
        opened.onupgradeneeded = () => opened.result.createObjectStore("cards");
        opened.onsuccess = resolve;
        opened.onerror = reject;
    });
    const wideBytes = new Uint16Array(Array.from(wide, (letter) => letter.charCodeAt(0)));
    const change = opened.result.transaction("cards", "readwrite");
    change.objectStore("cards").put(new Uint8Array(wideBytes.buffer), "wide");
    await new Promise((resolve) => { change.oncomplete = resolve; });
    opened.result.close();
    const cache = await caches.open("planted");
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    await cache.put("planted.gz", new Response(bytes));
    document.title = name;
}"""


def plant(phone: Phone, cards: Sequence[Card]) -> None:
    """Leave something of each card, each in another place and spelling."""
    text, raw, sent, wide, packed, named = cards
    phone.page.evaluate(
        _PLANT,
        [
            text.text,
            secrets_of(raw)[3].hex(),
            base64.urlsafe_b64encode(secrets_of(sent)[3]).decode(),
            wide.person.names[0].text,
            base64.b64encode(gzip.compress(packed.text.encode() * 2)).decode(),
            named.person.birthplace,
        ],
    )


def assert_planted(found: Sequence[Trace], cards: Sequence[Card]) -> None:
    """Each was found, and where it was put."""
    places: Mapping[str, list[str]] = {
        card.name: [trace.place for trace in found if trace.owner == card.name] for card in cards
    }
    wanted = ("localStorage", "history", "log of the server", "IndexedDB", "cache", "title")
    for card, place in zip(cards, wanted, strict=True):
        assert any(place in found_at for found_at in places[card.name]), (place, places)
    on_disk = [trace.place for trace in found if trace.place.startswith("Default/")]
    assert any("Local Storage" in place for place in on_disk), on_disk
    assert any("IndexedDB" in place for place in on_disk), on_disk


# -- the search itself ----------------------------------------------------------------------------------

SECRET = bytes(range(7, 107))


def spelled(secret: bytes) -> dict[str, bytes]:
    text = secret.hex()
    return {
        "as it is": b"...." + secret + b"....",
        "in part": b"...." + secret[31:46] + b"....",
        "hexadecimal": b"x" + text.encode(),
        "hexadecimal, among digits": b"a" + text.upper().encode(),
        "base64": b"id=" + base64.b64encode(secret),
        "base64 with others before it": base64.b64encode(b"a" + secret) + base64.b64encode(b"ab" + secret),
        "base64 for addresses": base64.urlsafe_b64encode(b"ab" + secret),
        "utf-16 of its hexadecimal digits": text.encode("utf-16-le"),
        "numbers": json.dumps(list(secret)).encode(),
        "numbers by their place": json.dumps(dict(enumerate(secret)), separators=(",", ":")).encode(),
        "compressed": b"...." + gzip.compress(secret * 3) + b"....",
        "compressed, in hexadecimal digits": gzip.compress(secret).hex().encode(),
    }


@pytest.mark.parametrize("spelling", spelled(SECRET))
def test_a_secret_is_found_however_it_is_written(spelling: str) -> None:
    traces = Traces({"somebody": [SECRET]})
    found = traces.search("a file", spelled(SECRET)[spelling])
    assert {(trace.place, trace.owner) for trace in found} == {("a file", "somebody")}


def test_what_is_public_or_stands_on_every_card_is_not_a_trace() -> None:
    common = b"the form of all cards"
    traces = Traces({"somebody": [common + SECRET]}, public=[b"... " + common])
    assert traces.search("a list", common) == []
    assert traces.search("a file", SECRET)


def test_a_digest_of_a_card_is_a_trace_of_it(crowd: World) -> None:
    card = groups(crowd)[0][0]
    traces = Traces({card.name: secrets_of(card)})
    assert traces.search("a table of cards seen", hashlib.sha256(card.text.encode()).hexdigest().encode())


def test_a_file_and_its_name_are_looked_at(tmp_path: Path) -> None:
    traces = Traces({"somebody": [b"Quiljaaabrandt"]})
    assert traces.search_folder(tmp_path) == []
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "Quiljaaabrandt.txt").write_bytes(b"")
    (tmp_path / "other").write_bytes(b"Dear Quiljaaabrandt,")
    places: list[Any] = [trace.place for trace in traces.search_folder(tmp_path)]
    assert places == ["name of deep/Quiljaaabrandt.txt", "other"]
