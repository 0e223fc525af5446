"""Frames: a message across several codes. docs/protocol.md, section 11."""

from __future__ import annotations

import hashlib
import zlib
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import base45
from credential.core.frames import (
    FRAME_PREFIX,
    MAX_FRAMES,
    MAX_MESSAGE_BYTES,
    Frame,
    FrameSet,
    format_frames,
    join_frames,
    parse_frame,
)
from credential.core.qr_text import recognise
from credential.symbols import make_symbol
from ledger.core import cbor
from ledger.errors import MalformedError


def noise(size_bytes: int) -> bytes:
    """Return bytes that do not deflate."""
    return b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(-(-size_bytes // 32)))[
        :size_bytes
    ]


def text_of(value: object) -> str:
    return FRAME_PREFIX + base45.encode(cbor.encode(value))


@given(st.binary(min_size=1, max_size=3000), st.integers(min_value=20, max_value=1400), st.randoms())
def test_a_message_comes_back_from_its_frames_in_any_order(
    message: bytes, part_bytes: int, random: Random
) -> None:
    texts = format_frames("head", message, part_bytes)
    shuffled = [*texts, texts[0]]
    random.shuffle(shuffled)
    assert join_frames(shuffled) == ("head", message)


def test_the_largest_message_fits_and_a_larger_one_does_not() -> None:
    message = noise(MAX_MESSAGE_BYTES)
    texts = format_frames("delta", message)
    assert len(texts) <= MAX_FRAMES
    assert join_frames(texts) == ("delta", message)
    for wrong in (message + b"\x00", b""):
        with pytest.raises(ValueError, match="131072"):
            format_frames("delta", wrong)


def test_a_frame_fits_a_code_of_version_25() -> None:
    symbols = [make_symbol(text, max_version=25) for text in format_frames("head", noise(4000))]
    assert [symbol.version for symbol in symbols] == [25, 25, 25, 25, 16]


def test_what_is_missing_is_named_by_its_number() -> None:
    texts = format_frames("head", noise(4000))
    frames = FrameSet()
    assert frames.missing == []
    for number in (0, 3, 1, 2):
        assert frames.add(parse_frame(texts[number])) is False
    assert frames.missing == [4]
    with pytest.raises(MalformedError, match="5 of 5"):
        frames.message()
    assert frames.add(parse_frame(texts[4])) is True
    with pytest.raises(MalformedError, match="all"):
        FrameSet().message()


def test_frames_of_two_messages_are_never_joined() -> None:
    one, two = format_frames("head", noise(2000)), format_frames("head", noise(1999))
    with pytest.raises(MalformedError, match="another message"):
        join_frames([one[0], two[1], one[2]])
    with pytest.raises(MalformedError, match="another message"):
        join_frames([*one, *format_frames("delta", noise(2000))])


def test_a_changed_part_is_found() -> None:
    first, *rest = format_frames("head", noise(2000))
    frame = parse_frame(first)
    changed = text_of([*_fields(frame)[:4], bytes([frame.part[0] ^ 1]) + frame.part[1:]])
    with pytest.raises(MalformedError, match="not those of one message"):
        join_frames([changed, *rest])
    with pytest.raises(MalformedError, match="differ"):
        join_frames([changed, first, *rest])


@pytest.mark.parametrize("ends", [(40,), (40, 70), (30, 70), (40, 70, 100)])
def test_parts_of_other_lengths_are_refused(ends: tuple[int, ...]) -> None:
    deflated = zlib.compress(noise(100), 9)
    message_id = hashlib.sha256(deflated).digest()[:8]
    parts = [deflated[start:end] for start, end in pairwise((0, *ends, len(deflated)))]
    texts = [text_of(["head", message_id, number, len(parts), part]) for number, part in enumerate(parts)]
    with pytest.raises(MalformedError, match="not those of one message"):
        join_frames(texts)


def test_frames_that_tell_another_count_are_of_another_message() -> None:
    first, second = (text_of(["head", bytes(8), number, 2 + number, b"x"]) for number in range(2))
    with pytest.raises(MalformedError, match="another message"):
        join_frames([first, second])


@pytest.mark.parametrize("kind", ["", "head!", "head\n", "Head", "h1", "a" * 17])
def test_a_kind_is_1_to_16_small_letters(kind: str) -> None:
    with pytest.raises(MalformedError, match="a kind is"):
        parse_frame(text_of([kind, bytes(8), 0, 1, b"x"]))
    assert parse_frame(text_of(["a" * 16, bytes(8), 0, 1, b"x"])).kind == "a" * 16


@pytest.mark.parametrize(
    ("deflated", "code"),
    [
        (zlib.compress(bytes(MAX_MESSAGE_BYTES + 1)), "too_large"),
        (zlib.compress(b""), "malformed"),
        (zlib.compress(b"head") + b"\x00", "malformed"),
        (zlib.compress(b"head" * 99)[:-2], "malformed"),
        (b"head", "malformed"),
    ],
)
def test_what_does_not_inflate_to_a_message_is_refused(deflated: bytes, code: str) -> None:
    message_id = hashlib.sha256(deflated).digest()[:8]
    with pytest.raises(MalformedError) as caught:
        join_frames([text_of(["head", message_id, 0, 1, deflated])])
    assert caught.value.code == code


@pytest.mark.parametrize(
    "value",
    [
        [],
        {},
        ["head", bytes(8), 0, 1],
        ["head", bytes(8), 0, 1, b"x", 0],
        ["Head", bytes(8), 0, 1, b"x"],
        ["", bytes(8), 0, 1, b"x"],
        [0, bytes(8), 0, 1, b"x"],
        ["head", bytes(7), 0, 1, b"x"],
        ["head", bytes(8), 1, 1, b"x"],
        ["head", bytes(8), -1, 1, b"x"],
        ["head", bytes(8), 0, 0, b"x"],
        ["head", bytes(8), 0, 257, b"x"],
        ["head", bytes(8), False, 1, b"x"],
        ["head", bytes(8), 0, 1, b""],
        ["head", bytes(8), 0, 1, bytes(1401)],
        ["head", bytes(8), 0, 1, "x"],
    ],
)
def test_another_form_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_frame(text_of(value))
    assert caught.value.code == "malformed"


def test_another_code_is_named_and_a_long_text_is_not_read() -> None:
    with pytest.raises(MalformedError) as caught:
        parse_frame("HC1:ABC")
    assert (caught.value.code, caught.value.field) == ("unsupported", "eu_health_certificate")
    with pytest.raises(MalformedError) as caught:
        parse_frame(FRAME_PREFIX + "0" * 4000)
    assert caught.value.code == "too_large"
    assert recognise(format_frames("head", b"x")[0]) == "frame"


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:", max_size=120))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        frame = parse_frame(FRAME_PREFIX + text)
    except MalformedError:
        return
    assert text_of(_fields(frame)) == FRAME_PREFIX + text


def _fields(frame: Frame) -> list[object]:
    return [frame.kind, frame.message_id, frame.number, frame.count, frame.part]
