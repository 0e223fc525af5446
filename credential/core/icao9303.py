"""The transliteration tables of ICAO Doc 9303 part 3 (8th edition, 2021), section 6, as data.

Letters are capitals, values are what the machine readable zone prints, the recommended one first. The
facts are the standard's; where it is silent or prints one letter with the code of another, the entry
stands in a table of its own with the reason. `credential.core.latin_names` turns them into suggestions.

>>> LATIN["Ü"], CYRILLIC["Щ"], ARABIC["ش"]
(('UE', 'UXX', 'U'), 'SHCH', ('XSH',))
"""

from __future__ import annotations

from typing import Final

_ONE_LETTER: Final = {
    "A": "ÀÁÂÃĀĂĄ", "C": "ÇĆĈĊČ", "D": "ÐĎĐ", "E": "ÈÉÊËĒĔĖĘĚ", "G": "ĜĞĠĢ", "H": "ĤĦ", "I": "ÌÍÎÏĨĪĬĮİı",
    "J": "Ĵ", "K": "Ķ", "L": "ĹĻĽĿŁ", "N": "ŃŅŇŊ", "O": "ÒÓÔÕŌŎŐ", "R": "ŔŖŘ", "S": "ŚŜŞŠ", "T": "ŢŤŦ",
    "U": "ÙÚÛŨŪŬŮŰŲ", "W": "Ŵ", "Y": "ÝŶŸ", "Z": "ŹŻŽ",
}  # fmt: skip

LATIN: Final[dict[str, tuple[str, ...]]] = {
    **{letter: (plain,) for plain, letters in _ONE_LETTER.items() for letter in letters},
    "Ä": ("AE", "A"), "Å": ("AA", "A"), "Æ": ("AE",), "Ñ": ("N", "NXX"), "Ö": ("OE", "O"), "Ø": ("OE",),
    "Ü": ("UE", "UXX", "U"), "Þ": ("TH",), "Ĳ": ("IJ",), "Œ": ("OE",), "ẞ": ("SS",),
}  # fmt: skip
"""Section 6.A: Latin letters with marks, and every spelling that it allows."""

CYRILLIC: Final[dict[str, str]] = {
    "Ё": "E", "Ђ": "D", "Є": "IE", "Ѕ": "DZ", "І": "I", "Ї": "I", "Ј": "J", "Љ": "LJ", "Њ": "NJ", "Ќ": "K",
    "Ў": "U", "Џ": "DZ", "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ж": "ZH", "З": "Z",
    "И": "I", "Й": "I", "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S",
    "Т": "T", "У": "U", "Ф": "F", "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH", "Ъ": "IE",
    "Ы": "Y", "Э": "E", "Ю": "IU", "Я": "IA", "Ѫ": "U", "Ѵ": "Y", "Ґ": "G", "Ғ": "G", "Һ": "C",
}  # fmt: skip
"""Section 6.B: Cyrillic letters where no language makes an exception."""

CYRILLIC_EXCEPTIONS: Final[dict[str, dict[str, str]]] = {
    "be": {"Ё": "IO", "Г": "H"},
    "bg": {"Щ": "SHT"},
    "mk": {"Ќ": "KJ", "Џ": "DJ", "Х": "H", "Ц": "C", "Ғ": "GJ"},
    "sr": {"Г": "H", "Ж": "Z", "Х": "H", "Ц": "C", "Ч": "C", "Ш": "S"},
    "uk": {"Г": "H", "И": "Y"},
}
"""Section 6.B: exceptions by language (ISO 639-1)."""

CYRILLIC_FIRST: Final[dict[str, dict[str, str]]] = {
    "uk": {"Є": "YE", "Ї": "YI", "Й": "Y", "Ю": "YU", "Я": "YA"},
}
"""Section 6.B: exceptions for the first letter of a name component."""

CYRILLIC_UNLISTED: Final[dict[str, dict[str, str]]] = {
    "": {"Ь": "", "Ћ": "C", "Ѓ": "G"},
    "mk": {"Ѓ": "GJ"},
}
"""Not in section 6.B. The soft sign is left out, as passports do. The Serbian and the Macedonian letter are
evidently meant by the rows 04BA (C) and 0492 (G, Macedonian GJ), whose codes belong to other letters."""

ARABIC: Final[dict[str, tuple[str, ...]]] = {
    "ء": ("XE",), "آ": ("XAA",), "أ": ("XAE",), "ؤ": ("U",), "إ": ("I",), "ئ": ("XI",), "ا": ("A",),
    "ب": ("B",), "ة": ("XTA",), "ت": ("T",), "ث": ("XTH",), "ج": ("J",), "ح": ("XH",), "خ": ("XKH",),
    "د": ("D",), "ذ": ("XDH",), "ر": ("R",), "ز": ("Z",), "س": ("S",), "ش": ("XSH",), "ص": ("XSS",),
    "ض": ("XDZ",), "ط": ("XTT",), "ظ": ("XZZ",), "ع": ("E",), "غ": ("G",), "ف": ("F",), "ق": ("Q",),
    "ك": ("K",), "ل": ("L",), "م": ("M",), "ن": ("N",), "ه": ("H",), "و": ("W",), "ى": ("XAY",), "ي": ("Y",),
    "ٱ": ("XXA",), "ٹ": ("XXT",), "ټ": ("XRT",), "پ": ("P",), "ځ": ("XKE",), "څ": ("XXH",), "چ": ("XC",),
    "ڈ": ("XXD",), "ډ": ("XDR",), "ڑ": ("XXR",), "ړ": ("XRR",), "ږ": ("XRX",), "ژ": ("XJ",), "ښ": ("XXS",),
    "ک": ("XKK",), "ګ": ("XXK",), "ڭ": ("XNG",), "گ": ("XGG",), "ں": ("XNN",), "ڼ": ("XXN",), "ھ": ("XDO",),
    "ۀ": ("XYH",), "ہ": ("XXG",), "ۂ": ("XGE",), "ۃ": ("XTG",), "ی": ("XYA", "Y", "XAY"), "ۍ": ("XXY",),
    "ې": ("Y",), "ے": ("XYB",), "ۓ": ("XBE",), "ڤ": ("V",), "ڥ": ("XF",),
}  # fmt: skip
"""Section 6.C, with the two letters for foreign names and the other spellings of the Farsi yeh that
appendix B adds. X is an escape before the letter that it changes; a reader leaves it out."""

ARABIC_LAST: Final[dict[str, str]] = {"ة": "XAH"}
"""Section 6.C, note 2: the teh marbuta at the end of a name component."""

ARABIC_SILENT: Final = frozenset("\u0640\u064b\u064c\u064d\u064e\u064f\u0650\u0652\u0670")
"""Section 6.C, not encoded: the tatweel, the vowel signs and the sukun."""

ARABIC_SHADDA: Final = "\u0651"
"""Section 6.C, note 3: what stands for the letter before it is repeated."""

ARABIC_NOT_ENCODED: Final = frozenset("\u069c\u06a2\u06a7\u06a8")
"""Section 6.C, not encoded though they are consonants: a name with one of them has to be typed."""
