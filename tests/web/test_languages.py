"""The language files: complete, with the same places and every plural, and no word that claims too much or accuses.

A language is one file below `verifier/data`; nothing here names one but the lists of words that it must not use.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.phone_page import PhonePage

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT / "verifier" / "data"
MASTER: Final = "en"
CODES: Final = sorted(path.stem for path in DATA.glob("*.json"))
TRANSLATED: Final = [code for code in CODES if code != MASTER]
META: Final = ("language", "name", "direction", "digits", "reviewed_by", "months", "dates")
SAME_EVERYWHERE: Final = ("shape", "symbol", "colour")
PLURALS: Final = ("zero", "one", "two", "few", "many", "other")
NAMES_ITS_NUMBER: Final = ("zero", "one", "two")
"""Plurals of so few numbers that a language may say the number itself: "yesterday", "two days"."""
SHORT: Final = 24
"""Letters of an English text that stands on a button or in a heading."""
FORBIDDEN: Final = {
    "en": r"identity (is )?proven|anonym|cannot be tracked|gdpr|fake|forged|fraud|invalid|illegal|guilty|criminal"
    r"|victim|traffick|refugee|migrant",
    "fr": r"identité (est )?prouv|anonym|rgpd|\bfaux\b|\bfausse|falsifi|contrefa|fraud|invalide|illégal|clandestin"
    r"|coupable|criminel|victime|\btraite des|trafic|réfugié|migrant",
    "es": r"identidad (está )?(probada|demostrada)|anónim|rgpd|\bfals[oa]s?\b|falsific|fraud|inválid|ilegal"
    r"|culpable|criminal|víctima|\btrata de personas|tráfico|refugiad|migrante",
    "ar": r"هوية مثبتة|مثبتة الهوية|مجهول|مزور|مزيف|زائف|احتيال|باطل|غير صالح|غير قانوني|غير شرعي|مذنب|مجرم"
    r"|ضحية|ضحايا|الاتجار|لاجئ|لاجئة|لاجئين|مهاجر",
}
"""What no sentence may say, whatever its sense: PRODUCT.md, "Claims discipline"; letters of any size."""


@cache
def read(code: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((DATA / f"{code}.json").read_text(encoding="utf-8"))
    return value


def sentences(entry: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every sentence; a list's sentences are numbered."""
    if isinstance(entry, str):
        yield path, entry
        return
    items = enumerate(entry) if isinstance(entry, list) else entry.items()
    for key, item in items:
        yield from sentences(item, f"{path}.{key}" if path else str(key))


def said(code: str) -> dict[str, str]:
    """What is read by people: all but what describes the language and how a state looks."""
    return {
        path: text
        for path, text in sentences(read(code))
        if path.split(".")[0] not in META and path.split(".")[-1] not in SAME_EVERYWHERE
    }


@cache
def counted() -> frozenset[str]:
    """Paths of the master's sentences that have plurals; "pin_other" alone is no plural of "pin"."""
    stems = {path.removesuffix("_one") for path in said(MASTER) if path.endswith("_one")}
    return frozenset(stem for stem in stems if f"{stem}_other" in said(MASTER))


def plural_of(path: str) -> tuple[str, str]:
    """The path without its plural, and the plural or ""."""
    stem, _, ending = path.rpartition("_")
    return (stem, ending) if ending in PLURALS and stem in counted() else (path, "")


def places(text: str) -> list[str]:
    return sorted(set(re.findall(r"\{(\w+)\}", text)))


def bare(text: str) -> str:
    """Small letters without the vowel signs of Arabic and without its stretching."""
    kept = (c for c in text if not ("\u0610" <= c <= "\u061a" or "\u064b" <= c <= "\u065f" or c == "\u0640"))
    return "".join(kept).casefold()


def test_there_are_languages_and_english_is_reviewed() -> None:
    assert {MASTER, "ar", "es", "fr"} <= set(CODES)
    assert read(MASTER)["reviewed_by"]


@pytest.mark.parametrize("code", CODES)
def test_a_file_describes_its_language(code: str) -> None:
    found = read(code)
    assert list(found)[:7] == ["language", "name", "direction", "digits", "months", "dates", "reviewed_by"]
    assert found["language"] == code
    assert found["name"]
    assert found["direction"] in ("ltr", "rtl")
    assert re.fullmatch(r"[a-z]{3,8}", found["digits"])
    assert len(set(found["months"])) == len(found["months"]) == 12
    assert not any(c.isdigit() for month in found["months"] for c in month)
    assert {name: places(text) for name, text in found["dates"].items()} == {
        "day": ["day", "month", "year"],
        "month": ["month", "year"],
    }
    assert all(isinstance(name, str) and name for name in found["reviewed_by"])


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_has_the_sentences_of_the_master_in_its_order(code: str) -> None:
    wanted = list(dict.fromkeys(plural_of(path)[0] for path in said(MASTER)))
    assert list(dict.fromkeys(plural_of(path)[0] for path in said(code))) == wanted


