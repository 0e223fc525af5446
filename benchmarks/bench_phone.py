"""P11: from a camera frame of 1280 by 720 to the verdict on the screen, with a main thread six times slower.

The page is the product as it is built, served by a station, in a real Chromium whose camera shows a printed card. The
page reads the camera on its main thread, which is the one that DevTools slows down. From outside, two moments are
noted: when the browser hands the page the frame that is read, and when the word of the result is in the document. Cards
are scanned one after the other; the first scan, which compiles what is used, is told apart.

    python -m benchmarks P11
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Figure, Goal, quantile
from scripts import browser, web
from tests.support.browser import Browsers, Phone
from tests.support.browser_station import StationServer, served
from tests.support.browser_user import User
from tests.support.browser_world import World, make_world
from tests.support.camera_videos import make_video
from verifier.phone_build import load_page

SLOWER: Final = 6
LIMIT_MS: Final = 300.0
FIRST_LOAD_MAX_KB: Final = 600.0
_WAIT_S: Final = 120.0

_WATCH: Final = """(() => {
    const seen = { frame: 0, size: "", times: [], first: [], opened: 0 };
    window.__seen = seen;
    const ask = HTMLVideoElement.prototype.requestVideoFrameCallback;
    HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
        return ask.call(this, (now, frame) => {
            seen.frame = performance.now();
            seen.size = `${frame.width} x ${frame.height}`;
            callback(now, frame);
        });
    };
    new MutationObserver(() => {
        const isThere = document.querySelector(".station .word") !== null;
        if (isThere && !seen.isThere) seen.times.push(performance.now() - seen.frame);
        seen.isThere = isThere;
    }).observe(document, { childList: true, subtree: true });
})()"""
_SCAN: Final = """async ({ count, again }) => {
    const { times } = window.__seen;
    const until = async (found) => { while (!found()) await new Promise((go) => setTimeout(go, 20)); };
    for (let done = times.length; done < count; done += 1) {
        await until(() => times.length > done);
        [...document.querySelectorAll("button")].find((item) => item.textContent.trim() === again).click();
        await until(() => !document.querySelector(".station .word"));
    }
    return { times, size: window.__seen.size };
}"""


def can_measure() -> bool:
    """Whether there is a browser, and a page to show in it."""
    return browser.find() is not None and web.wheel() is not None


def measure(rounds: int, scans: int = 40, slower: float = SLOWER) -> list[Figure]:
    """Return the 95th percentile of `scans` scans in each round, and the size of the first load.

    Raises:
        RuntimeError: there is no browser, or the page is not built.
    """
    program, page = browser.find(), load_page()
    if program is None or page is None:
        raise RuntimeError("P11 needs a Chromium and the built page: python3 scripts/test builds it")
    world = make_world(int(time.time()))
    with tempfile.TemporaryDirectory() as folder, Browsers(program) as browsers, browsers.awake():
        video = make_video(world.cards["confirmed"].print, "clean", Path(folder) / "clean.mjpeg")
        tails, details, sizes = [], {}, []
        for number in range(rounds):
            with served(world, Path(folder) / f"station-{number}", page) as server:
                phone = browsers.open_page(None, video=video)
                times, size = _one_round(phone, server, world, scans, slower)
                sizes.append(_first_load_kb(server))
                browsers.close_pages()
            tails.append(quantile(times[1:], 0.95))
            details = {
                "frame": size,
                "first_ms": round(times[0], 1),
                "p50_ms": round(quantile(times[1:], 0.5), 1),
                "worst_ms": round(max(times[1:]), 1),
                "throttle": slower,
            }
    what = f"camera frame -> verdict, main thread {slower:g} times slower, p95"
    return [
        Figure("P11", what, "", "ms", Goal("<=", LIMIT_MS), tuple(tails), details),
        Figure("P11b", "first load, as sent", "", "kB", Goal("<=", FIRST_LOAD_MAX_KB), tuple(sizes)),
    ]


def _one_round(
    phone: Phone, server: StationServer, world: World, scans: int, slower: float
) -> tuple[list[float], str]:
    """Scan so many times and once more before; times in ms, and the size of a frame."""
    phone.context.add_init_script(_WATCH)
    phone.page.goto(server.url)
    user = User(phone)
    user.sees("phone.practice.next")
    phone.poll(
        "the service worker",
        "navigator.serviceWorker.ready.then(({ active }) => active?.state === 'activated')",
    )
    phone.throttle(slower)
    user.first_run()
    phone.context.set_default_timeout(_WAIT_S * 1000)
    found: Any = phone.page.evaluate(_SCAN, {"count": scans + 1, "again": user.text("page.again")})
    return [float(value) for value in found["times"]], str(found["size"])


def _first_load_kb(server: StationServer) -> float:
    """What a phone received until it works offline, the list included."""
    return sum(server.sent_bytes.values()) / 1000
