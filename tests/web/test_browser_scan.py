"""The scanner in a real browser: what it does with camera, photos and text, and when it lets go of the camera."""

from __future__ import annotations

import functools
import io
import json
import random
from importlib import resources
from pathlib import Path
from typing import Any

import qrcode
import zxingcpp
from PIL import Image
from playwright.sync_api import Locator

from credential.core.frames import Frame, format_frames, parse_frame
from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_world import World, print_card_front
from tests.support.camera_videos import MakeVideo

WORDS = json.loads(resources.files("verifier").joinpath("data", "en.json").read_bytes())
FRAMES = 24

# Waits for the list of the station, which is asked for at the first visit only, and ends the first run.
REMEMBER = """async () => {
    const opening = indexedDB.open("station");
    const database = await new Promise((done) => { opening.onsuccess = () => done(opening.result); });
    const isThere = () => new Promise((done) => {
        const asked = database.transaction("ledgers").objectStore("ledgers").getAll();
        asked.onsuccess = () => done(asked.result.some(({ bundle }) => bundle));
    });
    while (!(await isThere())) await new Promise((done) => setTimeout(done, 50));
    const change = database.transaction("settings", "readwrite");
    change.objectStore("settings").put({ post: "desk", practised: true }, "settings");
    await new Promise((done) => { change.oncomplete = done; });
    database.close();
}"""

LAMP = """
    window.asked = [];
    MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true, zoom: { min: 1, max: 4, step: 0.5 } });
    MediaStreamTrack.prototype.applyConstraints = async (wish) => { window.asked.push(wish.advanced[0]); };
"""
TRACKS = """
    window.tracks = [];
    window.wishes = [];
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => {
        window.wishes.push(wish);
        const { deviceId, ...video } = wish.video;
        const stream = await open({ ...wish, video });
        window.tracks.push(...stream.getTracks());
        return stream;
    };
"""
TWO_CAMERAS = """
    navigator.mediaDevices.enumerateDevices = async () =>
        ["back", "front"].map((deviceId) => ({ kind: "videoinput", deviceId }));
    MediaStreamTrack.prototype.getSettings = () => ({ deviceId: window.wishes.at(-1).video.deviceId?.exact ?? "back" });
"""
HIDDEN = """(state) => {
    Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
LIVE = "window.tracks.filter((track) => track.readyState === 'live').length"
NATIVE = """
    window.natively = 0;
    window.BarcodeDetector = class {
        static async getSupportedFormats() { return ["qr_code"]; }
        async detect(source) {
            const boundingBox = { x: 600, y: 320, width: 80, height: 80 };
            if (!(source instanceof HTMLVideoElement)) return [{ rawValue: window.knows(), boundingBox }];
            window.natively += 1;
            return [{ rawValue: "SC1:6G$DK", boundingBox }];
        }
    };
"""
EXACT = """
    window.knows = () => `SELF-CHECK:${"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".repeat(18)}`;
