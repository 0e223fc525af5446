"""Heads between stations: the same ledger, an older one, a newer one, or two histories."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from credential.core.frames import format_frames
from credential.symbols import make_symbol, symbol_image
from ledger.core.bundle import format_bundle, parse_bundle
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.evidence import check_evidence
from ledger.core.evidence.bundles import prove_bundle_fork
from ledger.core.pin import LeastTree, format_pin
from ledger.errors import CodedError, ForkAlarm, MalformedError, VerificationError
from tests.support.ledgers import START_S, TinyLedger
from tests.support.rotating_ledger import BRIDGED, RotatingLedger
from verifier import cli, heads
from verifier.core.heads import compare_head
from verifier.heads import head_picture, judge_head, read_head
from verifier.images import read_codes
from verifier.station import Station

FORK_EXIT = 3


@pytest.fixture(scope="module")
def grown() -> list[TinyLedger]:
    """The same ledger after no, one, two and three admissions."""
    ledgers = []
    for count in range(4):
        ledger = TinyLedger()
        for name in "abc"[:count]:
            ledger.admit(name)
        ledgers.append(ledger)
    return ledgers


@pytest.fixture(scope="module")
def other() -> TinyLedger:
    """The same keys and another history."""
    ledger = TinyLedger()
    for name in ("z", "b", "c"):
        ledger.admit(name)
    return ledger


def note_of(ledger: TinyLedger) -> str:
    return ledger.trusted().checkpoint


def test_every_pair_of_sizes_is_told_apart(grown: list[TinyLedger]) -> None:
    for mine in range(4):
        for theirs in range(4):
            compared = compare_head(grown[mine].trusted(), note_of(grown[theirs]))
            wanted = "same" if mine == theirs else "older" if theirs < mine else "newer"
            assert (compared.relation, compared.is_cosigned) == (wanted, True)
            assert len(compared.witnesses) == 2


def test_two_histories_are_a_fork_for_the_larger_and_for_the_same_size(
    grown: list[TinyLedger], other: TinyLedger
) -> None:
    mine = other.trusted()
    assert [compare_head(mine, note_of(ledger)).relation for ledger in grown] == [
        "older", "fork", "fork", "fork"
    ]  # fmt: skip
    assert compare_head(grown[2].trusted(), note_of(other)).relation == "newer"


def test_a_fork_needs_the_signatures_of_the_log_and_no_witness(
    grown: list[TinyLedger], other: TinyLedger
) -> None:
    mine, note = other.trusted(), note_of(grown[3])
    log_lines = "".join(line for line in note.splitlines(keepends=True) if not line.startswith("— w"))
    compared = compare_head(mine, log_lines)
    assert (compared.relation, compared.is_cosigned, compared.witnesses) == ("fork", False, ())
    lines = log_lines.splitlines(keepends=True)
    for missing in (4, 5):
        with pytest.raises(VerificationError) as caught:
            compare_head(mine, "".join(line for at, line in enumerate(lines) if at != missing))
        assert caught.value.code == "bad_checkpoint"


def with_spoiled_witness(note: str) -> str:
    """The note with one bit of the first witness's line changed."""
    lines = note.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("— w"))
    mark, name, encoded = lines[at].split(" ")
    signature = bytearray(base64.b64decode(encoded))
    signature[-1] ^= 1
    lines[at] = f"{mark} {name} {base64.b64encode(signature).decode()}"
    return "\n".join(lines)


def test_a_spoiled_line_of_a_witness_hides_no_fork(hut: Hut, other: TinyLedger) -> None:
    note = with_spoiled_witness(note_of(other))
    compared = compare_head(other.trusted(), note)
    assert (compared.relation, len(compared.witnesses)) == ("same", 1)
    # Nor does a witness that stands twice, each line good.
    twice = note_of(other) + note_of(other).split("\n")[-2] + "\n"
    assert compare_head(other.trusted(), twice).relation == "same"
    assert compare_head(hut.station.trusted() or other.trusted(), twice).relation == "newer"
    theirs = TinyLedger()
    for name in "zb":
        theirs.admit(name)
    source = hut.file("spoiled", with_spoiled_witness(note_of(theirs)).encode())
    code, shown = hut.run("compare", source, "--json")
    assert (code, json.loads(shown)["relation"]) == (FORK_EXIT, "fork")
    [evidence] = [path for path in hut.station.evidence_files() if path.suffix == ".evidence"]
    assert check_evidence(evidence.read_bytes(), theirs.pin).kind == "fork"


