"""What is printed is printed as it is: no part of a fingerprint or of a name becomes a picture."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.docs.repository import ROOT

SOURCES = sorted(
    path for name in ("ledger", "issuer", "verifier", "scripts") for path in (ROOT / name).rglob("*.py")
)


def consoles(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Console"]


def test_a_part_of_a_fingerprint_can_be_the_name_of_a_picture() -> None:
    out = io.StringIO()
    Console(file=out).print("4B:AB:CB:06", markup=False)
    assert out.getvalue().strip() != "4B:AB:CB:06"


@pytest.mark.parametrize("path", [path for path in SOURCES if consoles(path)], ids=lambda path: path.name)
def test_no_console_replaces_words_by_pictures(path: Path) -> None:
    for call in consoles(path):
        given = {word.arg: word.value for word in call.keywords}
        emoji = given.get("emoji")
        assert isinstance(emoji, ast.Constant), f"line {call.lineno}"
        assert emoji.value is False, f"line {call.lineno}"
