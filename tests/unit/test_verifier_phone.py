"""The phone page as the station serves it: only what was built, under strict headers, and the lists for phones."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.calendar_days import DAY_S, date_of_seconds
from ledger.core.delta import apply_delta, make_delta
from ledger.core.pin import LeastTree, parse_pin
from tests.support.ledgers import TinyLedger
from verifier.api import create_app
from verifier.core.trust import open_bundle
from verifier.kept_deltas import DELTAS_FOLDER, MAX_KEPT, DeltaShelf
from verifier.phone import CONTENT_SECURITY_POLICY, HEADERS
from verifier.phone_build import STAMP_NAME, BuiltPage, PageFile, Served, is_fresh, load_page
from verifier.station import Station
from verifier.sync import Fetchers, sync_station

SCRIPT = "assets/index-a1B2_c-4.js"
FILES = {
    "index.html": b"<!doctype html><title>Notes</title>",
    SCRIPT: b"export const answer = 42;\n" * 50,
    "assets/reader-00112233.wasm": b"\0asm\1\0\0\0" * 20,
    "worker.js": b"self.addEventListener('install', () => {});\n",
    "app.webmanifest": b'{"name":"Notes"}',
    "icon.svg": b"<svg/>",
    "strange.bin": b"\x00",
}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `scripts/web.py` leaves it, and beside it a file that is nobody's business."""
    folder = tmp_path_factory.mktemp("web") / "dist"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / f"{SCRIPT}.gz").write_bytes(gzip.compress(FILES[SCRIPT]))
    (folder / f"{SCRIPT}.br").write_bytes(b"as brotli")
    (folder / STAMP_NAME).write_text("0" * 64)
    (folder.parent / "secret.txt").write_text("outside")
    return folder


@pytest.fixture(scope="module")
def page(build: Path) -> BuiltPage:
    loaded = load_page(build)
    assert loaded is not None
    return loaded


@pytest.fixture(scope="module")
def ledger() -> TinyLedger:
    made = TinyLedger()
    made.issue(made.admit())
    made.close_epoch()
    return made


