"""The papers beside the card as PDF: sheets of words, slips, and the checklist of a batch.

The words and the slip are papers of their own, to be kept apart from the card (docs/protocol.md, section 6).
In a batch each bears a mark, the number of its sheet and its line there, by which the clerk finds the card
that it belongs to; the checklist shows mark, row key and reference, and nothing of a person.

    pdf = render_words_sheets([WordsPage(words, "0001 / 7")], created=midnight)
    pdf = render_checklist("0001", [ChecklistLine(1, "A-17", "4F7Kx_2a")], created=midnight)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from issuer.card_pdf import (
    CARD_HEIGHT_MM,
    CARD_WIDTH_MM,
    EDGE_MM,
    FRONT_MODULE_MM,
    ROW_TOPS_MM,
    draw_notes,
    open_paper,
)
from issuer.card_words import ENGLISH, CardWords
from issuer.errors import InputError
from issuer.paper import HAIRLINE, INK, PAGE_WIDTH_MM, QUIET, Colour, Paper, Style
from issuer.qr import QUIET_ZONE_MODULES, make_symbol

SLIP_MAX_VERSION: Final = 14
WORDS_PER_SHEET: Final = 12
CHECKLIST_LINES_PER_PAGE: Final = 38
_RULE: Final = Style(13, leading=1.35)
_MARK: Final = Style(9, colour=QUIET)
_CHECKLIST_TITLE: Final = "Checklist of sheet"
_CHECKLIST_HEADS: Final = ("No.", "Row", "Reference", "Handed over")
_CHECKLIST_XS: Final = (20.0, 36.0, 120.0, 162.0)
_CHECKLIST_TOP_MM: Final = 40.0
_CHECKLIST_LINE_MM: Final = 6.2


@dataclass(frozen=True, slots=True)
class WordsPage:
    """One sheet of words: the 12 words, and a mark at its foot or ""."""

    words: Sequence[str]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class SlipPage:
    """One slip: the text of its code, and a mark below it or ""."""

    text: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ChecklistLine:
    """One line of a checklist: its number, the desk's row key, and the reference on the card."""

    number: int
    row_key: str
    reference: str


def render_words_sheet(
    secret_words: Sequence[str], words: CardWords = ENGLISH, *, created: datetime
) -> bytes:
    """Return a page of its own with the bearer's 12 words, numbered, and what they are for.

    Raises:
        InputError: not 12 words.
    """
    return render_words_sheets([WordsPage(secret_words)], words, created=created)


def render_words_sheets(
    pages: Sequence[WordsPage], words: CardWords = ENGLISH, *, created: datetime
) -> bytes:
    """Return a page for each bearer, in the order given.

    Raises:
        InputError: no page at all, or not 12 words.
    """
    if not pages or any(len(page.words) != WORDS_PER_SHEET for page in pages):
        raise InputError("words", "must be 12 words")
    with open_paper(words, created) as paper:
        for page in pages:
            paper.add_page()
            _draw_words(paper, page, words)
        return paper.finish()


def render_slip(slip_text: str, words: CardWords = ENGLISH, *, created: datetime) -> bytes:
    """Return a page with the slip whose code opens the closed parts of one card, in the size of a card.

    Raises:
        IssuerError: too_large where the code does not fit, malformed for a text that is not alphanumeric.
    """
    return render_slips([SlipPage(slip_text)], words, created=created)


def render_slips(slips: Sequence[SlipPage], words: CardWords = ENGLISH, *, created: datetime) -> bytes:
    """Return a page for each slip, in the order given: each goes to another bearer.

    Raises:
        InputError: no slip at all.
        IssuerError: as for `render_slip`.
    """
    if not slips:
        raise InputError("slips", "must have at least one slip")
    with open_paper(words, created) as paper:
        for slip in slips:
            paper.add_page()
            _draw_slip(paper, slip, words)
        return paper.finish()


def render_checklist(sheet: str, lines: Sequence[ChecklistLine], *, created: datetime) -> bytes:
    """Return the pages on which a clerk ticks what was handed over; the row key is the desk's own.

    Args:
        sheet: number of the sheet as its files are named.
        lines: one for each card.
        created: date in the file; a whole day.
    """
    with open_paper(ENGLISH, created) as paper:
        for start in range(0, len(lines), CHECKLIST_LINES_PER_PAGE):
            paper.add_page()
            paper.draw_text(f"{_CHECKLIST_TITLE} {sheet}", _CHECKLIST_XS[0], 18, 170, Style(16, heavy=True))
            for x, head in zip(_CHECKLIST_XS, _CHECKLIST_HEADS, strict=True):
                paper.draw_text(head, x, _CHECKLIST_TOP_MM - 8, 80, _MARK)
            for row, line in enumerate(lines[start : start + CHECKLIST_LINES_PER_PAGE]):
                _draw_checklist_line(paper, line, _CHECKLIST_TOP_MM + row * _CHECKLIST_LINE_MM)
        return paper.finish()


