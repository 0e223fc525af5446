"""QR codes in a photograph: image bytes in, the texts of the codes out. Nothing is kept.

A print at 150 dpi, tilted and a little blurred, has about three pixels a module; a decoder that fails on
the picture as it is often reads it enlarged or sharpened. The passes go from cheap to dear and stop when
one of them adds nothing to the codes of ours that were read: one picture may hold several cards.

    texts = read_codes(Path("photo.jpg").read_bytes())
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Final

import zxingcpp
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from credential.core.qr_text import PREFIX
from ledger.errors import MalformedError

IMAGE_MAX_BYTES: Final = 8 * 1024 * 1024
IMAGE_MAX_PIXELS: Final = 50_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP")
_ENLARGED_MAX_PIXELS: Final = 24_000_000
"""A photograph larger than this has pixels enough; enlarging it would only cost memory."""
_QR: Final = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)


def read_codes(data: bytes, wanted: str = PREFIX) -> list[str]:
    """Return the texts of the QR codes in an image, each once.

    Where there is a wanted code, others beside it are left out.

    Args:
        data: PNG, JPEG or WebP.
        wanted: how the texts begin that are looked for, a card's if absent.

    Raises:
        MalformedError: code too_large above 8 MiB or 50 million pixels; unsupported for another format;
            malformed for an image that does not decode.
    """
    picture = _open(data)
    ours: dict[str, None] = {}
    foreign: dict[str, None] = {}
    for prepare in _PASSES:
        prepared = prepare(picture)
        if prepared is None:
            continue
        before = len(ours)
        for text in _decode(prepared):
            (ours if text.startswith(wanted) else foreign)[text] = None
        if ours and len(ours) == before:
            break
    return list(ours or foreign)


def _open(data: bytes) -> Image.Image:
    if len(data) > IMAGE_MAX_BYTES:
        raise MalformedError("the image is larger than 8 MiB", field="image", code="too_large")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=FORMATS)
            if picture.width * picture.height > IMAGE_MAX_PIXELS:
                raise MalformedError("the image has too many pixels", field="image", code="too_large")
            return _grey(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MalformedError("the image has too many pixels", field="image", code="too_large") from error
    except UnidentifiedImageError as error:
        raise MalformedError("not a PNG, JPEG or WebP image", field="image", code="unsupported") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise MalformedError("the image does not decode", field="image") from error


def _grey(picture: Image.Image) -> Image.Image:
    """Return the picture upright, in grey, on white where it is transparent."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        coloured = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return upright.convert("L")


def _decode(picture: Image.Image) -> list[str]:
    pixels = memoryview(picture.tobytes()).cast("B", (picture.height, picture.width))
    codes = zxingcpp.read_barcodes(pixels, formats=_QR, text_mode=zxingcpp.TextMode.Plain)
    return list(dict.fromkeys(code.text for code in codes))


def _enlarged(picture: Image.Image) -> Image.Image | None:
    if 4 * picture.width * picture.height > _ENLARGED_MAX_PIXELS:
        return None
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.BICUBIC)


def _sharpened(picture: Image.Image) -> Image.Image:
    enlarged = _enlarged(picture) or picture
    return enlarged.filter(ImageFilter.UnsharpMask(radius=4, percent=250, threshold=0))


def _binarised(picture: Image.Image) -> Image.Image:
    """Compare each pixel with its surroundings: paper in half shadow has no single threshold."""
    enlarged = ImageOps.autocontrast(_enlarged(picture) or picture)
    around = enlarged.filter(ImageFilter.BoxBlur(24))
    return Image.eval(_difference(enlarged, around), _black_or_white)


def _difference(picture: Image.Image, around: Image.Image) -> Image.Image:
    return Image.blend(picture, ImageOps.invert(around), 0.5)


def _black_or_white(value: int) -> int:
    return 255 if value > 124 else 0


_PASSES: Final[tuple[Callable[[Image.Image], Image.Image | None], ...]] = (
    lambda picture: picture,
    _enlarged,
    _sharpened,
    _binarised,
)
