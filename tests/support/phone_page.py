"""The core of the phone page, asked by tests: one Node process that runs formats over JSON lines.

`verifier/web/tests/runner.ts` is the other side. Both readers give `Answer`: the outcome "ok" or a code, the field
of an error, and the result in the notation of tests/vectors/README.md.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator
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


class PhonePage:
    """A running Node process; questions are answered in order."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, form: str, value: Any) -> Answer:
        """Return the answer to one question."""
        return self.ask_all([(form, value)])[0]

    def ask_all(self, questions: Iterable[Question]) -> list[Answer]:
        """Return the answers to many questions; they are written while answers are read."""
        lines = [json.dumps({"form": form, "input": value}) + "\n" for form, value in questions]
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        writer = threading.Thread(target=_write, args=(stdin, lines))
        writer.start()
        answers = [stdout.readline() for _ in lines]
        writer.join()
        return [_parse(answer, line) for answer, line in zip(answers, lines, strict=True)]


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


def _write(stdin: IO[str], lines: list[str]) -> None:
    stdin.writelines(lines)
    stdin.flush()


def _parse(line: str, question: str) -> Answer:
    assert line, f"the page's runner has ended at {question[:2000]}"
    answer = json.loads(line)
    assert answer["outcome"] != "defect", f"{answer['result']}\n{question[:2000]}"
    return Answer(answer["outcome"], answer["result"], answer.get("field", ""))
