"""The core of the phone page comes to what the vectors say, and knows the codes of the Python packages."""

from __future__ import annotations

import base64
import random
import re
import subprocess
from hashlib import sha256
from typing import Any, Final

import pytest

from credential.core import base45
from credential.core.frames import MAX_MESSAGE_BYTES, PART_BYTES, format_frames, join_frames
from ledger.codes import CODES
from ledger.core import cbor
from ledger.errors import MalformedError
from scripts import web
from tests.support.agreement import FILES, FORMS, check_vectors, load, load_bundles
from tests.support.ledgers import TinyLedger
from tests.support.page_formats import FORMATS, NOT_FOR_A_STATION
from tests.support.phone_page import PhonePage
from tests.support.vector_runner import FORMATS as FORMATS_WITH_VECTORS
from tests.support.vector_runner import VECTORS


def fibonacci(total: int) -> list[int]:
    """Return the numbers of Fibonacci whose sum stays below a total."""
    numbers = [1, 1]
    while sum(numbers) + numbers[-1] + numbers[-2] < total:
        numbers.append(numbers[-1] + numbers[-2])
    return numbers


@pytest.mark.parametrize("form", FORMS)
def test_the_page_comes_to_what_the_vectors_of_a_format_say(page: PhonePage, form: str) -> None:
    check_vectors(page, form)


MESSAGES: Final = (
    b"x",
    b"\x00" * 5000,
    bytes(range(256)) * 40,
    random.Random("noise").randbytes(MAX_MESSAGE_BYTES),
    base64.b64encode(random.Random("note").randbytes(9000)),
    # As many of each byte as two lesser ones have together, with the mark of the end: the deepest tree there is.
    b"".join(bytes([number]) * count for number, count in enumerate(fibonacci(MAX_MESSAGE_BYTES)[1:])),
    b"a" * 70_000 + b"b",
)


@pytest.mark.parametrize("number", range(len(MESSAGES)))
@pytest.mark.parametrize("part_bytes", [900, 1400])
def test_frames_that_the_page_writes_are_read_by_both(page: PhonePage, number: int, part_bytes: int) -> None:
    message = MESSAGES[number]
    given = {"kind": "delta", "message": message.hex(), "part_bytes": part_bytes}
    frames = page.ask("format_frames", given).result["frames"]
    assert join_frames(frames) == ("delta", message)
    assert page.ask("frames", frames[::-1]).result["message_sha256"] == sha256(message).hexdigest()
    size_bytes = len(base45.decode(frames[0][5:]))
    assert len(frames) == 1 or part_bytes < size_bytes < part_bytes + 40


def test_frames_that_python_writes_are_read_by_the_page(page: PhonePage) -> None:
    for message in MESSAGES:
        answer = page.ask("frames", format_frames("head", message))
        assert answer.result == {
            "kind": "head",
            "size": len(message),
            "message_sha256": sha256(message).hexdigest(),
        }


def test_a_head_takes_little_more_frames_from_the_page_than_from_python(page: PhonePage) -> None:
    note = TinyLedger().checkpoint().encode()
    given = {"kind": "head", "message": note.hex(), "part_bytes": PART_BYTES}
    frames = page.ask("format_frames", given).result["frames"]
    assert len(frames) <= len(format_frames("head", note)) + 1
    assert len(frames) * PART_BYTES < len(note)


@pytest.mark.parametrize(
    "changed",
    [{"kind": "Head"}, {"kind": ""}, {"message": ""}, {"message": "00" * (MAX_MESSAGE_BYTES + 1)}]
    + [{"part_bytes": size} for size in (0, 1401, 1.5)],
)
def test_what_no_frame_holds_is_a_mistake_of_the_caller(page: PhonePage, changed: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="RangeError"):
        page.ask("format_frames", {"kind": "head", "message": "00", "part_bytes": 900} | changed)


def test_what_is_told_of_a_head_is_what_the_list_at_hand_can_tell(page: PhonePage) -> None:
    cases = {path.stem: load(path) for path in FILES if path.parent.name == "head"}
    load_bundles(page, [case["input"]["bundle"] for case in cases.values()])
    answers = page.ask_all([("judge_head", case["input"]) for case in cases.values()])
    told = {
        name: answer.result.get("relation", answer.outcome)
        for name, answer in zip(cases, answers, strict=True)
    }
    assert told == {
        name: _told(case["result"].get("relation", case["expect"]), case["input"]["list"])
        for name, case in cases.items()
    }
    assert {"unknown", "newer", "fork", "bad_input", "malformed"} <= set(told.values())


def _told(found: str, bundle: str | None) -> str:
    """What a station tells of a head: Python's `verifier.heads.judge_head`."""
    return found if bundle else {"newer": "unknown", "bad_checkpoint": "bad_input"}.get(found, found)


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
  const data = new Uint8Array(items + 4);
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
        data = b"\x9a" + (items - 1).to_bytes(4) + bytes(items - 1)
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
