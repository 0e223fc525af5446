"""The core of the phone page comes to what the vectors say, and knows the codes of the Python packages."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger.codes import CODES
from ledger.core import cbor
from ledger.errors import MalformedError
from scripts import web
from tests.support.page_formats import FORMATS, NOT_FOR_A_STATION
from tests.support.phone_page import PhonePage
from tests.support.vector_runner import FORMATS as FORMATS_WITH_VECTORS
from tests.support.vector_runner import VECTORS, bundles_of

FILES = sorted(path for path in VECTORS.glob("*/*.json") if path.parent.name not in NOT_FOR_A_STATION)


def load(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


@pytest.mark.parametrize("form", sorted({path.parent.name for path in FILES}))
def test_the_page_comes_to_what_the_vectors_of_a_format_say(page: PhonePage, form: str) -> None:
    paths = [path for path in FILES if path.parent.name == form]
    cases = [load(path) for path in paths]
    for name in {name for case in cases for name in bundles_of(form, case["input"])}:
        assert page.ask("load", {"name": name, "bundle": load(VECTORS / name)["input"]}).outcome == "ok"
    answers = page.ask_all([(form, case["input"]) for case in cases])
    found = {path.stem: (answer.outcome, answer.result) for path, answer in zip(paths, answers, strict=True)}
    assert found == {
        path.stem: (case["expect"], case["result"]) for path, case in zip(paths, cases, strict=True)
    }


def test_every_format_of_the_vectors_is_read_or_has_its_reason() -> None:
    folders = {path.name for path in VECTORS.iterdir() if path.is_dir()}
    assert folders == set(FORMATS_WITH_VECTORS)
    assert folders - set(FORMATS) == set(NOT_FOR_A_STATION)
    assert all(NOT_FOR_A_STATION.values())


def test_a_format_that_the_page_does_not_know_is_a_defect(page: PhonePage) -> None:
    with pytest.raises(AssertionError, match="unknown format registry"):
        page.ask("registry", {})


def test_codes_and_states_of_the_page_are_those_of_the_table() -> None:
    text = (web.FOLDER / "src" / "core" / "codes.ts").read_text(encoding="utf-8")
    known = dict(re.findall(r"^  ([a-z_]+): \"([a-z_]*)\",$", text, re.M))
    assert known == {name: CODES[name].state for name in known}
    assert {name for name, code in CODES.items() if code.state} <= set(known)


_COUNT_ITEMS = """
import { decode } from "./src/core/cbor.ts";
for (const items of process.argv.slice(1).map(Number)) {
  const data = new Uint8Array(items + 4).fill(0x80);
  new DataView(data.buffer).setUint32(1, items - 1);
  data[0] = 0x9a;
  try {
    console.log(decode(data, data.length).length);
  } catch (error) {
    console.log(error.code);
  }
}
"""


def test_items_are_counted_before_they_are_made() -> None:
    found = []
    for items in (cbor.MAX_ITEMS, cbor.MAX_ITEMS + 1):
        data = b"\x9a" + (items - 1).to_bytes(4) + b"\x80" * (items - 1)
        try:
            found.append(str(len(cbor.decode(data, max_size=len(data)))))
        except MalformedError as error:
            found.append(error.code)
    asked = [str(web.node()), "--input-type=module", "-e", _COUNT_ITEMS]
    done = subprocess.run(
        [*asked, str(cbor.MAX_ITEMS), str(cbor.MAX_ITEMS + 1)],
        capture_output=True,
        text=True,
        cwd=web.FOLDER,
        env=web.node_environment(),
        timeout=120,
    )
    assert done.stdout.split() == found == [str(cbor.MAX_ITEMS - 1), "too_large"], done.stderr[-500:]
