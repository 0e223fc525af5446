"""Reading our Markdown: fenced blocks, headings and links, as far as the tests of the documents need.

A block is marked for running by the word `run` after its language:

    ```sh run
    sc-ledger --help
    ```
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
_LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\((?P<target><[^>]+>|[^()\s]+)(?:\s+\"[^\"]*\")?\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\((?P<target>[^()\s]+)\)")
_CODE_SPAN = re.compile(r"(`+).+?\1")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it starts, its language ("" where it has none), the other words, its text."""

    path: Path
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def name(self) -> str:
        return f"{self.path.name}:{self.line}"


def read_blocks(path: Path) -> list[Block]:
    """The fenced blocks of a file, in order.

    Raises:
        ValueError: a fence is not closed.
    """
    blocks = []
    opened: tuple[int, str, list[str]] | None = None
    collected: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None:
            if fence:
                opened, collected = (number, fence["mark"], fence["info"].split()), []
        elif fence and fence["mark"].startswith(opened[1]) and not fence["info"].strip():
            language, *marks = opened[2] or [""]
            text = "".join(f"{text_line}\n" for text_line in collected)
            blocks.append(Block(path, opened[0], language, tuple(marks), text))
            opened = None
        else:
            collected.append(line)
    if opened is not None:
        raise ValueError(f"{path.name}:{opened[0]}: the block is not closed")
    return blocks


def commands_of(block: Block) -> Iterator[str]:
    """The command lines of a shell block: continuations joined, prompts taken off, comments and output left out.

    Where a block shows prompts (`$ `), lines without one are output.
    """
    lines = re.sub(r"\\\n\s*", " ", block.text).splitlines()
    prompted = any(line.lstrip().startswith("$ ") for line in lines)
    for line in lines:
        text = line.strip()
        if prompted:
            if not text.startswith("$ "):
                continue
            text = text[2:].strip()
        if text and not text.startswith("#"):
            yield text


def prose_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line outside fenced blocks, with code spans blanked."""
    inside = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence and not inside:
            inside = fence["mark"]
        elif fence and inside and fence["mark"].startswith(inside):
            inside = ""
        elif not inside:
            yield number, _CODE_SPAN.sub("", line)


def links_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and target of each link and picture."""
    for number, line in prose_lines(path):
        for pattern in (_LINK, _IMAGE):
            for match in pattern.finditer(line):
                yield number, match["target"].strip("<>")


def anchors_of(path: Path) -> set[str]:
    """The anchors that a Markdown viewer gives to the headings of a file."""
    anchors: set[str] = set()
    inside = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        fence = _FENCE.match(line)
        if fence:
            inside = "" if inside and fence["mark"].startswith(inside) else inside or fence["mark"]
        heading = re.match(r"^#{1,6}\s+(.*?)\s*#*$", line)
        if heading and not inside:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            anchor, count = slug, 0
            while anchor in anchors:
                count += 1
                anchor = f"{slug}-{count}"
            anchors.add(anchor)
    return anchors
