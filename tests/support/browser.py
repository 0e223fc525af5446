"""A real Chromium for tests: one per process and set of flags, a fresh profile for every page.

`Browsers` starts what `scripts.browser` finds. A browser whose camera shows a video is one of its own, as Chromium
takes the video as a flag. Playwright's synchronous interface keeps an event loop marked as running in its thread;
`awake` sets and takes that mark, so that other tests of the same process can run loops of their own in between.

    with Browsers(program) as browsers, browsers.awake():
        phone = browsers.open_page(server.url, language="ar")
        phone.page.get_by_role("heading").inner_text()
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from playwright.sync_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    sync_playwright,
)

LIMIT_S: Final = 20.0
"""How long a test waits for what must come; a shared machine stalls."""
PHONE_SIZE: Final = (360, 640)
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
)
# The policy switches off what some other browser has; and that an app can be installed is said by the page itself.
_OF_THE_BROWSER: Final = (
    "Error with Permissions-Policy header: Unrecognized feature",
    "Banner not shown: beforeinstallpromptevent.preventDefault() called",
)
Camera = Literal["fake", "refused", "none"]
T = TypeVar("T")


@dataclass
class Phone:
    """A page in a profile of its own, and what it did.

    Attributes:
        page: Playwright's page.
        context: its profile.
        requests: addresses of all requests of the page and of its service worker, also those that a cache answered.
        messages: what the page wrote to the console, and errors that nobody caught.
        profile: folder of the profile on the disk; None where it is in memory.
    """

    page: Page
    context: BrowserContext
    profile: Path | None = None
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    _devtools: CDPSession | None = None

    @property
    def devtools(self) -> CDPSession:
        """A session of the DevTools protocol with the page."""
        if self._devtools is None:
            self._devtools = self.context.new_cdp_session(self.page)
        return self._devtools

    def throttle(self, rate: float) -> None:
        """Make the page's main thread so many times slower; 1 is as fast as it goes."""
        self.devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})

    def wait_until(self, what: str, reached: Callable[[], T | None], limit_s: float = LIMIT_S) -> T:
        """Ask again and again until the answer is true, and return it.

        Raises:
            AssertionError: it is not within the limit; says `what`, and what the page shows.
        """
        end_s = time.monotonic() + limit_s
        while True:
            with suppress(Error):
                found = reached()
                if found:
                    return found
            if time.monotonic() > end_s:
                raise AssertionError(f"not within {limit_s:.0f} s: {what}\n{self.seen()}")
            self.page.wait_for_timeout(50)

    def poll(self, what: str, script: str, limit_s: float = LIMIT_S) -> Any:
        """Evaluate a script until it gives something true; `wait_for_function` is stopped by the page's policy."""
        return self.wait_until(what, lambda: self.page.evaluate(script), limit_s)

    def seen(self) -> str:
        """What the page shows and said, for the text of a failure; the cards of tests are invented."""
        with suppress(Error):
            return f"{self.page.locator('body').inner_text()[:1500]}\n{self.messages}"
        return f"the page does not answer\n{self.messages}"

    def tab(self, direction: Literal["Tab", "Shift+Tab"] = "Tab") -> str:
        """Press the key and return the name of what has the focus then."""
        self.page.keyboard.press(direction)
        return str(self.page.evaluate("document.activeElement?.textContent?.trim() ?? ''"))

    def close(self) -> None:
        """Close page and profile."""
        with suppress(Error):
            self.context.close()


OpenPage = Callable[..., Phone]
"""What the fixture `open_page` gives: arguments as `Browsers.open_page`."""


