"""A tour through all screens of the phone page, for tests that look at each and for pictures of each.

Every part of the tour goes on by what is written on the screen, in any language, and stops at each screen with its
name. What is done at a stop must leave the screen as it is.

    for name in tour(user, world):
        look_at(name, user.page)
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.browser_user import FORCED_CARDS, User
from tests.support.browser_world import STATES, World

COMPANIONS = {
    "recorded": ("child", "adult", "right"),
    "ended": ("child_2", "adult", "ended_right"),
    "not_recorded": ("child", "stranger"),
}


def first_run(user: User, post: str = "border") -> Iterator[str]:
    """The three screens and the drill, to the screen that ends it."""
    for name in ("proves", "privacy"):
        assert user.sees(f"phone.practice.{name}.title")
        yield f"first-run-{name}"
        user.press("phone.practice.next")
    assert user.sees("phone.practice.station.title")
    yield "first-run-station"
    user.choose(f"phone.settings.posts.{post}")
    for name in FORCED_CARDS:
        assert user.sees(f"phone.practice.cards.{name}.story")
        yield f"drill-{name}"
        if name == FORCED_CARDS[0]:
            user.press(f"phone.practice.cards.{name}.other")
            assert user.sees(f"phone.practice.cards.{name}.other_why")
            yield f"drill-{name}-wrong"
        user.press(f"phone.practice.cards.{name}.right")
    assert user.sees("phone.practice.over")
    yield "drill-over"
    user.press("phone.practice.start")


def wait_for_camera(user: User) -> None:
    """Wait until there is a picture of the camera; where there is none, until that is said."""
    aim = user.pattern("phone.scan.aim")
    problem = user.page.locator(".scan-problem")
    user.phone.wait_until("the camera", lambda: aim.search(user.screen()) or problem.is_visible())


def parts(user: User) -> Iterator[str]:
    """Camera, help, lists and settings."""
    wait_for_camera(user)
    yield "scan"
    user.press("phone.app.help")
    yield "help"
    user.press("phone.app.help")
    user.go_to("lists")
    assert user.sees("phone.keep.hand_on.title")
    yield "lists"
    user.go_to("settings")
    assert user.sees("phone.settings.signals")
    yield "settings"
    user.go_to("scan")


def results(user: User, world: World) -> Iterator[str]:
    """A result for each state that a list of today leads to, and some that carry more."""
    for name in (*STATES, "young", "quarantined", "key_distrusted", "arabic", "web_address"):
        user.check(world.cards[name].text)
        assert user.sees(f"states.{world.cards[name].state}.word")
        yield f"result-{name}"
        user.again()


def companions(user: User, world: World) -> Iterator[str]:
    """Child and adult, with and without a recorded link."""
    for result, names in COMPANIONS.items():
        user.check(world.cards[names[0]].text)
        for name in names[1:]:
            user.together()
            user.check(world.cards[name].text)
        assert user.sees(f"phone.show.companion.{result}")
        yield f"companion-{result}"
        user.again()


def opened(user: User, world: World) -> Iterator[str]:
    """What a bearer opens with the slip."""
    card = world.cards["portrait"]
    user.check(card.back)
    yield "sealed"
    user.press("phone.show.slip")
    user.check(card.slip)
    assert user.sees("phone.show.opened.hold")
    hold = user.page.get_by_role("button", name=user.text("phone.show.opened.steps"))
    hold.scroll_into_view_if_needed()
    yield "opened-covered"
    user.press("phone.show.opened.steps")
    user.press("phone.show.opened.armed")
    assert user.sees("page.labels.birthplace")
    yield "opened"
    user.hide()
    user.again()


def discreet(user: User, world: World) -> Iterator[str]:
    """Results of a station that is set to be discreet; the first run chose a shelter."""
    for state in ("confirmed", "withdrawn", "altered"):
        user.check(world.cards[state].text)
        assert user.sees("phone.show.discreet.hold")
        yield f"discreet-{state}-covered"
        button = user.page.get_by_role("button", name=user.pattern("phone.show.discreet.hold"))
        button.hover()
        user.page.mouse.down()
        assert user.sees(f"states.{state}.word")
        yield f"discreet-{state}-held"
        user.page.mouse.up()
        user.again()


def tour(user: User, world: World) -> Iterator[str]:
    """Everything but the old list and the discreet station."""
    yield from first_run(user)
    yield from parts(user)
    yield from results(user, world)
    yield from companions(user, world)
    yield from opened(user, world)