"""


def word(path: str, **values: object) -> str:
    text = functools.reduce(dict.__getitem__, path.split("."), WORDS)
    return str(text).format(**values)


def scanner(
    open_page: OpenPage, server: StationServer, *scripts: str, path: str = "", **options: Any
) -> Phone:
    """Open the page of a station whose first run is over."""
    phone: Phone = open_page(None, **options)
    for script in scripts:
        phone.page.add_init_script(script)
    phone.page.goto(server.url + path)
    phone.wait_until("the page", lambda: phone.page.locator("#app").inner_text().strip())
    phone.page.evaluate(REMEMBER)
    phone.page.reload()
    # Where a card lies before the camera, its result may be faster than a look at the heading.
    after = {word("phone.scan.title"), word("phone.show.title")}
    phone.wait_until("the scanner", lambda: heading(phone) in after)
    shows(phone, word("freshness.today", date="").split("(")[-1])
    return phone


def heading(phone: Phone) -> str:
    return str(phone.page.locator("h1").inner_text())


def shows(phone: Phone, text: str) -> None:
    phone.wait_until(text, lambda: text in phone.page.locator("body").inner_text())


def paste(phone: Phone, text: str) -> None:
    phone.page.evaluate(
        """(text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text/plain", text);
            const init = { clipboardData, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new ClipboardEvent("paste", init));
        }""",
        text,
    )


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def files(**contents: bytes) -> list[Any]:
    return [{"name": name, "mimeType": "image/png", "buffer": content} for name, content in contents.items()]


def test_the_camera_is_open_only_while_somebody_looks_at_the_scanner(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, TRACKS)
    phone.wait_until("the camera", lambda: phone.page.evaluate(LIVE) == 1)
    assert phone.page.evaluate("window.wishes[0].audio") is False
    assert phone.page.evaluate("window.wishes[0].video") == {
        "facingMode": {"ideal": "environment"}, "width": {"ideal": 1280}, "height": {"ideal": 720},
    }  # fmt: skip
    phone.page.evaluate(HIDDEN, "hidden")
    phone.wait_until("no camera", lambda: phone.page.evaluate(LIVE) == 0)
    assert phone.page.evaluate("document.querySelector('video').srcObject") is None
    phone.page.evaluate(HIDDEN, "visible")
    phone.wait_until("the camera again", lambda: phone.page.evaluate(LIVE) == 1)
    phone.page.get_by_role("button", name=word("phone.app.tabs.lists")).click()
    phone.wait_until("no camera", lambda: phone.page.evaluate(LIVE) == 0)
    assert phone.messages == []


def test_light_and_zoom_are_offered_where_the_camera_has_them(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, LAMP)
    phone.page.get_by_role("button", name=word("phone.scan.torch_on")).click()
    phone.wait_until("the light", lambda: {"torch": True} in phone.page.evaluate("window.asked"))
    phone.page.get_by_role("button", name=word("phone.scan.torch_off")).click()
    phone.wait_until("no light", lambda: {"torch": False} in phone.page.evaluate("window.asked"))
    slider = phone.page.get_by_role("slider", name=word("phone.scan.zoom"))
    slider.press("End")
    phone.wait_until("the zoom", lambda: {"zoom": 4} in phone.page.evaluate("window.asked"))
    assert phone.page.get_by_role("button", name=word("phone.scan.flip")).count() == 0, "there is one camera"


def test_the_other_camera_is_taken_and_the_first_one_let_go(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, TRACKS, TWO_CAMERAS)
    for name in ("front", "back"):
        phone.page.get_by_role("button", name=word("phone.scan.flip")).click()
        wished = f"window.wishes.at(-1).video.deviceId?.exact === '{name}'"
        phone.poll(f"the {name} camera", wished)
        phone.poll("one camera", f"{LIVE} === 1")


def test_a_code_of_another_kind_does_not_lead_back_to_its_result_again_and_again(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(print_card_front(world.cards["web_address"].text))
    phone = scanner(open_page, station_server, video=video)
    phone.wait_until("a result", lambda: word("states.unreadable.word") in phone.page.inner_text("body"))
    phone.page.get_by_role("button", name=word("page.again")).click()
    shows(phone, word("phone.scan.foreign", kind=word("kinds.url")).replace(word("kinds.url"), "")[:14])
    phone.page.wait_for_timeout(1500)  # nothing must happen, so there is nothing to wait for
    assert heading(phone) == word("phone.scan.title")


def test_the_moving_codes_of_a_colleague_are_all_read_and_counted(
    station_server: StationServer, open_page: OpenPage, tmp_path: Path
) -> None:
    texts = format_frames("head", random.Random(3).randbytes(FRAMES * 300 - 40), 300)[:FRAMES]
    video = tmp_path / "moving.mjpeg"
    video.write_bytes(b"".join(screen(text) * 3 for text in texts[:-1]))
    phone = scanner(open_page, station_server, video=video)
    done = word("phone.scan.progress", done=FRAMES - 1, count=FRAMES)
    shows(phone, done)
    assert heading(phone) == word("phone.scan.title"), "the scanner stays open while a code is missing"
    assert phone.page.locator("progress").evaluate("(bar) => [bar.value, bar.max]") == [FRAMES - 1, FRAMES]


def screen(text: str) -> bytes:
    """Another phone's screen with one code, as a JPEG of 720p."""
    code = qrcode.QRCode(border=4, box_size=6)
    code.add_data(text)
    code.make(fit=True)
    picture = Image.new("RGB", (1280, 720), (90, 90, 90))
    shown = code.make_image().get_image().convert("RGB").resize((520, 520))
    picture.paste(shown, (380, 100))
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=80)
    return out.getvalue()