STRICT = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Permissions-Policy": HEADERS["Permissions-Policy"],
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""Named here once more, so that one that is left out is missed; two of them have a test of their content below."""


def make_station(folder: Path, ledger: TinyLedger) -> Station:
    made = Station(folder)
    made.set_pin(ledger.pin)
    made.import_bundle(ledger.bundle())
    return made


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, ledger: TinyLedger) -> Station:
    """A station that no test changes."""
    return make_station(tmp_path_factory.mktemp("station"), ledger)


@pytest.fixture(scope="module")
def app(station: Station, page: BuiltPage) -> FastAPI:
    return create_app(station, page=page)


@pytest.fixture
def own_station(tmp_path: Path, ledger: TinyLedger) -> Station:
    """A station of one test."""
    return make_station(tmp_path / "station", ledger)


def call(app: FastAPI, path: str, method: str = "GET", **request: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        # What is accepted depends on the packages that stand beside the client, unless it is said.
        plain = {"Accept-Encoding": "identity"}
        async with httpx.AsyncClient(transport=transport, base_url="http://station", headers=plain) as client:
            return await client.request(method, path, **request)

    return asyncio.run(ask())


# -- the page ---------------------------------------------------------------------------------------------


def test_the_address_without_a_slash_leads_to_the_page(app: FastAPI) -> None:
    answer = call(app, "/phone")
    assert answer.status_code == 308
    assert httpx.URL("http://station/phone").join(answer.headers["location"]).path == "/phone/"


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_build_is_served_with_its_type(app: FastAPI, name: str) -> None:
    answer = call(
        app, f"/phone/{'' if name == 'index.html' else name}", headers={"accept-encoding": "identity"}
    )
    assert (answer.status_code, answer.content) == (200, FILES[name])
    kinds = {
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "wasm": "application/wasm",
        "webmanifest": "application/manifest+json",
        "svg": "image/svg+xml",
        "bin": "application/octet-stream",
    }
    assert answer.headers["content-type"] == kinds[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    "path",
    [
        "/phone",
        "/phone/",
        f"/phone/{SCRIPT}",
        "/phone/none.js",
        "/phone/station.json",
        "/phone/ledgers/0/bundle",
        "/phone/ledgers/7/bundle",
        "/phone/ledgers/x/bundle",
        "/phone/ledgers/0/bundles",
        "/phone/ledgers/0/deltas/2026-01-01",
        "/certificate.pem",
    ],
)
def test_every_answer_has_the_strict_headers_and_no_cookie(app: FastAPI, path: str) -> None:
    answer = call(app, path)
    assert {name: answer.headers.get(name) for name in STRICT} == STRICT
    assert "set-cookie" not in answer.headers
    # It would lock out phones that clicked through the station's own certificate.
    assert "strict-transport-security" not in answer.headers


def test_the_policy_lets_no_other_host_no_inline_script_and_no_plain_sink_in() -> None:
    rules = dict(rule.partition(" ")[::2] for rule in CONTENT_SECURITY_POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert rules["style-src"] == rules["connect-src"] == rules["worker-src"] == "'self'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert rules["form-action"] == "'self'"
    assert rules["trusted-types"] == "safeconduct"
    assert rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY


def test_the_page_may_use_the_camera_and_no_microphone_or_position() -> None:
    permissions = HEADERS["Permissions-Policy"].split(", ")
    assert "camera=(self)" in permissions
    assert {"microphone=()", "geolocation=()", "usb=()"} <= set(permissions)


def test_a_name_with_its_hash_is_kept_for_ever_and_the_rest_is_asked_for_again(app: FastAPI) -> None:
    for name in FILES:
        cache = call(app, f"/phone/{name}").headers["cache-control"]
        assert ("immutable" in cache) == name.startswith("assets/"), name
        assert cache == "no-cache" or "max-age=31536000" in cache
    assert call(app, "/phone/none.js").headers["cache-control"] == "no-store"
    assert call(app, "/").headers["cache-control"] == "no-store"
    assert call(app, "/list").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("br, gzip", "br"),
        ("gzip, deflate, br;q=0.1", "br"),
        ("gzip", "gzip"),
        ("GZIP;q=1.0, br;q=0", "gzip"),
        ("br ; q = 0.000 , gzip;q=0", ""),
        ("identity", ""),
        ("", ""),
        ("brotli, xgzip, ,;;", ""),
    ],
)
def test_the_smallest_accepted_form_is_sent(page: BuiltPage, accepted: str, coding: str) -> None:
    assert page.files[SCRIPT].choose(accepted).coding == coding
    assert page.files["worker.js"].choose(accepted).coding == ""


def test_a_compressed_form_says_so_and_has_its_own_tag(app: FastAPI) -> None:
    plain = call(app, f"/phone/{SCRIPT}", headers={"accept-encoding": "identity"})
    packed = call(app, f"/phone/{SCRIPT}", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == FILES[SCRIPT]
    assert int(packed.headers["content-length"]) < len(FILES[SCRIPT])
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["etag"] != packed.headers["etag"]


def test_what_a_browser_has_already_is_not_sent_again(app: FastAPI) -> None:
    for path in ("/phone/worker.js", "/phone/ledgers/0/bundle"):
        first = call(app, path)
        again = call(app, path, headers={"if-none-match": f'W/"x", {first.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = call(app, path, headers={"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)


def test_a_head_request_is_answered_like_a_get(app: FastAPI) -> None:
    assert call(app, "/phone/worker.js", "HEAD").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/phone/../secret.txt",
        "/phone/..%2fsecret.txt",
        "/phone/%2e%2e/secret.txt",
        "/phone/assets/../../secret.txt",
        "/phone//secret.txt",
        "/phone/..\\secret.txt",
        f"/phone/{STAMP_NAME}",
        f"/phone/{SCRIPT}.br",
        f"/phone/{SCRIPT}.gz",
        "/phone/assets",
        "/phone/assets/",
        "/phone/INDEX.HTML",
        "/phone/worker.js%00",
        "/phone/worker.js/",
    ],
)
def test_what_is_not_in_the_build_has_no_address(app: FastAPI, path: str) -> None:
    answer = call(app, path)
    assert answer.status_code == 404
    assert b"outside" not in answer.content


@given(st.text(max_size=60))
def test_no_header_of_a_browser_breaks_the_answer(text: str) -> None:
    forms = (Served("br", b"b", '"1"'), Served("gzip", b"g", '"2"'), Served("", b"p", '"3"'))
    form = PageFile("text/plain", "no-cache", forms).choose(text)
    assert form.coding in ("", "gzip", "br")
    assert not is_fresh(text, '"tag"') or "*" in text or '"tag"' in text


def load_form() -> Any:
    from verifier.phone_build import PageFile, Served

    return PageFile(
        "x", "y", (Served("br", b"b", '"1"'), Served("gzip", b"g", '"2"'), Served("", b"p", '"3"'))
    )


@pytest.mark.parametrize("missing", [STAMP_NAME, "index.html"])
def test_an_interrupted_build_is_no_page(build: Path, tmp_path: Path, missing: str) -> None:
    for path in (path for path in build.rglob("*") if path.is_file()):
        name = path.relative_to(build)
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(path.read_bytes())
    assert load_page(tmp_path) is not None
    (tmp_path / missing).unlink()
    assert load_page(tmp_path) is None
    assert load_page(tmp_path / "none") is None


def test_without_a_page_the_station_says_so_and_still_gives_its_lists(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("verifier.api.load_page", lambda: None)
    app = create_app(station)
    answer = call(app, "/phone/")
    assert answer.status_code == 503
    assert answer.text.startswith("This station was installed without its phone page.")
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    assert call(app, "/phone/station.json").status_code == 200


def test_the_plain_page_leads_to_the_phone_page(app: FastAPI) -> None:
    assert 'href="phone/"' in call(app, "/").text
    assert "certificate.pem" not in call(app, "/").text


def test_the_root_of_the_stations_own_certificate_is_offered(station: Station, page: BuiltPage) -> None:
    app = create_app(station, page=page, certificate=b"-----BEGIN CERTIFICATE-----\n")
    answer = call(app, "/certificate.pem")
    assert answer.content.startswith(b"-----BEGIN")
    assert answer.headers["content-type"] == "application/x-x509-ca-cert"
    assert 'href="certificate.pem"' in call(app, "/").text


# -- what it fetches --------------------------------------------------------------------------------------


def test_a_phone_learns_the_ledgers_and_gets_a_list_that_verifies(app: FastAPI, ledger: TinyLedger) -> None:
    described = call(app, "/phone/station.json").json()
    assert described["version"] == 1
    [entry] = described["ledgers"]
    pin = parse_pin(json.dumps(entry["pin"]).encode())
    assert pin == ledger.pin
    answer = call(app, "/phone/ledgers/0/bundle")
    assert answer.headers["content-type"] == "application/cbor"
    assert hashlib.sha256(answer.content).hexdigest() == entry["sha256"]
    assert answer.headers["etag"] == f'"{entry["sha256"]}"'
    trusted = open_bundle(answer.content, pin)
    assert entry == {
        "pin": entry["pin"],
        "origin": ledger.origin,
        "tree_size": trusted.tree_size,
        "root_hash": trusted.root_hash.hex(),
        "list_time_s": trusted.now_min_s,
        "size_bytes": len(answer.content),
        "sha256": entry["sha256"],
    }


def test_a_ledger_without_a_list_has_no_sizes(tmp_path: Path, ledger: TinyLedger, page: BuiltPage) -> None:
    empty = Station(tmp_path / "empty")
    empty.set_pin(ledger.pin)
    app = create_app(empty, page=page)
    [entry] = call(app, "/phone/station.json").json()["ledgers"]
    assert set(entry) == {"pin", "origin"}
    answer = call(app, "/phone/ledgers/0/bundle")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_damaged_list_is_not_handed_on(own_station: Station, page: BuiltPage) -> None:
    app = create_app(own_station, page=page)
    assert call(app, "/phone/ledgers/0/bundle").status_code == 200
    path = own_station.folder / "bundle.cbor"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data) + b"\x00")
    assert call(app, "/phone/ledgers/0/bundle").status_code == 404
    [entry] = call(app, "/phone/station.json").json()["ledgers"]
    assert "sha256" not in entry


def test_a_list_that_is_imported_meanwhile_is_what_phones_get(tmp_path: Path, page: BuiltPage) -> None:
    days = Days(1)
    station = Station(tmp_path / "station")
    station.set_pin(days.ledger.pin)
    station.import_bundle(days.bundles[0])
    app = create_app(station, page=page)
    before = call(app, "/phone/station.json").json()["ledgers"][0]
    station.import_bundle(days.bundles[1])
    after = call(app, "/phone/station.json").json()["ledgers"][0]
    assert after["list_time_s"] > before["list_time_s"]
    assert call(app, "/phone/ledgers/0/bundle").content == days.bundles[1]
    assert after["sha256"] == hashlib.sha256(days.bundles[1]).hexdigest()


def test_a_list_that_comes_in_between_is_never_described_with_the_bytes_of_another(
    tmp_path: Path, page: BuiltPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Days(1)
    station = Station(tmp_path / "station")
    station.set_pin(days.ledger.pin)
    station.import_bundle(days.bundles[0])
    read = Station.export_bundle
    coming = [days.bundles[1]]

    def read_late(self: Station) -> bytes:
        if coming:
            station.import_bundle(coming.pop())
        return read(self)

    app = create_app(station, page=page)
    station.trusted()
    monkeypatch.setattr(Station, "export_bundle", read_late)
    [entry] = call(app, "/phone/station.json").json()["ledgers"]
    trusted = open_bundle(days.bundles[1], days.ledger.pin)
    assert (entry["tree_size"], entry["sha256"]) == (
        trusted.tree_size,
        hashlib.sha256(days.bundles[1]).hexdigest(),
    )
    assert coming == []


def test_several_ledgers_are_counted_from_0(own_station: Station, page: BuiltPage) -> None:
    second = TinyLedger(origin="second.example/log")
    second.issue(second.admit())
    second.close_epoch()
    own_station.set_pin(second.pin)
    app = create_app(own_station, page=page)
    entries = call(app, "/phone/station.json").json()["ledgers"]
    assert [entry["origin"] for entry in entries] == [own_station.pin().origin, "second.example/log"]
    assert call(app, "/phone/ledgers/1/bundle").status_code == 404
    bundle = second.bundle()
    own_station.import_bundle(bundle)
    assert call(app, "/phone/ledgers/1/bundle").content == bundle


@pytest.mark.parametrize("number", ["2", "-1", "00", "+0", "99999", "1.5", "%30%20", "%D9%A0"])
def test_a_number_that_is_no_ledger_is_refused(app: FastAPI, number: str) -> None:
    assert call(app, f"/phone/ledgers/{number}/bundle").status_code == 404


def test_a_least_tree_goes_with_the_pin(own_station: Station, page: BuiltPage) -> None:
    trusted = own_station.trusted()
    assert trusted is not None
    own_station.set_pin(replace(own_station.pin(), least=LeastTree(trusted.tree_size, trusted.root_hash)))
    [entry] = call(create_app(own_station, page=page), "/phone/station.json").json()["ledgers"]
    assert entry["pin"]["least"] == {"size": trusted.tree_size, "root": trusted.root_hash.hex()}


# -- daily changes ----------------------------------------------------------------------------------------


class Days:
    """A ledger that lived through some days, with the bundle of each day's end and the delta that leads there."""

    def __init__(self, count: int) -> None:
        self.ledger = TinyLedger()
        civil = self.ledger.admit()
        self.bundles = [self.ledger.bundle()]
        self.deltas: dict[date, bytes] = {}
        for _ in range(count):
            self.ledger.issue(civil)
            self.ledger.close_epoch(after_s=DAY_S)
            self.bundles.append(self.ledger.bundle())
            self.deltas[date_of_seconds(self.ledger.now_s)] = make_delta(*self.bundles[-2:])

    def fetchers(self) -> Fetchers:
        return Fetchers(lambda _: self.bundles[-1], lambda _, day: self.deltas.get(day), lambda _: None)


