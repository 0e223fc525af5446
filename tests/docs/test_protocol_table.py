"""The last section of docs/protocol.md says where each rule is tested: what it names is there, no rule is left out."""

from __future__ import annotations

import re

import pytest

from tests.docs.repository import ROOT

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
SECTIONS = {
    int(part.split(".", 1)[0]): part.split("\n", 1)[1]
    for part in re.split(r"^## (?=\d+\. )", TEXT, flags=re.M)[1:]
}
TABLE = max(SECTIONS)
ROWS = [
    tuple(re.split(r" \| ", line[2:-2])) for line in SECTIONS[TABLE].splitlines() if re.match(r"\| \d", line)
]
NUMBERED = {4: ("Rule", 6), 9: ("Step", 7)}
"""Sections whose numbered paragraphs are a row each: what a row calls them, and how many there are."""


def _heads(section: int) -> set[str]:
    """Return the words in bold that open a paragraph of a section."""
    return {head.rstrip(".") for head in re.findall(r"^\*\*(.+?)\*\*", SECTIONS[section], flags=re.M)}


def _names(row: tuple[str, ...]) -> list[tuple[str, list[str]]]:
    """Return files and the names of tests in each."""
    named = []
    for part in row[2].split("; "):
        path, *names = re.findall(r"`([^`]+)`", part)
        named.append((path, names))
    return named


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {row[1]}")
def test_every_file_and_every_test_of_a_row_is_there(row: tuple[str, ...]) -> None:
    assert len(row) == 3
    for path, names in _names(row):
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        there = set(re.findall(r"^(?:async )?def (test_\w+)\(", text, flags=re.M))
        assert set(names) <= there, path
        assert there or "TestCase" in text, path


@pytest.mark.parametrize("section", range(1, TABLE - 1))
def test_every_section_and_every_paragraph_with_a_head_has_a_row(section: int) -> None:
    rules = [row[1] for row in ROWS if row[0] == str(section)]
    assert rules
    for head in _heads(section):
        assert any(rule == head or rule.startswith(f"{head}:") for rule in rules), head


@pytest.mark.parametrize("section", NUMBERED)
def test_every_numbered_rule_has_a_row(section: int) -> None:
    word, count = NUMBERED[section]
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", SECTIONS[section], flags=re.M)]
    # The rules come first; a second list of a section (the parts of the digests) has one row.
    assert numbers[:count] == list(range(1, count + 1))
    assert numbers[count : count + 1] in ([], [1])
    heads = [row[1].split(":")[0] for row in ROWS if row[0] == str(section)]
    found = dict.fromkeys(head for head in heads if head.startswith(f"{word} "))
    assert list(found) == [f"{word} {number}" for number in range(1, count + 1)]


def test_no_row_stands_for_a_section_that_is_not_there() -> None:
    assert sorted({int(row[0]) for row in ROWS}) == list(range(1, TABLE - 1))
