"""Actions and admissions: each verb reads back, each form that is not in force or none has its code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import (
    Action,
    AddKey,
    Admission,
    Admit,
    Change,
    ConfirmHeld,
    DistrustKey,
    RefuseHeld,
    Reinstate,
    RetireKey,
    Scope,
    Suspend,
    format_action,
    format_admission,
    parse_action,
    parse_admission,
    parse_scope,
)
from ledger.core.cose_key import format_cose_key
from ledger.core.ledger_verbs import (
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.errors import MalformedError
from tests.support.ledgers import signer

KEYS = tuple(signer(f"key {n}", "ed25519" if n % 2 else "p256").public_key for n in range(9))
SCOPE = Scope(("sc:companion", "sc:identity"), 500, 4)
ADMISSION = Admission("interior", "Civil registry", KEYS[:2], SCOPE)
VERBS: list[Any] = [
    Admit(ADMISSION),
    Change(authority="justice"),
    Change(title="Other"),
    Change(scope=SCOPE),
    Change("justice", "Other", SCOPE),
    Suspend(),
    Reinstate(),
    AddKey(KEYS[0]),
    RetireKey(b"12345678"),
    DistrustKey(b"12345678", 2**53 - 1),
    ConfirmHeld(17),
    RefuseHeld(17),
    SetGovernors(tuple((f"gov-{n}", KEYS[n]) for n in range(3)), 2),
    SetThreshold(7),
    SetWitnessPolicy("quorum none\n"),
    SetLogKeys((bytes(32), bytes(1312))),
    SetServiceKeys(KEYS[1], KEYS[2]),
    SetProfiles({"sc:identity": (4, 730), "sc:visa": (2, 90)}),
    SetRules(2),
    SetSuccessor("ledger.example/two", bytes(32)),
]
GOVERNORS = [[f"gov-{n}", format_cose_key(KEYS[n])] for n in range(3)]
SAME_KEY = [*GOVERNORS[:2], ["gov-2", GOVERNORS[0][1]]]
FOUR = [*GOVERNORS, ["gov-3", format_cose_key(signer("gov-3", "ed25519").public_key)]]


def code_of(value: Any) -> str:
    try:
        parse_action(value)
    except MalformedError as error:
        return error.code
    return "ok"


def with_verbs(*verbs: Any) -> dict[int, Any]:
    return {1: "civil-1", 2: 0, 3: 0, 4: list(verbs)}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: type(verb).__name__)
def test_every_verb_reads_back(verb: Any) -> None:
    action = Action("civil-1", 3, 1_800_000_000, (verb, Suspend()))
    encoded = cbor.encode(format_action(action))
    assert parse_action(cbor.decode(encoded, max_size=9999)) == action


@pytest.mark.parametrize(
    "verb",
    [[8], [8, -1], [8, 0, 0], [9, "0"], [10, [], 1], [10, GOVERNORS[:2], 1], [10, GOVERNORS, 1], [10, GOVERNORS, 3],
     [10, [GOVERNORS[0]] * 3, 2], [10, SAME_KEY, 2], [10, FOUR, 2], [10, FOUR, 4], [10, GOVERNORS],
     [11, -1], [11], [12, ""], [12, "quorum\n"], [12, "x" * 32_769],
     [13, [bytes(32)]], [13, [bytes(31), bytes(1312)]], [13, [bytes(32), bytes(1311)]],
     [14, format_cose_key(KEYS[0])], [14, format_cose_key(KEYS[0]), format_cose_key(KEYS[1])],
     [15, {}], [15, {"a": [0, 1]}], [15, {"a": [1, 7301]}], [15, {"": [1, 1]}], [16, "1"], [16],
     [17, "a b", bytes(32)], [17, "ledger.example/two", bytes(31)], [17, "ledger.example/two"]],
)  # fmt: skip
def test_a_verb_on_the_ledger_of_another_form_is_malformed(verb: Any) -> None:
    assert code_of(with_verbs(verb)) == "malformed"


def test_a_bridged_action_is_one_that_changes_who_is_believed() -> None:
    bridged = {type(verb).__name__ for verb in VERBS if Action("x", 0, 0, (Suspend(), verb)).is_bridged}
    assert bridged == {"SetGovernors", "SetThreshold", "SetWitnessPolicy", "SetLogKeys", "SetServiceKeys"}


@pytest.mark.parametrize(
    "verb",
    [[], [0], [18], [-1], ["3"], [True], [3, 0], [4, 0], [1], [2], [5], [6], [7], [6, b"1234567"], [6, b"123456789"],
     [6, "12345678"], [7, b"12345678"], [7, b"12345678", -1], [7, b"12345678", 2**53], [7, b"12345678", 0, 0], [5, {}],
     [2, {}], [2, {3: 0}], [2, {1: None}], [2, {2: ""}], [1, {}], {}, None, 3],
)  # fmt: skip
def test_a_verb_of_another_form_is_malformed(verb: Any) -> None:
    assert code_of(with_verbs(verb)) == "malformed"


def test_an_action_has_1_to_16_verbs() -> None:
    assert [code_of(with_verbs(*[[3]] * n)) for n in (0, 1, 16, 17)] == ["malformed", "ok", "ok", "malformed"]


@pytest.mark.parametrize(
    "changed",
    [{1: ""}, {1: "a b"}, {1: b"x"}, {1: "x" * 201}, {2: -1}, {2: 2**53}, {2: None}, {3: -1}, {3: 2**53}, {3: 1.5},
     {4: None}, {4: {}}, {5: 0}],
)  # fmt: skip
def test_an_action_with_a_part_out_of_range_is_malformed(changed: dict[int, Any]) -> None:
    assert code_of({**with_verbs([3]), **changed}) == "malformed"


@pytest.mark.parametrize("key", [1, 2, 3, 4])
def test_an_action_without_a_part_is_malformed(key: int) -> None:
    value = with_verbs([3])
    del value[key]
    assert code_of(value) == "malformed"


def test_an_admission_reads_back() -> None:
    assert parse_admission(cbor.decode(cbor.encode(format_admission(ADMISSION)), max_size=999)) == ADMISSION


@pytest.mark.parametrize(
    "changed",
    [{1: "Interior"}, {1: ""}, {2: ""}, {2: "x" * 81}, {2: "two\nlines"}, {3: []}, {3: [{}]},
     {3: [format_cose_key(key) for key in KEYS]}, {4: {}}, {4: None}, {5: 0}],
)  # fmt: skip
def test_an_admission_out_of_range_is_malformed(changed: dict[int, Any]) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_admission({**format_admission(ADMISSION), **changed})
    assert caught.value.code == "malformed"


def test_an_admission_has_up_to_8_different_keys() -> None:
    rows = [format_cose_key(key) for key in KEYS[:8]]
    assert len(parse_admission({**format_admission(ADMISSION), 3: rows}).keys) == 8
    with pytest.raises(MalformedError) as caught:
        parse_admission({**format_admission(ADMISSION), 3: [rows[0], rows[1], rows[0]]})
    assert caught.value.code == "place_taken"


@pytest.mark.parametrize(
    "scope",
    [{1: [], 2: 1, 3: 1}, {1: ["b", "a"], 2: 1, 3: 1}, {1: ["a", "a"], 2: 1, 3: 1}, {1: ["a"], 2: -1, 3: 1},
     {1: ["a"], 2: 1, 3: 0}, {1: ["a"], 2: 1, 3: 1025}, {1: ["x" * 65], 2: 1, 3: 1}, {1: [""], 2: 1, 3: 1},
     {1: [f"v{n:02}" for n in range(17)], 2: 1, 3: 1}, {1: ["a"], 2: 1}, {1: ["a"], 2: 1, 3: 1, 4: 1},
     {1: "a", 2: 1, 3: 1}],
)  # fmt: skip
def test_a_scope_out_of_range_is_malformed(scope: dict[int, Any]) -> None:
    with pytest.raises(MalformedError):
        parse_scope(scope)


def test_credential_types_sort_by_bytes_of_utf_8() -> None:
    # U+FF5E sorts before U+1F600 by bytes as by code points; UTF-16 would turn them round.
    assert parse_scope({1: ["a", "～", "😀"], 2: 0, 3: 1024}).vcts == ("a", "～", "😀")
    with pytest.raises(MalformedError):
        parse_scope({1: ["😀", "～"], 2: 0, 3: 1})


def test_a_key_whose_labels_only_equal_integers_is_no_key() -> None:
    good = format_cose_key(KEYS[1])
    odd = {cbor.CBORSimpleValue(label) if label == 1 else label: value for label, value in good.items()}
    assert odd == good  # Python holds them equal; the bytes differ
    assert code_of(with_verbs([5, odd])) == "malformed"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.integers(0, 5), x),
    )
)
def test_no_value_makes_the_parser_fail_otherwise(value: Any) -> None:
    assert code_of(value) in ("malformed", "unsupported", "place_taken")
    assert code_of(with_verbs(value)) in ("malformed", "unsupported", "place_taken", "ok")
    assert code_of(with_verbs([1, value])) in ("malformed", "unsupported", "place_taken")
