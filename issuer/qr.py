"""Codes read back from a print: what leaves the desk must read as what it was made from.

The symbols themselves are made by `credential.symbols`, whose names are at hand here too.

>>> read_symbols(symbol_png(make_symbol("SC1:QED8WEX0", max_version=20)))
['SC1:QED8WEX0']
"""

from __future__ import annotations

import zxingcpp
from PIL import Image

from credential.core.qr_text import PREFIX as PREFIX
from credential.symbols import ALPHANUMERIC as ALPHANUMERIC
from credential.symbols import CAPACITY_BYTES as CAPACITY_BYTES
from credential.symbols import MASK as MASK
from credential.symbols import QUIET_ZONE_MODULES as QUIET_ZONE_MODULES
from credential.symbols import QrSymbol as QrSymbol
from credential.symbols import make_symbol as make_symbol
from credential.symbols import symbol_image as symbol_image
from credential.symbols import symbol_png as symbol_png
from credential.symbols import version_for as version_for
from issuer.errors import IssuerError
from issuer.portrait import open_image


def read_symbols(image: bytes | Image.Image) -> list[str]:
    """Return the texts of all QR codes in the image, in the order in which they are found.

    Rotated, shrunken and inverted codes are tried too; other kinds of barcodes are ignored.

    Raises:
        InputError: the bytes are not an image that can be read (see `issuer.portrait.open_image`).
    """
    opened = open_image(image, "image") if isinstance(image, bytes) else image
    found = zxingcpp.read_barcodes(
        opened.convert("L"),
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
        try_rotate=True,
        try_downscale=True,
        try_invert=True,
        text_mode=zxingcpp.TextMode.Plain,
    )
    return [barcode.text for barcode in found if barcode.valid]


def read_back(image: bytes | Image.Image, expected: tuple[str, ...] | str) -> None:
    """Check that a printed or rendered page carries exactly the expected codes, in any order.

    Raises:
        IssuerError: bad_input where a code is missing, differs or is there that should not be.
    """
    wanted = [expected] if isinstance(expected, str) else list(expected)
    found = read_symbols(image)
    if sorted(found) != sorted(wanted):
        raise IssuerError("bad_input", "the print does not read as the code that was given", field="qr")
