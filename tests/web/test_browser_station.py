"""The page in a real browser, as the station serves it."""

from __future__ import annotations

import asyncio

from tests.support.browser import OpenPage
from tests.support.browser_station import StationServer


def test_the_page_opens_without_a_complaint(station_server: StationServer, open_page: OpenPage) -> None:
    phone = open_page(station_server.url)
    phone.wait_until("something to see", lambda: phone.page.locator("#app").inner_text().strip())
    assert phone.messages == []
    assert all(url.startswith(station_server.url) for url in phone.requests)


def test_a_browser_lets_other_loops_run_between_its_tests() -> None:
    asyncio.run(asyncio.sleep(0))


def test_every_page_has_a_profile_of_its_own(station_server: StationServer, open_page: OpenPage) -> None:
    first, second = open_page(station_server.url), open_page(station_server.url)
    first.page.evaluate("localStorage.setItem('left', 'behind')")
    assert second.page.evaluate("localStorage.getItem('left')") is None
