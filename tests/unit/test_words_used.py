"""Every word that code names is there, and every word that is there is named: in Python, its pages or the phone page.

Paths are found as text: in TypeScript as "states.expired.now" or `lines.${code}`, in Python as `text("lines", code)`
or `sections["companion"]["scopes"]`, in the pages as `page.home`. A path that is put together in another way counts as
named nowhere, and this test says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
VERIFIER: Final = ROOT / "verifier"
MASTER: Final = json.loads((VERIFIER / "data" / "en.json").read_text(encoding="utf-8"))
META: Final = ("language", "name", "direction", "digits", "months", "dates", "reviewed_by")
ANY: Final = r"[^.]+"
TOKENS: Final = re.compile(r'(?s)"(?:[^"\\\n]|\\.)*"|`[^`]*`|/\*.*?\*/|//[^\n]*')
"""Literals and comments of TypeScript: what stands in a comment is no literal, nor the other way round."""
CONSTANTS: Final = re.compile(r'\bconst (\w+) = ("[^"\n]*"|`[^`\n]*`);')
PARTS: Final = {"page": "page", "heads": "heads.page"}
"""What the templates call a section."""


def stems(entry: Any = MASTER, path: str = "") -> Iterator[str]:
    """Paths of all sentences and lists of sentences, without their plurals."""
    for key, item in entry.items():
        here = f"{path}.{key}" if path else key
        if isinstance(item, dict):
            yield from stems(item, here)
            continue
        stem, _, plural = key.rpartition("_")
        if plural in ("one", "other") and {f"{stem}_one", f"{stem}_other"} <= set(entry):
            here = f"{path}.{stem}"
        if key not in META or path:
            yield here


WORDS: Final = frozenset(stem for stem in stems() if not stem.startswith("dates."))


def named_in_typescript(text: str) -> set[str]:
    """Patterns of the paths that a module of the phone page names."""
    bases: dict[str, list[str]] = {}
    for name, literal in CONSTANTS.findall(text):
        if (base := _pattern(literal, {})) is not None:
            bases.setdefault(name, []).append(base)
    literals = [token for token in TOKENS.findall(text) if token[0] in '"`']
    return {pattern for literal in literals if (pattern := _pattern(literal, bases)) is not None}


def _pattern(literal: str, bases: Mapping[str, list[str]]) -> str | None:
    """The pattern of the path that a literal is; it may begin with a constant of the module. None for no path."""
    first, *rest = re.split(r"(\$\{[^{}]*\})", literal[1:-1])
    found = re.escape(first)
    if not first and rest and (begin := bases.get(rest[0][2:-1])):
        found = f"(?:{'|'.join(begin)})"
        rest = rest[1:]
    elif not re.fullmatch(r"[a-z_]+\.[A-Za-z0-9_.]*", first) or first.split(".")[0] not in MASTER:
        return None
    return found + "".join(ANY if piece.startswith("${") else re.escape(piece) for piece in rest)


def named_in_python(text: str, name: str) -> set[str]:
    """Patterns of the paths that a module of the station names."""
    found = set()
    for section, key in re.findall(r'\btext\(\s*"(\w+)",\s*("\w+"(?=[,)])|)', text):
        found.add(rf"{section}\.{key[1:-1] or ANY}")
    for section, keys, follows in re.findall(r'sections\["(\w+)"\]((?:\["\w+"\])*)(\.get\(|\[|\}|)', text):
        path = re.escape(".".join([section, *re.findall(r"\w+", keys)]))
        found.add(rf"{path}\.{ANY}" if follows else path)
    part = "heads.page" if name == "head_pages.py" else "page"
    found |= {re.escape(f"{part}.{key}") for key in re.findall(r'\bpage\["(\w+)"\]', text)}
    return found


def named_in_template(text: str) -> set[str]:
    return {re.escape(f"{PARTS[part]}.{key}") for part, key in re.findall(r"\b(page|heads)\.(\w+)", text)}


def named() -> dict[str, set[str]]:
    """Patterns by file."""
    found = {}
    for path in sorted(VERIFIER.rglob("*")):
        shown = path.relative_to(VERIFIER)
        if shown.parts[0] == "web" and shown.parts[1:2] != ("src",):
            continue
        if path.suffix in (".ts", ".tsx"):
            found[str(shown)] = named_in_typescript(path.read_text(encoding="utf-8"))
        elif path.suffix == ".py":
            found[str(shown)] = named_in_python(path.read_text(encoding="utf-8"), path.name)
        elif path.suffix == ".html":
            found[str(shown)] = named_in_template(path.read_text(encoding="utf-8"))
    return found


def sections(entry: Any = MASTER, path: str = "") -> Iterator[str]:
    for key, item in entry.items():
        if isinstance(item, dict):
            here = f"{path}.{key}" if path else key
            yield here
            yield from sections(item, here)


def test_every_word_that_code_names_is_there() -> None:
    there = WORDS | set(sections()) | set(META) | {f"dates.{name}" for name in MASTER["dates"]}
    missing = {
        file: unknown
        for file, patterns in named().items()
        if (
            unknown := [one for one in sorted(patterns) if not any(re.fullmatch(one, path) for path in there)]
        )
    }
    assert missing == {}


def test_every_word_is_named_somewhere() -> None:
    patterns = [re.compile(one) for found in named().values() for one in found]
    assert sorted(path for path in WORDS if not any(one.fullmatch(path) for one in patterns)) == []


def test_paths_are_found_however_code_writes_them() -> None:
    typescript = 'words.text("page.home"); x(`lines.${code}`); a("image/*"); // "page.kept"'
    typescript += '\n/* "page.now" */ "./page.ts" "lib.x"'
    assert named_in_typescript(typescript) == {r"page\.home", rf"lines\.{ANY}"}
    constant = "const path = `kinds.${kind}`; words.text(`${path}.title`); words.text(`${other}.title`)"
    assert named_in_typescript(constant) == {rf"kinds\.{ANY}", rf"(?:kinds\.{ANY})\.title"}
    python = (
        'words.text("page", "home"), words.text("lines", code), words.sections["companion"]["scopes"].get(x)'
    )
    assert named_in_python(python, "x.py") == {
        r"page\.home",
        rf"lines\.{ANY}",
        rf"companion\.scopes\.{ANY}",
    }
    assert named_in_python('page["frame"]', "head_pages.py") == {r"heads\.page\.frame"}
    assert named_in_template("{{ page.home }}{{ heads.own }}") == {r"page\.home", r"heads\.page\.own"}
    assert {"freshness.days", "states.confirmed_stale.title", "dates", "freshness.today"} - WORDS == {"dates"}
    assert "states.confirmed_stale.title_unknown_age" in WORDS
