"""The demonstration does what the README says, and what it leaves is good for the commands that the README shows."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageFilter

from ledger.store.engine import DATABASE_NAME
from scripts.demo_story import main, tamper
from tests.docs.markdown import read_blocks
from tests.docs.repository import ROOT
from verifier.images import read_codes


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "demo-out"
    assert main(["--once", "--out", str(out)]) == 0
    return out


def command(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from {program}.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=120
    )


def audit(ledger: Path, told: Path) -> tuple[int, dict[str, object]]:
    done = command("ledger", "audit", str(ledger), "--pin", str(told / "pin.json"), "--json")
    return done.returncode, json.loads(done.stdout)


def test_the_demonstration_leaves_what_the_readme_names(told: Path) -> None:
    for name in ("ledger", "bundle.cbor", "pin.json", "report.json"):
        assert (told / name).exists()
    assert len(list((told / "cards").glob("*-front.png"))) == 4
    assert len(list((told / "cards").glob("*-card.pdf"))) == 4


def test_the_stories_come_out_as_they_must(told: Path) -> None:
    report = json.loads((told / "report.json").read_text("utf-8"))
    old = report["p03-front.png, old list"]
    assert (old["state"], "clock_wrong" in old["codes"]) == ("confirmed_stale", True)
    assert report["p39-front.png, year-only"]["answers"]["under_18"] == "cannot_exclude"
    assert report["the thief's card still"] == "suspended"
    assert report["card of before the theft"] == "confirmed"
    assert report["an honest card of the same day"] == "suspended"
    assert report["the honest card, affirmed by the new key"] == "confirmed"
    assert report["the thief signs once more"] == "unknown_issuer"
    assert report["aunt and niece, no link recorded"] == "not_recorded"
    assert report["child and uncle, today"] == "recorded"
    assert report["child and uncle, the day after it ended"] == "ended"
    assert (report["her old card"], report["her new card"]) == ("replaced", "confirmed")
    # Held, not withdrawn; and as it was when governors had refused it.
    assert (report["a card of one of them"], report["the same card"]) == ("confirmed", "confirmed")
    assert report["audit"]["code"] == "ok"
    assert report["audit_of_tampered_copy"]["index"] == report["p03"]["index"]


@pytest.mark.parametrize("record", ["p03", "p06", "p39", "p59"])
def test_a_picture_verifies_with_no_server_running(told: Path, record: str) -> None:
    done = command(
        "verifier", "verify", str(told / "cards" / f"{record}-front.png"),
        "--bundle", str(told / "bundle.cbor"), "--pin", str(told / "pin.json"), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "confirmed"


def test_the_library_example_of_the_readme_runs(told: Path) -> None:
    [block] = [b for b in read_blocks(ROOT / "README.md") if b.language == "python" and "run" not in b.marks]
    done = subprocess.run(
        [sys.executable, "-c", block.text], capture_output=True, text=True, cwd=told.parent, timeout=60
    )
    assert (done.stdout.strip(), done.returncode) == ("confirmed", 0), done.stderr


@pytest.mark.parametrize("record", ["p03", "p06", "p39", "p59"])
def test_the_printed_card_verifies_at_150_dpi_turned_and_blurred(told: Path, record: str) -> None:
    page = pypdfium2.PdfDocument(told / "cards" / f"{record}-card.pdf")[0]
    picture = page.render(scale=150 / 72).to_pil().convert("L")
    turned = picture.rotate(7, resample=Image.Resampling.BICUBIC, expand=True, fillcolor=255)
    data = io.BytesIO()
    turned.filter(ImageFilter.GaussianBlur(0.8)).save(data, "PNG")
    [front] = read_codes((told / "cards" / f"{record}-front.png").read_bytes())
    assert front in read_codes(data.getvalue())
    (told / f"{record}.png").write_bytes(data.getvalue())
    done = command(
        "verifier", "verify", str(told / f"{record}.png"),
        "--bundle", str(told / "bundle.cbor"), "--pin", str(told / "pin.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_byte_of_an_entry_is_named(told: Path, tmp_path: Path) -> None:
    for index in (0, 5, 20, 64):
        code, report = audit(tamper(told / "ledger", tmp_path / str(index), index), told)
        assert (code, report["index"]) == (3, index)


def test_a_changed_byte_of_a_tile_is_named(told: Path, tmp_path: Path) -> None:
    copy = tamper(told / "ledger", tmp_path / "copy", 64)
    with sqlite3.connect(copy / DATABASE_NAME) as database:
        good = sqlite3.connect(f"file:{told / 'ledger' / DATABASE_NAME}?mode=ro", uri=True)
        (entry,) = good.execute("SELECT entry FROM entries WHERE leaf_index = 64").fetchone()
        good.close()
        database.execute("UPDATE entries SET entry = ? WHERE leaf_index = 64", (entry,))
        (tile,) = database.execute("SELECT data FROM tiles WHERE level = 0 AND n = 0").fetchone()
        changed = bytearray(tile)
        changed[33 * 32 + 7] ^= 0x40
        database.execute("UPDATE tiles SET data = ? WHERE level = 0 AND n = 0", (bytes(changed),))
    database.close()
    code, report = audit(copy, told)
    assert (code, report["code"], report["index"]) == (3, "bad_tile", 33)


def test_a_folder_that_is_not_empty_is_refused(told: Path) -> None:
    assert main(["--once", "--out", str(told)]) == 2
