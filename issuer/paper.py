"""A sheet of A4 that texts in any script, symbols and cutting marks are drawn on, in millimetres.

Texts are shaped by HarfBuzz: Arabic is joined and runs from right to left, Devanagari and Myanmar get their
conjuncts. The document carries no author, title or subject; equal calls give equal bytes.

    paper = Paper(created=datetime(2026, 11, 22, tzinfo=UTC), language="en")
    paper.add_page()
    below_mm = paper.draw_text("ሰላም", x=20, y=20, width=60, style=Style(12))
    pdf = paper.finish()
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, cast

from fpdf import FPDF
from fpdf.enums import Align, MethodReturnValue, TextMode, WrapMode, XPos, YPos

from credential.core.names import detect_script
from issuer.fonts import LATIN, RIGHT_TO_LEFT, TALL, font_for
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
BLACK: Final[Colour] = (0, 0, 0)


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
        size_pt, line_mm, height = self._fit(text, width, style)
        pdf = self._pdf
        align = Align.C if style.align == "centre" else Align.L
        if style.align == "start" and (self._right_to_left or detect_script(text) in RIGHT_TO_LEFT):
            align = Align.R
        with pdf.local_context():
            pdf.set_text_color(*style.colour)
            if style.heavy:
                pdf.set_draw_color(*style.colour)
                pdf.set_line_width(size_pt * 0.028 * _MM_PER_POINT)
                pdf.text_mode = TextMode.FILL_STROKE
            pdf.set_font(self._family(text), size=size_pt)
            pdf.set_xy(x, y)
            pdf.multi_cell(
                width,
                line_mm,
                text,
                align=align,
                new_x=XPos.LEFT,
                new_y=YPos.NEXT,
                wrapmode=WrapMode.WORD,
            )
        return y + height

    def text_height(self, text: str, width: float, style: Style) -> float:
        """Return the height in mm that `draw_text` will take."""
        return self._fit(text, width, style)[2]

    def draw_symbol(self, symbol: QrSymbol, x: float, y: float, module_mm: float) -> None:
        """Draw a symbol as black rectangles; (x, y) is the corner of its quiet zone.

        Runs along the rows are laid over runs along the columns, so that no hair of light shows between
        neighbours where a viewer smooths edges.
        """
        left, top = x + QUIET_ZONE_MODULES * module_mm, y + QUIET_ZONE_MODULES * module_mm
        turned = QrSymbol(symbol.version, tuple(bytes(line) for line in zip(*symbol.modules, strict=True)))
        with self._pdf.local_context():
            self._pdf.set_fill_color(*BLACK)
            for row, column, length in symbol.dark_runs():
                self._rectangle(
                    left + column * module_mm, top + row * module_mm, length * module_mm, module_mm
                )
            for column, row, length in turned.dark_runs():
                if length > 1:
                    self._rectangle(
                        left + column * module_mm, top + row * module_mm, module_mm, length * module_mm
                    )

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

    def _family(self, text: str) -> str:
        """Return the family for the script of a text, loaded, with Noto Sans behind it for the rest."""
        family = self._load(detect_script(text))
        latin = self._load(LATIN)
        self._pdf.set_fallback_fonts([latin] if family != latin else [])
        return family

    def _load(self, script: str) -> str:
        font = font_for(script)
        if font.family not in self._families:
            self._pdf.add_font(font.family, fname=Path(font.path))
            self._families.add(font.family)
        return font.family.lower()

    def _fit(self, text: str, width: float, style: Style) -> tuple[float, float, float]:
        """Return the size in points, the line height and the whole height in mm of a text in a column."""
        leading = style.leading * TALL.get(detect_script(text), 1)
        self._pdf.set_font(self._family(text), size=style.size_pt)
        size_pt = style.size_pt
        while True:
            self._pdf.set_font_size(size_pt)
            lines = self._lines(text, width, size_pt)
            smaller = size_pt - _SIZE_STEP_PT
            whole = all(self._pdf.get_string_width(word) <= width for word in text.split())
            if (whole and lines <= style.max_lines) or not style.min_size_pt or smaller < style.min_size_pt:
                line_mm = size_pt * leading * _MM_PER_POINT
                return size_pt, line_mm, lines * line_mm
            size_pt = smaller

    def _lines(self, text: str, width: float, size_pt: float) -> int:
        lines = self._pdf.multi_cell(
            width, size_pt * _MM_PER_POINT, text, dry_run=True, output=MethodReturnValue.LINES
        )
        return len(cast("list[str]", lines))
