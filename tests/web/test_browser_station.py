"""The page in a real browser, as the station serves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

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


class _Elsewhere(BaseHTTPRequestHandler):
    """A page of another address, on another port of this device."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_a_page_of_another_address_can_neither_ask_for_a_verdict_nor_embed_the_list(
    fresh_station: StationServer, open_page: OpenPage, elsewhere: str
) -> None:
    phone = open_page(elsewhere)
    reached = phone.page.evaluate(
        """async (station) => {
            const ask = (path, more) => fetch(station + path, { mode: "no-cors", ...more }).then(() => path, () => "");
            return Promise.all([ask("verify", { method: "POST", body: "SC1:ABC" }), ask("list"), ask("healthz")]);
        }""",
        fresh_station.url.removesuffix("phone/"),
    )
    assert reached == ["", "", ""]
    assert '"POST /verify HTTP/1.1" 400' in fresh_station.log.getvalue()
