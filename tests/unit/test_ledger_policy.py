"""Policies: the whole syntax is read, one form is written, and quorums count what they should."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner
from ledger.core.note import Ed25519NoteSigner, format_vkey
from ledger.core.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness, format_policy, parse_policy
from ledger.errors import LedgerError, MalformedError


def seed(number: int) -> bytes:
    return number.to_bytes(32)


LOG_KEY = Ed25519NoteSigner("ledger.example/one", seed(1)).verifier_key
LOG_KEY_2 = MlDsa44Cosigner("ledger.example/one", seed(1)).verifier_key
WITNESS_KEYS = [Ed25519Cosigner(f"w{i}.example", seed(100 + i)).verifier_key for i in range(70)]
LOG = format_vkey(LOG_KEY)
W = [format_vkey(key) for key in WITNESS_KEYS]

TWO_LEVELS = f"""\
log {LOG} https://ledger.example/one/
witness X1 {W[0]}
witness X2 {W[1]} https://x2.example
witness X3 {W[2]}
witness Y1 {W[3]}
witness Y2 {W[4]}
group X 2 X1 X2 X3
group Y any Y1 Y2
group X-and-Y all X Y
quorum X-and-Y
"""


def test_the_two_level_policy_counts_as_it_says() -> None:
    policy = parse_policy(TWO_LEVELS)
    names = [witness.name for witness in policy.witnesses]
    for count in range(len(names) + 1):
        for chosen in combinations(names, count):
            x = sum(name.startswith("X") for name in chosen)
            y = sum(name.startswith("Y") for name in chosen)
            assert policy.satisfied(chosen) == (x >= 2 and y >= 1)


def test_names_of_groups_and_strangers_do_not_count() -> None:
    policy = parse_policy(TWO_LEVELS)
    assert not policy.satisfied(["X", "Y", "X-and-Y", "stranger"])


def test_keys_are_found_by_origin_and_by_local_name() -> None:
    text = TWO_LEVELS.replace("witness X1", f"log {format_vkey(LOG_KEY_2)}\nwitness X1", 1)
    policy = parse_policy(text)
    assert policy.log_keys("ledger.example/one") == (LOG_KEY, LOG_KEY_2)
    assert policy.log_keys("ledger.example/two") == ()
    assert policy.witness_keys()["X2"] == WITNESS_KEYS[1]
    assert policy.witnesses[1].url == "https://x2.example"


def test_the_quorum_time_is_the_latest_that_the_quorum_vouches_for() -> None:
    policy = parse_policy(TWO_LEVELS)
    times = {"X1": 50, "X2": 40, "X3": 10, "Y1": 20, "Y2": 45}
    assert policy.quorum_time(times) == 40
    assert policy.quorum_time({**times, "Y2": 15}) == 20
    assert policy.quorum_time({"X1": 50, "X2": 40}) is None
    assert policy.quorum_time({}) is None
    assert policy.quorum_time({**times, "stranger": 99}) == 40


@given(st.dictionaries(st.sampled_from(["X1", "X2", "X3", "Y1", "Y2"]), st.integers(0, 9)))
def test_the_quorum_time_agrees_with_its_definition(times: dict[str, int]) -> None:
    policy = parse_policy(TWO_LEVELS)
    met = [t for t in range(10) if policy.satisfied([name for name, time in times.items() if time >= t])]
    assert policy.quorum_time(times) == (max(met) if met else None)


def test_a_quorum_of_none_is_always_met_and_vouches_for_no_time() -> None:
    policy = parse_policy("quorum none\n")
    assert policy.satisfied([])
    assert policy.quorum_time({"X1": 5}) is None


def test_a_single_witness_can_be_the_quorum() -> None:
    policy = parse_policy(f"witness a {W[0]}\nwitness b {W[1]}\nquorum b\n")
    assert policy.satisfied(["b"])
    assert not policy.satisfied(["a"])
    assert policy.quorum_time({"a": 9, "b": 4}) == 4


def test_space_tabs_comments_and_order_do_not_matter() -> None:
    untidy = (
        f"\t# comment \u00e9\n\n  witness\t a   {W[0]}  \n \t\nlog\t{LOG}\n#quorum none\n"
        f"witness b {W[1]} \t https://b.example\ngroup g\tany a b \n quorum  g\t\n"
    )
    policy = parse_policy(untidy)
    assert format_policy(policy) == (
        f"log {LOG}\nwitness a {W[0]}\nwitness b {W[1]} https://b.example\ngroup g any a b\nquorum g\n"
    )
    assert parse_policy(untidy.encode()) == policy


def test_names_are_opaque_octets() -> None:
    data = b"witness \xff " + W[0].encode() + b"\nwitness \xe2\x84\xaa " + W[1].encode()
    policy = parse_policy(data + b"\nwitness K " + W[2].encode() + b"\nquorum \xe2\x84\xaa\n")
    assert len({witness.name for witness in policy.witnesses}) == 3
    assert not policy.satisfied(["K"])
    assert parse_policy(format_policy(policy)) == policy


@given(st.data())
def test_a_policy_survives_its_text(data: st.DataObject) -> None:
    count = data.draw(st.integers(0, 6))
    witnesses = tuple(PolicyWitness(f"w{i}", WITNESS_KEYS[i]) for i in range(count))
    free = [witness.name for witness in witnesses]
    groups: list[PolicyGroup] = []
    while free and len(groups) < 4 and data.draw(st.booleans()):
        members = data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        groups.append(PolicyGroup(f"g{len(groups)}", data.draw(st.integers(1, len(members))), tuple(members)))
        free = [*(name for name in free if name not in members), groups[-1].name]
    names = ["none", *(witness.name for witness in witnesses), *(group.name for group in groups)]
    logs = (PolicyLog(LOG_KEY, data.draw(st.sampled_from([None, "https://l.example/"]))),)
    policy = Policy(logs, witnesses, tuple(groups), data.draw(st.sampled_from(names)))
    assert parse_policy(format_policy(policy)) == policy


RENAMED = format_vkey(Ed25519Cosigner("renamed.example", seed(100)).verifier_key)
LOG_RENAMED = format_vkey(Ed25519NoteSigner("renamed.example", seed(1)).verifier_key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none",
        "quorum none\nquorum none\n",
        "quorum a\n",
        f"quorum a\nwitness a {W[0]}\n",
        "quorum\n",
        "quorum none none\n",
        "unknown line\nquorum none\n",
        "quorum none # not a comment\n",
        "log\nquorum none\n",
        f"log {LOG} url more\nquorum none\n",
        f"log {LOG}\nlog {LOG}\nquorum none\n",
        f"log {LOG}\nlog {LOG_RENAMED}\nquorum none\n",
        f"witness a {W[0]}\nwitness a {W[1]}\nquorum none\n",
        f"witness a {W[0]}\nwitness b {W[0]}\nquorum none\n",
        f"witness a {W[0]}\nwitness b {RENAMED}\nquorum none\n",
        f"witness none {W[0]}\nquorum none\n",
        f"witness a {W[0]} url more\nquorum none\n",
        "witness a\nquorum none\n",
        f"witness a {W[0]}\ngroup a any a\nquorum none\n",
        f"witness a {W[0]}\ngroup g any\nquorum none\n",
        f"witness a {W[0]}\ngroup g 0 a\nquorum none\n",
        f"witness a {W[0]}\ngroup g 2 a\nquorum none\n",
        f"witness a {W[0]}\ngroup g 01 a\nquorum none\n",
        f"witness a {W[0]}\ngroup g +1 a\nquorum none\n",
        f"witness a {W[0]}\ngroup g most a\nquorum none\n",
        f"witness a {W[0]}\ngroup g any a a\nquorum none\n",
        f"witness a {W[0]}\ngroup g any g\nquorum none\n",
        f"witness a {W[0]}\ngroup g any none\nquorum none\n",
        f"witness a {W[0]}\ngroup g any a\ngroup h any a\nquorum none\n",
        f"group g any a\nwitness a {W[0]}\nquorum none\n",
        f"witness a {W[0]}\ngroup none any a\nquorum none\n",
        "quorum none\r\n",
        "quorum\u00a0none\n",
        "quorum none\x7f\n",
        "quorum none\x00\n",
    ],
)
def test_a_policy_that_breaks_a_rule_is_malformed(text: str) -> None:
    with pytest.raises(MalformedError, match="malformed"):
        parse_policy(text)


def test_keys_that_do_not_fit_their_role_are_unsupported() -> None:
    for text in (f"log {W[0]}\nquorum none\n", f"witness a {LOG}\nquorum none\n"):
        with pytest.raises(MalformedError, match="unsupported"):
            parse_policy(text)


def witness_lines(count: int) -> str:
    return "".join(f"witness w{i} {W[i]}\n" for i in range(count))


def log_lines(count: int) -> str:
    keys = [Ed25519NoteSigner(f"l{i}.example", seed(300 + i)).verifier_key for i in range(count)]
    return "".join(f"log {format_vkey(key)}\n" for key in keys)


def group_lines(count: int) -> str:
    return f"witness w {W[0]}\ngroup g0 any w\n" + "".join(
        f"group g{i} any g{i - 1}\n" for i in range(1, count)
    )


@pytest.mark.parametrize("lines", [witness_lines, log_lines, group_lines])
def test_the_limits_hold_and_leave_room_for_what_the_specification_asks(lines: Callable[[int], str]) -> None:
    for count in (32, 64):
        policy = parse_policy(lines(count) + "quorum none\n")
        assert max(len(policy.logs), len(policy.witnesses), len(policy.groups)) == count
    with pytest.raises(MalformedError, match="too_large"):
        parse_policy(lines(65) + "quorum none\n")


def test_a_long_chain_of_groups_is_settled_in_one_pass() -> None:
    policy = parse_policy(group_lines(64) + "quorum g63\n")
    assert policy.satisfied(["w"])
    assert not policy.satisfied([])


def test_an_overlong_policy_is_too_large() -> None:
    with pytest.raises(MalformedError, match="too_large"):
        parse_policy("#" * (512 * 1024) + "\nquorum none\n")


@pytest.mark.parametrize(
    "policy",
    [
        Policy((PolicyLog(LOG_KEY, "a b"),), (), (), "none"),
        Policy((PolicyLog(LOG_KEY, ""),), (), (), "none"),
        Policy((), (PolicyWitness("a b", WITNESS_KEYS[0]),), (), "none"),
        Policy((), (PolicyWitness("a\nquorum none", WITNESS_KEYS[0]),), (), "a"),
        Policy((), (), (), "missing"),
        Policy((), (PolicyWitness("a", WITNESS_KEYS[0]),), (PolicyGroup("g", 2, ("a",)),), "g"),
    ],
)
def test_values_that_make_no_policy_are_not_formatted(policy: Policy) -> None:
    with pytest.raises(MalformedError):
        format_policy(policy)


@given(
    st.lists(
        st.sampled_from(
            ["log", "witness", "group", "quorum", "none", "any", "2", "a", "g", "\n", "#", W[0], LOG]
        )
    )
)
def test_any_words_give_a_policy_or_a_named_error(words: list[str]) -> None:
    try:
        policy = parse_policy(" ".join(words) + "\n")
    except LedgerError:
        return
    assert parse_policy(format_policy(policy)) == policy


@given(st.binary(max_size=80))
def test_noise_is_refused_with_a_named_error(data: bytes) -> None:
    with pytest.raises(LedgerError):
        parse_policy(data)
