"""The card as PDF with vector codes; words sheets, slips and checklists are `issuer.sheet_pdf`.

A card is ID-1 (85.6 by 54 mm), front and back side by side, to be cut at the corner marks, folded and glued.
It is neutral: it does not say what kind of person carries it, and a name stands on it only if the
bearer wants it. The front code has modules of 0.5 mm (docs/protocol.md section 6: version 19 takes
50.5 mm, version 20, the largest, 52.5 mm); the back code is as large as the height allows.

    pdf = render_card(CardFace(front_text, None, "Registry of Examplia", ("Attestation",), "4F7K",
                               "1 Jan 2028", None), created=datetime(2026, 11, 22, tzinfo=UTC))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from credential.core.names import Name, detect_script
from issuer.card_words import ENGLISH, CardWords
from issuer.errors import InputError
from issuer.fonts import RIGHT_TO_LEFT, can_print
from issuer.paper import INK, PAGE_WIDTH_MM, QUIET, Paper, Style
from issuer.qr import QrSymbol, make_symbol

CARD_WIDTH_MM: Final = 85.6
CARD_HEIGHT_MM: Final = 54.0
FRONT_MODULE_MM: Final = 0.5
FRONT_MAX_VERSION: Final = 20
BACK_MAX_VERSION: Final = 33
"""Largest version whose modules are still 0.33 mm (0.3375 mm; 1,576 bytes)."""
CARDS_PER_PAGE: Final = 4
_CODE_SPACE_MM: Final = 53.0
EDGE_MM: Final = 4.0
_LEFT_MM: Final = (PAGE_WIDTH_MM - 2 * CARD_WIDTH_MM) / 2
ROW_TOPS_MM: Final = (18.0, 86.0, 154.0, 222.0)

_TITLE: Final = Style(9.5, 6, 2, heavy=True, leading=1.2)
_NAME: Final = Style(11, 3.5, 3, leading=1.35)
_NAME_LATIN: Final = Style(7.5, 3.5, 3, colour=QUIET, leading=1.25)
_LABEL: Final = Style(5, 4.5, 1, colour=QUIET, leading=1.3)
_VALUE: Final = Style(7.5, 5.5, 2, leading=1.25)
_ISSUER: Final = Style(7, 5, 3, leading=1.25)
_NAME_SCALES: Final = (1, 0.9, 0.8, 0.7, 0.6, 0.5)
_NAME_MIN_PT: Final = 3.5
_NOTE: Final = Style(6.5, 5, 6, colour=INK, leading=1.35)
_HINT: Final = Style(8, 6, 3, colour=QUIET, leading=1.4)


@dataclass(frozen=True, slots=True)
class CardFace:
    """What is printed on one card.

    Attributes:
        front_text: text of the front code.
        back_text: text of the back code, or None for a back without one.
        issuer_name: name of the issuer as people know it.
        title: 1 or 2 neutral lines, such as ("Attestation",).
        reference: short serial by which the desk finds its case file; never an identifier of the person.
        valid_until: end of validity in words.
        printed_name: the name to print, or None. Only if the bearer wants it.
    """

    front_text: str
    back_text: str | None
    issuer_name: str
    title: tuple[str, ...]
    reference: str
    valid_until: str
    printed_name: Name | None = field(default=None)


def render_card(face: CardFace, words: CardWords = ENGLISH, *, created: datetime) -> bytes:
    """Return one A4 page with one card.

    Args:
        face: what is printed.
        words: texts in the language of the bearer.
        created: creation date of the document; give a whole day, since the file is kept by printers.

    Raises:
        IssuerError: too_large where a code does not fit, malformed for a text that is not alphanumeric,
            unsupported where the issuer's name or a text is in a script without a font.
    """
    return render_batch((face,), words, created=created)


def render_batch(faces: Sequence[CardFace], words: CardWords = ENGLISH, *, created: datetime) -> bytes:
    """Return A4 pages with up to four cards each, in the order given.

    Raises:
        InputError: no card at all.
        IssuerError: as for `render_card`.
    """
    if not faces:
        raise InputError("faces", "must have at least one card")
    with open_paper(words, created) as paper:
        for place, face in enumerate(faces):
            row = place % CARDS_PER_PAGE
            if row == 0:
                paper.add_page()
            _draw_card(paper, face, words, ROW_TOPS_MM[row])
            if row == CARDS_PER_PAGE - 1 or place == len(faces) - 1:
                below = ROW_TOPS_MM[row] + CARD_HEIGHT_MM + 8
                paper.draw_text(words.card_hint, _LEFT_MM, below, 2 * CARD_WIDTH_MM, _HINT)
        return paper.finish()


def open_paper(words: CardWords, created: datetime) -> Paper:
    """Return an empty document in the language of the bearer."""
    return Paper(created, words.language, right_to_left=detect_script(words.issued_by) in RIGHT_TO_LEFT)


def _draw_card(paper: Paper, face: CardFace, words: CardWords, top: float) -> None:
    front = make_symbol(face.front_text, max_version=FRONT_MAX_VERSION)
    fold = _LEFT_MM + CARD_WIDTH_MM
    paper.draw_cut_marks(_LEFT_MM, top, 2 * CARD_WIDTH_MM, CARD_HEIGHT_MM)
    paper.draw_lines(((fold, top - 5), (fold, top + CARD_HEIGHT_MM + 5)), dash=1.2)
    side = front.side_mm(FRONT_MODULE_MM)
    x = _LEFT_MM + (CARD_HEIGHT_MM - side) / 2
    paper.draw_symbol(front, x, top + (CARD_HEIGHT_MM - side) / 2, FRONT_MODULE_MM)
    column = x + side + 0.8
    _draw_front_texts(paper, face, words, column, top, fold - EDGE_MM - column)
    if face.back_text is None:
        draw_notes(paper, words.back_title, words.back_lines, fold + 8, top + 12, CARD_WIDTH_MM - 16, 1.25)
    else:
        _draw_back_code(paper, make_symbol(face.back_text, max_version=BACK_MAX_VERSION), words, fold, top)


def _draw_front_texts(
    paper: Paper, face: CardFace, words: CardWords, x: float, top: float, width: float
) -> None:
    facts = (
        (words.issued_by, face.issuer_name, _ISSUER),
        (words.valid_until, face.valid_until, _VALUE),
        (words.reference, face.reference, _VALUE),
    )
    gap = 0.9
    height = sum(
        paper.text_height(label, width, _LABEL) + paper.text_height(value, width, style) + gap
        for label, value, style in facts
    )
    facts_top = top + CARD_HEIGHT_MM - EDGE_MM - height + gap
    y = top + EDGE_MM
    for line in face.title:
        y = paper.draw_text(line, x, y, width, _TITLE)
    paper.draw_accent(x, y + 0.9, width, 7, 0.6)
    y += 2.6
    if face.printed_name is not None:
        _draw_name(paper, face.printed_name, x, y, width, facts_top - y - 0.8)
    y = facts_top
    for label, value, style in facts:
        y = paper.draw_text(label, x, y, width, _LABEL)
        y = paper.draw_text(value, x, y, width, style) + gap


def _draw_name(paper: Paper, name: Name, x: float, y: float, width: float, space: float) -> None:
    """Draw the name in its own script and, where that differs, in Latin letters below.

    A name is never cut: it is made smaller until it fits the `space` in mm. A script without a font
    leaves the Latin letters.
    """
    lines = [(name.text, _NAME)] if can_print(name.text) else []
    if not lines or name.text.upper() != name.latin:
        lines.append((name.latin, _NAME_LATIN))
    for scale in _NAME_SCALES:
        scaled = [(text, replace(style, size_pt=style.size_pt * scale)) for text, style in lines]
        if sum(paper.text_height(text, width, style) for text, style in scaled) <= space:
            lines = scaled
            break
    else:
        lines = [(text, replace(style, size_pt=_NAME_MIN_PT)) for text, style in lines]
    for text, style in lines:
        y = paper.draw_text(text, x, y, width, style)


def _draw_back_code(paper: Paper, symbol: QrSymbol, words: CardWords, left: float, top: float) -> None:
    module_mm = min(FRONT_MODULE_MM, int(_CODE_SPACE_MM / symbol.side_mm(1) * 1000) / 1000)
    side = symbol.side_mm(module_mm)
    inset = (CARD_HEIGHT_MM - side) / 2
    paper.draw_symbol(symbol, left + CARD_WIDTH_MM - side - inset, top + inset, module_mm)
    width = CARD_WIDTH_MM - side - inset - EDGE_MM - 0.8
    lines = (words.back_code_line, *words.back_lines)
    draw_notes(paper, words.back_title, lines, left + EDGE_MM, top + EDGE_MM, width, 0.92)


def draw_notes(
    paper: Paper, title: str, lines: Sequence[str], x: float, y: float, width: float, scale: float = 1
) -> None:
    """Draw a title, a bar and notes in a column."""
    heading = Style(9.5 * scale, 6, 2, heavy=True, leading=1.2)
    note = Style(_NOTE.size_pt * scale, 4.5, 6, leading=_NOTE.leading)
    y = paper.draw_text(title, x, y, width, heading)
    paper.draw_accent(x, y + 1.1, width, 7, 0.6)
    y += 3.6
    for line in lines:
        y = paper.draw_text(line, x, y, width, note) + 1.4 * scale
