"""Names as people bear them: in their own script, and in the Latin letters of travel documents.

A name is one text, never split into given name and surname: single names, patronymics and names of one
letter are all normal. Beside the original stands a form in the Latin letters of ICAO Doc 9303 part 3
(A to Z, with spaces, hyphens and apostrophes between words), which every station can read.

>>> format_name(Name("مريم", "Arab", "MARYAM", "primary"))
['مريم', 'Arab', 'MARYAM', 0]
>>> detect_script("ሰላም")
'Ethi'
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import Final

from credential.errors import InputError

TEXT_MAX_BYTES: Final = 160
LATIN_MAX_CHARACTERS: Final = 80
KINDS: Final = ("primary", "known_as")
UNDETERMINED: Final = "Zyyy"
"""ISO 15924 code of a text in which no letter names its script."""

LATIN: Final = re.compile(r"[A-Z]+(?:[ '-]{1,2}[A-Z]+)*'?")
SCRIPT_TAG: Final = re.compile(r"[A-Z][a-z]{3}")
# Joiners are letters' shapes in Persian and in Indic scripts. Every other format character can reorder
# or hide text and has no place in a name.
_JOINERS: Final = frozenset("\u200c\u200d")
_FORBIDDEN: Final = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"))

# First word of a character's Unicode name -> ISO 15924 code.
_SCRIPT_OF: Final = {
    "ADLAM": "Adlm", "ARABIC": "Arab", "ARMENIAN": "Armn", "BENGALI": "Beng", "CANADIAN": "Cans",
    "CHEROKEE": "Cher", "CJK": "Hani", "COPTIC": "Copt", "CYRILLIC": "Cyrl", "DEVANAGARI": "Deva",
    "ETHIOPIC": "Ethi", "GEORGIAN": "Geor", "GREEK": "Grek", "GUJARATI": "Gujr", "GURMUKHI": "Guru",
    "HANGUL": "Hang", "HANIFI": "Rohg", "HEBREW": "Hebr", "HIRAGANA": "Hira", "KANNADA": "Knda",
    "KATAKANA": "Kana", "KHMER": "Khmr", "LAO": "Laoo", "LATIN": "Latn", "MALAYALAM": "Mlym",
    "MONGOLIAN": "Mong", "MYANMAR": "Mymr", "NKO": "Nkoo", "ORIYA": "Orya", "SINHALA": "Sinh",
    "SYRIAC": "Syrc", "TAMIL": "Taml", "TELUGU": "Telu", "THAANA": "Thaa", "THAI": "Thai",
    "TIBETAN": "Tibt", "TIFINAGH": "Tfng", "VAI": "Vaii",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a person.

    Attributes:
        text: the name in its original script, in NFC, at most 160 bytes of UTF-8.
        script: ISO 15924 code of that script, e.g. "Arab".
        latin: the same name in the letters of ICAO 9303, at most 80 characters.
        kind: "primary" or "known_as".

    Raises:
        InputError: a part is empty or too long, not in NFC, has control, bidirectional or unassigned
            characters or spaces at an end, or `latin` has other characters than A to Z, space, hyphen
            and apostrophe.
    """

    text: str
    script: str
    latin: str
    kind: str = "primary"

    def __post_init__(self) -> None:
        _check_text(self.text)
        if not SCRIPT_TAG.fullmatch(self.script):
            raise InputError("the script is not a code of ISO 15924", field="name.script")
        if len(self.latin) > LATIN_MAX_CHARACTERS or not LATIN.fullmatch(self.latin):
            raise InputError("a Latin name has A to Z, space, hyphen, apostrophe", field="name.latin")
        if self.kind not in KINDS:
            raise InputError("a name is either primary or known_as", field="name.kind")


def name_from_input(text: str, latin: str, kind: str = "primary", script: str | None = None) -> Name:
    """Return the name that a clerk typed: brought to NFC, spaces joined, Latin in capitals.

    The script is detected where it is not given. Latin letters are not made up: `latin` is what the
    clerk and the person agreed on.

    Raises:
        InputError: as for `Name`.
    """
    clean = " ".join(unicodedata.normalize("NFC", text).split())
    capitals = " ".join(latin.upper().replace("\u2019", "'").split())
    return Name(clean, detect_script(clean) if script is None else script, capitals, kind)


def detect_script(text: str) -> str:
    """Return the ISO 15924 code of the script that most letters of `text` belong to.

    "Zyyy" where no letter tells. Kana beside Han reads as "Jpan".
    """
    counts = Counter(
        _SCRIPT_OF.get(unicodedata.name(character, "").split(" ")[0], UNDETERMINED)
        for character in text
        if unicodedata.category(character)[0] == "L"
    )
    del counts[UNDETERMINED]
    if not counts:
        return UNDETERMINED
    if "Hani" in counts and ("Hira" in counts or "Kana" in counts):
        return "Jpan"
    return counts.most_common(1)[0][0]


def format_name(name: Name) -> list[str | int]:
    """Return `[text, script, latin, kind]` for CBOR; kind is 0 for primary, 1 for known_as."""
    return [name.text, name.script, name.latin, KINDS.index(name.kind)]


def parse_name(value: object) -> Name:
    """Return the name of a list as `format_name` writes it.

    Raises:
        InputError: not a list of three texts and a kind, or a rule of `Name` broken.
    """
    match value:
        case [str(text), str(script), str(latin), int(kind)] if type(kind) is int and 0 <= kind < len(KINDS):
            return Name(text, script, latin, KINDS[kind])
    raise InputError("a name is a list of text, script, Latin form and kind", field="name")


def _check_text(text: str) -> None:
    if any(
        character not in _JOINERS and unicodedata.category(character) in _FORBIDDEN for character in text
    ):  # before anything encodes it: a lone surrogate has no bytes
        raise InputError("a name has no control or hidden characters", field="name.text")
    if not text or len(text.encode()) > TEXT_MAX_BYTES:
        raise InputError("a name is empty or too long", field="name.text")
    if not unicodedata.is_normalized("NFC", text):
        raise InputError("a name is not in normal form NFC", field="name.text")
    if " ".join(text.split()) != text:
        raise InputError("a name has spaces at an end or several in a row", field="name.text")
    if not any(unicodedata.category(character)[0] == "L" for character in text):
        raise InputError("a name has at least one letter", field="name.text")
