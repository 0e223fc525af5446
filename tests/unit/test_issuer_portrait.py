"""Portraits: small, grey, upright, without metadata, and no way to blow up the desk."""

from __future__ import annotations

import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from issuer.errors import InputError
from issuer.portrait import PORTRAIT_MAX_BYTES, compress_portrait


def photograph(width: int = 600, height: int = 800, mode: str = "RGB") -> Image.Image:
    """Draw something like a face: light oval, dark hair, eyes, mouth, on a soft background."""
    image = Image.new("RGB", (width, height), (150, 165, 180))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.2, height * 0.12, width * 0.8, height * 0.72), fill=(60, 40, 30))
    draw.ellipse((width * 0.26, height * 0.2, width * 0.74, height * 0.78), fill=(205, 165, 140))
    for x in (0.4, 0.6):
        draw.ellipse(
            (width * (x - 0.04), height * 0.42, width * (x + 0.04), height * 0.46), fill=(30, 25, 25)
        )
    draw.arc((width * 0.4, height * 0.52, width * 0.6, height * 0.66), 20, 160, fill=(120, 50, 50), width=9)
    return image.filter(ImageFilter.GaussianBlur(2)).convert(mode)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("L", (width, height), random.Random(1).randbytes(width * height))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_photograph_becomes_a_small_grey_webp(kind: str) -> None:
    small = compress_portrait(encoded(photograph(), kind))
    assert len(small) <= PORTRAIT_MAX_BYTES
    with Image.open(io.BytesIO(small)) as picture:
        assert picture.format == "WEBP"
        assert picture.size == (64, 80)
        red, green, blue = picture.convert("RGB").split()
        for one, other in ((red, green), (green, blue)):
            differences = ImageChops.difference(one, other).histogram()
            assert sum(differences[4:]) == 0  # WebP stores brightness and colour apart and rounds each


def test_the_same_photograph_gives_the_same_bytes() -> None:
    assert compress_portrait(encoded(photograph())) == compress_portrait(encoded(photograph()))


def test_pure_noise_fits_too_by_becoming_smaller() -> None:
    small = compress_portrait(encoded(noise(300, 400)))
    assert len(small) <= PORTRAIT_MAX_BYTES


def test_a_picture_that_cannot_fit_is_refused() -> None:
    with pytest.raises(InputError):
        compress_portrait(encoded(noise(300, 400)), limit_bytes=40)


def test_metadata_does_not_survive() -> None:
    image = photograph()
    exif = image.getexif()
    exif[0x010E] = "SECRET-PLACE"
    original = encoded(image, "JPEG", exif=exif, comment=b"SECRET-PLACE", icc_profile=b"SECRET-PLACE")
    assert b"SECRET-PLACE" in original
    small = compress_portrait(original)
    assert b"SECRET" not in small
    assert b"EXIF" not in small
    assert b"ICCP" not in small


def test_a_picture_taken_sideways_is_turned_upright() -> None:
    upright = photograph()
    exif = upright.getexif()
    exif[0x0112] = 6
    sideways = encoded(upright.rotate(90, expand=True), "PNG", exif=exif)
    assert compress_portrait(sideways) == compress_portrait(encoded(upright))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK"])
def test_every_mode_of_picture_is_read(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert len(compress_portrait(encoded(photograph(mode=mode), kind))) <= PORTRAIT_MAX_BYTES


def bomb(width: int, height: int) -> bytes:
    """Return a PNG header of a huge picture followed by almost nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a" + bytes(40),
        encoded(photograph())[:900],
        bomb(7000, 7000),
        bomb(60000, 60000),
        bytes(20_000_001),
    ],
)
def test_what_is_no_usable_picture_is_bad_input(data: bytes) -> None:
    with pytest.raises(InputError) as caught:
        compress_portrait(data)
    assert caught.value.field == "portrait"


VALID = encoded(photograph(120, 160), "JPEG")


@given(st.integers(0, len(VALID) - 1), st.binary(min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_a_damaged_picture_gives_a_portrait_or_bad_input(place: int, damage: bytes) -> None:
    try:
        small = compress_portrait(VALID[:place] + damage + VALID[place + len(damage) :])
    except InputError:
        return
    assert len(small) <= PORTRAIT_MAX_BYTES
