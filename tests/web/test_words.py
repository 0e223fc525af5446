"""The page's words: a verdict is told in the Python station's sentences, and a value never turns a sentence."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import pytest

from ledger.core.calendar_days import day_of_date
from ledger.errors import CodedError
from tests.support.page_formats import judge_codes
from tests.support.phone_page import PhonePage, ask_python
from tests.support.signed_inputs import World
from tests.support.vector_runner import VECTORS
from verifier.core.companion import CompanionResult, check_companion
from verifier.core.evidence import BESIDE, LEADING, Verdict
from verifier.core.wording import (
    RESULT_STATES,
    format_date,
    format_month,
    freshness_line,
    tell,
    tell_companion,
)
from verifier.pages import result_values
from verifier.report import Report
from verifier.words import load_wording

WORDS: Final = load_wording()
DATA: Final = VECTORS.parents[1] / "verifier" / "data"
FSI, PDI, RLO = "\u2068", "\u2069", "\u202e"
ISOLATES: Final = {ord(FSI): None, ord(PDI): None}
SEED: Final = "words"


def text(page: PhonePage, path: str, language: str = "en", **values: object) -> str:
    said: str = page.ask("text", {"language": language, "path": path, "values": values}).result
    return said


def load(page: PhonePage, bundles: Mapping[str, Any]) -> None:
    for name, bundle in bundles.items():
        question = {"name": name, "bundle": bundle}
        assert page.ask("load", question).outcome == ask_python("load", question).outcome == "ok"


def compare(page: PhonePage, inputs: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have both tell each input of the format "codes", and return what both say; a refused slip tells nothing."""
    answers = []
    for given in inputs:
        try:
            wanted = _told_by_python(judge_codes(given))
        except CodedError:
            continue
        found = page.ask("told", {"language": "en", **given}).result
        assert json.loads(json.dumps(found, ensure_ascii=False).translate(ISOLATES)) == wanted
        answers.append(wanted)
    return answers


def _told_by_python(verdicts: list[Verdict]) -> dict[str, Any]:
    companion = check_companion([verdict.evidence for verdict in verdicts if verdict.evidence is not None])
    return {
        "verdicts": [_told(verdict) for verdict in verdicts],
        "subtitles": [
            card.subtitle
            for verdict in verdicts
            for card in result_values(Report((verdict,), None), WORDS)["cards"]
        ],
        "companion": None if companion is None else _companion(companion),
    }


def _companion(found: CompanionResult) -> dict[str, Any]:
    line, questions = tell_companion(found, WORDS)
    return {"line": line, "questions": list(questions)}


def _told(verdict: Verdict) -> dict[str, Any]:
    told = tell(verdict, WORDS)
    evidence = verdict.evidence
    [card] = result_values(Report((verdict,), None), WORDS)["cards"]
    companion = issued = ""
    if evidence is not None:
        issued = format_month(int(evidence.to_json()["issued_month"].replace("-", "")))
        if (right := evidence.companion) is not None and not right.ended:
            scope = WORDS.sections["companion"]["scopes"][right.scope]
            companion = WORDS.text("companion", "right", scope=scope, until=format_date(right.until))
    state = {key: getattr(told.state, key) for key in ("word", "shape", "symbol", "colour", "now")}
    names = ("genuine", "in_force", "matches")
    return {
        "state": {"name": verdict.state, **state},
        "title": told.title,
        "meaning": told.meaning,
        "questions": [
            {"name": name, "question": question, "answer": answer}
            for name, (question, answer) in zip(names, told.questions, strict=True)
        ],
        "lines": list(told.lines),
        "answers": [list(pair) for pair in card.answers],
        "companion": companion,
        "freshness": told.freshness,
        "issued": issued,
    }


