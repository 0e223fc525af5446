"""The scanner's pure parts: what is read of a picture, what is told of what was seen, and which hint is shown."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from scripts import web
from tests.support.phone_page import PhonePage, phone_page

CARD = "SC1:RRQT 9GO0+$F%47N23.G2O609"
OTHER_CARD = "SC1:6G$DK"
SLIP = "SCK1:2L6"
POSTER = "https://example.org/poster"
NO_LIGHT = {"torch": "none", "isZoomable": False}


@pytest.fixture(scope="module")
def scan(page: PhonePage) -> Iterator[PhonePage]:
    with phone_page(web.FOLDER / "tests" / "scan.ts") as running:
        yield running


def tell(scan: PhonePage, *seen: tuple[int, list[str] | None]) -> list[Any]:
    steps = [{"ms": ms, **({} if texts is None else {"texts": texts})} for ms, texts in seen]
    answers: list[Any] = scan.ask("tell", steps).result
    return answers


def told(scan: PhonePage, *seen: tuple[int, list[str] | None]) -> list[list[str] | None]:
    return [answer and answer["told"] for answer in tell(scan, *seen)]


def all_told(scan: PhonePage, *seen: tuple[int, list[str] | None]) -> list[str]:
    return [text for texts in told(scan, *seen) for text in texts or ()]


def test_a_card_is_told_at_once_and_not_again_for_three_seconds(scan: PhonePage) -> None:
    assert told(scan, (0, [CARD]), (33, [CARD]), (2999, [CARD]), (3000, [CARD])) == [[CARD], [], [], [CARD]]


def test_another_card_is_told_within_the_three_seconds(scan: PhonePage) -> None:
    assert told(scan, (0, [CARD]), (40, [OTHER_CARD])) == [[CARD], [OTHER_CARD]]


def test_all_cards_of_one_picture_are_told_and_the_slip_after_them(scan: PhonePage) -> None:
    assert told(scan, (0, [SLIP, CARD, OTHER_CARD, CARD])) == [[CARD, OTHER_CARD, SLIP]]


def test_a_code_of_another_kind_is_told_when_it_stays_in_view(scan: PhonePage) -> None:
    assert told(scan, (0, [POSTER]), (400, [POSTER]), (799, [POSTER]), (800, [POSTER])) == [
        [],
        [],
        [],
        [POSTER],
    ]


def test_a_code_of_another_kind_beside_a_card_is_not_told(scan: PhonePage) -> None:
    seen: list[tuple[int, list[str] | None]] = [(at, [POSTER, CARD]) for at in range(0, 2000, 100)]
    assert all_told(scan, *seen) == [CARD]


def test_a_code_of_another_kind_that_a_card_replaced_begins_anew(scan: PhonePage) -> None:
    assert told(scan, (0, [POSTER]), (700, [CARD]), (900, [POSTER]), (1600, [POSTER])) == [[], [CARD], [], []]


def test_a_code_of_another_kind_does_not_flip_the_screen_again_while_it_is_in_view(scan: PhonePage) -> None:
    seen: list[tuple[int, list[str] | None]] = [(0, [POSTER]), (900, [POSTER])]
    seen += [(60_000, None)]  # the result was looked at, and the camera is on again
    seen += [(at, [POSTER]) for at in range(60_100, 70_000, 500)]
    answers = tell(scan, *seen)
    assert [answer["told"] for answer in answers[:2]] == [[], [POSTER]]
    assert all(answer["told"] == [] and answer["foreign"] == "url" for answer in answers[3:])


def test_a_code_of_another_kind_that_left_the_view_is_told_when_it_comes_back(scan: PhonePage) -> None:
    seen = told(scan, (0, [POSTER]), (900, [POSTER]), (3900, []), (4000, [POSTER]), (4900, [POSTER]))
    assert seen == [[], [POSTER], [], [], [POSTER]]


def test_the_codes_of_a_moving_screen_are_told_one_after_the_other(scan: PhonePage) -> None:
    frames = [f"SCF1:{number}" for number in range(60)]
    seen: list[tuple[int, list[str] | None]] = [(number * 33, [text]) for number, text in enumerate(frames)]
    assert all_told(scan, *seen) == frames


@pytest.mark.parametrize(
    ("ms", "hint"),
    [(0, None), (3999, None), (4000, "flatten"), (8999, "flatten"), (9000, "shade"), (14_000, "closer")],
)
def test_hints_begin_after_four_seconds(ms: int, hint: str | None, scan: PhonePage) -> None:
    shown = scan.ask("hint", {"ms": ms, "means": NO_LIGHT}).result
    assert (shown and shown["name"]) == hint


def test_the_light_is_advised_only_where_there_is_one_that_is_off(scan: PhonePage) -> None:
    def names(torch: str) -> list[str]:
        means = {"torch": torch, "isZoomable": False}
        shown = (scan.ask("hint", {"ms": 4000 + 5000 * turn, "means": means}).result for turn in range(8))
        return [hint["name"] for hint in shown]

    assert "torch" in names("off")
    assert "torch" not in names("on")
    assert "torch" not in names("none")
    assert names("on")[0] == "shade", "a light of one's own makes glare"


def test_a_hint_is_new_once(scan: PhonePage) -> None:
    shown = [
        scan.ask("hint", {"ms": 4000 + 5000 * turn, "means": NO_LIGHT}).result["isNew"] for turn in range(10)
    ]
    assert shown == [True] * 5 + [False] * 5


@pytest.mark.parametrize("is_slow", [False, True])
def test_every_way_of_reading_has_its_turn(is_slow: bool, scan: PhonePage) -> None:
    attempts = scan.ask("attempts", {"count": 20, "is_slow": is_slow}).result
    assert {attempt["part"] for attempt in attempts[:10]} == {"aim", "visible", "middle"}
    assert {attempt["effort"] for attempt in attempts[:10]} == {"quick", "kinds"}, "all is for photos"
    assert attempts[0] == {"part": "aim", "scale": 1, "effort": "quick"}


def test_a_slow_phone_reads_the_whole_picture_less_often(scan: PhonePage) -> None:
    def wholes(is_slow: bool) -> int:
        attempts = scan.ask("attempts", {"count": 40, "is_slow": is_slow}).result
        return sum(attempt["part"] != "aim" for attempt in attempts)

    assert wholes(True) < wholes(False)


@pytest.mark.parametrize(
    ("picture", "box", "visible"),
    [
        ((1280, 720), (328, 184.5), (1280, 720)),
        ((1280, 720), (328, 328), (720, 720)),
        ((720, 1280), (328, 333), (720, 728)),
        ((1280, 720), (0, 0), (1280, 720)),
    ],
)
def test_what_the_screen_does_not_show_is_not_read(
    picture: tuple[int, int], box: tuple[float, float], visible: tuple[int, int], scan: PhonePage
) -> None:
    def size(sides: tuple[float, float]) -> dict[str, float]:
        return {"width": sides[0], "height": sides[1]}

    assert scan.ask("visible", {"picture": size(picture), "box": size(box)}).result == size(visible)
    for part in ("aim", "middle", "visible"):
        got = scan.ask("part", {"part": part, "picture": size(picture), "visible": size(visible)}).result
        assert got["width"] <= visible[0]
        assert got["height"] <= visible[1]
        assert got["width"] % 4 == got["height"] % 4 == 0, "planes of colour have half the size"


def test_a_typed_text_is_one_code_for_each_line_and_keeps_its_spaces(scan: PhonePage) -> None:
    assert scan.ask("lines", "SC1:AB \r\n\r\n  \nSCK1:C D\n").result == ["SC1:AB ", "SCK1:C D"]


def test_a_typed_text_is_cut_where_no_code_goes_on(scan: PhonePage) -> None:
    lines = scan.ask("lines", "\n".join(["SC1:" + "A" * 9000] * 40)).result
    assert len(lines) <= 16
    assert max(map(len, lines)) == 4297, "one more than a code holds, so that it is refused and not cut"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("NotAllowedError", "denied"),
        ("NotFoundError", "none"),
        ("OverconstrainedError", "none"),
        ("NotReadableError", "busy"),
        ("AbortError", "busy"),
        ("TypeError", "failed"),
    ],
)
def test_every_refusal_of_a_camera_has_a_sentence(name: str, problem: str, scan: PhonePage) -> None:
    assert scan.ask("problem", name).result == problem


@pytest.mark.parametrize("text", [CARD, "SCF1:" + "A7$ " * 500, "lower case and é"])
def test_a_code_that_is_shown_reads_as_its_text(text: str, scan: PhonePage) -> None:
    code = scan.ask("code", text).result
    side, scale = code["side"], 4
    picture = Image.new("L", (side, side))
    picture.putdata([0 if square == "1" else 255 for square in code["squares"]])
    [read] = zxingcpp.read_barcodes(picture.resize((side * scale, side * scale), Image.Resampling.NEAREST))
    assert read.text == text
    assert code["correction"] == ("low" if len(text) > 900 else "medium")


def test_squares_are_whole_pixels_and_the_code_fits_its_box(scan: PhonePage) -> None:
    assert scan.ask("pixels", {"side": 133, "width": 328, "ratio": 2}).result == 4
    assert scan.ask("pixels", {"side": 185, "width": 100, "ratio": 1}).result == 1


SAVED: dict[str, dict[str, Any]] = {
    "PNG": {"format": "PNG"},
    "JPEG": {"format": "JPEG"},
    "progressive JPEG with a profile": {"format": "JPEG", "progressive": True, "icc_profile": bytes(70_000)},
    "lossy WebP": {"format": "WEBP"},
    "lossless WebP": {"format": "WEBP", "lossless": True},
    "extended WebP": {"format": "WEBP", "exif": b"Exif\0\0"},
}


def saved(size: tuple[int, int], kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "white").save(file, **SAVED[kind])
    return file.getvalue()


@pytest.mark.parametrize("kind", SAVED)
@pytest.mark.parametrize("size", [(1, 1), (301, 257), (8191, 3)])
def test_the_size_of_a_picture_is_known_before_it_is_unpacked(
    scan: PhonePage, kind: str, size: tuple[int, int]
) -> None:
    found = scan.ask("picture_size", saved(size, kind).hex()).result
    assert (found["width"], found["height"]) == size


@pytest.mark.parametrize("kind", SAVED)
def test_a_picture_that_is_cut_or_changed_never_stops_the_reader_of_sizes(scan: PhonePage, kind: str) -> None:
    data = saved((301, 257), kind)[:400]
    for length in range(0, len(data), 7):
        assert scan.ask("picture_size", data[:length].hex()).outcome == "ok"
    for place in range(0, len(data), 5):
        changed = data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :]
        assert scan.ask("picture_size", changed.hex()).outcome == "ok"


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xe0\0\0" * 50, b"RIFF0000WEBPVP9 "]
)
def test_other_files_have_no_size(scan: PhonePage, data: bytes) -> None:
    assert scan.ask("picture_size", data.hex()).result is None
