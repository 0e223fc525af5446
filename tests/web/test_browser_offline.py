"""Without a network: after one visit the page opens and judges, and it never calls anybody to reach a verdict."""

from __future__ import annotations

from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_user import User
from tests.support.browser_world import World
from tests.support.camera_videos import MakeVideo

_WORKER_READY = "navigator.serviceWorker.ready.then(({ active }) => active?.state === 'activated')"


def wait_for_worker(phone: Phone) -> None:
    """Wait until the page's service worker has everything and answers for the network."""
    phone.poll("the service worker", _WORKER_READY)


def test_after_one_visit_the_page_judges_with_the_network_off_and_the_station_gone(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(fresh_station.url))
    user.first_run()
    wait_for_worker(user.phone)
    user.phone.wait_until("the list", lambda: "List from" in user.screen())
    fresh_station.stop()
    user.phone.context.set_offline(True)
    user.page.reload()
    assert user.sees("phone.scan.title")
    assert user.sees("freshness.today")
    for name in ("confirmed", "withdrawn", "altered"):
        user.check(world.cards[name].text)
        assert user.sees(f"states.{name}.word"), name
        user.again()


def test_the_camera_reads_offline(
    fresh_station: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    user = User(open_page(fresh_station.url, video=camera_video(world.cards["suspended"].print)))
    user.sees("phone.practice.next")
    wait_for_worker(user.phone)
    fresh_station.stop()
    user.phone.context.set_offline(True)
    user.page.reload()
    user.first_run()
    assert user.sees("states.suspended.word")


def test_a_verdict_makes_no_request(
    fresh_station: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    user = User(open_page(fresh_station.url, video=camera_video(world.cards["confirmed"].print)))
    user.sees("phone.practice.next")
    wait_for_worker(user.phone)
    user.first_run()
    # What the camera needs is fetched while it opens, whatever it sees then.
    assert user.sees("states.confirmed.word")
    seen, asked = len(user.phone.requests), len(fresh_station.requests)
    user.press("page.again")
    user.phone.wait_until("the camera's screen", lambda: user.text("phone.scan.aim") in user.screen())
    assert user.sees("states.confirmed.word"), "the same card once more"
    assert fresh_station.requests[asked:] == []
    assert user.phone.requests[seen:] == []


def test_no_typed_code_makes_a_request(
    fresh_station: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(fresh_station.url, camera="none"))
    user.first_run()
    wait_for_worker(user.phone)
    seen, asked = len(user.phone.requests), len(fresh_station.requests)
    for name in ("confirmed", "withdrawn", "unknown_issuer", "unreadable", "web_address"):
        user.check(world.cards[name].text)
        user.sees("phone.show.title")
        user.again()
    assert fresh_station.requests[asked:] == []
    assert user.phone.requests[seen:] == []


def test_a_request_would_be_seen(fresh_station: StationServer, open_page: OpenPage) -> None:
    """The counts above can fail: a page that calls is seen, and so is a worker that does."""
    phone = open_page(fresh_station.url)
    User(phone).sees("phone.practice.next")
    wait_for_worker(phone)
    seen, asked = len(phone.requests), len(fresh_station.requests)
    phone.page.evaluate("fetch('station.json?card=1').then(() => true)")
    assert any("card=1" in url for url in phone.requests[seen:])
    assert any("card=1" in line for line in fresh_station.requests[asked:])