def test_the_daily_changes_that_led_on_are_kept_for_phones(tmp_path: Path, page: BuiltPage) -> None:
    days = Days(4)
    station = Station(tmp_path / "station")
    station.set_pin(days.ledger.pin)
    station.import_bundle(days.bundles[1])
    synced = sync_station(
        station, "https://x.example", now_s=days.ledger.now_s + DAY_S, fetchers=days.fetchers()
    )
    assert synced.deltas == 4
    app = create_app(station, page=page)
    data = days.bundles[1]
    for day, delta in days.deltas.items():
        answer = call(app, f"/phone/ledgers/0/deltas/{day}")
        assert (answer.status_code, answer.content) == (200, delta)
        assert answer.headers["content-type"] == "application/cbor"
        assert answer.headers["etag"] == f'"{hashlib.sha256(delta).hexdigest()}"'
        data = apply_delta(data, answer.content)
    assert data == station.export_bundle()


def test_changes_that_did_not_lead_on_are_not_kept(tmp_path: Path, page: BuiltPage) -> None:
    days = Days(3)
    station = Station(tmp_path / "station")
    station.set_pin(days.ledger.pin)
    station.import_bundle(days.bundles[0])
    days.deltas[max(days.deltas)] = b"\xa0"
    sync_station(station, "https://x.example", now_s=days.ledger.now_s + DAY_S, fetchers=days.fetchers())
    assert not (station.folder / DELTAS_FOLDER).exists()
    first = min(days.deltas)
    assert call(create_app(station, page=page), f"/phone/ledgers/0/deltas/{first}").status_code == 404


