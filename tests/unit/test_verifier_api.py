"""The station as a service: every verdict is 200, nothing is cached, nothing is written."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import qrcode
from fastapi import FastAPI

from credential.core.birth import year_only
from credential.core.issue import PersonClaims
from credential.core.names import name_from_input
from credential.core.presentation import present
from credential.symbols import make_symbol, symbol_png
from tests.support.ledgers import TinyCard, TinyLedger
from verifier.api import BODY_MAX_BYTES, TEXTS_MAX, create_app
from verifier.core.verdict import StationPolicy
from verifier.station import Station


class Client:
    """Calls the service in this process, without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def get(self, path: str) -> httpx.Response:
        return self._call("GET", path)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self._call("POST", path, **request)

    def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://station") as client:
                return await client.request(method, path, **request)

        return asyncio.run(call())


class Desk:
    """A ledger, a card and a client of a station that has the list."""

    def __init__(self, folder: Path) -> None:
        self.ledger = TinyLedger()
        civil = self.ledger.admit()
        person = PersonClaims(names=(name_from_input("Selam", "Selam"),), birth=year_only(2009))
        self.card = self.ledger.issue(civil, person)
        self.other: TinyCard = self.ledger.issue(civil)
        self.ledger.close_epoch()
        self.station = Station(folder)
        self.station.set_pin(self.ledger.pin)
        self.station.import_bundle(self.ledger.bundle())
        self.now_s = self.ledger.now_s
        self.client = Client(create_app(self.station, now_s=lambda: self.now_s))

    def verify(self, body: str | bytes, content_type: str = "text/plain") -> Any:
        answer = self.client.post("/verify", content=body, headers={"content-type": content_type})
        assert answer.headers["cache-control"] == "no-store"
        return answer


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("station"))


def picture(text: str) -> bytes:
    data = io.BytesIO()
    qrcode.make(text, mask_pattern=3).get_image().save(data, "PNG")
    return data.getvalue()


def test_a_text_is_judged(desk: Desk) -> None:
    answer = desk.verify(desk.card.front())
    assert answer.status_code == 200
    body = answer.json()
    assert (body["state"], body["codes"], body["title"]) == ("confirmed", [], "Confirmed")
    assert body["now"] == "Check that the person matches."
    assert body["answers"] == {"under_12": "no", "under_15": "no", "under_18": "yes"}
    assert body["freshness"] == "List from 15 Nov 2026 (today)"
    assert "cards" not in body


@pytest.mark.parametrize(
    ("text", "state", "code"),
    [
        ("HC1:6BF", "unreadable", "unsupported"),
        ("SC1:6", "unreadable", "malformed"),
        ("", "unreadable", "malformed"),
    ],
)
def test_every_verdict_is_200(desk: Desk, text: str, state: str, code: str) -> None:
    answer = desk.verify(text)
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["codes"]) == (state, [code])


def test_json_takes_one_text_or_several_and_a_slip(desk: Desk) -> None:
    one = desk.verify(json.dumps({"text": desk.card.front()}), "application/json").json()
    assert one["state"] == "confirmed"
    request = {"text": [desk.card.front(), desk.card.back()], "slip": desk.card.slip_text()}
    opened = desk.verify(json.dumps(request), "application/json; charset=utf-8").json()
    assert opened["opened"]["names"][0]["latin"] == "SELAM"
    several = desk.verify(json.dumps({"text": [desk.card.front(), "HC1:"]}), "application/json").json()
    assert [card["state"] for card in several["cards"]] == ["confirmed", "unreadable"]
    assert several["state"] == "unreadable"


def test_an_image_is_read(desk: Desk) -> None:
    assert desk.verify(picture(desk.card.front()), "image/png").json()["state"] == "confirmed"
    assert desk.verify(b"not an image", "image/png").json()["codes"] == ["unsupported"]
    blank = io.BytesIO()
    qrcode.make("x").get_image().resize((4, 4)).save(blank, "PNG")
    assert desk.verify(blank.getvalue(), "image/png").json()["codes"] == ["malformed"]


def test_a_form_takes_images_texts_and_a_slip(desk: Desk) -> None:
    files = {"image": ("front.png", picture(desk.card.front()), "image/png")}
    fields = {"text": desk.card.back(), "slip": desk.card.slip_text()}
    body = desk.client.post("/verify", files=files, data=fields).json()
    assert body["state"] == "confirmed"
    assert body["opened"]["names"][0]["latin"] == "SELAM"
    assert "cards" not in body


def test_a_large_upload_is_never_spooled_to_a_disk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was made")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    padded = picture(desk.card.front()) + bytes(3 * 1024 * 1024)
    body = desk.client.post("/verify", files={"image": ("x.png", padded, "image/png")}).json()
    assert body["state"] == "confirmed"


@pytest.mark.parametrize(
    ("make", "content_type", "status", "code"),
    [
        (lambda _: bytes(BODY_MAX_BYTES + 1), "image/png", 413, "too_large"),
        (lambda _: b"x", "application/pdf", 400, "unsupported"),
        (lambda _: b"{", "application/json", 400, "malformed"),
        (lambda _: b"{}", "application/json", 400, "malformed"),
        (lambda _: b'{"text": 1}', "application/json", 400, "malformed"),
        (lambda _: b'{"text": "x", "more": 1}', "application/json", 400, "malformed"),
        (lambda _: b"\xff", "text/plain", 400, "malformed"),
        (lambda _: b"x", "multipart/form-data", 400, "malformed"),
        (lambda _: b"x\n" * (TEXTS_MAX + 1), "text/plain", 413, "too_large"),
        (
            lambda desk: json.dumps({"text": desk.card.front(), "slip": desk.other.slip_text()}).encode(),
            "application/json",
            403,
            "wrong_secret",
        ),
    ],
)
def test_a_request_that_is_none_is_refused_with_a_code(
    desk: Desk, make: Callable[[Desk], bytes], content_type: str, status: int, code: str
) -> None:
    answer = desk.verify(make(desk), content_type)
    assert answer.status_code == status
    assert answer.json()["code"] == code