def test_both_stations_tell_every_vector_in_the_same_sentences(page_words: PhonePage) -> None:
    cases = [
        json.loads(path.read_text("utf-8"))["input"] for path in sorted((VECTORS / "verdict").glob("*.json"))
    ]
    names = {case["bundle"] for case in cases} - {None}
    load(page_words, {name: json.loads((VECTORS / name).read_text("utf-8"))["input"] for name in names})
    inputs = [
        {
            "texts": [case["text"]],
            "bundles": [] if case["bundle"] is None else [case["bundle"]],
            "now_s": case["now_s"],
            "slip": None,
            "audience": "",
            "nonce": None,
        }
        for case in cases
    ]
    answers = compare(page_words, inputs)
    assert {verdict["state"]["name"] for answer in answers for verdict in answer["verdicts"]} == RESULT_STATES
    lines = {line for answer in answers for verdict in answer["verdicts"] for line in verdict["lines"]}
    said = {code for code in (*LEADING, *BESIDE) for line in lines if _begins_like(line, code)}
    # The first is said where a token is shown, which no vector has; the second leads wherever it is said.
    assert {*LEADING, *BESIDE} - said <= {"bad_key_binding", "stale"}


def _begins_like(line: str, code: str) -> bool:
    return line.startswith(WORDS.sections["lines"][code].split("{")[0])


def test_both_stations_tell_tokens_families_and_damaged_cards_in_the_same_sentences(
    page_words: PhonePage,
) -> None:
    world = World()
    load(page_words, world.bundles())
    rng = random.Random(SEED)
    answers = compare(page_words, [world.codes(rng) for _ in range(300)])
    verdicts = [verdict for answer in answers for verdict in answer["verdicts"]]
    lines = {line for verdict in verdicts for line in verdict["lines"]}
    assert {WORDS.text("holder_binding", "key"), WORDS.text("lines", "bad_key_binding")} <= lines
    assert {answer["companion"]["line"].split(":")[0] for answer in answers if answer["companion"]} >= {
        "Recorded"
    }
    assert any(verdict["title"] == "Confirmed, age of the list is not known" for verdict in verdicts)


@pytest.mark.parametrize("age", [0, 1, 2, 19, 1234, None])
def test_both_stations_say_the_age_of_a_list_alike(page_words: PhonePage, age: int | None) -> None:
    day = date(2026, 9, 7)
    question = {"language": "en", "day": day_of_date(day), "age": age}
    said = page_words.ask("freshness", question).result.translate(ISOLATES)
    assert said == freshness_line(WORDS, day.isoformat(), age, clock_wrong=age is None)


def test_both_stations_write_every_day_of_a_year_alike(page_words: PhonePage) -> None:
    days = [date(2024, 1, 1) + timedelta(days=count) for count in range(366)]
    said = page_words.ask_all([("day", {"language": "en", "day": day_of_date(day)}) for day in days])
    assert [answer.result for answer in said] == [format_date(day) for day in days]
    months = [202400 + month for month in range(1, 13)]
    said = page_words.ask_all([("month", {"language": "en", "month": month}) for month in months])
    assert [answer.result for answer in said] == [format_month(month) for month in months]


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [
        ("Registry", f"{FSI}Registry{PDI}"),
        ("سجل", f"{FSI}سجل{PDI}"),
        ("", f"{FSI}{PDI}"),
        ("{date}", f"{FSI}{{date}}{PDI}"),
        ("$t(page.home)", f"{FSI}$t(page.home){PDI}"),
        (f"a{RLO}b", f"{FSI}ab{PDI}"),
        (f"a{PDI}b", f"{FSI}ab{PDI}"),
        (f"a{FSI}b", f"{FSI}a{FSI}b{PDI}{PDI}"),
        (f"a{FSI}b{PDI}c", f"{FSI}a{FSI}b{PDI}c{PDI}"),
        ("<b>&amp;", f"{FSI}<b>&amp;{PDI}"),
        ("lng, nest, count", f"{FSI}lng, nest, count{PDI}"),
    ],
)
def test_a_value_is_isolated_and_never_read_as_a_sentence(
    page_words: PhonePage, issuer: str, shown: str
) -> None:
    said = text(page_words, "genuine.yes", issuer=issuer, date="never")
    assert said == f"Yes: authentic as signed by {shown}, and on the ledger."


def test_names_of_values_are_no_options_of_the_library(page_words: PhonePage) -> None:
    values = {
        "lng": "fr",
        "context": "x",
        "replace": "y",
        "defaultValue": "z",
        "returnObjects": "w",
        "ns": "q",
    }
    assert text(page_words, "matches.you", **values) == WORDS.text("matches", "you")


