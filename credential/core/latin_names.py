"""Suggestions for a name in Latin letters, by the tables of ICAO Doc 9303 part 3, section 6.

A suggestion only: the clerk and the person decide how the name is written, and an older paper of the
person comes first. Arabic script is written without its short vowels, so those suggestions are skeletons
to be filled in; Ethiopic, Devanagari, Myanmar and all other scripts have no table and give None.

>>> suggest_latin("Müller"), suggest_latin("Ольга Гриценко", "uk")
(('MUELLER', 'MULLER', 'MUXXLLER'), ('OLHA HRYTSENKO',))
>>> suggest_latin("فاطمة"), suggest_latin("ሰላም")
(('FAXTTMXAH', 'FATTMAH'), None)
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

from credential.core import icao9303
from credential.core.names import LATIN_MAX_CHARACTERS, TEXT_MAX_BYTES, detect_script

SUGGESTIONS_MAX: Final = 8
"""More spellings than a clerk would read."""

_APOSTROPHES: Final = frozenset("'\u2019\u2018\u02bb\u02bc\u02b9\u00b4`")
_HYPHENS: Final = frozenset("-\u2010\u2011\u2013")
_SEPARATORS: Final = re.compile(r"[ '-]+")
# Alphabets of today. A name goes through the column of every language whose alphabet can write it.
_ALPHABETS: Final = {
    "": frozenset("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"),
    "uk": frozenset("АБВГҐДЕЄЖЗИІЇЙКЛМНОПРСТУФХЦЧШЩЬЮЯ"),
    "be": frozenset("АБВГДЕЁЖЗІЙКЛМНОПРСТУЎФХЦЧШЫЬЭЮЯ"),
    "bg": frozenset("АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЬЮЯ"),
    "sr": frozenset("АБВГДЂЕЖЗИЈКЛЉМНЊОПРСТЋУФХЦЧЏШ"),
    "mk": frozenset("АБВГДЃЕЖЗЅИЈКЛЉМНЊОПРСТЌУФХЦЧЏШ"),
}

_Spelled = Sequence[tuple[str, ...]]
"""The spellings of each character of a name, in order."""


def suggest_latin(text: str, language: str = "") -> tuple[str, ...] | None:
    """Return ways to write a name in capitals A to Z, space, hyphen and apostrophe, the best first.

    Latin: the spellings of section 6.A; letters that it does not list lose their marks (section 4.6 wants
    names without diacritical marks). Cyrillic: section 6.B by language. Arabic: section 6.C, first as the
    table has it, then without the escape letter X, as appendix B tells readers to take it.

    Args:
        text: the name in its own script, at most 160 bytes of UTF-8 (otherwise None).
        language: for Cyrillic an ISO 639-1 code: "be", "bg", "mk", "sr", "uk", or "ru" and others for the
            general column; "" suggests every column that fits the letters.

    Returns:
        1 to 8 different texts, each of which `credential.core.names.Name` takes, or None where the script
        has no table, a character is not in it, or the result would be longer than 80 characters.
    """
    if len(text.encode("utf-8", "surrogatepass")) > TEXT_MAX_BYTES:
        return None
    script = detect_script(text)
    if script == "Latn":
        spelled = _spell_latin(text)
        readings = () if spelled is None else _readings(spelled)
    elif script == "Cyrl":
        readings = _cyrillic_readings(text, language)
    elif script == "Arab":
        spelled = _spell_arabic(text)
        readings = () if spelled is None else _with_and_without_x(spelled)
    else:
        return None
    tidy = (_tidy(reading) for reading in readings)
    fitting = dict.fromkeys(name for name in tidy if 0 < len(name) <= LATIN_MAX_CHARACTERS)
    return tuple(itertools.islice(fitting, SUGGESTIONS_MAX)) or None


def _spell_latin(text: str) -> _Spelled | None:
    spelled: list[tuple[str, ...]] = []
    for character in unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).upper()):
        spellings = icao9303.LATIN.get(character) or _plain(character, is_latin=True)
        if spellings is None:
            return None
        spelled.append(spellings)
    return spelled


def _plain(character: str, *, is_latin: bool) -> tuple[str, ...] | None:
    """Spelling of what no table lists: a separator, a sign to omit, or a Latin letter with other marks.

    Section 4.6 omits apostrophes; here they stay between Latin letters, where `Name` has room for them.
    """
    if character in _APOSTROPHES:
        return ("'" if is_latin else "",)
    if character in _HYPHENS:
        return ("-",)
    if character.isspace():
        return (" ",)
    if unicodedata.category(character)[0] in "PMS" or character in "\u200c\u200d":
        return ("",)
    if not is_latin:
        return None
    letters = [part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part)]
    if letters and all("A" <= part <= "Z" for part in letters):
        return ("".join(letters),)
    return None


def _cyrillic_readings(text: str, language: str) -> Iterator[str]:
    capitals = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).upper())
    letters = {character for character in capitals if unicodedata.category(character)[0] == "L"}
    letters -= _APOSTROPHES
    if language:
        columns = [language if language in icao9303.CYRILLIC_EXCEPTIONS else ""]
    else:
        columns = [column for column, alphabet in _ALPHABETS.items() if letters <= alphabet] or [""]
    for column in columns:
        spelled = _spell_cyrillic(capitals, column)
        if spelled is not None:
            yield from _readings(spelled)


def _spell_cyrillic(capitals: str, language: str) -> _Spelled | None:
    table = {
        **icao9303.CYRILLIC,
        **icao9303.CYRILLIC_UNLISTED[""],
        **icao9303.CYRILLIC_EXCEPTIONS.get(language, {}),
        **icao9303.CYRILLIC_UNLISTED.get(language, {}),
    }
    firsts = icao9303.CYRILLIC_FIRST.get(language, {})
    spelled: list[tuple[str, ...]] = []
    is_first = True
    for character in capitals:
        if is_first and character in firsts:
            spellings: tuple[str, ...] | None = (firsts[character],)
        elif language == "sr" and character == "Г":
            # The standard has H, but Serbian in its own Latin letters has G, and so have its passports.
            spellings = (icao9303.CYRILLIC[character], table[character])
        elif character in table:
            spellings = (table[character],)
        else:
            spellings = _plain(character, is_latin=False)
        if spellings is None:
            return None
        spelled.append(spellings)
        is_first = spellings in ((" ",), ("-",))
    return spelled


def _spell_arabic(text: str) -> _Spelled | None:
    # NFKC: the shapes of letters by their place in a word (U+FB50 to U+FEFF) become the letters.
    letters = [c for c in unicodedata.normalize("NFKC", text) if c not in icao9303.ARABIC_SILENT]
    spelled: list[tuple[str, ...]] = []
    for place, character in enumerate(letters):
        if character == icao9303.ARABIC_SHADDA:
            if spelled:
                spelled[-1] = tuple(spelling * 2 for spelling in spelled[-1])
            continue
        following = next((c for c in letters[place + 1 :] if c != icao9303.ARABIC_SHADDA), " ")
        if character in icao9303.ARABIC_LAST and following not in icao9303.ARABIC:
            spelled.append((icao9303.ARABIC_LAST[character],))
            continue
        spellings = icao9303.ARABIC.get(character) or _plain(character, is_latin=False)
        if spellings is None:
            return None
        spelled.append(spellings)
    return spelled


def _with_and_without_x(spelled: _Spelled) -> Iterator[str]:
    for reading in _readings(spelled):
        yield reading
        yield reading.replace("X", "")


def _readings(spelled: _Spelled) -> Iterator[str]:
    """Every combination, a letter being spelled in one way throughout: the recommended one, then by length.

    At most 48 combinations: four letters of the Latin table have two spellings and one has three.
    """
    choices = list(dict.fromkeys(spellings for spellings in spelled if len(spellings) > 1))
    readings = []
    for chosen in itertools.product(*choices):
        spelling_of = dict(zip(choices, chosen, strict=True))
        readings.append("".join(spelling_of.get(spellings, spellings[0]) for spellings in spelled))
    yield readings[0]
    yield from sorted(readings[1:], key=len)


def _tidy(reading: str) -> str:
    """One separator between words, or an apostrophe and another one; none at the ends."""
    return _SEPARATORS.sub(_separator, reading).strip(" '-")


def _separator(run: re.Match[str]) -> str:
    if run[0] in ("' ", " '", "-'", "'-"):
        return run[0]
    return next(kind for kind in "- '" if kind in run[0])