@pytest.mark.parametrize("code", CODES)
def test_every_plural_of_the_language_is_there_and_no_other(code: str, page_words: PhonePage) -> None:
    wanted = sorted(page_words.ask("plurals", {"language": code}).result)
    found: dict[str, list[str]] = {}
    for path in said(code):
        stem, plural = plural_of(path)
        if plural:
            found.setdefault(stem, []).append(plural)
    assert found
    assert {stem: sorted(plurals) for stem, plurals in found.items()} == dict.fromkeys(found, wanted)


@pytest.mark.parametrize("code", CODES)
def test_every_sentence_has_the_places_of_the_master(code: str) -> None:
    master = {plural_of(path)[0]: places(text) for path, text in said(MASTER).items()}
    for path, text in said(code).items():
        stem, plural = plural_of(path)
        wanted = master[stem]
        if plural in NAMES_ITS_NUMBER and "count" not in places(text):
            wanted = [place for place in wanted if place != "count"]
        assert places(text) == wanted, path
        assert text.count("{") == text.count("}") == len(re.findall(r"\{\w+\}", text)), path
        assert "$t(" not in text, path


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_state_looks_alike_in_every_language(code: str) -> None:
    for name, state in read(MASTER)["states"].items():
        for key in SAME_EVERYWHERE:
            assert read(code)["states"][name][key] == state[key]


@pytest.mark.parametrize("code", CODES)
def test_the_words_of_the_states_are_told_apart(code: str) -> None:
    states = read(code)["states"].values()
    assert len({state["word"] for state in states}) == len(states)


@pytest.mark.parametrize("code", CODES)
def test_no_sentence_claims_more_than_is_known_or_accuses(code: str) -> None:
    assert code in FORBIDDEN, "a new language names the words that it must not use"
    pattern = re.compile(bare(FORBIDDEN[code]))
    assert {path: text for path, text in said(code).items() if pattern.search(bare(text))} == {}


@pytest.mark.parametrize("code", CODES)
def test_marks_of_direction_are_seen_in_the_file(code: str) -> None:
    raw = (DATA / f"{code}.json").read_text(encoding="utf-8")
    hidden = {c for c in raw if unicodedata.category(c) in ("Cf", "Cc") and c not in "\n\u200c\u200d"}
    assert hidden == set(), "write it as \\uXXXX"
    for path, text in said(code).items():
        assert text == text.strip() != "", path
        opened = sum(text.count(mark) for mark in "\u2066\u2067\u2068")
        assert opened == text.count("\u2069"), path
        assert not re.search("[\u202a-\u202e]", text), path


@pytest.mark.parametrize("code", TRANSLATED)
def test_short_texts_stay_short(code: str) -> None:
    english = said(MASTER)
    for path, text in said(code).items():
        stem, _ = plural_of(path)
        master = english.get(stem) or english[f"{stem}_other"]
        if len(master) <= SHORT:
            assert len(text) <= 1.6 * len(master) + 10, (path, master, text)
        else:
            assert len(text) <= 2 * len(master), (path, master, text)


@pytest.mark.parametrize("code", TRANSLATED)
def test_a_translation_is_in_its_own_script(code: str) -> None:
    script = "ARABIC" if read(code)["direction"] == "rtl" else "LATIN"
    for path, text in said(code).items():
        letters = [c for c in re.sub(r"\{\w+\}", "", text) if c.isalpha()]
        assert not letters or any(unicodedata.name(c).startswith(script) for c in letters), path
    english = {text for text in said(MASTER).values() if len(text) > SHORT}
    assert {path: text for path, text in said(code).items() if text in english} == {}


@pytest.mark.parametrize("code", CODES)
def test_every_number_reads_in_every_language(code: str, page_words: PhonePage) -> None:
    digits = "٠١٢٣٤٥٦٧٨٩" if read(code)["digits"] == "arab" else "0123456789"
    ages = [*range(1, 130), 1000, 1_000_000]
    answers = page_words.ask_all(
        [("freshness", {"language": code, "day": 20776, "age": age}) for age in ages]
    )
    lines = [answer.result for answer in answers]
    assert len(set(lines)) == len(ages)
    for age, line in zip(ages, lines, strict=True):
        assert "{" not in line
        assert "freshness" not in line
        local = "".join(digits[int(c)] for c in str(age))
        shown = re.sub(r"[^\d]", "", line.split("\u2069")[-1])
        assert shown == local or (age < 3 and shown == ""), (age, line)
    assert all(c in digits for c in "".join(lines) if c.isdigit())