def test_a_folder_that_cannot_be_written_does_not_stop_a_synchronisation(tmp_path: Path) -> None:
    days = Days(2)
    station = Station(tmp_path / "station")
    station.set_pin(days.ledger.pin)
    station.import_bundle(days.bundles[1])
    (station.folder / DELTAS_FOLDER).write_text("in the way")
    synced = sync_station(
        station, "https://x.example", now_s=days.ledger.now_s + DAY_S, fetchers=days.fetchers()
    )
    assert synced.trusted.tree_size == days.ledger.tree_size


def test_at_most_31_days_are_kept_and_the_newest(tmp_path: Path) -> None:
    shelf, first = DeltaShelf(tmp_path), date(2026, 1, 1)
    listed = [first + timedelta(days=number) for number in range(MAX_KEPT + 5)]
    for day in listed:
        shelf.keep({day: day.isoformat().encode()})
    assert [day for day in listed if shelf.read(day) is not None] == listed[5:]
    assert shelf.read(listed[-1]) == listed[-1].isoformat().encode()
    assert sorted(path.name for path in (tmp_path / DELTAS_FOLDER).iterdir())[0] == f"{listed[5]}.cbor"


@pytest.mark.parametrize("day", ["2026-02-30", "20260101", "last", "..%2fpin.json", "2026-01-01.cbor"])
def test_what_is_no_day_is_not_found(app: FastAPI, day: str) -> None:
    assert call(app, f"/phone/ledgers/0/deltas/{day}").status_code == 404


