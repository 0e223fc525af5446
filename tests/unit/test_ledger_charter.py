"""Charter and accept: the one form, and every value that is out of its range."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.charter import (
    Accept,
    format_accept,
    format_charter,
    parse_accept,
    parse_charter,
    parse_profiles,
    parse_threshold,
)
from ledger.core.cose_key import format_cose_key
from ledger.errors import MalformedError
from tests.support.ledgers import signer
from tests.support.registry_world import ORIGIN, World

CHARTER = World().charter
P256, ED25519 = signer("a key").public_key, signer("another", "ed25519").public_key


def body(**changed: Any) -> dict[int, Any]:
    """Return a good body; `changed` has names k1, k2, ... of the keys that are replaced."""
    return {**format_charter(CHARTER), **{int(name[1:]): value for name, value in changed.items()}}


def code_of(value: Any) -> str:
    try:
        parse_charter(value)
    except MalformedError as error:
        return error.code
    return "ok"


def governors(*names: str, same_key: bool = False) -> list[Any]:
    return [
        [name, format_cose_key(signer("one" if same_key else f"key {at}", "ed25519").public_key)]
        for at, name in enumerate(names)
    ]


def test_a_charter_reads_back() -> None:
    assert parse_charter(format_charter(CHARTER)) == CHARTER
    assert parse_charter(cbor.decode(cbor.encode(format_charter(CHARTER)), max_size=9999)) == CHARTER
    assert parse_accept(format_accept(Accept(bytes(32)))) == Accept(bytes(32))


@pytest.mark.parametrize("key", range(1, 11))
def test_a_charter_without_a_part_or_with_another_type_is_refused(key: int) -> None:
    missing = body()
    del missing[key]
    assert code_of(missing) == "malformed"
    wrongs: list[Any] = [None, b"", [], {}, -1, "\n"]
    for wrong in wrongs:
        assert code_of(body(**{f"k{key}": wrong})) in ("malformed", "unsupported")


def test_a_further_part_is_refused() -> None:
    assert code_of(body(k11=0)) == "malformed"
    assert code_of({**body(), "x": 0}) == "malformed"


def test_rules_of_another_version_are_unsupported() -> None:
    assert code_of(body(k10=2)) == "unsupported"
    assert code_of(body(k10=True)) == "malformed"


@pytest.mark.parametrize(
    ("count", "allowed"),
    [(3, {2}), (4, {3}), (5, {3, 4}), (6, {4, 5}), (7, {4, 5, 6}), (32, set(range(17, 32)))],
)
def test_the_threshold_is_above_half_and_below_all(count: int, allowed: set[int]) -> None:
    passing = set()
    for threshold in range(count + 2):
        try:
            passing.add(parse_threshold(threshold, count, field="x"))
        except MalformedError:
            continue
    assert passing == allowed


@pytest.mark.parametrize("count", [0, 1, 2, 33])
def test_a_ledger_has_3_to_32_governors(count: int) -> None:
    names = [f"gov-{n}" for n in range(count)]
    assert code_of(body(k5=governors(*names), k6=count - 1)) == "malformed"


def test_governors_differ_in_name_and_key_and_from_the_ledger() -> None:
    assert code_of(body(k5=governors("a", "b", "c"))) == "ok"
    assert code_of(body(k5=governors("a", "b", "a"))) == "malformed"
    assert code_of(body(k5=governors("a", "b", "c", same_key=True))) == "malformed"
    assert code_of(body(k1="a", k5=governors("a", "b", "c"))) == "malformed"
    assert code_of(body(k5=governors("a", "b", "C"))) == "malformed"


def test_the_receipts_key_is_on_p256_and_the_service_key_may_be_either() -> None:
    assert code_of(body(k4=format_cose_key(ED25519))) == "malformed"
    assert code_of(body(k3=format_cose_key(ED25519))) == "ok"
    assert code_of(body(k3=format_cose_key(P256))) == "ok"


@pytest.mark.parametrize("keys", [[bytes(32)], [bytes(32), bytes(1311)], [bytes(31), bytes(1312)],
                                  [bytes(32), bytes(1312), b""], [bytes(1312), bytes(32)]])  # fmt: skip
def test_log_keys_have_their_sizes(keys: list[bytes]) -> None:
    assert code_of(body(k2=keys)) == "malformed"


@pytest.mark.parametrize("policy", ["", "nonsense\n", "quorum none", "quorum w1\n", "x" * 32_769])
def test_a_witness_policy_must_parse(policy: str) -> None:
    assert code_of(body(k7=policy)) == "malformed"


def test_a_witness_policy_names_no_log() -> None:
    from ledger.core.note import Ed25519NoteSigner, format_vkey

    key = format_vkey(Ed25519NoteSigner("some.log", bytes(32)).verifier_key)
    assert code_of(body(k7=f"log {key}\nquorum none\n")) == "malformed"


@pytest.mark.parametrize(
    ("period", "code"), [(0, "malformed"), (1, "ok"), (86_400_000, "ok"), (86_400_001, "malformed")]
)
def test_the_epoch_period_is_at_most_a_day(period: int, code: str) -> None:
    assert code_of(body(k8=period)) == code


@pytest.mark.parametrize(
    "profiles",
    [{}, {"": [1, 1]}, {"x" * 65: [1, 1]}, {"x": [0, 1]}, {"x": [33, 1]}, {"x": [1, 0]}, {"x": [1, 7301]}, {"x": [1]},
     {"x": [1, 1, 1]}, {b"x": [1, 1]}, {1: [1, 1]}, {f"v{n}": [1, 1] for n in range(17)}, {"x": [True, 1]}],
)  # fmt: skip
def test_profiles_out_of_range_are_refused(profiles: Any) -> None:
    with pytest.raises(MalformedError):
        parse_profiles(profiles, field="x")


def test_profiles_at_their_limits_are_taken() -> None:
    assert parse_profiles({"x" * 64: [32, 7300], "y": [1, 1]}, field="x") == {
        "x" * 64: (32, 7300),
        "y": (1, 1),
    }


@pytest.mark.parametrize(
    "value", [{}, {1: bytes(31)}, {1: bytes(33)}, {1: "x"}, {1: bytes(32), 2: 0}, [], None]
)
def test_an_accept_is_one_hash(value: Any) -> None:
    with pytest.raises(MalformedError):
        parse_accept(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text() | st.binary(),
        lambda x: st.lists(x) | st.dictionaries(st.integers(0, 11), x),
    )
)
def test_no_value_makes_the_parser_fail_otherwise(value: Any) -> None:
    assert code_of(value) in ("malformed", "unsupported", "ok")
    assert code_of({**body(), 5: value}) in ("malformed", "unsupported")


def test_origin_and_names_are_checked() -> None:
    assert code_of(body(k1=ORIGIN)) == "ok"
    assert code_of(body(k1="has space")) == "malformed"


@pytest.mark.parametrize("key", ["k3", "k4"])
def test_one_key_with_two_roles_is_refused(key: str) -> None:
    shared = format_cose_key(P256)
    board = [["a", shared], *governors("b", "c")]
    assert code_of(body(k3=shared, k4=shared)) == "malformed"
    assert code_of(body(k5=board, k6=2)) == "ok"
    assert code_of(body(**{key: shared}, k5=board, k6=2)) == "malformed"
