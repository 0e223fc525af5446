"""Every text that the desk prints on a card, a sheet of words or a slip, as data.

A language is one `CardWords`; what a translation leaves out stays English. No text says what kind of person
carries the card.

>>> CardWords(language="fr", valid_until="Valable jusqu'au").reference
'Reference'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class CardWords:
    """Every text that the desk prints, in one language. The default is the English master.

    Attributes:
        language: BCP 47 tag.
        others: lines of text, named by where they stand.
    """

    language: str = "en"
    issued_by: str = "Issued by"
    valid_until: str = "Valid until"
    reference: str = "Reference"
    back_title: str = "About this card"
    back_lines: tuple[str, ...] = (
        "Scan the code on the other side to check it. No network is needed.",
        "Nothing is shown that the bearer does not open.",
        "It belongs to the bearer. Nobody else may keep it.",
    )
    back_code_line: str = "The code on this side stays closed until the bearer opens it."
    card_hint: str = (
        "Cut at the corner marks, fold along the dashed line with the print outside, glue. "
        "Laminate matt, not glossy: glare hides the code."
    )
    words_title: str = "Your 12 words"
    words_purpose: str = "With these words any desk can make you a new card. They are for nothing else."
    words_rules: tuple[str, str, str] = (
        "Keep this sheet in a safe place, apart from your card.",
        "Do not photograph it or send it to anyone.",
        "Nobody needs the words to check your card. Whoever asks for them, other than a desk that makes "
        "you a new card, may not have them.",
    )
    words_lost: str = "If you lose this sheet, your card stays valid until its date."
    slip_title: str = "Opening slip"
    slip_lines: tuple[str, ...] = (
        "This code opens the closed parts of your card, and nothing else.",
        "Keep it apart from the card. Show it only when you want those parts to be seen.",
    )


ENGLISH: Final = CardWords()
