"""The results' room without a browser: looks and pulses of the states, what is held, what goes away, whom to call."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest
from PIL import Image

from ledger.core.calendar_days import DAY_S
from scripts import web
from tests.support.phone_page import PhonePage, phone_page
from verifier import pages
from verifier.core.wording import RESULT_STATES
from verifier.report import WORST_FIRST
from verifier.words import load_wording

WORDS: Final = load_wording()
SHOWN_MS: Final = 10_000
AMBER: Final = {"replaced", "withdrawn", "suspended", "expired", "incomplete"}
LOUDEST_HZ: Final = 880
LONGEST_S: Final = 1.3
ISOLATES: Final = {ord("\u2068"): None, ord("\u2069"): None}


@pytest.fixture(scope="module")
def show(page: PhonePage) -> Iterator[PhonePage]:
    """The running pure parts, `verifier/web/tests/show.ts`; `page` says where they cannot run."""
    with phone_page(web.FOLDER / "tests" / "show.ts") as running:
        yield running


@pytest.fixture(scope="module")
def looks(show: PhonePage) -> dict[str, Any]:
    return {look["state"]: look for look in show.ask("looks", None).result}


def test_every_state_has_a_look_and_the_most_serious_is_the_first(looks: dict[str, Any]) -> None:
    assert tuple(looks) == WORST_FIRST
    assert set(looks) == RESULT_STATES


def test_shape_and_colour_are_those_of_the_words_and_every_shape_is_of_one_state(
    looks: dict[str, Any],
) -> None:
    for name, look in looks.items():
        assert (look["shape"], look["colour"]) == (WORDS.state(name).shape, WORDS.state(name).colour)
    assert len({look["shape"] for look in looks.values()}) == len(RESULT_STATES)


def test_red_and_three_pulses_are_for_what_is_not_genuine_or_not_on_the_ledger_and_for_nothing_else(
    looks: dict[str, Any],
) -> None:
    serious = {"altered", "not_listed"}
    assert {name for name, look in looks.items() if look["colour"] == "red"} == serious
    assert {name for name, look in looks.items() if look["pulses"] == 3} == serious
    assert {name for name, look in looks.items() if look["pulses"] == 1} == {"confirmed", "confirmed_stale"}
    assert {name for name, look in looks.items() if look["colour"] == "amber"} == AMBER


def test_a_buzz_has_as_many_pulses_as_the_settings_say_and_no_two_states_feel_alike(
    looks: dict[str, Any],
) -> None:
    for look in looks.values():
        assert (len(look["buzz"]) + 1) / 2 == (len(look["discreet"]) + 1) / 2 == look["pulses"]
    assert len({tuple(look["buzz"]) for look in looks.values()}) == len(looks)


def test_discreet_pulses_tell_nothing_but_their_number(looks: dict[str, Any]) -> None:
    assert len({tuple(look["discreet"]) for look in looks.values()}) == 3
    assert len({pulse for look in looks.values() for pulse in look["discreet"][::2]}) == 1


def test_no_two_states_sound_alike_and_none_is_loud_shrill_or_long(looks: dict[str, Any]) -> None:
    motifs = {name: look["motif"] for name, look in looks.items()}
    contours = {
        tuple((round(note["hz"]), round(note["atS"], 2), round(note["lastsS"], 2)) for note in motif)
        for motif in motifs.values()
    }
    assert len(contours) == len(motifs)
    for motif in motifs.values():
        assert motif
        assert all(note["hz"] < LOUDEST_HZ for note in motif)
        assert motif[-1]["atS"] + motif[-1]["lastsS"] < LONGEST_S
        assert all(one["atS"] + one["lastsS"] <= two["atS"] + 1e-9 for one, two in itertools.pairwise(motif))


def test_a_state_that_this_version_does_not_know_neither_confirms_nor_accuses(show: PhonePage) -> None:
    look = show.ask("unknown", "from_the_future").result
    assert (look["colour"], look["pulses"], look["motif"]) == ("grey", 2, [])


def test_the_card_that_matters_most_leads_and_keeps_its_number(show: PhonePage) -> None:
    states = ["confirmed", "withdrawn", "unreadable", "altered", "withdrawn", "from_the_future"]
    assert show.ask("order", states).result == [6, 4, 2, 5, 3, 1]


HELD: Final = [
    (["press", 149, "release"], [[0, "pressing"], [149, "hidden"]]),
    (["press", 400, "release"], [[0, "pressing"], [150, "held"], [400, "hidden"]]),
    (["press", 60_000], [[0, "pressing"], [150, "held"], [10_150, "hidden"]]),
    (
        ["press", 20_000, "release", 10, "press", 200],
        [[0, "pressing"], [150, "held"], [10_150, "hidden"], [20_010, "pressing"], [20_160, "held"]],
    ),
    (["press", 9_000, "press", 60_000], [[0, "pressing"], [150, "held"], [10_150, "hidden"]]),
    (["press", 100, "hide", 1_000], [[0, "pressing"], [100, "hidden"]]),
    (["press", 500, "hide", "release"], [[0, "pressing"], [150, "held"], [500, "hidden"]]),
    (["step", 60_000], [[0, "armed"], [30_000, "hidden"]]),
    (["step", 5_000, "step", 60_000], [[0, "armed"], [5_000, "opened"], [15_000, "hidden"]]),
    (["step", "step", 3_000, "step"], [[0, "armed"], [0, "opened"], [3_000, "hidden"]]),
    (["step", "step", 9_000, "extend", 60_000], [[0, "armed"], [0, "opened"], [19_000, "hidden"]]),
    (["step", "step", "release", 1_000, "hide"], [[0, "armed"], [0, "opened"], [1_000, "hidden"]]),
    (["step", "hide", "step", 1], [[0, "armed"], [0, "hidden"], [0, "armed"]]),
    (["release", "extend", "hide", 1_000], []),
]


@pytest.mark.parametrize(("steps", "seen"), HELD)
def test_what_is_held_shows_for_as_long_as_it_may(show: PhonePage, steps: list[Any], seen: list[Any]) -> None:
    assert show.ask("hold", {"shown_ms": SHOWN_MS, "steps": steps}).result == seen


def test_a_held_part_cannot_be_kept_open_by_extending_it(show: PhonePage) -> None:
    steps = ["press", 5_000, "extend", 5_000, "extend", 60_000]
    seen = show.ask("hold", {"shown_ms": SHOWN_MS, "steps": steps}).result
    assert seen[-1] == [10_150, "hidden"]


def test_a_result_goes_two_minutes_after_its_last_use_and_says_so_half_a_minute_before(
    show: PhonePage,
) -> None:
    def seen(*steps: str | int) -> Any:
        return show.ask("leaving", {"steps": steps}).result

    assert seen("used", 600_000) == [[90_000, "notice"], [120_000, "gone"]]
    assert seen("used", 119_999) == [[90_000, "notice"]]
    again = [[90_000, "notice"], [119_000, "kept"], [209_000, "notice"], [239_000, "gone"]]
    assert seen("used", 119_000, "used", 600_000) == again
    assert seen("used", 89_000, "used", 89_000, "used", 89_000) == []
    assert seen("used", 100_000, "stop", 600_000) == [[90_000, "notice"]]


@pytest.mark.parametrize(
    ("left_ms", "back_ms", "gone"),
    [(0, 0, False), (5, 10_004, False), (5, 10_005, True), (5, 4, True), (0, 10**9, True)],
)
def test_a_page_that_was_away_for_ten_seconds_or_whose_clock_went_back_has_lost_its_result(
    show: PhonePage, left_ms: int, back_ms: int, gone: bool
) -> None:
    assert show.ask("away", [left_ms, back_ms]).result is gone


CHILD, GROWN, UNSURE = [[12, "no"], [18, "yes"]], [[18, "no"], [21, "yes"]], [[18, "cannot_exclude"]]


@pytest.mark.parametrize(
    ("cards", "companion", "asked"),
    [
        ([{"answers": CHILD}], False, "adult"),
        ([{"answers": UNSURE}], False, "adult"),
        ([{"answers": GROWN}], False, "more"),
        ([{"answers": [], "right": True}], False, "child"),
        ([{"answers": CHILD}, {"answers": [], "right": True}], True, "more"),
        ([], False, "more"),
    ],
)
def test_the_next_card_to_ask_for_is_the_one_that_is_missing(
    show: PhonePage, cards: list[Any], companion: bool, asked: str
) -> None:
    assert show.ask("ask", {"cards": cards, "companion": companion}).result == asked


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("+252 (61) 234-567", "tel:+25261234567"),
        ("112", "tel:112"),
        ("*123#", "tel:*123%23"),
        ("٠٦١ ٢٣٤٥", "tel:0612345"),
        ("०१२३४५६७८९", "tel:0123456789"),
        ("\u2066+1 555\u2069", "tel:+1555"),
        ("12", None),
        ("ask Amina", None),
        ("", None),
        ("+", None),
        ("1+2345", None),
        ("javascript:alert(1)", None),
        ("123;ext=4", None),
    ],
)
def test_a_contact_is_dialled_only_where_it_is_a_number(
    show: PhonePage, written: str, dialled: str | None
) -> None:
    assert show.ask("tel", written).result == dialled


@pytest.mark.parametrize(
    ("age_s", "days", "said"),
    [
        (0, 0, "new"),
        (DAY_S - 1, 0, "new"),
        (7 * DAY_S, 7, "new"),
        (7 * DAY_S + 1, 7, "old"),
        (400 * DAY_S, 400, "old"),
        (400 * DAY_S + 1, None, "unknown"),
        (-1, None, "unknown"),
    ],
)
def test_the_chip_knows_new_old_and_a_clock_that_is_wrong(
    show: PhonePage, age_s: int, days: int | None, said: str
) -> None:
    list_s = 1_794_701_160
    found = show.ask("freshness", {"list_s": list_s, "now_s": list_s + age_s, "stale": 7}).result
    assert (found.get("ageDays"), found["freshness"]) == (days, said)


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "JPEG")
    return out.getvalue()


OPENED: Final = {
    "names": [
        {"text": "علي", "script": "Arab", "latin": "ALI", "kind": "primary"},
        {"text": "ALI", "script": "Latn", "latin": "ALI", "kind": "known_as"},
    ],
    "birth": {
        "earliest": "2008-01-01",
        "latest": "2010-12-31",
        "basis": "statement",
        "calendar": "gregorian",
        "told": "the long rain",
    },
    "nationalities": ["SOM", "ETH"],
    "birthplace": "Baidoa",
    "from_the_future": {"a": [1, {"b": None}]},
}


def test_what_the_bearer_opened_is_told_as_the_python_station_tells_it(show: PhonePage) -> None:
    wanted = [(part.label, list(part.values)) for part in pages._opened_parts(OPENED, WORDS)]
    found = show.ask("opened", {"language": "en", "opened": OPENED}).result
    said = [(part["label"], [value.translate(ISOLATES) for value in part["values"]]) for part in found]
    # The page writes script and Latin of a name on lines of their own.
    wanted[0] = (wanted[0][0], [half for line in wanted[0][1] for half in line.split(" / ")])
    assert said[:-1] == wanted[:-1]
    assert said[-1] == ("from_the_future", ["a: 1, b: null"])


def test_portrait_and_names_come_first_whatever_the_order_on_the_card(show: PhonePage) -> None:
    mixed = {"zebra": 1, **dict(reversed(OPENED.items())), "portrait": base64.b64encode(jpeg()).decode()}
    found = [part["name"] for part in show.ask("opened", {"language": "en", "opened": mixed}).result]
    wanted = ["portrait", "names", "birth", "nationalities", "birthplace", "zebra", "from_the_future"]
    assert found == wanted


def test_a_portrait_is_a_picture_where_its_bytes_begin_like_one(show: PhonePage) -> None:
    picture = jpeg()
    found = [
        show.ask(
            "opened", {"language": "en", "opened": {"portrait": base64.b64encode(data).decode()}}
        ).result[0]
        for data in (picture, b"\x00" + picture, b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    ]
    assert [part["picture"] for part in found] == [["image/jpeg", len(picture)], None, None]
    assert found[1]["values"][0].translate(ISOLATES) == f"{len(picture) + 1} bytes"
