"""Bodies of status statements: the form, and what is refused by form alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.status_change import (
    MAX_ROWS,
    REASON_NAMES,
    TRANSITIONS,
    HolderProof,
    StatusChange,
    StatusRow,
    format_status_change,
    parse_status_change,
)
from ledger.errors import MalformedError

ROW = [7, 0, 2, 4, 202611]
GOOD: dict[int, Any] = {1: "sc:1/0", 2: 1, 3: [ROW]}


def code_of(value: Any) -> str:
    try:
        parse_status_change(value)
    except MalformedError as error:
        return error.code
    return "ok"


_ROWS = st.tuples(
    st.integers(0, 131_071), st.integers(0, 15), st.integers(0, 15), st.integers(1, 6),
    st.builds(lambda year, month: year * 100 + month, st.integers(2001, 9999), st.integers(1, 12)),
)  # fmt: skip


@given(st.lists(_ROWS, min_size=1, max_size=20, unique_by=lambda row: row[0]), st.integers(0, 2**53 - 1))
def test_a_change_reads_back(rows: list[tuple[int, int, int, int, int]], seq: int) -> None:
    change = StatusChange("sc:12/3", seq, tuple(StatusRow(*row) for row in sorted(rows)))
    assert (
        parse_status_change(cbor.decode(cbor.encode(format_status_change(change)), max_size=9999)) == change
    )


@pytest.mark.parametrize(
    "changed",
    [{1: "sc:0/0"}, {1: ""}, {1: 5}, {2: -1}, {2: 2**53}, {2: None}, {3: []}, {3: None}, {3: [ROW, ROW]},
     {3: [[8, *ROW[1:]], ROW]}, {3: [ROW[:4]]}, {3: [[*ROW, 0]]}, {5: 0}],
)  # fmt: skip
def test_a_body_of_another_form_is_malformed(changed: dict[int, Any]) -> None:
    assert code_of(GOOD) == "ok"
    assert code_of({**GOOD, **changed}) == "malformed"


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [(0, [0, 131_071], [-1, 131_072, True, None]), (1, [0, 15], [-1, 16]), (2, [0, 15], [-1, 16]), (3, [1, 6], [0, 7]),
     (4, [200001, 202612, 999912], [200000, 202600, 202613, 199912, 999913, 20261, "202611"])],
)  # fmt: skip
def test_each_number_of_a_row_has_its_range(place: int, good: list[Any], bad: list[Any]) -> None:
    def with_number(value: Any) -> str:
        return code_of({**GOOD, 3: [[*ROW[:place], value, *ROW[place + 1 :]]]})

    assert [with_number(value) for value in good] == ["ok"] * len(good)
    assert [with_number(value) for value in bad] == ["malformed"] * len(bad)


PROOF: list[Any] = [7, bytes(128), b"a credential"]


@given(st.integers(0, 2**53 - 1), st.binary(min_size=128, max_size=128), st.binary(max_size=4096))
def test_a_holder_s_proof_reads_back(index: int, path: bytes, entry: bytes) -> None:
    change = StatusChange("sc:1/0", 0, (StatusRow(*ROW),), HolderProof(index, path, entry))
    body = cbor.decode(cbor.encode(format_status_change(change)), max_size=9999)
    assert body[4] == [index, path, entry]
    assert parse_status_change(body) == change


@pytest.mark.parametrize(
    "proof",
    [None, [], PROOF[:2], [*PROOF, 0], [-1, *PROOF[1:]], [2**53, *PROOF[1:]], [True, *PROOF[1:]],
     [7, bytes(127), b""], [7, bytes(129), b""], [7, "p" * 128, b""], [7, bytes(128), "text"], {}],
)  # fmt: skip
def test_a_proof_of_another_form_is_malformed(proof: Any) -> None:
    good = {**GOOD, 2: 0, 4: PROOF}
    assert code_of(good) == "ok"
    assert code_of({**good, 4: proof}) == "malformed"


def test_a_proof_goes_with_the_number_0_and_one_row() -> None:
    assert code_of({**GOOD, 4: PROOF}) == "malformed"
    assert code_of({**GOOD, 2: 0, 3: [ROW, [8, *ROW[1:]]], 4: PROOF}) == "malformed"
    assert code_of({**GOOD, 2: 0, 4: [7, bytes(128), bytes(4096)]}) == "ok"
    assert code_of({**GOOD, 2: 0, 4: [7, bytes(128), bytes(4097)]}) == "too_large"


def test_a_statement_has_at_most_4096_rows() -> None:
    rows = [[n, *ROW[1:]] for n in range(MAX_ROWS + 1)]
    assert code_of({**GOOD, 3: rows[:-1]}) == "ok"
    assert code_of({**GOOD, 3: rows}) == "malformed"


def test_final_statuses_have_no_way_out_and_every_reason_has_a_name() -> None:
    assert not any(old in (1, 3) for old, _ in TRANSITIONS)
    assert set(REASON_NAMES) == set().union(*TRANSITIONS.values()) == set(range(1, 7))


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.integers(0, 5), x),
    )
)
def test_no_value_makes_the_parser_fail_otherwise(value: Any) -> None:
    assert code_of(value) == "malformed"
    assert code_of({**GOOD, 3: [value]}) == "malformed"
    assert code_of({**GOOD, 2: 0, 4: value}) == "malformed"
