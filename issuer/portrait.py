"""Portraits small enough for the back code: a photograph to at most 800 bytes of WebP, in memory.

A portrait helps one person to recognise another; it is not made for machines. It is grey, at most 64 by 80
pixels, upright and without any metadata. The full photograph is never stored (docs/protocol.md section 6).

    portrait = compress_portrait(photograph)     # JPEG of 3 MB -> b"RIFF....WEBP", 790 bytes
"""

from __future__ import annotations

import io
from typing import Final

from PIL import Image, ImageOps

from issuer.errors import InputError

PORTRAIT_MAX_BYTES: Final = 800
MAX_IMAGE_BYTES: Final = 20_000_000
MAX_IMAGE_PIXELS: Final = 40_000_000
_FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF", "BMP")
_SIZES_PIXELS: Final = ((64, 80), (56, 70), (48, 60), (40, 50), (32, 40), (24, 30))
_MIN_QUALITY: Final = 25
"""Below this a smaller picture of better quality shows more of a face."""


def open_image(data: bytes, field: str) -> Image.Image:
    """Open an image of untrusted bytes and decode it fully.

    Only common formats of photographs and scans are tried, and the size is read from the header before
    any pixel is decoded.

    Args:
        data: a file of the kind JPEG, PNG, WebP, AVIF or BMP.
        field: the field that an error names.

    Raises:
        InputError: not such an image, more than 20 MB, or more than 40 million pixels.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise InputError(field, "the image file is larger than 20 MB")
    try:
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        fits = image.width * image.height <= MAX_IMAGE_PIXELS
        if fits:
            image.load()
    except Exception as error:  # Pillow's decoders raise many kinds; all of them mean "not a usable image".
        raise InputError(field, "not an image that can be read") from error
    if not fits:
        raise InputError(field, "the image has more than 40 million pixels")
    return image


def compress_portrait(photograph: bytes, *, limit_bytes: int = PORTRAIT_MAX_BYTES) -> bytes:
    """Return the photograph as a grey WebP of at most `limit_bytes` bytes.

    The picture is turned upright, cut to 4:5 around a point a little above its middle, where a face is,
    and brought to the largest size whose quality is still good. Nothing but pixels is written.

    Args:
        photograph: bytes of an image (see `open_image`).
        limit_bytes: at least 200.

    Raises:
        InputError: the bytes are not an image that can be read, or it does not fit the limit.
    """
    upright = ImageOps.exif_transpose(open_image(photograph, "portrait"))
    grey = _flatten(upright).convert("L")
    framed = ImageOps.autocontrast(grey, cutoff=1)
    smallest = b""
    for size in _SIZES_PIXELS:
        picture = ImageOps.fit(framed, size, Image.Resampling.LANCZOS, centering=(0.5, 0.4))
        for quality in (85, 75, 65, 55, 45, 35, _MIN_QUALITY):
            smallest = _encode(picture, quality)
            if len(smallest) <= limit_bytes:
                return smallest
    for quality in (15, 5, 0):
        smallest = _encode(ImageOps.fit(framed, _SIZES_PIXELS[-1], centering=(0.5, 0.4)), quality)
        if len(smallest) <= limit_bytes:
            return smallest
    raise InputError("portrait", "the picture cannot be made small enough")


def _flatten(image: Image.Image) -> Image.Image:
    """Lay a transparent image on white, so that the background does not turn black."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(paper, layer)


def _encode(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    # A fresh image carries no EXIF, ICC profile or comment of the original.
    Image.frombytes("L", picture.size, picture.tobytes()).save(out, "WEBP", quality=quality, method=6)
    return out.getvalue()