# -- what is shared with it -------------------------------------------------------------------------------


def test_what_is_shared_without_the_service_worker_is_neither_read_nor_kept(
    app: FastAPI, station: Station, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for _ in range(1000):
            read.append(b"SC1:SECRET" * 1000)
            yield read[-1]

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in station.folder.rglob("*") if path.is_file()}

    before = files()
    sent = {"type": "http.request", "body": b"SC1:SECRET", "more_body": True}
    answers: list[Any] = []

    async def receive() -> Any:
        read.append(b"asked")
        return sent

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/phone/share", "raw_path": b"/phone/share", "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=x")], "http_version": "1.1",
        "scheme": "http", "server": ("station", 80), "client": ("phone", 1), "root_path": "",
        "asgi": {"version": "3.0"},
    }  # fmt: skip
    asyncio.run(asyncio.wait_for(app(scope, receive, send), timeout=10))
    assert answers[0]["status"] == 303
    headers = dict(answers[0]["headers"])
    assert headers[b"location"] == b"./"
    assert headers[b"cache-control"] == b"no-store"
    assert files() == before
    assert "SECRET" not in caplog.text
    assert len(read) <= 1  # the framework may look once whether the phone is still there


def test_nothing_that_is_asked_for_is_logged(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for path in ("/phone/", "/phone/none-of-this", "/phone/station.json", "/phone/ledgers/3/bundle"):
        call(app, path)
    assert [record.name for record in caplog.records if record.name != "httpx"] == []