@pytest.mark.parametrize("source", ["list", "smaller list", "import", "import smaller"])
def test_the_least_tree_of_a_pin_hides_no_fork(
    hut: Hut, grown: list[TinyLedger], other: TinyLedger, source: str
) -> None:
    least = grown[1].trusted()
    pin = dataclasses.replace(other.pin, least=LeastTree(least.tree_size, least.root_hash))
    hut.station.set_pin(pin)
    mine, theirs = hut.station.export_bundle(), other
    if "smaller" in source:
        theirs = TinyLedger()
        theirs.admit("z")
    path = hut.file("theirs", theirs.bundle())
    assert hut.run("import" if "import" in source else "compare", path)[0] == FORK_EXIT
    evidence = [path for path in hut.station.evidence_files() if path.suffix == ".evidence"]
    assert [check_evidence(path.read_bytes(), pin).kind for path in evidence] == ["fork"]
    assert hut.station.export_bundle() == mine


def test_a_head_in_a_list_that_does_not_verify_is_a_fork_all_the_same(hut: Hut) -> None:
    theirs = TinyLedger()
    for name in "zb":
        theirs.admit(name)
    bundle = parse_bundle(theirs.bundle())
    log_lines = [line for line in bundle.checkpoint.split("\n") if not line.startswith("— w")]
    data = format_bundle(dataclasses.replace(bundle, checkpoint="\n".join(log_lines)))
    assert hut.run("import", hut.file("theirs", data))[0] == 1
    assert hut.run("compare", hut.folder / "theirs")[0] == FORK_EXIT
    evidence = [path for path in hut.station.evidence_files() if path.suffix == ".evidence"]
    assert [check_evidence(path.read_bytes(), theirs.pin).kind for path in evidence] == ["fork"]


def test_below_the_least_tree_of_a_pin_an_older_list_is_compared_and_not_taken(
    hut: Hut, grown: list[TinyLedger]
) -> None:
    least = grown[1].trusted()
    hut.station.set_pin(dataclasses.replace(grown[1].pin, least=LeastTree(least.tree_size, least.root_hash)))
    path = hut.file("older", grown[0].bundle())
    assert hut.run("compare", path)[0] == 0
    assert hut.run("import", path)[0] == 1
    assert hut.station.evidence_files() == []


def test_a_head_of_another_ledger_is_no_fork(other: TinyLedger) -> None:
    stranger = TinyLedger("ledger.example/stranger")
    with pytest.raises(VerificationError) as caught:
        compare_head(other.trusted(), note_of(stranger))
    assert caught.value.code == "bad_checkpoint"


def test_a_size_at_which_no_epoch_ends_is_refused(other: TinyLedger) -> None:
    for size in (0, 17):
        head = Checkpoint(other.origin, size, bytes(32))
        with pytest.raises(VerificationError) as caught:
            compare_head(other.trusted(), sign_checkpoint(head, other.log_signers, START_S))
        assert caught.value.field == "tree_size"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_changed_head_is_ever_compared(other: TinyLedger, data: st.DataObject) -> None:
    note = note_of(other)
    at = data.draw(st.integers(0, len(note) - 1))
    changed = note[:at] + data.draw(st.sampled_from("A9/ \n—")) + note[at + 1 :]
    try:
        compared = compare_head(other.trusted(), changed)
    except CodedError:
        return
    # What may differ is a line of nobody: names and keys that the station does not know.
    assert compared.relation == "same"


def test_a_head_travels_in_one_picture(tmp_path: Path, other: TinyLedger) -> None:
    note = note_of(other)
    path = tmp_path / "head.png"
    path.write_bytes(head_picture(note))
    assert read_head([path.read_bytes()]).note == note


def test_a_head_with_many_witnesses_is_read_from_its_picture_or_refused(
    other: TinyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [
        base64.b64encode(hashlib.shake_256(bytes([number])).digest(4 + 8 + 2420)).decode()
        for number in range(8)
    ]
    note = note_of(other) + "".join(f"— w{number}.example {line}\n" for number, line in enumerate(lines))
    assert read_head([head_picture(note)]).note == note
    # Where the decoder misses a code at every size nothing is given out.
    monkeypatch.setattr(heads, "read_codes", lambda data, wanted: read_codes(data, wanted)[1:])
    with pytest.raises(CodedError) as caught:
        head_picture(note)
    assert caught.value.code == "too_large"


def test_a_photograph_of_the_screen_is_read(tmp_path: Path, other: TinyLedger) -> None:
    note = note_of(other)
    with Image.open(io.BytesIO(head_picture(note))) as picture:
        shown = Image.new("L", (picture.width + 300, picture.height + 300), 200)
        shown.paste(picture.convert("L"), (150, 150))
    photo = shown.rotate(4, expand=True, fillcolor=120, resample=Image.Resampling.BICUBIC)
    path = tmp_path / "photo.jpg"
    photo.filter(ImageFilter.GaussianBlur(1.0)).save(path, quality=80)
    assert read_head([path.read_bytes()]).note == note


def test_other_codes_in_the_picture_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, other: TinyLedger
) -> None:
    note = note_of(other)
    codes = ["https://else.example", *format_frames("head", note.encode()), "SC1:"]
    monkeypatch.setattr(heads, "read_codes", lambda _data, _wanted: codes)
    assert read_head([b"\x89PNG\r\n\x1a\n"]).note == note


