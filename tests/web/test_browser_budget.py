"""What the first visit costs over a thin line."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import bench_phone
from scripts import browser as chromium
from tests.support.browser import OpenPage
from tests.support.browser_station import StationServer
from tests.support.browser_user import User
from tests.web.test_browser_offline import wait_for_worker

FIRST_LOAD_MAX_BYTES = 600_000


def test_the_first_load_takes_at_most_600_kilobytes(
    fresh_station: StationServer, open_page: OpenPage
) -> None:
    phone = open_page(None)
    received: list[float] = []

    def note(event: Any) -> None:
        received.append(event["encodedDataLength"])

    phone.devtools.on("Network.loadingFinished", note)
    phone.devtools.send("Network.enable")
    phone.page.goto(fresh_station.url)
    user = User(phone)
    user.first_run()
    wait_for_worker(phone)
    sent = sum(fresh_station.sent_bytes.values())
    assert 100_000 < sent <= FIRST_LOAD_MAX_BYTES, fresh_station.sent_bytes
    assert 50_000 < sum(received) <= FIRST_LOAD_MAX_BYTES
    assert any(path.endswith(".wasm") for path in fresh_station.sent_bytes), "the camera's reader came too"


def test_a_second_visit_asks_for_next_to_nothing(fresh_station: StationServer, open_page: OpenPage) -> None:
    user = User(open_page(fresh_station.url))
    user.first_run()
    wait_for_worker(user.phone)
    before = sum(fresh_station.sent_bytes.values())
    user.page.reload()
    user.sees("phone.scan.title")
    wait_for_worker(user.phone)
    assert sum(fresh_station.sent_bytes.values()) - before < 40_000, fresh_station.sent_bytes


def test_the_benchmark_of_the_camera_hands_back_figures_of_the_promised_form() -> None:
    """At a tiny size; no time is judged here."""
    if chromium.find() is None:
        pytest.skip("no Chromium")
    camera, load = bench_phone.measure(rounds=1, scans=2, slower=1)
    assert (camera.id, load.id) == ("P11", "P11b")
    assert camera.details["frame"] == "1280 x 720"
    assert 0 < camera.rounds[0] <= camera.details["worst_ms"] + 0.1
    assert 100 < load.rounds[0] < bench_phone.FIRST_LOAD_MAX_KB
