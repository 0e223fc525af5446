"""What tests of the phone page stand on: its core in Node, and a browser with a station that serves it.

One Node process and one browser for all tests that run in this process; a fresh profile for each page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from scripts import browser as chromium
from scripts import environment, web
from tests.support.browser import Browsers, OpenPage
from tests.support.browser_station import StationServer, served
from tests.support.browser_world import World, make_world
from tests.support.camera_videos import MakeVideo, make_video
from tests.support.phone_page import PhonePage, phone_page
from verifier.phone_build import BuiltPage, load_page


def _need_page() -> None:
    """Go on where the page's packages are; skip only in an environment that is said to be ready without them."""
    if web.wheel() is None or not (web.FOLDER / "node_modules").is_dir():
        if os.environ.get(environment.READY_VARIABLE) == "ready":
            pytest.skip("this environment has no packages of the phone page: npm ci in verifier/web")
        pytest.fail("the phone page is not set up: run python3 scripts/test")


@pytest.fixture(scope="session")
def page() -> Iterator[PhonePage]:
    """The running core; skipped only in an environment that is said to be ready and has no Node."""
    _need_page()
    with phone_page() as running:
        yield running


@pytest.fixture(scope="session")
def page_words() -> Iterator[PhonePage]:
    """The running words of the page, `verifier/web/tests/words.ts`; skipped as `page` is."""
    _need_page()
    with phone_page(web.FOLDER / "tests" / "words.ts") as running:
        yield running


@pytest.fixture(scope="session")
def built_page() -> BuiltPage:
    """The page of these sources; built first where that was not done, once for all processes of the run."""
    _need_page()
    if os.environ.get(environment.READY_VARIABLE) != "ready":
        web.prepare()
    page = load_page()
    if page is None:
        pytest.skip("this environment has no built phone page: python3 -m scripts.web")
    return page


@pytest.fixture(scope="session")
def world() -> World:
    """The ledger of today with a card for every state."""
    return make_world(int(time.time()))


@pytest.fixture(scope="session")
def station_server(
    world: World, built_page: BuiltPage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StationServer]:
    """A station with the list of today, for all tests; one that stops it starts its own (`fresh_station`)."""
    with served(world, tmp_path_factory.mktemp("station"), built_page) as server:
        yield server


@pytest.fixture
def fresh_station(world: World, built_page: BuiltPage, tmp_path: Path) -> Iterator[StationServer]:
    """A station for one test, which may stop it or look through its folder."""
    with served(world, tmp_path / "station", built_page) as server:
        yield server


@pytest.fixture
def old_station(world: World, built_page: BuiltPage, tmp_path: Path) -> Iterator[StationServer]:
    """A station whose list is 19 days old."""
    with served(world, tmp_path / "old-station", built_page, old_list=True) as server:
        yield server


@pytest.fixture(scope="session")
def browsers() -> Iterator[Browsers]:
    """The browsers of this process; tests use `open_page`."""
    program = chromium.find()
    if program is None:
        reason = f"no Chromium: install one, or name one in {chromium.VARIABLE}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with Browsers(program) as running:
        yield running


@pytest.fixture
def open_page(browsers: Browsers) -> Iterator[OpenPage]:
    """Open an address in a fresh profile; arguments as `tests.support.browser.Browsers.open_page`."""
    with browsers.awake():
        try:
            yield browsers.open_page
        finally:
            browsers.close_pages()


@pytest.fixture
def camera_video(tmp_path: Path) -> MakeVideo:
    """Make the video of a printed card for `open_page(..., video=...)`: print, scene, and a seed."""

    def make(card: Image.Image, scene: str = "clean", seed: int = 0) -> Path:
        return make_video(
            card, scene, tmp_path / f"{scene}-{seed}-{len(list(tmp_path.iterdir()))}.mjpeg", seed=seed
        )

    return make
