"""The camera's screen in a real browser: videos of printed cards, photos, codes of other systems, no camera at all."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload

from tests.support.browser import OpenPage
from tests.support.browser_station import StationServer
from tests.support.browser_user import User
from tests.support.browser_world import World, print_card_front
from tests.support.camera_videos import SCENES, MakeVideo

READ_LIMIT_S = 30.0
"""Far more than a phone takes: a machine that runs other tests beside stalls."""


@pytest.mark.parametrize("scene", [name for name, scene in SCENES.items() if scene.card])
def test_a_printed_card_leads_to_its_verdict(
    scene: str, station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(world.cards["withdrawn"].print, scene)
    user = User(open_page(station_server.url, video=video))
    user.first_run()
    assert user.sees("states.withdrawn.word", READ_LIMIT_S)
    assert user.sees("states.withdrawn.now")
    assert user.phone.messages == []


def test_a_table_without_a_card_leads_to_hints_and_to_no_verdict(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(world.cards["confirmed"].print, "blank")
    user = User(open_page(station_server.url, video=video))
    user.first_run()
    assert user.sees("phone.scan.aim")
    hints = [user.text(f"phone.scan.hints.{name}") for name in ("flatten", "shade", "closer", "steady")]
    user.phone.wait_until("a hint", lambda: any(hint in user.screen() for hint in hints))
    assert user.heading() == user.text("phone.scan.title")


def test_a_code_of_another_system_is_named_and_gets_no_verdict(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(print_card_front(world.cards["health_certificate"].text), "clean")
    user = User(open_page(station_server.url, video=video))
    user.first_run()
    kind = user.text("kinds.eu_health_certificate")
    user.phone.wait_until("the kind of the code", lambda: kind in user.screen(), READ_LIMIT_S)


def test_a_photo_with_two_cards_leads_to_both(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url))
    user.first_run()
    pictures: list[FilePayload] = [
        {"name": f"{name}.png", "mimeType": "image/png", "buffer": world.cards[name].png}
        for name in ("child", "adult")
    ]
    user.page.get_by_label(user.text("page.picture")).set_input_files(pictures)
    assert user.sees("companion.not_recorded")
    assert user.screen().count(user.text("states.confirmed.word")) >= 2


@pytest.mark.parametrize(("camera", "problem"), [("refused", "denied"), ("none", "none")])
def test_without_a_camera_the_text_of_a_code_is_checked(
    camera: str, problem: str, station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, camera=camera))
    user.first_run()
    assert user.sees(f"phone.scan.problems.{problem}.title")
    user.check(world.cards["replaced"].text)
    assert user.sees("states.replaced.word")
