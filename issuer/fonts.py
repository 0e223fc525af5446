"""Which font file draws which script: Noto Sans under the SIL Open Font License, from installed packages.

The fonts come with packages of the lock file (fontpkg-noto-sans, justmytype-intl-*), so nothing is fetched at
run time and no font file is part of this project. All are variable fonts, used at regular weight and width.

>>> font_for("Arab").path.name, font_for("Cyrl").path.name
('NotoSansArabic[wdth,wght].ttf', 'NotoSans[wdth,wght].ttf')
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import uharfbuzz

from credential.core.names import detect_script
from issuer.errors import IssuerError

LATIN: Final = "Latn"
RIGHT_TO_LEFT: Final = frozenset({"Arab", "Hebr"})
TALL: Final[dict[str, float]] = {
    "Arab": 1.1, "Beng": 1.15, "Deva": 1.15, "Ethi": 1.05, "Khmr": 1.3, "Laoo": 1.2, "Mymr": 1.3, "Taml": 1.1,
    "Telu": 1.2, "Thai": 1.2,
}  # fmt: skip
"""How much higher than a Latin line a line of the script is, so that stacked signs touch nothing."""
_JOINERS: Final = frozenset("\u200c\u200d")

# ISO 15924 script -> (import package, folder, family).
_NOTO: Final = ("fontpkg_noto_sans", "files", "NotoSans")
_SOURCES: Final[dict[str, tuple[str, str, str]]] = {
    "Latn": _NOTO,
    "Grek": _NOTO,
    "Cyrl": _NOTO,
    "Zyyy": _NOTO,
    "Arab": ("justmytype_intl_rtl", "fonts/ofl/notosansarabic", "NotoSansArabic"),
    "Hebr": ("justmytype_intl_rtl", "fonts/ofl/notosanshebrew", "NotoSansHebrew"),
    "Deva": ("justmytype_intl_south_asia", "fonts/ofl/notosansdevanagari", "NotoSansDevanagari"),
    "Beng": ("justmytype_intl_south_asia", "fonts/ofl/notosansbengali", "NotoSansBengali"),
    "Taml": ("justmytype_intl_south_asia", "fonts/ofl/notosanstamil", "NotoSansTamil"),
    "Telu": ("justmytype_intl_south_asia", "fonts/ofl/notosanstelugu", "NotoSansTelugu"),
    "Thai": ("justmytype_intl_sea", "fonts/ofl/notosansthai", "NotoSansThai"),
    "Laoo": ("justmytype_intl_sea", "fonts/ofl/notosanslao", "NotoSansLao"),
    "Khmr": ("justmytype_intl_sea", "fonts/ofl/notosanskhmer", "NotoSansKhmer"),
    "Mymr": ("justmytype_intl_sea", "fonts/ofl/notosansmyanmar", "NotoSansMyanmar"),
    "Ethi": ("justmytype_intl_africa", "fonts/ofl/notosansethiopic", "NotoSansEthiopic"),
}
_THIN_BY_DEFAULT: Final = frozenset({"NotoSansHebrew"})
REGULAR: Final = {"wght": 400.0, "wdth": 100.0}
"""Place of the regular style on the axes of every one of these fonts."""
SCRIPTS: Final = frozenset(_SOURCES)
"""ISO 15924 codes of the scripts that can be printed."""


@dataclass(frozen=True, slots=True)
class Font:
    """A font file of an installed package.

    Attributes:
        family: short name, unique per file.
        path: the TrueType file.
    """

    family: str
    path: Path

    @property
    def is_regular(self) -> bool:
        """Tell whether the file draws the regular style without being told to."""
        return self.family not in _THIN_BY_DEFAULT


@lru_cache(maxsize=64)
def font_for(script: str) -> Font:
    """Return the font that draws a script.

    Args:
        script: ISO 15924 code, such as "Ethi".

    Raises:
        IssuerError: unsupported where no font for the script is part of the installation.
    """
    source = _SOURCES.get(script)
    if source is None:
        raise IssuerError("unsupported", "no font for this script is installed", field="script")
    package, folder, family = source
    spec = find_spec(package)  # finds the files without running the package
    if spec is None or not spec.submodule_search_locations:
        raise IssuerError("unsupported", f"the package {package} is not installed", field="script")
    path = Path(spec.submodule_search_locations[0]) / folder / f"{family}[wdth,wght].ttf"
    if not path.is_file():
        raise IssuerError("unsupported", f"the package {package} has no {family}", field="script")
    return Font(family, path)


def can_print(text: str) -> bool:
    """Tell whether every character of the text has a glyph in the font of its script or in Noto Sans."""
    script = detect_script(text)
    return script in SCRIPTS and not missing_characters(text, script)


def draws_alone(text: str, script: str) -> bool:
    """Tell whether the script's own font has a glyph for every character."""
    drawn = _characters(font_for(script).path)
    return all(ord(char) in drawn for char in text)


def missing_characters(text: str, script: str) -> frozenset[str]:
    """Return the characters that neither the script's font nor Noto Sans can draw.

    Raises:
        IssuerError: unsupported where the script has no font.
    """
    drawn = _characters(font_for(script).path) | _characters(font_for(LATIN).path)
    return frozenset(char for char in text if ord(char) not in drawn and char not in _JOINERS)


def text_width_em(text: str, script: str) -> float:
    """Return the width of a shaped line in the font of a script, as a multiple of the font size.

    Raises:
        IssuerError: unsupported where the script has no font.
    """
    font = _shaper(font_for(script).path)
    buffer = uharfbuzz.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    uharfbuzz.shape(font, buffer)
    advance: int = sum(glyph.x_advance for glyph in buffer.glyph_positions)
    return advance / float(font.face.upem)


def wrap_text(text: str, script: str, width_em: float) -> list[str]:
    """Break a text into lines that fit a width, at its spaces; a word alone wider than that stays whole.

    Raises:
        IssuerError: unsupported where the script has no font.
    """
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width_em(longer, script) <= width_em:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def split_word(word: str, script: str, width_em: float) -> list[str]:
    """Break one word into pieces that fit a width, never before a mark that belongs to the letter before it.

    Raises:
        IssuerError: unsupported where the script has no font.
    """
    pieces = [""]
    for place, char in enumerate(word):
        joined = place > 0 and (
            unicodedata.category(char)[0] == "M" or char in _JOINERS or word[place - 1] in _JOINERS
        )
        if pieces[-1] and not joined and text_width_em(pieces[-1] + char, script) > width_em:
            pieces.append("")
        pieces[-1] += char
    return pieces


@lru_cache(maxsize=len(_SOURCES))
def _shaper(path: Path) -> uharfbuzz.Font:
    font = uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path))))
    font.set_variations(REGULAR)
    return font


@lru_cache(maxsize=len(_SOURCES))
def _characters(path: Path) -> frozenset[int]:
    return frozenset(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path))).unicodes)
