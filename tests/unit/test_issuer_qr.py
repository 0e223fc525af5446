"""Codes: the right size, the right bytes, and read back from a bad print."""

from __future__ import annotations

import io
import random
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from credential.core.base45 import encode
from issuer import qr
from issuer.errors import InputError, IssuerError
from issuer.qr import (
    ALPHANUMERIC,
    CAPACITY_BYTES,
    MASK,
    PREFIX,
    QrSymbol,
    make_symbol,
    read_back,
    read_symbols,
    symbol_image,
    symbol_png,
    version_for,
)


def card_text(size_bytes: int, seed: int = 7) -> str:
    return PREFIX + encode(random.Random(seed).randbytes(size_bytes))


@pytest.mark.parametrize(("version", "capacity"), CAPACITY_BYTES.items())
def test_the_capacity_table_is_exact(version: int, capacity: int) -> None:
    assert make_symbol(card_text(capacity), max_version=40).version == version
    assert make_symbol(card_text(capacity + 1), max_version=40).version == version + 1
    assert version_for(capacity) == version


def test_more_than_the_largest_version_is_too_large() -> None:
    with pytest.raises(IssuerError) as caught:
        version_for(max(CAPACITY_BYTES.values()) + 1)
    assert caught.value.code == "too_large"


def test_a_symbol_larger_than_its_place_is_too_large() -> None:
    with pytest.raises(IssuerError) as caught:
        make_symbol(card_text(CAPACITY_BYTES[20] + 1), max_version=20)
    assert caught.value.code == "too_large"


def test_a_text_that_fits_no_symbol_is_too_large() -> None:
    with pytest.raises(IssuerError) as caught:
        make_symbol("A" * 5000, max_version=40)
    assert caught.value.code == "too_large"


@pytest.mark.parametrize("text", ["", "sc1:abc", "SC1:É", "A\n"])
def test_a_text_outside_the_45_characters_is_malformed(text: str) -> None:
    with pytest.raises(IssuerError) as caught:
        make_symbol(text, max_version=40)
    assert caught.value.code == "malformed"


@given(st.text(alphabet=sorted(ALPHANUMERIC), min_size=1, max_size=200))
@settings(max_examples=60, deadline=None)
def test_every_alphanumeric_text_reads_back(text: str) -> None:
    symbol = make_symbol(text, max_version=40)
    assert read_symbols(symbol_png(symbol, 3)) == [text]
    read_back(symbol_png(symbol, 3), text)


def test_runs_cover_exactly_the_dark_modules() -> None:
    symbol = make_symbol(card_text(300), max_version=20)
    covered = {(row, column + step) for row, column, length in symbol.dark_runs() for step in range(length)}
    side = range(symbol.side_modules)
    assert covered == {(row, column) for row in side for column in side if symbol.module_at(row, column)}


def test_the_printed_side_is_that_of_the_protocol() -> None:
    sides = {size: make_symbol(card_text(size), max_version=20).side_mm(0.5) for size in (603, 644)}
    assert sides == {603: 50.5, 644: 52.5}


def test_the_image_is_one_bit_with_a_light_margin_and_no_metadata() -> None:
    symbol = make_symbol("SC1:ABC", max_version=20)
    png = symbol_png(symbol, scale=2)
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "1"
        assert image.size == ((21 + 8) * 2,) * 2
        assert image.getpixel((7, 7)) == 255
        assert image.getpixel((8, 8)) == 0
        assert image.info == {}
    assert png == symbol_png(symbol, scale=2)


def test_another_code_and_a_missing_code_do_not_read_back() -> None:
    png = symbol_png(make_symbol("SC1:ABC", max_version=20))
    for expected in ("SC1:ABD", ("SC1:ABC", "SC1:ABD"), ()):
        with pytest.raises(IssuerError):
            read_back(png, expected)


def test_a_page_without_a_code_reads_as_nothing() -> None:
    assert read_symbols(Image.new("L", (200, 200), 255)) == []


def test_bytes_that_are_no_image_are_bad_input() -> None:
    with pytest.raises(InputError):
        read_symbols(b"no image")


def worn(symbol: QrSymbol, sigma_px: float) -> Image.Image:
    """Return the symbol as a camera sees it: 0.5 mm modules at 150 dpi, 7 degrees, blurred."""
    large = symbol_image(symbol, 10, 8).convert("L")
    turned = large.rotate(7, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    scale = 0.5 / 25.4 * 150 / 10
    seen = turned.resize((int(turned.width * scale), int(turned.height * scale)), Image.Resampling.BOX)
    return seen.filter(ImageFilter.GaussianBlur(sigma_px))


@pytest.mark.parametrize("seed", range(8))
def test_the_fixed_mask_reads_turned_and_blurred(seed: int) -> None:
    text = card_text(600, seed)
    symbol = make_symbol(text, max_version=19)
    assert read_symbols(worn(symbol, 1.2)) == [text]


def test_the_mask_in_the_symbol_is_the_fixed_one() -> None:
    symbol = make_symbol("SC1:ABC", max_version=20)
    format_bits = [symbol.module_at(8, column) for column in range(5)]
    level_and_mask = sum(bit << (4 - place) for place, bit in enumerate(format_bits)) ^ 0b10101
    assert level_and_mask == (0b00 << 3) | MASK


@pytest.mark.parametrize("damage_share", [0.05, 0.08])
def test_a_stain_within_the_error_correction_still_reads(damage_share: float) -> None:
    text = card_text(560)
    image = symbol_image(make_symbol(text, max_version=20), 4).convert("L")
    side = int(image.width * damage_share**0.5)
    image.paste(255, (image.width // 2, image.height // 2, image.width // 2 + side, image.height // 2 + side))
    assert read_symbols(image) == [text]


@pytest.mark.parametrize("length", [4, 40, 300, 901, 903, 1500, 2400, 3390])
def test_both_encoders_draw_the_same_symbol(length: int) -> None:
    chance = random.Random(length)
    text = "SC1:" + "".join(chance.choice(sorted(ALPHANUMERIC)) for _ in range(length - 4))
    for mask in cast("tuple[qr.Mask, ...]", (0, 4, 7)):
        assert make_symbol(text, max_version=40, mask=mask).modules == qr._encode_alphanumeric(
            text, "M", mask
        )


@pytest.mark.parametrize("text", ["7", "0123456789" * 20, "SC1:" + "1" * 40 + "A", "SC1:A" + "123456" * 3])
def test_runs_of_digits_stay_in_alphanumeric_mode(text: str) -> None:
    assert make_symbol(text, max_version=40).modules == qr._encode_alphanumeric(text, "M", MASK)
