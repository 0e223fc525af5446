"""The core of the phone page, asked by tests: one Node process that runs formats over JSON lines.

`verifier/web/tests/runner.ts` is the other side. Both readers give `Answer`: the outcome "ok" or a code, the field
of an error, and the result in the notation of tests/vectors/README.md.
"""

from __future__ import annotations

import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from ledger.errors import CodedError
from scripts import web
from tests.support import page_formats
from tests.support.vector_runner import EndedVerdict

RUNNER = web.FOLDER / "tests" / "runner.ts"
Question = tuple[str, Any]
"""Format and input."""


class Answer(NamedTuple):
    """What a reader says to one question; `field` only with a code."""

    outcome: str
    result: Any
    field: str = ""


class PageReader(ABC):
    """The core of the phone page, wherever it runs; questions are answered in order."""

    @abstractmethod
    def begin(self, questions: Iterable[Question]) -> Callable[[], list[Answer]]:
        """Ask many questions, and return what waits for the answers."""

    def ask_all(self, questions: Iterable[Question]) -> list[Answer]:
        """Return the answers to many questions."""
        return self.begin(questions)()

    def ask(self, form: str, value: Any) -> Answer:
        """Return the answer to one question."""
        return self.ask_all([(form, value)])[0]


class PhonePage(PageReader):
    """A running Node process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pool = ThreadPoolExecutor(2)

    def begin(self, questions: Iterable[Question]) -> Callable[[], list[Answer]]:
        """Ask; questions are written and answers read while the caller does something else."""
        lines = format_questions(questions)
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        self._pool.submit(_write, stdin, lines)
        answers = self._pool.submit(lambda: [stdout.readline() for _ in lines])
        return lambda: parse_answers(answers.result(), lines)


@contextmanager
def phone_page(runner: Path = RUNNER) -> Iterator[PhonePage]:
    """Run the page's core, or another part of it, for as long as the context lasts."""
    process = subprocess.Popen(
        [str(web.node()), "--disable-warning=ExperimentalWarning", str(runner)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=web.node_environment(),
        cwd=web.FOLDER,
    )
    try:
        yield PhonePage(process)
    finally:
        process.kill()
        process.communicate()


def ask_python(form: str, value: Any) -> Answer:
    """Return what the Python reader says; an error that is no `CodedError` is a defect and is raised."""
    try:
        return Answer("ok", page_formats.FORMATS[form](value))
    except EndedVerdict as verdict:
        return Answer(verdict.code, {"state": verdict.state}, verdict.field)
    except CodedError as error:
        return Answer(error.code, {}, error.field)


def format_questions(questions: Iterable[Question]) -> list[str]:
    """Return questions as the page's runner reads them, a line each."""
    return [json.dumps({"form": form, "input": value}) + "\n" for form, value in questions]


def parse_answers(answers: Iterable[str], questions: Iterable[str]) -> list[Answer]:
    """Return what the page's runner has answered; a defect is an `AssertionError`."""
    return [_parse(answer, line) for answer, line in zip(answers, questions, strict=True)]


def _write(stdin: IO[str], lines: list[str]) -> None:
    stdin.writelines(lines)
    stdin.flush()


def _parse(line: str, question: str) -> Answer:
    assert line, f"the page's runner has ended at {question[:2000]}"
    answer = json.loads(line)
    assert answer["outcome"] != "defect", f"{answer['result']}\n{question[:2000]}"
    return Answer(answer["outcome"], answer["result"], answer.get("field", ""))
