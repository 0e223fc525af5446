"""The rooms of the phone page: which may know which, and what none of them may do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from scripts import web

SOURCE: Final = web.FOLDER / "src"
KNOWS: Final = {
    "core": set[str](),
    "words": {"core"},
    "keep": {"core", "words", "scan"},
    "scan": {"core", "words"},
    "show": {"core", "words", "keep"},
    "practice": {"core", "words", "keep", "show"},
    "app": {"core", "words", "keep", "scan", "show", "practice"},
    "worker": set[str](),
}
"""docs/architecture.md, "The phone page"."""
ONLY: Final = {
    ("keep", "scan"): {"animated.tsx"},
    ("show", "keep"): {"settings.ts"},
    ("practice", "keep"): {"settings.ts"},
}
"""Of these rooms no more than these modules."""
PACKAGES: Final = {
    "core": {"@noble/ciphers", "@noble/curves", "@noble/hashes", "@noble/post-quantum"},
    "words": {"i18next", "preact", "virtual:languages"},
    "keep": {"@noble/hashes", "idb", "preact"},
    "scan": {"preact", "qr", "zxing-wasm"},
    "show": {"preact"},
    "practice": {"preact"},
    "app": {"preact"},
    "worker": set[str](),
}
DATA: Final = {("core", "profiles"), ("words", "data"), ("app", "web")}
"""Folders outside the page of which a room reads data."""
IMPORT: Final = re.compile(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""")
MODULES: Final = sorted(path for path in SOURCE.rglob("*.ts*") if path.name != "tsconfig.json")
FORBIDDEN: Final = {
    r"\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|dangerouslySetInnerHTML": "markup from text",
    r"\blocalStorage\b|\bsessionStorage\b|document\.cookie": "another store than IndexedDB",
    r"\bconsole\.": "a console that others read",
    r"\bhistory\.(push|replace)State|location\.hash": "a place in the history",
    r"\beval\(|new Function\(": "code from text",
    r"sendBeacon|XMLHttpRequest|WebSocket|EventSource|RTCPeerConnection": "another way to the network than fetch",
    r"clipboard\.(read|write)": "a clipboard that other programs read",
}
MAY: Final = {"another store than IndexedDB": {"keep/remove_all.ts"}}  # it empties them
FETCHES: Final = {"keep/phone_station.ts", "keep/fetching.ts", "worker/worker.ts"}
"""The only modules that may ask the network."""


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0]


def imports(path: Path) -> list[str]:
    return IMPORT.findall(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def test_every_room_is_there_and_no_other() -> None:
    assert {room_of(path) for path in MODULES} == set(KNOWS)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_knows_only_the_rooms_below_its_own(path: Path) -> None:
    room = room_of(path)
    for name in imports(path):
        if not name.startswith("."):
            package = "/".join(name.split("/")[: 2 if name.startswith("@") else 1])
            assert package in PACKAGES[room], name
            continue
        target = (path.parent / name).resolve()
        if not target.is_relative_to(SOURCE):
            assert target.suffix == ".json", name
            assert (room, target.parent.name) in DATA, name
            continue
        other = room_of(target)
        assert other == room or other in KNOWS[room], name
        if only := ONLY.get((room, other)):
            assert target.name in only, name


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_a_module_does_nothing_that_leaves_a_trace_or_runs_a_text(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for pattern, why in FORBIDDEN.items():
        if named(path) in MAY.get(why, ()):
            continue
        assert not re.search(pattern, text), why
    if named(path) not in FETCHES:
        assert not re.search(r"\bfetch\(", text), "a request"
