"""What a phone keeps, in a real browser: one visit and then no network, newer pages, shared files, removing it all."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import expect

from ledger.core.pin import format_pin
from scripts import environment
from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_world import World
from verifier.phone_build import BuiltPage, PageFile, Served, etag_of

WORDS: Final = json.loads((environment.ROOT / "verifier" / "data" / "en.json").read_text(encoding="utf-8"))
DATABASE: Final = """async () => {
  const asked = (request) => new Promise((done, fail) => {
    request.onsuccess = () => done(request.result);
    request.onerror = () => fail(request.error);
  });
  const database = await asked(indexedDB.open("station"));
  const found = {};
  for (const name of database.objectStoreNames) {
    const store = database.transaction(name).objectStore(name);
    const [keys, values] = [await asked(store.getAllKeys()), await asked(store.getAll())];
    const plain = (_, value) => (value instanceof Uint8Array ? `${value.length} bytes` : value);
    found[name] = Object.fromEntries(keys.map((key, at) => [key, JSON.parse(JSON.stringify(values[at], plain))]));
  }
  database.close();
  return found;
}"""
WRITE: Final = """async ([store, key, change]) => {
  const asked = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  const database = await asked(indexedDB.open("station"));
  const transaction = database.transaction(store, "readwrite");
  const before = await asked(transaction.objectStore(store).get(key));
  if (change.flip !== undefined) before.bundle[change.flip] ^= 1;
  transaction.objectStore(store).put(change.flip === undefined ? change : before, key);
  await new Promise((done) => { transaction.oncomplete = done; });
  database.close();
}"""
KEEP_EVIDENCE: Final = """async ([name, origin]) => {
  const asked = (request) => new Promise((done) => { request.onsuccess = () => done(request.result); });
  const database = await asked(indexedDB.open("station"));
  const transaction = database.transaction("evidence", "readwrite");
  transaction.objectStore("evidence").put({ name, origin, bytes: new Uint8Array(3) }, name);
  await new Promise((done) => { transaction.oncomplete = done; });
  database.close();
}"""
NOT_KEPT: Final = {"worker.js", "licences.txt"}
"""Files of the build that a phone does not hold ready: the worker itself, and what nobody needs without a network."""
SETTINGS: Final = {"language": "en", "post": "border", "practised": True}
WORKER_STATE: Final = "navigator.serviceWorker.getRegistration().then((found) => found?.active?.state ?? '')"
SHARE: Final = """async (files) => {
  const form = new FormData();
  for (const [name, bytes] of files) {
    form.append("files", new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name));
  }
  await fetch("./share", { method: "POST", body: form });
}"""


def text(path: str) -> Any:
    found: Any = WORDS
    for key in path.split("."):
        found = found[key]
    return found


def word(path: str, **values: str) -> str | re.Pattern[str]:
    """Words of this room; a value in them stands between signs that keep its direction."""
    sentence: str = text(f"phone.keep.{path}")
    if not values:
        return sentence
    parts = re.split(r"\{(\w+)\}", sentence)
    return re.compile(
        "".join(
            f".?{re.escape(values[part])}.?" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )


def visit(open_page: OpenPage, url: str) -> Phone:
    """Visit a station for the first time, and leave the first run behind."""
    phone = open_page(url)
    phone.wait_until("a worker", lambda: phone.page.evaluate(WORKER_STATE) == "activated")
    phone.wait_until("a list", lambda: "bytes" in json.dumps(phone.page.evaluate(DATABASE)["ledgers"]))
    phone.page.evaluate(WRITE, ["settings", "settings", SETTINGS])
    phone.page.reload()
    return phone


def to_lists(phone: Phone) -> None:
    phone.page.get_by_role("navigation").get_by_role("button", name=word("title")).click()
    expect(phone.page.get_by_role("heading", name=word("title"), exact=True)).to_be_focused()


def button(phone: Phone, name: str | re.Pattern[str]) -> Any:
    return phone.page.get_by_role("button", name=name)


def test_after_one_visit_the_page_and_its_lists_are_there_without_a_network(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = visit(open_page, fresh_station.url)
    fresh_station.stop()
    phone.page.reload()
    to_lists(phone)
    expect(phone.page.get_by_role("heading", name=world.pin.origin)).to_be_visible()
    expect(phone.page.locator(".age")).to_contain_text("today")
    button(phone, word("update.button")).click()
    expect(phone.page.get_by_text(word("sync.not_reachable"))).to_be_visible()
    expect(phone.page.locator(".age")).to_contain_text("today")
    fresh_station.start()
    button(phone, word("update.button")).click()
    expect(phone.page.get_by_text(word("sync.same", origin=world.pin.origin))).to_be_visible()


def test_a_phone_keeps_the_page_the_lists_and_nothing_else(
    station_server: StationServer, open_page: OpenPage, world: World, built_page: BuiltPage
) -> None:
    phone = visit(open_page, station_server.url)
    kept = phone.page.evaluate(DATABASE)
    assert set(kept) == {"settings", "ledgers", "evidence", "data_used"}
    assert (kept["settings"], kept["evidence"]) == ({"settings": SETTINGS}, {})
    [ledger] = kept["ledgers"].values()
    assert set(ledger) == {"origin", "pin", "source", "bundle", "head", "deltas", "revision"}
    assert (ledger["bundle"], ledger["source"]) == (f"{len(world.bundle)} bytes", "served")
    assert json.loads(ledger["pin"]) == json.loads(format_pin(world.pin))
    assert sum(kept["data_used"].values()) > len(world.bundle)
    cached = phone.page.evaluate("""async () => {
      const [name, ...more] = await caches.keys();
      return [more, (await (await caches.open(name)).keys()).map(({ url }) => url)];
    }""")
    assert cached[0] == []
    assert {url.removeprefix(station_server.url) for url in cached[1]} == set(built_page.files) - NOT_KEPT
    databases = "indexedDB.databases().then((all) => all.map(({ name }) => name))"
    assert phone.page.evaluate(databases) == ["station"]
    assert phone.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


def test_a_list_that_was_damaged_on_the_phone_is_said_and_not_used(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = visit(open_page, fresh_station.url)
    phone.page.evaluate(WRITE, ["ledgers", world.pin.origin, {"flip": 4000}])
    phone.page.reload()
    to_lists(phone)
    expect(phone.page.get_by_text(word("damaged"))).to_be_visible()
    assert phone.page.locator(".age").count() == 0
    button(phone, word("update.button")).click()
    expect(phone.page.locator(".age")).to_contain_text("today")
    expect(phone.page.get_by_text(word("damaged"))).to_have_count(0)


def test_lists_pins_and_other_files_come_in_by_one_button(
    old_station: StationServer, open_page: OpenPage, world: World, tmp_path: Path
) -> None:
    phone = visit(open_page, old_station.url)
    to_lists(phone)
    expect(phone.page.locator(".age")).to_contain_text("19 days")
    files = {
        "without an ending": world.bundle,
        "pin.json": format_pin(replace(world.pin, origin="ledger.example/new", least=None)),
        "older.cbor": world.old_bundle,
        "letter.txt": b"Dear colleague",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)

    def give(name: str) -> None:
        phone.page.get_by_label(word("update.file"), exact=True).set_input_files(tmp_path / name)

    give("without an ending")
    expect(phone.page.get_by_text(word("news.list_newer", origin=world.pin.origin))).to_be_visible()
    expect(phone.page.locator(".age")).to_contain_text("today")
    give("older.cbor")
    expect(phone.page.get_by_text(word("refused.bundle_invalid_time"))).to_be_visible()
    give("letter.txt")
    expect(phone.page.get_by_text(word("refused.unsupported"))).to_be_visible()
    give("pin.json")
    expect(phone.page.get_by_role("heading", name=word("offer.title"))).to_be_visible()
    button(phone, word("offer.yes")).click()
    expect(phone.page.get_by_role("heading", name="ledger.example/new")).to_be_visible()
    expect(phone.page.get_by_role("heading", name=word("offer.title"))).to_have_count(0)
    assert set(phone.page.evaluate(DATABASE)["ledgers"]) == {world.pin.origin, "ledger.example/new"}
    assert phone.messages == []


def test_a_browser_that_forbids_storage_is_no_reason_to_show_nothing(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(None)
    phone.page.add_init_script(
        "IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); };"
    )
    seen = len(station_server.requests)
    phone.page.goto(station_server.url)
    phone.wait_until("the first run", lambda: phone.page.get_by_role("heading").count() > 0)
    phone.wait_until("a list", lambda: "GET /phone/ledgers/0/bundle" in station_server.requests[seen:])
    assert phone.messages == []


def test_where_the_phone_has_no_room_a_list_is_good_for_the_visit(
    old_station: StationServer, open_page: OpenPage, world: World, tmp_path: Path
) -> None:
    phone = visit(open_page, old_station.url)
    phone.page.evaluate(
        "() => { IDBObjectStore.prototype.put = () => { throw new DOMException('no', 'QuotaExceededError'); }; }"
    )
    to_lists(phone)
    (tmp_path / "list.cbor").write_bytes(world.bundle)
    phone.page.get_by_label(word("update.file"), exact=True).set_input_files(tmp_path / "list.cbor")
    expect(phone.page.get_by_text(word("store.full"))).to_be_visible()
    expect(phone.page.locator(".age")).to_contain_text("today")
    phone.page.reload()
    to_lists(phone)
    expect(phone.page.locator(".age")).to_contain_text("19 days")
    expect(phone.page.get_by_text(word("store.full"))).to_have_count(0)


def test_of_two_open_pages_the_newer_list_stays(
    old_station: StationServer, open_page: OpenPage, world: World, tmp_path: Path
) -> None:
    phone = visit(open_page, old_station.url)
    other = Phone(phone.context.new_page(), phone.context)
    other.page.goto(old_station.url)
    for page, data in ((phone, world.bundle), (other, world.old_bundle)):
        to_lists(page)
        (tmp_path / "list").write_bytes(data)
        page.page.get_by_label(word("update.file"), exact=True).set_input_files(tmp_path / "list")
        expect(page.page.locator(".news")).to_be_visible()
    expect(other.page.locator(".age")).to_contain_text("today")
    other.page.reload()
    to_lists(other)
    expect(other.page.locator(".age")).to_contain_text("today")


@pytest.fixture
def changing_station(
    world: World, built_page: BuiltPage, tmp_path: Path
) -> Iterator[tuple[StationServer, BuiltPage]]:
    """A station whose page can be changed while it serves."""
    page = BuiltPage(dict(built_page.files))
    with StationServer(world, tmp_path / "changing", page) as server:
        yield server, page


def put(page: BuiltPage, name: str, body: bytes) -> None:
    page.files[name] = PageFile(page.files[name].content_type, "no-cache", (Served("", body, etag_of(body)),))


def change_page(page: BuiltPage, name: str, body: bytes, *, is_listed: bool = True) -> None:
    """Change a file of the page and, unless told otherwise, the list in its worker."""
    before = hashlib.sha256(page.files[name].choose("").body).hexdigest()
    put(page, name, body)
    if is_listed:
        worker = page.files["worker.js"].choose("").body.decode()
        version = worker.split("version:`")[1].split("`")[0]
        worker = worker.replace(before, hashlib.sha256(body).hexdigest())
        put(page, "worker.js", worker.replace(version, "0" * len(version)).encode())


def icon(phone: Phone) -> str:
    text: str = phone.page.evaluate("fetch('./icon.svg').then((answer) => answer.text())")
    return text


def test_a_newer_page_waits_for_a_tap(
    changing_station: tuple[StationServer, BuiltPage], open_page: OpenPage
) -> None:
    server, page = changing_station
    phone = visit(open_page, server.url)
    old, new = icon(phone), "<svg xmlns='http://www.w3.org/2000/svg'/>"
    change_page(page, "icon.svg", new.encode())
    phone.page.reload()
    to_lists(phone)
    expect(phone.page.get_by_text(word("newer_page"))).to_be_visible()
    assert icon(phone) == old
    seen = len(server.requests)
    button(phone, word("newer_page_take")).click()
    # Asking for a file again and again would keep the old worker busy, which goes when it has nothing to do.
    newer = ["station-page-" + "0" * 16]
    phone.wait_until("the newer page", lambda: phone.page.evaluate("caches.keys()") == newer)
    phone.wait_until("the newer file", lambda: icon(phone) == new)
    assert not any("wasm" in asked for asked in server.requests[seen:]), (
        "what did not change is not fetched again"
    )


def test_a_page_that_is_not_the_one_that_was_built_is_not_kept(
    changing_station: tuple[StationServer, BuiltPage], open_page: OpenPage
) -> None:
    server, page = changing_station
    phone = visit(open_page, server.url)
    caches = phone.page.evaluate("caches.keys()")
    # The list in the worker has the hash of other bytes than those that come.
    change_page(page, "icon.svg", b"<svg/>")
    put(page, "icon.svg", b"<svg xmlns='changed on the way'/>")
    phone.page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update())")
    phone.wait_until(
        "the end of it",
        lambda: phone.page.evaluate(
            "navigator.serviceWorker.getRegistration().then((found) => !found.installing && !found.waiting)"
        ),
    )
    assert "GET /phone/icon.svg" in server.requests
    assert phone.page.evaluate("caches.keys()") == caches
    phone.page.reload()
    assert phone.page.evaluate(WORKER_STATE) == "activated"


def test_what_another_app_shares_passes_through_memory(
    old_station: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = visit(open_page, old_station.url)
    to_lists(phone)  # the page has asked for what was shared before
    phone.page.evaluate(SHARE, [["list.cbor", base64.b64encode(world.bundle).decode()]])
    phone.page.reload()
    expect(phone.page.get_by_text(word("news.list_newer", origin=world.pin.origin))).to_be_visible()
    assert not any(asked.startswith("POST") for asked in old_station.requests)
    phone.page.reload()
    to_lists(phone)
    expect(phone.page.get_by_text(word("news.list_newer", origin=world.pin.origin))).to_have_count(0)


def test_everything_is_removed_without_a_network_after_one_question(
    fresh_station: StationServer, open_page: OpenPage
) -> None:
    phone = visit(open_page, fresh_station.url)
    fresh_station.stop()
    to_lists(phone)
    phone.page.get_by_text(word("remove.title"), exact=True).click()
    button(phone, word("remove.button")).click()
    button(phone, word("no")).click()
    expect(button(phone, word("remove.button"))).to_be_focused()
    button(phone, word("remove.button")).click()
    button(phone, word("remove.yes")).click()
    expect(phone.page.get_by_role("heading", name=word("removed.title"))).to_be_focused()
    left = phone.page.evaluate("""async () => [
      (await indexedDB.databases()).length,
      (await caches.keys()).length,
      (await navigator.serviceWorker.getRegistrations()).length,
    ]""")
    assert left == [0, 0, 0]


def test_another_open_page_does_not_bring_back_what_was_removed(
    fresh_station: StationServer, open_page: OpenPage
) -> None:
    phone = visit(open_page, fresh_station.url)
    other = phone.context.new_page()
    other.goto(fresh_station.url)
    expect(other.get_by_role("navigation")).to_be_visible()
    to_lists(phone)
    phone.page.get_by_text(word("remove.title"), exact=True).click()
    button(phone, word("remove.button")).click()
    button(phone, word("remove.yes")).click()
    expect(phone.page.get_by_role("heading", name=word("removed.title"))).to_be_focused()
    # A file of the page, and a change of settings.
    other.evaluate("fetch('icon.svg').then((answer) => answer.ok)")
    other.get_by_role("navigation").get_by_role("button", name=text("phone.app.tabs.settings")).click()
    other.get_by_label(text("phone.settings.stale")).select_option("14")
    left = phone.page.evaluate("""async () => [
      (await indexedDB.databases()).length,
      (await caches.keys()).length,
    ]""")
    assert left == [0, 0]


def test_a_head_is_shown_as_codes_and_by_keyboard(station_server: StationServer, open_page: OpenPage) -> None:
    phone = visit(open_page, station_server.url)
    to_lists(phone)
    phone.page.get_by_text(text("heads.page.heading"), exact=True).click()
    own = button(phone, text("heads.page.own"))
    own.focus()
    phone.page.keyboard.press("Enter")
    expect(phone.page.get_by_role("heading", name=word("heads.label"))).to_be_focused()
    expect(phone.page.get_by_role("img", name=word("heads.label"))).to_be_visible()
    button(phone, text("phone.app.back")).click()
    expect(phone.page.get_by_role("heading", name=word("title"), exact=True)).to_be_focused()


def test_two_histories_are_said_on_every_screen_until_somebody_looks(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = visit(open_page, station_server.url)
    phone.page.evaluate(KEEP_EVIDENCE, ["a-head.note", world.pin.origin])
    phone.page.reload()
    alarm = phone.page.get_by_text(word("fork.meaning"))
    expect(alarm).to_be_visible()
    phone.page.locator(".alarm").get_by_role("button").click()
    expect(
        phone.page.get_by_role("button", name=text("phone.keep.fork.hand_on_one").format(count=1))
    ).to_be_visible()