class Browsers:
    """The browsers of one process."""

    def __init__(self, program: Path, folder: Path | None = None) -> None:
        self._program = program
        self._folder = folder or Path(tempfile.mkdtemp(prefix="browser-"))
        self._playwright: Playwright | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._browsers: dict[tuple[str, ...], Browser] = {}
        self._open: list[Phone] = []

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Mark Playwright's loop as the one that runs in this thread for as long as the context lasts."""
        if self._playwright is None:
            self._playwright = sync_playwright().start()
            self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(self._loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def open_page(
        self,
        url: str | None,
        *,
        video: Path | None = None,
        camera: Camera = "fake",
        language: str = "en",
        throttle: float = 1,
        size: tuple[int, int] = PHONE_SIZE,
        scale: float = 1,
        dark: bool = False,
        reduced_motion: bool = False,
        keep_profile: bool = False,
        touch: bool = True,
        text_percent: int = 100,
    ) -> Phone:
        """Open an address in a fresh profile, of a phone of 360 by 640 unless told otherwise.

        Args:
            url: None opens nothing yet.
            video: what the camera shows, again and again: MJPEG or Y4M.
            camera: "fake" is allowed to everybody; "refused" is there and not allowed; "none" is not there.
            language: of the browser.
            throttle: how many times slower the page's main thread is.
            size: of the window in CSS pixels.
            scale: device pixels for each CSS pixel.
            keep_profile: in a folder on the disk (`Phone.profile`), which stays until the end of `Browsers`.
            touch: whether the screen feels fingers.
            text_percent: the size of text that its owner has set, of 16 pixels.

        Raises:
            playwright.sync_api.Error: the address does not answer.
        """
        options: dict[str, Any] = {
            "locale": language,
            "viewport": {"width": size[0], "height": size[1]},
            "device_scale_factor": scale,
            "color_scheme": "dark" if dark else "light",
            "reduced_motion": "reduce" if reduced_motion else "no-preference",
            "has_touch": touch,
            "permissions": [] if camera != "fake" else ["camera"],
        }
        flags = _camera_flags(video, camera)
        if text_percent != 100:
            flags = (*flags, f"--blink-settings=defaultFontSize={16 * text_percent // 100}")
        if keep_profile:
            profile = Path(tempfile.mkdtemp(prefix="profile-", dir=self._folder))
            context = self._driver.chromium.launch_persistent_context(
                profile, executable_path=self._program, args=[*_FLAGS, *flags], **options
            )
            phone = Phone(context.pages[0], context, profile)
        else:
            context = self._browser(flags).new_context(**options)
            phone = Phone(context.new_page(), context)
        self._open.append(phone)
        _listen(phone)
        context.set_default_timeout(LIMIT_S * 1000)
        if throttle != 1:
            phone.throttle(throttle)
        if url is not None:
            phone.page.goto(url)
        return phone

    def close_pages(self) -> None:
        """Close every page; browsers without a video stay for the next test."""
        for phone in self._open:
            phone.close()
        self._open.clear()
        for flags in [key for key in self._browsers if any("capture=" in flag for flag in key)]:
            self._browsers.pop(flags).close()

    @property
    def _driver(self) -> Playwright:
        assert self._playwright is not None, "only within awake()"
        return self._playwright

    def _browser(self, flags: tuple[str, ...]) -> Browser:
        if flags not in self._browsers:
            self._browsers[flags] = self._driver.chromium.launch(
                executable_path=self._program, args=[*_FLAGS, *flags]
            )
        return self._browsers[flags]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._playwright is not None:
            with self.awake():
                self.close_pages()
                for browser in self._browsers.values():
                    browser.close()
                self._playwright.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _camera_flags(video: Path | None, camera: Camera) -> tuple[str, ...]:
    if camera == "none":
        return ()
    flags = ["--use-fake-device-for-media-stream"]
    if camera == "fake":
        flags.append("--use-fake-ui-for-media-stream")
    if video is not None:
        flags.append(f"--use-file-for-fake-video-capture={video}")
    return tuple(flags)


def _listen(phone: Phone) -> None:
    def note_request(request: Request) -> None:
        phone.requests.append(request.url)

    def note_message(message: ConsoleMessage) -> None:
        if not message.text.startswith(_OF_THE_BROWSER):
            phone.messages.append(f"{message.type}: {message.text}")

    phone.context.on("request", note_request)
    phone.page.on("console", note_message)
    phone.page.on("pageerror", lambda error: phone.messages.append(f"error: {error}"))
