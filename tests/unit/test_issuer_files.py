"""Files that are there whole or not at all, and the desk's own two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer import files
from issuer.desk_config import DeskConfig, format_config, parse_config
from issuer.desk_store import LISTED, REFUSED, DeskStore, Outgoing
from issuer.errors import InputError, IssuerError

CONFIG = DeskConfig("civil-1", "interior", "Registry of Examplia", "ledger.example/one", 1, 2)
OUTGOING = Outgoing("A" * 16, "sc:1/0", 7, b"entry", b"case")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.replace_file(path, b"old")
    files.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_new_file_never_takes_another_s_place(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_new(path, b"first")
    with pytest.raises(InputError):
        files.write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    files.replace_file(path, b"old")

    def full(_handle: int) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("os.fsync", full)
    for write in (files.replace_file, files.write_new):
        with pytest.raises(IssuerError) as error:
            write(path, b"new")
        assert error.value.code == "storage_failed"
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_reading_has_a_cap_and_names_the_field(tmp_path: Path) -> None:
    files.replace_file(tmp_path / "a", b"12345")
    assert files.read_file(tmp_path / "a", "record", max_size=5) == b"12345"
    for path, max_size, code in (
        (tmp_path / "a", 4, "too_large"),
        (tmp_path / "b", 4, "not_found"),
        (tmp_path, 4, "storage_failed"),
    ):
        with pytest.raises(IssuerError) as error:
            files.read_file(path, "record", max_size=max_size)
        assert (error.value.code, error.value.field) == (code, "record")


def test_a_folder_in_the_place_of_a_file_is_storage_failed(tmp_path: Path) -> None:
    files.replace_file(tmp_path / "a", b"")
    with pytest.raises(IssuerError):
        files.make_folder(tmp_path / "a" / "b")


def test_settings_survive_writing_and_reading() -> None:
    assert parse_config(format_config(CONFIG)) == CONFIG


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"issuer_id": "Civil"},
        {"title": ""},
        {"origin": "a b"},
        {"authority": 1},
        {"desk": 2},
        {"desk": -1},
        {"desk": True},
        {"desks": 1025},
        {"number": 1},
        {"charter": "00" * 32},
        {"charter": None},
        {"ledger_url": 1},
        {"further": 1},
    ],
)
def test_settings_of_another_form_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        parse_config(json.dumps(json.loads(format_config(CONFIG)) | change).encode())


@given(st.binary(max_size=80))
def test_no_bytes_crash_the_settings(data: bytes) -> None:
    with pytest.raises(InputError):
        parse_config(data)


def test_places_and_bytes_outlive_the_process(tmp_path: Path) -> None:
    store = DeskStore(tmp_path / "desk.sqlite")
    store.add([OUTGOING])
    store.close()
    again = DeskStore(tmp_path / "desk.sqlite")
    assert again.outgoing() == [OUTGOING]
    assert again.is_used("sc:1/0", 7)
    assert not again.is_used("sc:1/0", 8)


def test_a_place_or_a_subject_is_taken_once_and_a_batch_counts_whole(tmp_path: Path) -> None:
    store = DeskStore(tmp_path / "desk.sqlite")
    store.add([OUTGOING])
    for clash in (
        Outgoing("B" * 16, "sc:1/0", 7, b"", b""),
        Outgoing("A" * 16, "sc:1/0", 8, b"", b""),
    ):
        with pytest.raises(IssuerError) as error:
            store.add([Outgoing("C" * 16, "sc:1/0", 9, b"", b""), clash])
        assert error.value.code == "place_taken"
    assert store.outgoing() == [OUTGOING]


def test_a_fate_is_recorded_and_the_place_stays_used(tmp_path: Path) -> None:
    store = DeskStore(tmp_path / "desk.sqlite")
    other = Outgoing("B" * 16, "sc:1/0", 8, b"other", b"case")
    store.add([OUTGOING, other])
    store.mark_listed(OUTGOING.sub, 4711, b"path", b"logged")
    store.mark_refused(other.sub, "out_of_scope")
    [listed, refused] = store.outgoing()
    assert (listed.state, listed.index, listed.path, listed.logged) == (LISTED, 4711, b"path", b"logged")
    assert (refused.state, refused.code) == (REFUSED, "out_of_scope")
    assert store.count_listed("sc:1/0") == 1
    store.forget(OUTGOING.sub)
    assert [item.sub for item in store.outgoing()] == [other.sub]
    assert store.place_of(OUTGOING.sub) == ("sc:1/0", 7)


def test_a_file_that_is_no_database_is_storage_failed(tmp_path: Path) -> None:
    (tmp_path / "desk.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(IssuerError) as error:
        DeskStore(tmp_path / "desk.sqlite")
    assert error.value.code == "storage_failed"


def test_what_a_cut_off_write_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    keep = [tmp_path / ".hidden", tmp_path / "card.pdf", tmp_path / ".0123.part", tmp_path / "x.part"]
    for path in (*keep, tmp_path / ".0123456789abcdef.part"):
        path.write_bytes(b"words")
    files.sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(keep)
    files.sweep_parts(tmp_path / "none")