def test_a_text_that_is_typed_is_read_and_leaves_the_field(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = scanner(open_page, station_server, camera="none")
    field = phone.page.get_by_label(word("phone.scan.text"))
    for name, value in {"autocomplete": "off", "spellcheck": "false", "autocorrect": "off"}.items():
        assert field.get_attribute(name) == value
    button = phone.page.get_by_role("button", name=word("page.check"), exact=True)
    button.click()
    shows(phone, word("phone.scan.no_text"))
    # Codes of the numbered kind leave the scanner open, so that the field can be looked at.
    [frame, *_] = format_frames("head", random.Random(5).randbytes(900), 300)
    field.fill(frame)
    button.click()
    shows(phone, word("phone.scan.progress", done=1, count=4))
    assert field.input_value() == ""
    field.fill(world.cards["withdrawn"].text)
    button.click()
    shows(phone, word("states.withdrawn.word"))


def test_a_fault_of_the_page_is_said_to_be_one_and_ends_the_check(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = scanner(open_page, station_server, camera="none")
    phone.page.evaluate(
        """(text) => {
            const field = document.querySelector("textarea");
            field.value = text;
            const now = Date.now;
            Date.now = () => {
                Date.now = now;
                throw new TypeError(`no clock for ${text}`);
            };
            field.form.requestSubmit();
        }""",
        world.cards["confirmed"].text,
    )
    shows(phone, word("phone.app.defect.title"))
    assert phone.messages == [], "nothing of the card is in the console"
    phone.page.get_by_role("button", name=word("phone.app.defect.again")).click()
    phone.page.get_by_label(word("phone.scan.text")).fill(world.cards["withdrawn"].text)
    phone.page.get_by_role("button", name=word("page.check"), exact=True).click()
    shows(phone, word("states.withdrawn.word"))
    assert word("phone.app.to_result") not in phone.page.locator("body").inner_text()


def test_a_text_that_is_pasted_anywhere_is_read(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = scanner(open_page, station_server)
    paste(phone, world.cards["expired"].text + "\r\n")
    shows(phone, word("states.expired.word"))
    assert world.cards["expired"].text[:40] not in phone.page.content()


def test_photos_that_give_nothing_are_said_and_counted(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, camera="none")
    picture = phone.page.get_by_label(word("page.picture"))
    picture.set_input_files(
        files(
            empty=png(Image.new("L", (300, 200), 200)),
            broken=b"no picture",
            large=bytes(8 * 1024 * 1024 + 1),
            huge=png(Image.new("1", (8000, 8000))),
        )
    )
    for path, count in (("nothing_one", 1), ("too_large_other", 2), ("not_opened_one", 1)):
        shows(phone, word(f"phone.scan.pictures.{path}", count=count))
    assert picture.evaluate("(input) => input.files.length") == 0
    assert phone.messages == []


def test_a_photo_is_read_at_any_angle_and_size(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    front = world.cards["replaced"].print
    turned = front.rotate(33, expand=True, fillcolor=200).resize((front.width * 3, front.height * 3))
    phone = scanner(open_page, station_server, camera="none")
    phone.page.get_by_label(word("page.picture")).set_input_files(files(turned=png(turned)))
    shows(phone, word("states.replaced.word"))


def test_a_photo_that_is_dropped_is_read_and_the_page_stays(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    phone = scanner(open_page, station_server, camera="none")
    phone.page.evaluate(
        """(bytes) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], "card.png", { type: "image/png" }));
            const init = { dataTransfer, bubbles: true, cancelable: true };
            document.body.dispatchEvent(new DragEvent("dragover", init));
            return document.body.dispatchEvent(new DragEvent("drop", init));
        }""",
        list(world.cards["suspended"].png),
    )
    shows(phone, word("states.suspended.word"))


def test_a_camera_whose_frames_cannot_be_taken_as_planes_is_drawn(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(world.cards["withdrawn"].print)
    phone = scanner(open_page, station_server, "delete window.VideoFrame;", video=video)
    shows(phone, word("states.withdrawn.word"))
    assert phone.messages == []


def test_the_browsers_own_reader_is_used_where_it_reads_exactly(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, NATIVE, EXACT)
    shows(phone, word("states.unreadable.word"))
    assert phone.page.evaluate("window.natively") > 0


def test_a_reader_of_the_browser_that_changes_one_character_is_not_asked(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    trims = EXACT.replace("(18)", "(18).replace(' ', '')")
    video = camera_video(world.cards["withdrawn"].print)
    phone = scanner(open_page, station_server, NATIVE, trims, video=video)
    shows(phone, word("states.withdrawn.word"))
    assert phone.page.evaluate("window.natively") == 0


def test_the_codes_on_the_screen_stand_still_where_less_motion_is_wished_for_and_read_as_they_are(
    station_server: StationServer, open_page: OpenPage
) -> None:
    phone = scanner(open_page, station_server, camera="none", reduced_motion=True, dark=True, scale=2)
    phone.page.get_by_role("button", name=word("phone.app.tabs.lists")).click()
    phone.page.get_by_text(word("phone.keep.hand_on.title")).click()
    codes = word("phone.keep.hand_on.codes", size="").split("(")[0].strip()
    phone.page.get_by_role("button", name=codes).click()
    picture = phone.page.get_by_role("img", name=word("phone.keep.hand_on.list_label"))
    first = shown_frame(phone, picture)
    assert first.number == 0
    phone.page.get_by_role("button", name=word("phone.scan.animated.previous")).click()
    shows(phone, word("phone.scan.animated.number", number=first.count, count=first.count))
    last = shown_frame(phone, picture)
    assert (last.number, last.message_id) == (first.count - 1, first.message_id)
    phone.page.get_by_role("button", name=word("phone.scan.animated.play")).click()
    phone.wait_until("another code", lambda: shown_frame(phone, picture).number not in (0, last.number))


def shown_frame(phone: Phone, picture: Locator) -> Frame:
    """What a camera reads of the code that is on the screen."""

    def read() -> list[zxingcpp.Barcode]:
        return zxingcpp.read_barcodes(Image.open(io.BytesIO(picture.screenshot())))

    [code] = phone.wait_until("a code", read)
    return parse_frame(code.text)
