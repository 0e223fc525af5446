"""What every file of the repository keeps to: sizes, links, and nothing of the machine it was written on."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.markdown import anchors_of, links_of
from tests.docs.repository import ROOT, documents, files, texts

README_LINES = 150
RECORD_LINES = 60

# Folders of one machine. Written in pieces, or this file would name them.
_MACHINE_PATH = re.compile(
    r"(?<![\w.~:/-])/(?:" + "|".join(["ro" + "ot", "wo" + "rk", "fa" + "rm", "ho" + "me"]) + r")/\w"
)
_UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|NotImplemented" + "Error")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"])
def test_a_file_that_readers_look_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(
    "name",
    ["architecture", "protocol", "threat-model", "operations", "glossary"],
    ids=lambda name: f"{name}.md",
)
def test_a_document_of_the_house_is_there(name: str) -> None:
    assert (ROOT / "docs" / f"{name}.md").is_file()


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < README_LINES


def test_decision_records_are_short_and_numbered_once() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    long = {
        path.name for path in records if len(path.read_text(encoding="utf-8").splitlines()) >= RECORD_LINES
    }
    numbers = [path.name[:4] for path in records]
    assert long == set()
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in records)
    assert len(numbers) == len(set(numbers))


def test_no_file_names_a_path_of_one_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in texts()
        if _MACHINE_PATH.search(text)
        for number, line in enumerate(text.splitlines(), start=1)
        if _MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_file_says_that_it_is_unfinished() -> None:
    written_by_us = {".py", ".ts", ".md", ".toml", ".css", ".html", ""}
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path, text in texts()
        if path.suffix in written_by_us and _UNFINISHED.search(text)
        for number, line in enumerate(text.splitlines(), start=1)
        if _UNFINISHED.search(line)
    ]
    assert found == []


def test_the_search_for_machine_paths_finds_one() -> None:
    assert _MACHINE_PATH.search("open('/" + "ro" + "ot/x')")
    assert not _MACHINE_PATH.search("https://example.org/" + "wo" + "rk/x")


def broken_links(path: Path) -> list[str]:
    found = []
    for line, target in links_of(path):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        aimed = (path.parent / name).resolve() if name else path
        if not aimed.exists() or not aimed.is_relative_to(ROOT):
            found.append(f"{path.name}:{line}: {target}: no such file")
        elif anchor and aimed.suffix == ".md" and anchor not in anchors_of(aimed):
            found.append(f"{path.name}:{line}: {target}: no such heading")
    return found


def test_links_inside_the_documents_lead_somewhere() -> None:
    assert [fault for path in documents() for fault in broken_links(path)] == []


def test_a_broken_link_or_anchor_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# One `two` three!\n[a](#one-two-three) [b](no.md) [c](page.md#four) ![d](no.png) [e](https://x/)\n"
    )
    assert [fault.split(": ")[1] for fault in broken_links(page)] == ["no.md", "page.md#four", "no.png"]


def test_no_file_is_huge() -> None:
    assert [str(path.relative_to(ROOT)) for path in files() if path.stat().st_size > 3_000_000] == []