def test_a_card_that_lies_beside_the_screen_is_no_part_of_the_head(tmp_path: Path, other: TinyLedger) -> None:
    note = note_of(other)
    with Image.open(io.BytesIO(head_picture(note))) as picture:
        card = symbol_image(make_symbol("SC1:QED8WEX0", max_version=20), 4)
        shown = Image.new("L", (picture.width + card.width + 40, picture.height), 255)
        shown.paste(picture.convert("L"), (0, 0))
        shown.paste(card.convert("L"), (picture.width + 40, 0))
    path = tmp_path / "photo.png"
    shown.save(path)
    assert read_head([path.read_bytes()]).note == note


def test_frames_may_come_in_several_files_and_no_others(tmp_path: Path, other: TinyLedger) -> None:
    note = note_of(other)
    first, *rest = format_frames("head", note.encode())
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text(first + "\r\n")
    two.write_text("\n".join(rest))
    assert read_head([two.read_bytes(), one.read_bytes()]).note == note
    with pytest.raises(MalformedError, match="2 of 4"):
        read_head([one.read_bytes()])
    plain = tmp_path / "head.txt"
    plain.write_text(note, newline="")
    assert read_head([plain.read_bytes()]).note == note
    with pytest.raises(CodedError) as caught:
        read_head([plain.read_bytes(), one.read_bytes()])
    assert caught.value.code == "bad_input"
    one.write_text("\n".join(format_frames("delta", note.encode())))
    with pytest.raises(MalformedError) as refused:
        read_head([one.read_bytes()])
    assert refused.value.code == "unsupported"


