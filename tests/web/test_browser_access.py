"""Everybody can use the page: rules of WCAG by axe, keyboard, large text, no colours, no motion, a screen reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import pytest

from scripts import web
from tests.support import browser_screens as screens
from tests.support.browser import OpenPage, Phone
from tests.support.browser_station import StationServer
from tests.support.browser_user import FORCED_CARDS, User
from tests.support.browser_world import STATES, World

AXE = web.FOLDER / "node_modules" / "axe-core" / "axe.min.js"
# A target that scrolls below a fixed bar is not lost; `_LAYOUT` looks at each where it can be touched.
RULES_LEFT_OUT = ("target-size",)
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
TARGET_MIN_PX = 48
TABS_MAX = 80
Part = Callable[[User, World], Iterator[str]]


def first_run(user: User, world: World) -> Iterator[str]:
    return chain(screens.first_run(user), screens.parts(user))


def with_sealed_parts(user: User, world: World) -> Iterator[str]:
    user.first_run()
    return chain(screens.companions(user, world), screens.opened(user, world))


def results(user: User, world: World) -> Iterator[str]:
    user.first_run()
    return screens.results(user, world)


def discreet(user: User, world: World) -> Iterator[str]:
    user.first_run("shelter")
    return screens.discreet(user, world)


PARTS: tuple[Part, ...] = (first_run, with_sealed_parts, results, discreet)
each_part = pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)


# -- axe ------------------------------------------------------------------------------------------------


def violations(phone: Phone) -> list[str]:
    """What axe finds on the screen as it is now: rule, and where."""
    if not phone.page.evaluate("typeof window.axe === 'object'"):
        phone.page.evaluate(AXE.read_text("utf-8") + "; true")
    found: Any = phone.page.evaluate(
        """([tags, leftOut]) => axe.run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"],
                rules: Object.fromEntries(leftOut.map((id) => [id, { enabled: false }])) })
            .then(({ violations }) => violations.map(({ id, nodes }) =>
                `${id}: ${nodes.map(({ target, any }) => `${target} ${any.map(({ message }) => message)}`)}`))""",
        [list(TAGS), list(RULES_LEFT_OUT)],
    )
    return [str(item) for item in found]


@each_part
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_screen_breaks_a_rule_of_axe(
    part: Part, dark: bool, station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, dark=dark, reduced_motion=True))
    found = {name: violations(user.phone) for name in part(user, world)}
    assert {name: broken for name, broken in found.items() if broken} == {}
    assert len(found) >= 3


def test_axe_sees_what_is_broken(station_server: StationServer, open_page: OpenPage) -> None:
    """The test above can fail."""
    phone = open_page(station_server.url)
    User(phone).sees("phone.practice.next")
    phone.page.evaluate("""() => {
        document.querySelector("button.main").setAttribute("aria-label", " ");
        document.querySelector("h1").style.color = "#eee";
    }""")
    assert any("color-contrast" in line for line in violations(phone))


# -- large text, small screen ---------------------------------------------------------------------------

_LAYOUT = """(minimum) => {
    const wide = document.scrollingElement.scrollWidth - innerWidth;
    const problems = wide > 0 ? [`the page is ${wide} px too wide`] : [];
    const isShown = (item) => item.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });
    // What a bearer opened lies over everything else, as long as it is shown.
    const layer = document.querySelector(".opened-panel") ?? document;
    for (const item of layer.querySelectorAll("button, a[href], input, select, textarea, summary")) {
        if (!isShown(item) || item.disabled) continue;
        const name = `${item.localName} “${(item.textContent || item.type).trim().slice(0, 40)}”`;
        item.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
        const box = (item.closest("label") ?? item).getBoundingClientRect();
        const own = item.getBoundingClientRect();
        if (own.left < -0.5 || own.right > innerWidth + 0.5) problems.push(`${name} sticks out`);
        if (Math.max(box.height, own.height) < minimum - 0.5) problems.push(`${name} is ${own.height} px high`);
        if (item.localName !== "input" && item.scrollWidth > item.clientWidth + 2 &&
            getComputedStyle(item).overflowX !== "visible") problems.push(`${name} is cut`);
        const middle = Math.min(box.top + box.height / 2, innerHeight - 1);
        const top = document.elementFromPoint(box.left + box.width / 2, middle);
        const label = item.closest("label");
        if (!(top && (item.contains(top) || top.contains(item) && top === label || label?.contains(top))))
            problems.push(`${name} is covered by ${top?.localName}.${top?.className}`);
    }
    return problems;
}"""


@each_part
@pytest.mark.parametrize(("language", "text_percent"), [("en", 200), ("en-XA", 100), ("ar", 100)])
def test_nothing_is_lost_on_a_small_screen(
    part: Part,
    language: str,
    text_percent: int,
    station_server: StationServer,
    open_page: OpenPage,
    world: World,
) -> None:
    """At twice the size of text, with words that are 40 % longer, and from right to left."""
    phone = open_page(station_server.url, reduced_motion=True, text_percent=text_percent, language=language)
    user = User(phone, language)
    found = {name: user.page.evaluate(_LAYOUT, TARGET_MIN_PX) for name in part(user, world)}
    assert {name: problems for name, problems in found.items() if problems} == {}


# -- keyboard and screen reader -------------------------------------------------------------------------


def tab_to(user: User, label: str) -> None:
    """Press Tab until what has this label has the focus, and can be seen to have it."""
    for _ in range(TABS_MAX):
        user.page.keyboard.press("Tab")
        name = user.page.evaluate(
            "document.activeElement?.labels?.[0]?.textContent ?? document.activeElement?.textContent ?? ''"
        )
        if name.strip().startswith(label):
            ring = user.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            shadow = user.page.evaluate("getComputedStyle(document.activeElement).boxShadow")
            assert ring != "none" or shadow != "none", f"“{label}” does not show that it has the focus"
            return
    raise AssertionError(f"“{label}” is not reached by {TABS_MAX} times Tab\n{user.phone.seen()}")


def press_key_on(user: User, path: str) -> None:
    user.sees(path)
    tab_to(user, user.text(path))
    user.page.keyboard.press("Enter")


def test_the_keyboard_alone_leads_from_the_first_visit_to_a_verdict(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, camera="refused"))
    steps = ["phone.practice.next", "phone.practice.next", "phone.settings.posts.desk"]
    steps += [f"phone.practice.cards.{name}.right" for name in FORCED_CARDS]
    for path in [*steps, "phone.practice.start"]:
        press_key_on(user, path)
    assert user.sees("phone.scan.problems.denied.title")
    tab_to(user, user.text("phone.scan.text"))
    user.page.keyboard.insert_text(world.cards["replaced"].text)
    press_key_on(user, "page.check")
    assert user.sees("states.replaced.word")
    press_key_on(user, "page.again")
    assert user.sees("phone.scan.title")


def test_the_focus_goes_to_the_heading_of_each_new_screen(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url))
    wrong = []
    for name in chain(screens.first_run(user), screens.parts(user), screens.companions(user, world)):
        if name in ("first-run-proves", "help", "drill-age-wrong"):
            continue
        focus = "document.activeElement?.localName"
        try:
            user.phone.poll("the focus", f"{focus} === 'h1'", limit_s=3)
        except AssertionError:
            wrong.append((name, user.page.evaluate(focus)))
    assert wrong == []


def test_a_screen_reader_hears_the_word_and_what_to_do(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url))
    user.first_run()
    for state in ("confirmed", "withdrawn", "altered", "unreadable"):
        user.check(world.cards[state].text)
        told = [user.text(f"states.{state}.{part}") for part in ("word", "now")]
        user.phone.wait_until(f"the announcement of {state}", lambda told=told: _is_said(user, told))  # type: ignore[misc]
        user.again()


def _is_said(user: User, told: list[str]) -> bool:
    regions = user.page.locator("[role=status], [role=alert], [aria-live]").all_inner_texts()
    return all(any(text in region for region in regions) for text in told)


# -- colours and motion ---------------------------------------------------------------------------------


def test_without_colours_every_state_has_a_shape_and_a_word_of_its_own(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url))
    user.first_run()
    looks: dict[str, tuple[str, str]] = {}
    for state in STATES:
        user.check(world.cards[state].text)
        user.sees(f"states.{state}.word")
        looks[state] = (user.page.locator(".station .results svg").first.inner_html(), user.word())
        user.again()
    assert len({shape for shape, _ in looks.values()}) == len(STATES)
    assert len({word for _, word in looks.values()}) == len(STATES)


def test_nothing_moves_where_less_motion_is_wanted(
    station_server: StationServer, open_page: OpenPage, world: World
) -> None:
    user = User(open_page(station_server.url, reduced_motion=True))
    moving = {}
    for name in chain(screens.first_run(user), screens.parts(user), screens.companions(user, world)):
        running = "document.getAnimations().filter(({ playState }) => playState === 'running').length"
        moving[name] = user.page.evaluate(running)
    assert {name: count for name, count in moving.items() if count} == {}
