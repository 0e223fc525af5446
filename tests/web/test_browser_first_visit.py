"""From the first visit to a verdict, by nothing but what is written on the screen."""

from __future__ import annotations

import re

import pytest

from tests.support.browser import OpenPage
from tests.support.browser_screens import companions
from tests.support.browser_station import StationServer
from tests.support.browser_user import User, languages
from tests.support.browser_world import STATES, World
from tests.support.camera_videos import MakeVideo

ACTIONS_MAX = 10


def test_the_first_visit_leads_to_the_verdict_on_a_card_in_ten_actions(
    station_server: StationServer, open_page: OpenPage, camera_video: MakeVideo, world: World
) -> None:
    video = camera_video(world.cards["confirmed"].print)
    user = User(open_page(station_server.url, video=video))
    user.first_run()
    assert user.sees("states.confirmed.word")
    assert user.sees("states.confirmed.now")
    assert user.actions <= ACTIONS_MAX


def test_a_wrong_answer_in_the_drill_is_explained_and_does_not_lead_on(
    station_server: StationServer, open_page: OpenPage
) -> None:
    user = User(open_page(station_server.url))
    user.press("phone.practice.next")
    user.press("phone.practice.next")
    user.choose("phone.settings.posts.desk")
    user.press("phone.practice.cards.age.other")
    assert user.sees("phone.practice.cards.age.other_why")
    assert not user.page.get_by_role("button", name=user.text("phone.practice.start")).is_visible()
    user.press("phone.practice.cards.age.right")
    assert user.sees("phone.practice.cards.stale.story")


def test_the_drill_goes_on_where_it_must_after_the_phone_was_off(
    station_server: StationServer, open_page: OpenPage
) -> None:
    user = User(open_page(station_server.url))
    user.press("phone.practice.next")
    user.press("phone.practice.next")
    user.choose("phone.settings.posts.desk")
    assert user.sees("phone.practice.cards.age.story")
    user.page.reload()
    assert user.sees("phone.practice.cards.age.story")
    assert not user.page.get_by_role("heading", name=user.text("phone.scan.title")).is_visible()


def test_every_state_says_its_word_its_meaning_and_what_to_do(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url))
    user.first_run()
    for state in STATES:
        user.check(world.cards[state].text)
        assert user.sees(f"states.{state}.word"), state
        assert user.sees(f"states.{state}.now"), state
        user.again()
    assert user.phone.messages == []


def test_an_old_list_is_said_with_its_age(
    old_station: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(old_station.url))
    user.first_run()
    assert user.sees("freshness.days_other")
    user.check(world.cards["confirmed"].text)
    assert user.sees("states.confirmed_stale.word")
    assert re.search(r"\b19\b", user.screen())


@pytest.mark.parametrize("code", [path.stem for path in languages() if path.stem != "en"])
def test_the_browsers_language_is_the_pages(
    code: str, station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, language=code), code)
    user.first_run()
    user.check(world.cards["replaced"].text)
    assert user.sees("states.replaced.word")
    assert user.page.evaluate("document.documentElement.lang") == code


def test_child_and_adult_together(station_server: StationServer, open_page: OpenPage, world: World) -> None:
    user = User(open_page(station_server.url))
    user.first_run()
    results = [name for name in companions(user, world) if user.sees(f"companion.{name.partition('-')[2]}")]
    assert results == ["companion-recorded", "companion-ended", "companion-not_recorded"]