def _draw_checklist_line(paper: Paper, line: ChecklistLine, y: float) -> None:
    style = Style(10, 6, 1)
    texts = (str(line.number), line.row_key, line.reference)
    for x, text, width in zip(_CHECKLIST_XS, texts, (14.0, 82.0, 40.0), strict=False):
        paper.draw_text(text, x, y, width, style)
    paper.draw_frame(_CHECKLIST_XS[3], y + 0.2, 4.2, 4.2, radius=0.6)
    below = y + _CHECKLIST_LINE_MM - 0.9
    paper.draw_lines(((_CHECKLIST_XS[0], below), (190.0, below)), colour=HAIRLINE)


def _draw_words(paper: Paper, page: WordsPage, words: CardWords) -> None:
    left, width = 25.0, 160.0
    y = paper.draw_text(words.words_title, left, 26, width, Style(26, heavy=True))
    paper.draw_accent(left, y + 1.5, width, 22, 0.9)
    y = paper.draw_text(words.words_purpose, left, y + 8, width, Style(14, leading=1.4)) + 8
    for place, word in enumerate(page.words):
        column, row = divmod(place, WORDS_PER_SHEET // 2)
        x, top = left + column * 82, y + row * 18.5
        paper.draw_frame(paper.start_x(x, 78), top, 78, 15)
        number = Style(13, colour=QUIET, align="centre")
        paper.draw_text(str(place + 1), paper.start_x(x + 2, 12), top + 4.6, 12, number)
        paper.draw_text(word, paper.start_x(x + 17, 58), top + 2.6, 58, Style(22, 12, 1))
    y += WORDS_PER_SHEET // 2 * 18.5 + 8
    for draw_sign, rule in zip((_sign_keep, _sign_no_photograph, _sign_ask), words.words_rules, strict=True):
        draw_sign(paper, paper.start_x(left, 12) + 6, y + 6)
        text_width = width - 20
        below = paper.draw_text(rule, paper.start_x(left + 20, text_width), y + 2.6, text_width, _RULE)
        y = max(below, y + 12) + 6
    paper.draw_text(words.words_lost, left, 276, width, Style(11, colour=QUIET))
    if page.mark:
        paper.draw_text(page.mark, left, 284, width, _MARK)


def _draw_slip(paper: Paper, slip: SlipPage, words: CardWords) -> None:
    symbol = make_symbol(slip.text, max_version=SLIP_MAX_VERSION)
    left, top = (PAGE_WIDTH_MM - CARD_WIDTH_MM) / 2, ROW_TOPS_MM[0]
    paper.draw_cut_marks(left, top, CARD_WIDTH_MM, CARD_HEIGHT_MM)
    side = symbol.side_mm(FRONT_MODULE_MM)
    paper.draw_symbol(symbol, left + 1.5, top + (CARD_HEIGHT_MM - side) / 2, FRONT_MODULE_MM)
    x = left + 1.5 + side + 2
    width = left + CARD_WIDTH_MM - EDGE_MM - x
    code_top = top + (CARD_HEIGHT_MM - side) / 2 + QUIET_ZONE_MODULES * FRONT_MODULE_MM
    draw_notes(paper, words.slip_title, words.slip_lines, x, code_top, width)
    if slip.mark:
        paper.draw_text(slip.mark, left, top + CARD_HEIGHT_MM + 8, CARD_WIDTH_MM, _MARK)


def _sign_keep(paper: Paper, x: float, y: float) -> None:
    """Draw a padlock around (x, y)."""
    _box(paper, x - 4, y - 1, 8, 6, INK)
    paper.draw_lines(
        (
            (x - 2.6, y - 1),
            (x - 2.6, y - 3.6),
            (x - 1.2, y - 5),
            (x + 1.2, y - 5),
            (x + 2.6, y - 3.6),
            (x + 2.6, y - 1),
        ),
        colour=INK,
        thickness=0.6,
    )
    paper.draw_circle(x, y + 1.6, 0.8, colour=INK, thickness=0.6)


def _sign_no_photograph(paper: Paper, x: float, y: float) -> None:
    """Draw a camera, crossed out, around (x, y)."""
    _box(paper, x - 5, y - 3, 10, 7, INK)
    _box(paper, x - 2, y - 4.5, 4, 1.5, INK)
    paper.draw_circle(x, y + 0.5, 2.2, colour=INK, thickness=0.6)
    paper.draw_lines(((x - 6, y + 5.5), (x + 6, y - 5.5)), colour=INK, thickness=0.9)


def _sign_ask(paper: Paper, x: float, y: float) -> None:
    """Draw two people, of whom one asks, around (x, y)."""
    for centre in (x - 3, x + 3):
        paper.draw_circle(centre, y - 2, 1.5, colour=INK, thickness=0.6)
        paper.draw_lines(
            ((centre - 2.4, y + 5), (centre - 1.6, y + 1.2), (centre + 1.6, y + 1.2), (centre + 2.4, y + 5)),
            colour=INK,
            thickness=0.6,
        )
    paper.draw_lines(((x - 6, y + 5.5), (x + 6, y - 5.5)), colour=INK, thickness=0.9)


def _box(paper: Paper, x: float, y: float, width: float, height: float, colour: Colour) -> None:
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y))
    paper.draw_lines(corners, colour=colour, thickness=0.6)
