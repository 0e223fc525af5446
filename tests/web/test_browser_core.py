"""The page's core in a real browser, under the page's own policy: the vectors, and damaged ones, as in Node."""

from __future__ import annotations

import functools
import http.server
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from scripts import web
from tests.support.agreement import DAMAGED, FORMS, check_vectors, compare_damaged
from tests.support.browser import OpenPage, Phone
from tests.support.phone_page import Answer, PageReader, Question, format_questions, parse_answers
from verifier.phone import CONTENT_SECURITY_POLICY

MUTATIONS: Final = 30
"""Of each format: what a browser could do otherwise than Node it does soon, and Node is asked 2,000 times."""
_HTML: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Core</title><link rel="icon" href="data:,">
<script type="module" src="in_browser.js"></script></html>
"""


class BrowserReader(PageReader):
    """The core in a page of a browser."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def begin(self, questions: Iterable[Question]) -> Callable[[], list[Answer]]:
        """Ask; the browser answers at once, for Playwright lives in one thread."""
        lines = format_questions(questions)
        answers: list[str] = self._phone.page.evaluate("lines => answerAll(lines)", lines)
        return lambda: parse_answers(answers, lines)


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder with the policy of the page."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        super().end_headers()

    def log_message(self, *_args: Any, **_more: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def core_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a page that has the core and nothing else."""
    folder = tmp_path_factory.mktemp("core")
    _bundle(folder)
    (folder / "index.html").write_text(_HTML, encoding="utf-8")
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def _bundle(folder: Path) -> None:
    subprocess.run(
        [str(web.node()), "--disable-warning=ExperimentalWarning", "tests/bundle.ts", str(folder)],
        cwd=web.FOLDER,
        env=web.node_environment(),
        check=True,
        timeout=120,
    )


def test_a_browser_comes_to_what_the_vectors_say_and_agrees_on_what_is_damaged(
    core_url: str, open_page: OpenPage
) -> None:
    phone = open_page(core_url)
    phone.poll("the core", "typeof answerAll === 'function'")
    reader = BrowserReader(phone)
    for form in FORMS:
        check_vectors(reader, form)
    outcomes = {
        answer.outcome for form in DAMAGED for answer in compare_damaged(reader, form, MUTATIONS, "browser")
    }
    assert {"ok", "malformed", "too_large", "unsupported", "bad_signature", "bundle_invalid"} <= outcomes
    assert phone.messages == []
    with pytest.raises(AssertionError, match="unknown format"):
        reader.ask("registry", {})
