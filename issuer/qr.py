"""The printed symbol: text to a QR code and back (ISO/IEC 18004, alphanumeric mode, error correction M).

The text of a card is `SC1:` + Base45 (docs/protocol.md section 6), so every character is alphanumeric and
costs 5.5 bits. The symbol is the smallest version that holds the text. Its mask is fixed: searching all eight
costs nine times the time and does not read better (`MASK` says what was measured).

>>> symbol = make_symbol("SC1:QED8WEX0", max_version=20)
>>> symbol.version, len(symbol.modules), symbol.module_at(0, 0)
(1, 21, True)
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import zxingcpp
from PIL import Image
from qrcode import exceptions, util
from qrcode.main import QRCode

from issuer.errors import IssuerError
from issuer.portrait import open_image

QUIET_ZONE_MODULES: Final = 4
"""Light margin on every side that ISO/IEC 18004 asks for."""
PREFIX: Final = "SC1:"
MASK: Final = 4
"""Data mask of every printed code.

Measured over 440 codes of version 19 at 0.5 mm a module, 150 dpi, turned by 6 to 8 degrees and blurred by a
Gaussian: up to sigma 1.2 pixels all masks read more than 99.5 %; at 1.3 mask 4 reads 439 codes and the mask that
the search of ISO/IEC 18004 picks 437; at 1.35 they read 80 % and 68 %.
"""
ALPHANUMERIC: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
CAPACITY_BYTES: Final[dict[int, int]] = {
    10: 204,
    11: 241,
    12: 276,
    13: 319,
    14: 349,
    15: 397,
    16: 434,
    17: 486,
    18: 541,
    19: 603,
    20: 644,
    21: 687,
    22: 753,
    23: 829,
    24: 881,
    25: 964,
    26: 1025,
    27: 1088,
    28: 1152,
    29: 1223,
    30: 1326,
    31: 1406,
    32: 1489,
    33: 1576,
}
"""Bytes of CBOR that `SC1:` + Base45 carries in a version at error correction M."""

ErrorCorrection = Literal["L", "M", "Q", "H"]
Mask = Literal[0, 1, 2, 3, 4, 5, 6, 7]
_LEVEL_BITS: Final[dict[ErrorCorrection, Literal[0, 1, 2, 3]]] = {"L": 1, "M": 0, "Q": 3, "H": 2}
_ALPHANUMERIC_MODE: Final = 2
_PERHAPS_NUMERIC: Final = re.compile(r"\A[0-9]{6}|[0-9]{6}\Z|[0-9]{12}|\A[0-9]+\Z")
"""Runs of digits for which the fast encoder may leave alphanumeric mode. In codes of cards they are very rare."""
_DARK_OF_PIXEL: Final = bytes(1 if pixel == 0 else 0 for pixel in range(256))
Modules = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class QrSymbol:
    """One symbol without its quiet zone.

    Attributes:
        version: 1 to 40; the side has 4 * version + 17 modules.
        modules: one byte string per row, 1 for dark and 0 for light.
    """

    version: int
    modules: tuple[bytes, ...]

    @property
    def side_modules(self) -> int:
        """Number of modules on a side, quiet zone not counted."""
        return len(self.modules)

    def module_at(self, row: int, column: int) -> bool:
        """Tell whether the module is dark."""
        return self.modules[row][column] == 1

    def dark_runs(self) -> list[tuple[int, int, int]]:
        """Return the dark modules as (row, first column, length): the rectangles that a printer draws."""
        runs: list[tuple[int, int, int]] = []
        for row, line in enumerate(self.modules):
            column = line.find(1)
            while column >= 0:
                end = line.find(0, column)
                end = len(line) if end < 0 else end
                runs.append((row, column, end - column))
                column = line.find(1, end)
        return runs

    def side_mm(self, module_mm: float, quiet_zone: int = QUIET_ZONE_MODULES) -> float:
        """Return the printed side in millimetres, quiet zone included."""
        return (self.side_modules + 2 * quiet_zone) * module_mm


def version_for(size_bytes: int) -> int:
    """Return the smallest version of `CAPACITY_BYTES` whose code carries that many bytes of CBOR.

    Raises:
        IssuerError: too_large where even the largest version of the table does not.
    """
    for version, capacity in CAPACITY_BYTES.items():
        if size_bytes <= capacity:
            return version
    raise IssuerError("too_large", "the code would be larger than any that is printed", field="qr")


def make_symbol(
    text: str, *, max_version: int, error_correction: ErrorCorrection = "M", mask: Mask = MASK
) -> QrSymbol:
    """Return the smallest symbol that holds `text` in alphanumeric mode.

    Args:
        text: `SC1:` + Base45, or any text of the 45 alphanumeric characters.
        max_version: largest version that still fits the place where it is printed, 1 to 40.
        error_correction: level of ISO/IEC 18004; cards use M (about 15 % of the symbol may be lost).
        mask: data mask 0 to 7.

    Raises:
        IssuerError: malformed for a text that is empty or not alphanumeric, too_large where the symbol
            would need a larger version.
    """
    if not text or not ALPHANUMERIC.issuperset(text):
        raise IssuerError("malformed", "a code holds 1 or more alphanumeric characters", field="qr.text")
    modules = None if _PERHAPS_NUMERIC.search(text) else _encode(text, error_correction, mask)
    if modules is None:
        modules = _encode_alphanumeric(text, error_correction, mask)
    version = (len(modules) - 17) // 4
    if version > max_version:
        raise IssuerError("too_large", f"version {version} is needed, {max_version} fits", field="qr.version")
    return QrSymbol(version, modules)


def _encode(text: str, error_correction: ErrorCorrection, mask: Mask) -> Modules | None:
    """Return the modules from the fast encoder, or None where it would take other ways than ours.

    It picks the version by itself only without a mask, and lowers the error correction of a long text.
    """
    try:
        code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=error_correction)
        if code.ec_level != error_correction:
            return None
        side, _ = _pixels(code)
        code = zxingcpp.create_barcode(
            text,
            zxingcpp.BarcodeFormat.QRCode,
            ec_level=error_correction,
            version=(side - 17) // 4,
            data_mask=mask,
        )
    except ValueError:
        return None
    side, pixels = _pixels(code)
    dark = pixels.translate(_DARK_OF_PIXEL)
    return tuple(dark[start : start + side] for start in range(0, side * side, side))


def _pixels(code: zxingcpp.Barcode) -> tuple[int, bytes]:
    """Return side and pixels of a symbol, one pixel for each module."""
    drawn: Any = zxingcpp.write_barcode_to_image(code, scale=1, add_quiet_zones=False)
    view = memoryview(drawn)
    return len(view), view.tobytes()


def _encode_alphanumeric(text: str, error_correction: ErrorCorrection, mask: Mask) -> Modules:
    """Return the modules of the whole text in alphanumeric mode, digits too; thirty times slower."""
    code = QRCode(error_correction=_LEVEL_BITS[error_correction], mask_pattern=mask)
    code.add_data(util.QRData(text, mode=_ALPHANUMERIC_MODE))
    try:
        code.best_fit()
    except (exceptions.DataOverflowError, ValueError) as error:
        raise IssuerError("too_large", "the text fits no code", field="qr.text") from error
    code.make(fit=False)
    return tuple(bytes(1 if dark else 0 for dark in row) for row in code.modules)


def symbol_image(symbol: QrSymbol, scale: int, quiet_zone: int = QUIET_ZONE_MODULES) -> Image.Image:
    """Return the symbol as a 1-bit image, `scale` pixels a module."""
    side = symbol.side_modules + 2 * quiet_zone
    pixels = bytearray(b"\xff" * (side * side))
    for row, column, length in symbol.dark_runs():
        start = (row + quiet_zone) * side + column + quiet_zone
        pixels[start : start + length] = bytes(length)
    image = Image.frombytes("L", (side, side), bytes(pixels))
    return image.resize((side * scale, side * scale), Image.Resampling.NEAREST).convert("1")


def symbol_png(symbol: QrSymbol, scale: int = 4, quiet_zone: int = QUIET_ZONE_MODULES) -> bytes:
    """Return the symbol as a 1-bit PNG without metadata; equal symbols give equal bytes."""
    out = io.BytesIO()
    symbol_image(symbol, scale, quiet_zone).save(out, format="PNG", optimize=False)
    return out.getvalue()


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
