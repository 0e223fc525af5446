"""A sheet of A4 that texts in any script, symbols and cutting marks are drawn on, in millimetres.

Texts are shaped by HarfBuzz: Arabic is joined and runs from right to left, Devanagari and Myanmar get their
conjuncts. The document carries no author, title or subject; equal calls give equal bytes.

    with Paper(created=datetime(2026, 11, 22, tzinfo=UTC), language="en") as paper:
        paper.add_page()
        below_mm = paper.draw_text("ሰላም", x=20, y=20, width=60, style=Style(12))
        pdf = paper.finish()
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, cast

from fpdf import FPDF
from fpdf.enums import Align, TextMode
from fpdf.fonts import TTFFont

from credential.core.names import detect_script
from issuer.fonts import (
    LATIN,
    REGULAR,
    RIGHT_TO_LEFT,
    TALL,
    draws_alone,
    font_for,
    split_word,
    text_width_em,
    wrap_text,
)
from issuer.qr import QUIET_ZONE_MODULES, QrSymbol

PAGE_WIDTH_MM: Final = 210.0
PAGE_HEIGHT_MM: Final = 297.0
_MM_PER_POINT: Final = 25.4 / 72
_SIZE_STEP_PT: Final = 0.25

Colour = tuple[int, int, int]
INK: Final[Colour] = (24, 36, 44)
QUIET: Final[Colour] = (92, 104, 112)
ACCENT: Final[Colour] = (58, 96, 120)
HAIRLINE: Final[Colour] = (168, 176, 182)


@dataclass(frozen=True, slots=True)
class Style:
    """How a text is set.

    Attributes:
        size_pt: size in points.
        min_size_pt: smallest size to shrink to so that the text fits `max_lines`; 0 means no shrinking.
        max_lines: lines that the text should take at most.
        colour: red, green, blue, 0 to 255.
        heavy: draw the outline too, so that the regular weight looks semi-bold in every script.
        leading: line height as a multiple of the size.
        align: "start" is left, or right for a text in a script that runs from right to left.
    """

    size_pt: float
    min_size_pt: float = 0
    max_lines: int = 99
    colour: Colour = INK
    heavy: bool = False
    leading: float = 1.3
    align: Literal["start", "centre"] = "start"


class Paper:
    """One PDF document of A4 pages under construction."""

    def __init__(self, created: datetime, language: str, *, right_to_left: bool = False) -> None:
        """Start an empty document.

        Args:
            created: creation date that the document states.
            language: BCP 47 tag of its texts.
            right_to_left: lay columns, bars and signs out from the right.
        """
        self._right_to_left = right_to_left
        self._pdf = FPDF(unit="mm", format="A4")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_margin(0)
        self._pdf.c_margin = 0
        self._pdf.set_creation_date(created)
        self._pdf.set_lang(language)
        self._pdf.set_producer("safeconduct")
        self._pdf.set_text_shaping(True)
        self._families: set[str] = set()
        self._blocks: dict[tuple[str, float, Style], _Block] = {}

    def __enter__(self) -> Paper:
        return self

    def __exit__(self, *_raised: object) -> None:
        """Close the font files, which fpdf2 keeps open."""
        for font in self._pdf.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def add_page(self) -> None:
        """Start a new page; everything is drawn on the last one."""
        self._pdf.add_page()

    def finish(self) -> bytes:
        """Return the document."""
        return bytes(self._pdf.output())

    def draw_text(self, text: str, x: float, y: float, width: float, style: Style) -> float:
        """Draw a text in a column and return the y below it, all in mm.

        Raises:
            IssuerError: unsupported where the text is in a script without a font.
        """
        pdf, block = self._pdf, self._fit(text, width, style)
        align = Align.C if style.align == "centre" else Align.L
        if style.align == "start" and (self._right_to_left or block.script in RIGHT_TO_LEFT):
            align = Align.R
        pdf.set_text_color(*style.colour)
        if style.heavy:
            pdf.set_draw_color(*style.colour)
            pdf.set_line_width(block.size_pt * 0.028 * _MM_PER_POINT)
            pdf.text_mode = TextMode.FILL_STROKE
        pdf.set_font(self._family(text, block.script), size=block.size_pt)
        for line in block.lines:
            pdf.set_xy(x, y)
            pdf.cell(width, block.line_mm, line, align=align)
            y += block.line_mm
        pdf.text_mode = TextMode.FILL
        return y

    def text_height(self, text: str, width: float, style: Style) -> float:
        """Return the height in mm that `draw_text` will take."""
        block = self._fit(text, width, style)
        return len(block.lines) * block.line_mm

    def draw_symbol(self, symbol: QrSymbol, x: float, y: float, module_mm: float) -> None:
        """Draw a symbol as black rectangles, one for each run of a row; (x, y) is the corner of its quiet zone.

        All rectangles are one path, filled once: no hair of light shows between neighbours where a viewer
        smooths edges. The path is written in modules, under a matrix that scales it.
        """
        points = module_mm / _MM_PER_POINT
        left = x / _MM_PER_POINT + QUIET_ZONE_MODULES * points
        top = (PAGE_HEIGHT_MM - y) / _MM_PER_POINT - QUIET_ZONE_MODULES * points
        path = " ".join(f"{column} {row} {length} 1 re" for row, column, length in symbol.dark_runs())
        # fpdf2 offers no call for a path of many rectangles; a call for each of them takes ten times longer.
        self._pdf._out(f"q 0 g {points:.5f} 0 0 {-points:.5f} {left:.4f} {top:.4f} cm {path} f Q")

    def start_x(self, x: float, width: float) -> float:
        """Return x of a box of that width, mirrored on the page where the layout runs from the right."""
        return PAGE_WIDTH_MM - x - width if self._right_to_left else x

    def draw_accent(self, x: float, y: float, width: float, length: float, height: float) -> None:
        """Fill a short bar at the start of a column of that width."""
        with self._pdf.local_context():
            self._pdf.set_fill_color(*ACCENT)
            self._rectangle(x + width - length if self._right_to_left else x, y, length, height)

    def draw_frame(self, x: float, y: float, width: float, height: float, radius: float = 2) -> None:
        """Draw the hairline outline of a box with rounded corners."""
        with self._pdf.local_context():
            self._pdf.set_draw_color(*HAIRLINE)
            self._pdf.set_line_width(0.2)
            self._pdf.rect(x, y, width, height, style="D", round_corners=True, corner_radius=radius)

    def draw_lines(
        self,
        points: tuple[tuple[float, float], ...],
        *,
        colour: Colour = HAIRLINE,
        thickness: float = 0.15,
        dash: float = 0,
    ) -> None:
        """Draw a line through the points; `dash` is the length of a dash in mm, 0 for a solid line."""
        with self._pdf.local_context():
            self._pdf.set_draw_color(*colour)
            self._pdf.set_line_width(thickness)
            if dash:
                self._pdf.set_dash_pattern(dash=dash, gap=dash)
            self._pdf.polyline(list(points))

    def draw_circle(self, x: float, y: float, radius: float, *, colour: Colour, thickness: float) -> None:
        """Draw a circle around (x, y)."""
        with self._pdf.local_context():
            self._pdf.set_draw_color(*colour)
            self._pdf.set_line_width(thickness)
            self._pdf.circle(x, y, radius, style="D")

    def draw_cut_marks(self, x: float, y: float, width: float, height: float) -> None:
        """Draw marks outside the four corners of a box: 4 mm long, 1 mm away from it."""
        near, far = 1.0, 5.0
        for corner_x, out_x in ((x, -1), (x + width, 1)):
            for corner_y, out_y in ((y, -1), (y + height, 1)):
                self.draw_lines(((corner_x + out_x * near, corner_y), (corner_x + out_x * far, corner_y)))
                self.draw_lines(((corner_x, corner_y + out_y * near), (corner_x, corner_y + out_y * far)))

    def _rectangle(self, x: float, y: float, width: float, height: float) -> None:
        self._pdf.rect(x, y, width, height, style="F")

    def _family(self, text: str, script: str) -> str:
        """Return the family for a script, loaded; Noto Sans stands behind it for what it cannot draw."""
        family = self._load(script)
        lacks = script != LATIN and not draws_alone(text, script)
        self._pdf.set_fallback_fonts([self._load(LATIN)] if lacks else [])
        return family

    def _load(self, script: str) -> str:
        font = font_for(script)
        key = font.family.lower()
        if key not in self._families:
            self._pdf.add_font(font.family, fname=font.path, variations=None if font.is_regular else REGULAR)
            if not font.is_regular:
                # fpdf2 shapes with the file as it is; the widths must be those of the style that is drawn.
                cast("TTFFont", self._pdf.fonts[key]).hbfont.set_variations(REGULAR)
            self._families.add(key)
        return key

    def _fit(self, text: str, width: float, style: Style) -> _Block:
        """Return the lines of a text at the largest size from the style's down at which it fits the column."""
        key = (text, width, style)
        if key not in self._blocks:
            self._blocks[key] = _lay_out(text, width, style)
        return self._blocks[key]


@dataclass(frozen=True, slots=True)
class _Block:
    """A text broken into lines at a size."""

    script: str
    size_pt: float
    line_mm: float
    lines: tuple[str, ...]


def _lay_out(text: str, width: float, style: Style) -> _Block:
    script = detect_script(text)
    size_pt = style.size_pt
    while True:
        width_em = width / (size_pt * _MM_PER_POINT)
        lines = wrap_text(text, script, width_em)
        whole = all(text_width_em(line, script) <= width_em for line in lines)
        smaller = size_pt - _SIZE_STEP_PT
        if (whole and len(lines) <= style.max_lines) or not style.min_size_pt or smaller < style.min_size_pt:
            break
        size_pt = smaller
    if not whole:
        lines = [piece for line in lines for piece in split_word(line, script, width_em)]
    line_mm = size_pt * style.leading * TALL.get(script, 1) * _MM_PER_POINT
    return _Block(script, size_pt, line_mm, tuple(lines))
