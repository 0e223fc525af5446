"""The page on which two stations compare heads: pictures out, a photo in, a sentence that is true."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import httpx
import pytest

from tests.support.ledgers import TinyLedger
from tests.unit.test_verifier_api import Client
from tests.unit.test_verifier_pages import Page
from verifier.api import BODY_MAX_BYTES, create_app
from verifier.heads import head_picture, read_head
from verifier.station import Station


class Hut:
    """A station of a ledger with some admissions, and its pages."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.ledger = TinyLedger()
        for name in names:
            self.ledger.admit(name)
        self.station = Station(folder)
        self.station.set_pin(self.ledger.pin)
        self.station.import_bundle(self.ledger.bundle())
        self.client = Client(create_app(self.station, now_s=lambda: self.ledger.now_s))

    def pictures(self) -> list[bytes]:
        """What the page shows to the other station."""
        images = Page(self.client.get("/head").text).all("img")
        return [b64decode(str(image["src"]).partition(",")[2]) for image in images]

    def compare(self, *pictures: bytes) -> httpx.Response:
        return self.client.post(
            "/head", files=[("image", ("photo.png", data, "image/png")) for data in pictures]
        )


@pytest.fixture
def hut(tmp_path: Path) -> Hut:
    return Hut(tmp_path / "one", "a", "b")


def test_the_page_shows_the_own_head(hut: Hut) -> None:
    trusted = hut.station.trusted()
    assert trusted is not None
    assert read_head(hut.pictures()).note == trusted.checkpoint
    assert 'href="head"' in hut.client.get("/").text


def test_two_stations_with_one_history_are_told_so(hut: Hut, tmp_path: Path) -> None:
    other = Hut(tmp_path / "two", "a")
    page = Page(hut.compare(*other.pictures()).text)
    assert "The other station has an older list, and this one goes on from it." in page.texts
    page = Page(other.compare(*hut.pictures()).text)
    assert "cannot tell" in page.text
    page = Page(other.compare(hut.ledger.bundle()).text)
    assert "newer list, and it goes on from this one" in page.text
    assert hut.station.evidence_files() == other.station.evidence_files() == []


def test_a_fork_is_said_and_kept(hut: Hut, tmp_path: Path) -> None:
    other = Hut(tmp_path / "two", "z")
    answer = hut.compare(*other.pictures())
    assert answer.status_code == 200
    page = Page(answer.text)
    assert "histories that contradict each other" in page.text
    kept = {path.name for path in hut.station.evidence_files()}
    assert kept == set(page.texts) & kept
    assert any(name.endswith(".evidence") for name in kept)


def test_what_is_no_head_is_refused_in_words(hut: Hut, tmp_path: Path) -> None:
    stranger = TinyLedger("ledger.example/stranger")
    for data in (head_picture(stranger.trusted().checkpoint), b"\x89PNG\r\n\x1a\nbroken", b"text"):
        answer = hut.compare(data)
        assert answer.status_code == 400
        [alert] = [
            attributes for _, attributes in Page(answer.text).tags if attributes.get("role") == "alert"
        ]
        assert alert["class"] == "notice"
    assert hut.compare().status_code == 400
    assert hut.station.evidence_files() == []


def test_a_damaged_list_is_said_on_the_page(hut: Hut) -> None:
    path = hut.station.folder / "bundle.cbor"
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    for answer in (hut.client.get("/head"), hut.compare(b"text")):
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.status_code == 422
        page = Page(answer.text)
        assert [attributes["role"] for _, attributes in page.tags if "role" in attributes] == ["alert"]
        assert page.all("img") == []


def test_a_station_without_a_list_shows_nothing(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.set_pin(TinyLedger().pin)
    page = Page(Client(create_app(station)).get("/head").text)
    assert page.all("img") == []
    assert "No list is loaded, so there is nothing to show." in page.texts


def test_a_request_that_is_too_large_gets_the_page_and_no_json(hut: Hut) -> None:
    answer = hut.compare(bytes(BODY_MAX_BYTES + 1))
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")
    assert "too_large" in Page(answer.text).text