class Hut:
    """Two stations that are shown two histories, and a way to run the command at the first one."""

    def __init__(
        self,
        folder: Path,
        mine: TinyLedger,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.folder, self._monkeypatch, self._capsys = folder, monkeypatch, capsys
        self.station = Station(folder / "station")
        self.station.set_pin(mine.pin)
        self.station.import_bundle(mine.bundle())
        monkeypatch.setenv("SAFECONDUCT_STATION", str(self.station.folder))

    def run(self, *arguments: object) -> tuple[int, str]:
        self._monkeypatch.setattr(sys, "argv", ["sc-verifier", *map(str, arguments)])
        try:
            code = cli.main()
        except SystemExit as stopped:
            code = stopped.code if isinstance(stopped.code, int) else 1
        captured = self._capsys.readouterr()
        return code, captured.out + captured.err

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path


@pytest.fixture
def hut(
    tmp_path: Path,
    grown: list[TinyLedger],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Hut:
    return Hut(tmp_path, grown[2], monkeypatch, capsys)


def test_a_station_writes_its_head_and_finds_it_the_same(hut: Hut) -> None:
    code, shown = hut.run("head", "--out", hut.folder / "head.txt", "--qr", hut.folder / "head.png")
    assert code == 0
    assert "tree_size: 48" in shown
    for name in ("head.txt", "head.png"):
        code, shown = hut.run("compare", hut.folder / name)
        assert (code, "same list" in shown) == (0, True)


def test_an_older_head_is_good_and_a_newer_one_is_not_known(hut: Hut, grown: list[TinyLedger]) -> None:
    code, shown = hut.run("compare", hut.file("older", note_of(grown[1]).encode()))
    assert (code, "older list" in shown) == (0, True)
    code, shown = hut.run("compare", hut.file("newer", note_of(grown[3]).encode()))
    assert (code, "cannot tell" in shown) == (1, True)
    code, shown = hut.run("compare", hut.file("list", grown[3].bundle()))
    assert (code, "newer list" in shown) == (0, True)
    assert hut.station.evidence_files() == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_histories_are_exit_3_and_the_evidence_is_kept(hut: Hut, count: int) -> None:
    other = TinyLedger()
    for name in "zbc"[:count]:
        other.admit(name)
    # Of a larger tree the head alone says nothing to a smaller one; its list does.
    source = other.bundle() if count == 3 else note_of(other).encode()
    code, shown = hut.run("compare", hut.file("other", source), "--json")
    told = json.loads(shown)
    assert (code, told["relation"]) == (FORK_EXIT, "fork")
    assert told["other_tree_size"] == 16 * (count + 1)
    assert told["evidence"]
    [evidence] = [Path(path) for path in told["evidence"] if path.endswith(".evidence")]
    finding = check_evidence(evidence.read_bytes(), other.pin)
    assert (finding.code, finding.against) == ("fork", "operator")
    assert {size for size, _ in finding.heads} == {48, 16 * (count + 1)}
    assert hut.run("status")[0] == FORK_EXIT
    assert hut.run("compare", hut.folder / "other")[0] == FORK_EXIT
    assert len(hut.station.evidence_files()) == len(told["evidence"])


def test_what_cannot_be_compared_is_refused_and_nothing_is_kept(hut: Hut, other: TinyLedger) -> None:
    stranger = TinyLedger("ledger.example/stranger")
    assert hut.run("compare", hut.file("stranger", note_of(stranger).encode()))[0] == 1
    assert hut.run("compare", hut.file("junk", b"\xff\x00junk"))[0] == 1
    assert hut.run("compare", hut.folder / "absent")[0] == 2
    unsigned = note_of(other).replace("— ledger", "— legder")
    assert hut.run("compare", hut.file("unsigned", unsigned.encode()))[0] == 1
    assert hut.station.evidence_files() == []
    hut.file("pin.json", format_pin(other.pin))
    empty = ("--station", hut.folder / "new")
    assert hut.run("pin", hut.folder / "pin.json", *empty)[0] == 0
    assert hut.run("head", *empty)[0] == 1
    assert hut.run("head", "--origin", "ledger.example/stranger")[0] == 2


@pytest.mark.parametrize("kind", BRIDGED)
def test_a_fork_after_a_rotation_is_found_on_both_sides_of_it(tmp_path: Path, kind: str) -> None:
    mine, theirs = RotatingLedger(), RotatingLedger()
    for ledger in (mine, theirs):
        ledger.rotate(kind)
    before = theirs.trusted().checkpoint
    mine.admit("a")
    theirs.admit("b")
    station = Station(tmp_path)
    station.set_pin(mine.pin)
    trusted = station.import_bundle(mine.bundle())
    assert compare_head(trusted, before).relation == "older"
    assert compare_head(trusted, note_of(theirs)).relation == "fork"
    kept = station.keep_fork(note_of(theirs))
    evidence = [path for path in kept if path.suffix == ".evidence"]
    # The seals that acknowledged another service key, or other log keys, are not in a list: an auditor has them.
    assert [check_evidence(path.read_bytes(), mine.pin).kind for path in evidence] == (
        [] if kind in ("service-keys", "log-keys") else ["fork"]
    )
    assert {path.suffix for path in kept} >= {".cbor", ".note"}


def test_a_list_with_keys_that_are_not_known_here_is_a_newer_one(tmp_path: Path) -> None:
    ledger = RotatingLedger()
    station = Station(tmp_path)
    station.set_pin(ledger.pin)
    station.import_bundle(ledger.bundle())
    ledger.rotate("log-keys")
    ledger.admit("a")
    assert judge_head(station, read_head([ledger.bundle()])).relation == "newer"
    with pytest.raises(CodedError) as caught:
        judge_head(station, read_head([note_of(ledger).encode()]))
    assert caught.value.code == "bad_input"
    mine = RotatingLedger()
    mine.admit("b")
    other = Station(tmp_path / "other")
    other.set_pin(mine.pin)
    other.import_bundle(mine.bundle())
    assert judge_head(other, read_head([ledger.bundle()])).relation == "fork"


def test_keys_that_were_exchanged_in_one_history_alone_hide_no_fork(tmp_path: Path) -> None:
    mine, theirs = RotatingLedger(), RotatingLedger()
    mine.rotate("log-keys")
    mine.admit("a")
    while theirs.tree_size <= mine.tree_size:
        theirs.admit(f"office-{theirs.tree_size}")
    station = Station(tmp_path)
    station.set_pin(mine.pin)
    station.import_bundle(mine.bundle())
    judged = judge_head(station, read_head([theirs.bundle()]))
    assert judged.relation == "fork"
    assert {path.suffix for path in judged.evidence} >= {".cbor"}
    with pytest.raises(ForkAlarm):
        station.import_bundle(theirs.bundle())


def test_no_evidence_is_made_of_heads_that_agree(grown: list[TinyLedger], other: TinyLedger) -> None:
    data = grown[2].bundle()
    for note in (note_of(grown[1]), note_of(grown[2]), note_of(grown[3]), note_of(other)):
        with pytest.raises(VerificationError) as caught:
            prove_bundle_fork(data, grown[2].pin, note)
        assert caught.value.code == "not_proven"