def test_a_number_chooses_the_plural_and_is_written_as_the_language_does(page_words: PhonePage) -> None:
    said = [text(page_words, "page.bytes", count=count) for count in (0, 1, 2, 1234567)]
    assert said == ["0 bytes", "1 byte", "2 bytes", "1,234,567 bytes"]
    assert said == [WORDS.text("page", "bytes", count=count) for count in (0, 1, 2, 1234567)]


def test_a_place_without_a_value_and_a_path_without_a_sentence_show_themselves(page_words: PhonePage) -> None:
    assert text(page_words, "looks_like") == "It looks like {kind}."
    assert text(page_words, "phone.nothing.here") == "phone.nothing.here"
    has = {
        path: page_words.ask("has", {"language": "en", "path": path}).result
        for path in (
            "freshness.days",
            "freshness.today",
            "freshness",
            "phone.nothing",
            "kinds.",
            "kinds.toString",
            "",
        )
    }
    assert [path for path, found in has.items() if found] == [
        "freshness.days",
        "freshness.today",
        "freshness",
    ]


@pytest.mark.parametrize(
    ("wanted", "best"),
    [
        ([], "en"),
        (["fr"], "fr"),
        (["fr-CA", "en"], "fr"),
        (["ES-419"], "es"),
        (["de", "es-MX", "fr"], "es"),
        (["ar-EG"], "ar"),
        (["ar-Latn", "fr"], "fr"),
        (["en-XA"], "en-XA"),
        (["en-GB"], "en"),
        (["ar-XC"], "ar"),
        (["", "not a tag", "x", "fr"], "fr"),
        (["de"], "en"),
    ],
)
def test_the_best_language_for_a_browser_is_found(
    page_words: PhonePage, wanted: list[str], best: str
) -> None:
    offered = ["en", "ar", "es", "fr", "en-XA", "ar-XB"]
    assert page_words.ask("best", {"wanted": wanted, "offered": offered}).result == best


def sentences(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [
        text for item in (entry if isinstance(entry, list) else entry.values()) for text in sentences(item)
    ]


def test_a_pseudo_locale_is_longer_has_accents_and_keeps_its_places(page_words: PhonePage) -> None:
    english = json.loads((DATA / "en.json").read_text("utf-8"))
    pseudo = page_words.ask("pseudo", {"language": "en-XA"}).result
    assert pseudo["language"] == "en-XA"
    assert pseudo["reviewed_by"] == []
    assert [state["shape"] for state in pseudo["states"].values()] == [
        state["shape"] for state in english["states"].values()
    ]
    for section in ("lines", "page", "phone", "freshness"):
        for plain, changed in zip(sentences(english[section]), sentences(pseudo[section]), strict=True):
            assert changed[0] + changed[-1] == "[]"
            assert 1.4 * len(plain) <= len(changed) <= 1.4 * len(plain) + 3
            assert re.findall(r"\{\w+\}", changed) == re.findall(r"\{\w+\}", plain)
            assert not set(re.sub(r"\{\w+\}", "", changed)) & set("aeiou")


def test_the_other_pseudo_locale_runs_from_right_to_left(page_words: PhonePage) -> None:
    pseudo = page_words.ask("pseudo", {"language": "ar-XB"}).result
    assert pseudo["direction"] == "rtl"
    assert text(page_words, "genuine.no", "ar-XB", reason="x") == f"{RLO}No\u202c. {FSI}x{PDI}"


def test_arabic_counts_in_its_own_digits_and_six_plurals(page_words: PhonePage) -> None:
    said = [
        text(page_words, "freshness.days", "ar", date="x", count=count) for count in (1, 2, 3, 11, 100, 1234)
    ]
    assert [line.split(PDI)[1] for line in said] == [
        " (يوم واحد)",
        " (يومان)",
        " (٣ أيام)",
        " (١١ يومًا)",
        " (١٠٠ يوم)",
        " (١٬٢٣٤ يومًا)",
    ]
    assert page_words.ask("day", {"language": "ar", "day": 20776}).result == "١٩ نوفمبر ٢٠٢٦"


def test_a_title_that_only_says_the_word_again_is_left_out_in_every_language(page_words: PhonePage) -> None:
    given = {"texts": ["x"], "bundles": [], "now_s": 0, "slip": None, "audience": "", "nonce": None}
    for code in ("en", "fr", "es", "ar"):
        [said] = page_words.ask("told", {"language": code, **given}).result["subtitles"]
        assert said == "", code