def test_the_list_says_how_old_it_is(desk: Desk) -> None:
    answer = desk.client.get("/list")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["origin"] == desk.ledger.origin
    assert body["tree_size"] == desk.ledger.tree_size
    assert body["list"] == {"date": "2026-11-15", "age_days": 0, "clock_wrong": False}


@pytest.mark.parametrize("path", ["/", "/list", "/healthz", "/openapi.json", "/style.css", "/nothing"])
def test_no_page_of_another_address_may_embed_an_answer(desk: Desk, path: str) -> None:
    headers = desk.client.get(path).headers
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("path", ["/verify", "/check", "/head", "/phone/share"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_page_of_another_address_sends_is_refused_unread(desk: Desk, path: str, site: str) -> None:
    too_large = b"x" * (BODY_MAX_BYTES + 1)  # would be said if it were read
    answer = desk.client.post(path, content=too_large, headers={"sec-fetch-site": site})
    assert (answer.status_code, answer.json()["code"]) == (400, "usage")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("headers", [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}])
def test_a_station_s_own_page_and_a_program_are_answered(desk: Desk, headers: dict[str, str]) -> None:
    assert desk.client.post("/verify", content=desk.card.front(), headers=headers).status_code == 200


def test_a_link_from_elsewhere_leads_to_the_station(desk: Desk) -> None:
    for path in ("/", "/phone"):
        answer = desk.client._call("GET", path, headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code in (200, 308)


def test_a_wrong_clock_is_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.now_s = 0
    assert desk.client.get("/list").json()["list"]["clock_wrong"] is True
    assert desk.verify(desk.card.front()).json()["codes"] == ["stale", "clock_wrong"]


def test_a_station_without_a_list_says_so(tmp_path: Path) -> None:
    station = Station(tmp_path)
    station.set_pin(TinyLedger().pin)
    client = Client(create_app(station))
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/list").status_code == 503
    assert client.get("/list").json()["code"] == "no_bundle"
    card = TinyLedger()
    text = card.issue(card.admit(), submit=False).front(position=False)
    assert client.post("/verify", content=text).json()["codes"] == ["no_bundle"]


def test_a_thousand_scans_leave_no_residue(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    caplog.set_level(logging.DEBUG)
    for _ in range(100):
        assert desk.verify(desk.card.front()).status_code == 200
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert desk.card.sub not in caplog.text
    assert desk.card.front()[4:60] not in caplog.text


def test_the_description_of_the_service_names_its_bodies(desk: Desk) -> None:
    described = desk.client.get("/openapi.json").json()
    phone = {
        "/phone/station.json",
        "/phone/ledgers/{number}/bundle",
        "/phone/ledgers/{number}/deltas/{day}",
    }
    assert set(described["paths"]) == {"/verify", "/list", "/healthz"} | phone
    assert "image/*" in described["paths"]["/verify"]["post"]["requestBody"]["content"]


def test_a_presentation_is_checked_against_the_nonce_of_the_request(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    nonce = bytes(range(16))
    card = desk.card
    text = present(card.logged(), card.secret, [], aud="hut-7", iat_s=desk.ledger.now_s, cnonce=nonce)
    app = create_app(
        desk.station, policy=StationPolicy(audience="hut-7"), now_s=lambda: desk.ledger.now_s + 3600
    )
    client = Client(app)
    for request in (
        {"json": {"text": text, "nonce": nonce.hex()}},
        {"files": {"text": (None, text), "nonce": (None, nonce.hex().upper())}},
    ):
        found = client.post("/verify", **request).json()
        assert (found["state"], found["holder_binding"]) == ("confirmed", "key")
    for body in ({"text": text}, {"text": text, "nonce": "00" * 16}):
        found = client.post("/verify", json=body).json()
        assert (found["state"], found["codes"]) == ("incomplete", ["bad_key_binding"])
    for wrong in ("0011", "x" * 32, 7):
        assert client.post("/verify", json={"text": text, "nonce": wrong}).status_code == 400


def test_a_picture_of_the_slip_opens_what_is_sealed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    client = Client(create_app(desk.station, now_s=lambda: desk.ledger.now_s + 3600))
    back = symbol_png(make_symbol(desk.card.back(), max_version=40))
    slip = symbol_png(make_symbol(desk.card.slip_text(), max_version=40))
    files = {"image": ("back.png", back, "image/png"), "slip": ("slip.png", slip, "image/png")}
    found = client.post("/verify", files=files).json()
    assert (found["state"], found["opened"]["names"][0]["latin"]) == ("confirmed", "SELAM")
    assert "opened" in client.post("/verify", files={"image": files["image"]}).json()
    nothing = symbol_png(make_symbol(desk.card.front(), max_version=40))
    wrong = client.post("/verify", files={**files, "slip": ("slip.png", nothing, "image/png")})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "unsupported")
