"""Asks two readers the same and compares their answers: the Python packages, and the page's core in Node or a browser.

inputs("cbor")                                         # of the vectors
compare(page, [("cbor", "00"), ("cbor", "1817")])      # the answers, on which both agree
"""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.mutations import mutate
from tests.support.page_formats import NOT_FOR_A_STATION
from tests.support.phone_page import Answer, PageReader, Question, ask_python
from tests.support.vector_runner import VECTORS, bundles_of

FILES: Final = sorted(path for path in VECTORS.glob("*/*.json") if path.parent.name not in NOT_FOR_A_STATION)
"""The vectors that a station reads."""
FORMS: Final = sorted({path.parent.name for path in FILES})
NAMES_ONLY: Final = ("newer",)
"""Formats whose inputs are names of lists: there is nothing in them to damage."""
DAMAGED: Final = [form for form in FORMS if form not in NAMES_ONLY]
WHOLE: Final = {
    "birth": ("earliest", "latest", "on"),
    "bundle": ("origin", "charter"),
    "codes": ("bundles",),
    "head": ("bundle", "charter"),
    "policy": ("times_s",),
    "verdict": ("bundle",),
}
TEXT_FORMS: Final = ("base45", "slip", "card", "frames", "pin", "challenge")
_SHOWN: Final = 5
_BATCH: Final = 500


def load(path: Path) -> dict[str, Any]:
    """Return a vector."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def inputs(form: str) -> list[Any]:
    """Return the inputs of a format's vectors."""
    return [load(path)["input"] for path in FILES if path.parent.name == form]


def load_bundles(page: PageReader, names: Iterable[str]) -> None:
    """Make both readers keep the lists that inputs name."""
    for name in sorted(set(names)):
        question = {"name": name, "bundle": load(VECTORS / name)["input"]}
        assert page.ask("load", question).outcome == ask_python("load", question).outcome == "ok"


def check_vectors(page: PageReader, form: str) -> None:
    """Check that the page comes to what the vectors of a format say."""
    cases = {path.stem: load(path) for path in FILES if path.parent.name == form}
    load_bundles(page, [name for case in cases.values() for name in bundles_of(form, case["input"])])
    answers = page.ask_all([(form, case["input"]) for case in cases.values()])
    found = {name: (answer.outcome, answer.result) for name, answer in zip(cases, answers, strict=True)}
    assert found == {name: (case["expect"], case["result"]) for name, case in cases.items()}


def compare_damaged(page: PageReader, form: str, count: int, seed: str) -> list[Answer]:
    """Ask both readers mutations of a format's vectors, as many as `count`; return the answers."""
    known = inputs(form)
    load_bundles(page, [name for given in known for name in bundles_of(form, given)])
    rng = random.Random(f"{seed}/{form}")
    return compare(page, [(form, _mutate_case(rng, form, rng.choice(known), known)) for _ in range(count)])


def compare(page: PageReader, questions: Sequence[Question]) -> list[Answer]:
    """Ask both readers everything; return the answers, on which they agree.

    Raises:
        AssertionError: they do not; the text shows what differs, with the inputs.
    """
    answers: list[tuple[Question, Answer, Answer]] = []
    for start in range(0, len(questions), _BATCH):
        batch = questions[start : start + _BATCH]
        of_page = page.begin(batch)
        wanted = [ask_python(*question) for question in batch]
        plain = [Answer(one.outcome, json.loads(json.dumps(one.result)), one.field) for one in wanted]
        answers += zip(batch, plain, of_page(), strict=True)
    differing = [row for row in answers if row[1] != row[2]]
    shown = "\n".join(map(_difference, differing[:_SHOWN]))
    assert not shown, f"{len(differing)} of {len(questions)} differ\n{shown}"
    return [wanted for _, wanted, _ in answers]


def _difference(row: tuple[Question, Answer, Answer]) -> str:
    """Return what differs, and at the end the question, which may be long."""
    question, wanted, found = row
    one, other = (json.dumps(answer, indent=1, sort_keys=True).splitlines() for answer in (wanted, found))
    lines = [line for line in difflib.ndiff(one, other) if line[0] in "+-"] or [str(wanted), str(found)]
    return "\n".join([f"- Python, + page, of {question[0]}", *lines[:20], json.dumps(question)[:4000]])


def _mutate_case(rng: random.Random, form: str, given: Any, others: Sequence[Any]) -> Any:
    """Return a mutation that is still an input of the format: what the harness itself reads stays whole."""
    clock = ("now_s",) if rng.random() < 0.5 else ()
    whole = (*WHOLE.get(form, ()), *clock)
    return mutate(rng, given, others, is_text=form in TEXT_FORMS, whole=whole)
