"""Codes in pictures: prints as they are, not as they were drawn."""

from __future__ import annotations

import io
from functools import cache

import pytest
import qrcode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from ledger.errors import MalformedError
from tests.support.ledgers import TinyCard, TinyLedger
from verifier.images import IMAGE_MAX_BYTES, read_codes

WHITE = 255


@cache
def a_card() -> TinyCard:
    ledger = TinyLedger()
    card = ledger.issue(ledger.admit())
    ledger.close_epoch()
    return card


@cache
def drawn(text: str) -> Image.Image:
    """Return a code, ten pixels a module, with its quiet zone."""
    code = qrcode.QRCode(
        error_correction=qrcode.constants.ERROR_CORRECT_M, box_size=10, border=4, mask_pattern=3
    )
    code.add_data(text)
    code.make(fit=True)
    picture: Image.Image = code.make_image().get_image().convert("L")
    return picture


def printed(text: str, *, dpi: int, width_mm: int, degrees: float, sigma_px: float) -> Image.Image:
    """Return a scan of a print: that large, tilted, and out of focus by `sigma_px` pixels."""
    width_px = round(width_mm / 25.4 * dpi)
    code = drawn(text).resize((width_px, width_px), Image.Resampling.BOX)
    page = Image.new("L", (width_px + 120, width_px + 120), WHITE)
    page.paste(code, (60, 60))
    tilted = page.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=WHITE)
    return tilted.filter(ImageFilter.GaussianBlur(sigma_px))


def encoded(picture: Image.Image, form: str = "PNG") -> bytes:
    data = io.BytesIO()
    picture.save(data, form)
    return data.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_code_is_read_from_each_format(form: str) -> None:
    text = a_card().front()
    assert read_codes(encoded(drawn(text), form)) == [text]


@pytest.mark.parametrize(
    ("width_mm", "degrees", "sigma_px"),
    [(50, 7, 0.8), (40, 7, 0.8), (40, -7, 1.0), (40, 7, 1.2), (50, 180, 0.8)],
)
def test_a_blurred_and_tilted_print_at_150_dpi_is_read(
    width_mm: int, degrees: float, sigma_px: float
) -> None:
    text = a_card().front()
    scan = printed(text, dpi=150, width_mm=width_mm, degrees=degrees, sigma_px=sigma_px)
    assert read_codes(encoded(scan)) == [text]


def test_front_and_back_in_one_picture_are_both_read() -> None:
    front, back = drawn(a_card().front()), drawn(a_card().back())
    page = Image.new("L", (front.width + back.width, max(front.height, back.height)), WHITE)
    page.paste(front, (0, 0))
    page.paste(back, (front.width, 0))
    assert set(read_codes(encoded(page))) == {a_card().front(), a_card().back()}


def test_a_foreign_code_beside_ours_is_left_out_and_alone_is_told() -> None:
    front, foreign = drawn(a_card().front()), drawn("https://example.org/")
    page = Image.new("L", (front.width + foreign.width, front.height), WHITE)
    page.paste(front, (0, 0))
    page.paste(foreign, (front.width, 0))
    assert read_codes(encoded(page)) == [a_card().front()]
    assert read_codes(encoded(foreign)) == ["https://example.org/"]


def test_a_code_on_a_transparent_ground_is_read() -> None:
    code = drawn(a_card().front())
    page = Image.new("RGBA", code.size, (0, 0, 0, 0))
    page.paste((0, 0, 0, 255), mask=code.point(lambda value: WHITE - value))
    assert read_codes(encoded(page)) == [a_card().front()]


def test_a_picture_without_a_code_gives_none() -> None:
    assert read_codes(encoded(Image.new("RGB", (200, 100), "grey"))) == []


def test_sizes_over_the_caps_are_too_large() -> None:
    for data in (bytes(IMAGE_MAX_BYTES + 1), encoded(Image.new("1", (8000, 7000)))):
        with pytest.raises(MalformedError) as caught:
            read_codes(data)
        assert caught.value.code == "too_large"


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "PDF"])
def test_other_formats_are_unsupported(form: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_codes(encoded(Image.new("RGB", (20, 20)), form))
    assert caught.value.code == "unsupported"


def test_a_cut_picture_is_malformed() -> None:
    data = encoded(drawn(a_card().front()))
    with pytest.raises(MalformedError) as caught:
        read_codes(data[: len(data) // 2])
    assert caught.value.code == "malformed"


@given(
    st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF....WEBP"])
)
def test_any_bytes_are_refused_with_a_code(data: bytes, start: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        read_codes(start + data)
    assert caught.value.code in ("malformed", "unsupported")
