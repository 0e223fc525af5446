"""The form of the trust bundle: round trip, caps, and every way of being something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import bundle as bundles
from ledger.core.bundle import (
    MAX_ISSUERS,
    MAX_LISTS,
    Bundle,
    PackedList,
    PlacedEntry,
    format_bundle,
    parse_bundle,
)
from ledger.core.cbor import CBORSimpleValue, decode, encode
from ledger.errors import MalformedError
from tests.support.ledgers import TinyLedger

PATH = bytes(128)

uris = st.builds("sc:{}/{}".format, st.integers(1, 9_999_999), st.integers(0, 9_999_999))


@st.composite
def bundles_of_any_content(draw: st.DrawFn) -> Bundle:
    cells = draw(st.integers(1, 5))
    last = 16 * cells - 1
    indexes = sorted(draw(st.sets(st.integers(1, last - 1), max_size=5)))
    entry = st.binary(min_size=1, max_size=40)
    path = st.binary(min_size=128, max_size=128)
    return Bundle(
        charter=PlacedEntry(0, draw(path), draw(entry)),
        approvals=tuple(PlacedEntry(index, draw(path), draw(entry)) for index in indexes),
        checkpoint=draw(st.text(max_size=50)),
        cells=draw(st.binary(min_size=32 * cells, max_size=32 * cells)),
        seal=PlacedEntry(last, draw(path), draw(entry)),
        lists=tuple(
            PackedList(uri, draw(st.binary(max_size=20)), draw(st.binary(max_size=20)))
            for uri in sorted(draw(st.sets(uris, max_size=4)))
        ),
    )


def a_value() -> dict[Any, Any]:
    """Return the decoded form of a small bundle, for a test to break."""
    return {
        1: 1,
        2: [PATH, b"charter"],
        3: [[3, PATH, b"one"], [5, PATH, b"two"]],
        4: "note",
        5: bytes(32),
        6: [PATH, b"seal"],
        7: [["sc:1/0", b"raw", b"reasons"], ["sc:1/1", b"raw", b"reasons"]],
        8: [],
    }


def refused(value: Any) -> str:
    with pytest.raises(MalformedError) as caught:
        parse_bundle(encode(value))
    return caught.value.code


@given(bundles_of_any_content())
def test_what_is_formatted_is_read_back(bundle: Bundle) -> None:
    data = format_bundle(bundle)
    assert parse_bundle(data) == bundle
    assert format_bundle(parse_bundle(data)) == data


def test_the_bundle_of_a_ledger_has_the_form() -> None:
    ledger = TinyLedger()
    ledger.admit()
    data = ledger.bundle()
    assert format_bundle(parse_bundle(data)) == data
    assert parse_bundle(data).tree_size == ledger.tree_size


@given(st.binary(max_size=200))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_bundle(data)


@given(
    st.sampled_from(range(1, 9)),
    st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.binary(max_size=5) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 9), inner, max_size=3),
        max_leaves=8,
    ),
)
def test_any_part_of_another_shape_is_refused_or_kept(part: int, replacement: Any) -> None:
    value = {**a_value(), part: replacement}
    try:
        bundle = parse_bundle(encode(value))
    except MalformedError as error:
        assert error.code in ("malformed", "unsupported", "too_large")
    else:
        assert format_bundle(bundle) == encode(value)


def test_another_version_is_unsupported() -> None:
    assert refused({**a_value(), 1: 2}) == "unsupported"
    assert refused({**a_value(), 1: True}) == "unsupported"


def test_bridging_checkpoints_are_texts() -> None:
    assert parse_bundle(encode({**a_value(), 8: ["one", "two"]})).bridges == ("one", "two")
    assert refused({**a_value(), 8: [b"note"]}) == "malformed"
    assert refused({**a_value(), 8: "note"}) == "malformed"
    assert refused({**a_value(), 8: ["x" * (65_536 + 1)]}) == "too_large"


def test_a_missing_or_further_part_is_malformed() -> None:
    value = a_value()
    del value[7]
    assert refused(value) == "malformed"
    assert refused({**a_value(), 9: []}) == "malformed"


def test_a_simple_value_does_not_pass_for_a_number() -> None:
    value = a_value()
    del value[8]
    value[CBORSimpleValue(8)] = []
    assert decode(encode(value), max_size=4096)[8] == []  # Python calls them equal
    assert refused(value) == "malformed"


@pytest.mark.parametrize("indexes", [(5, 3), (3, 3), (0, 3), (3, 15), (3, 400), (-1, 3)])
def test_approvals_rise_inside_the_tree(indexes: tuple[int, int]) -> None:
    value = a_value()
    value[3] = [[index, PATH, b"x"] for index in indexes]
    assert refused(value) == "malformed"


@pytest.mark.parametrize(
    "names",
    [("sc:1/1", "sc:1/0"), ("sc:1/0", "sc:1/0"), ("sc:1/00", "sc:1/1"), ("sc:0/0", "sc:1/1"), ("x", "y")],
)
def test_lists_rise_and_have_uris_of_the_ledger(names: tuple[str, str]) -> None:
    assert refused({**a_value(), 7: [[name, b"", b""] for name in names]}) == "malformed"


@pytest.mark.parametrize("cells", [b"", bytes(31), bytes(33), "text"])
def test_cells_are_whole_hashes(cells: Any) -> None:
    assert refused({**a_value(), 5: cells}) == "malformed"


@pytest.mark.parametrize("size", [0, 127, 129])
def test_a_path_has_128_bytes(size: int) -> None:
    assert refused({**a_value(), 2: [bytes(size), b"charter"]}) == "malformed"
    assert refused({**a_value(), 6: [bytes(size), b"seal"]}) == "malformed"


def test_sizes_over_the_caps_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused({**a_value(), 2: [PATH, bytes(65_536)]}) == "too_large"
    assert refused({**a_value(), 4: "x" * 65_537}) == "too_large"
    many = [[f"sc:1/{n:07}".replace("/0", "/1"), b"", b""] for n in range(4_097)]
    assert refused({**a_value(), 7: many}) == "too_large"
    monkeypatch.setattr(bundles, "MAX_BUNDLE_SIZE", 400)
    assert refused({**a_value(), 4: "x" * 401}) == "too_large"


def test_the_caps_are_those_of_the_protocol() -> None:
    assert (MAX_LISTS, MAX_ISSUERS) == (4_096, 10_000)
    for size, code in ((67_108_864, "malformed"), (67_108_865, "too_large")):
        with pytest.raises(MalformedError) as caught:
            parse_bundle(encode(bytes(size - 5)))
        assert caught.value.code == code
    with pytest.raises(MalformedError) as caught:
        parse_bundle(b"\x9a" + (1 << 26).to_bytes(4, "big") + bytes((1 << 26) - 5))
    assert caught.value.code == "too_large"  # in memory, were it made


def test_a_bundle_with_entries_out_of_place_is_not_formatted() -> None:
    good = parse_bundle(encode(a_value()))
    with pytest.raises(MalformedError):
        format_bundle(Bundle(good.seal, (), good.checkpoint, good.cells, good.seal, ()))


def test_trailing_bytes_and_cut_bytes_are_malformed() -> None:
    data = encode(a_value())
    for changed in (data + b"\x00", data[:-1], b""):
        with pytest.raises(MalformedError):
            parse_bundle(changed)
