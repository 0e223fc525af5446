"""Evidence: each kind is made from a ledger that really misbehaves, and never from one that does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.core import cbor
from ledger.core.actions import Action, DistrustKey, Suspend
from ledger.core.calendar_days import DAY_S
from ledger.core.chain import chain_start, extend_chain
from ledger.core.checkpoint import Checkpoint, sign_checkpoint
from ledger.core.cosignature import MlDsa44Cosigner
from ledger.core.evidence import Finding, check_evidence
from ledger.core.evidence.bodies import (
    KINDS,
    BrokenChain,
    BrokenRule,
    Fork,
    OmittedAction,
    SavedBasis,
    TamperedEntry,
    WrongRoot,
)
from ledger.core.evidence.form import Evidence, ShownAction, ShownTerms, format_evidence, parse_evidence
from ledger.core.evidence.heads import prove_fork, prove_tampered_entry
from ledger.core.evidence.omissions import prove_omitted_action
from ledger.core.evidence.rules import (
    find_violation,
    prove_broken_rule,
    prove_broken_rule_of_state,
    replay_basis,
)
from ledger.core.evidence.spans import prove_broken_chain, prove_wrong_root, show_span
from ledger.core.ledger_verbs import SetLogKeys
from ledger.core.merkle import leaf_hash, prove_consistency, root_hash
from ledger.core.note import Ed25519NoteSigner
from ledger.core.pin import Pin
from ledger.core.registry.governance import action_digest, govern_next, govern_start
from ledger.core.registry.saved import format_state
from ledger.core.statement import PADDING, parse_statement, sign_statement
from ledger.errors import CodedError, ForkAlarm, MalformedError, VerificationError
from ledger.evidence_words import PROVEN, describe_finding
from tests.support.ledgers import TinyLedger, seed, signer
from tests.support.misbehaviour import LyingLedger, nodes

WITNESSES = ("witness-1.example", "witness-2.example")


def grown() -> LyingLedger:
    """A ledger of a few epochs, whose keys of all kinds have changed once on the way."""
    ledger = LyingLedger()
    civil = ledger.admit()
    ledger.issue(civil)
    ledger.close_epoch()
    ledger.rotate("log-keys", "service-keys", "governors", "witness-policy")
    for _ in range(2):
        ledger.issue(civil)
        ledger.close_epoch()
    return ledger


def young() -> LyingLedger:
    """A ledger of a few epochs with the keys of its charter."""
    ledger = LyingLedger()
    civil = ledger.admit()
    for _ in range(2):
        ledger.issue(civil)
        ledger.close_epoch()
    return ledger


# -- each kind, made from a ledger that misbehaves -------------------------------------------------------


def fork_of_one_size(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    lie = ledger.head(root=bytes(32), witnesses=1)
    size = ledger.tree_size
    return prove_fork(ledger.terms(), ledger.head(), size, lie, size, ledger.node()), ledger.pin


def fork_of_two_sizes(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    size, other = ledger.tree_size, ledger.ends[-2]
    lie = ledger.head(size=other, root=bytes(32))
    return prove_fork(ledger.terms(), ledger.head(), size, lie, other, ledger.node()), ledger.pin


def tampered_entry(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    index = ledger.ends[1]
    served = ledger.entries[index][:-1]
    size = ledger.tree_size
    return prove_tampered_entry(ledger.terms(), ledger.head(), size, index, served, ledger.node()), ledger.pin


def broken_chain(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.lie_in_seal(chain=bytes(32))
    first, size = ledger.ends[-2], ledger.tree_size
    span = show_span(first, ledger.leaves[first:], ledger.entries.__getitem__, ledger.node())
    evidence = prove_broken_chain(
        ledger.terms(), ledger.head(), size, span, ledger.entries[-1], ledger.node()
    )
    return evidence, ledger.pin


def broken_chain_below_the_head(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.lie_in_seal(chain=bytes(32))
    first, end = ledger.ends[-2], ledger.tree_size
    ledger.issue(next(iter(ledger.issuers.values())))
    ledger.close_epoch()
    span = show_span(first, ledger.leaves[first:end], ledger.entries.__getitem__, ledger.node())
    seal = ledger.entries[end - 1]
    size = ledger.tree_size
    return prove_broken_chain(ledger.terms(), ledger.head(), size, span, seal, ledger.node()), ledger.pin


def wrong_root(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    first = ledger.ends[-2]
    span = show_span(first, ledger.leaves[first:], ledger.entries.__getitem__, ledger.node())
    lie = ledger.head(root=bytes(32))
    return prove_wrong_root(ledger.terms(), lie, span, ledger.heads[first]), ledger.pin


def wrong_root_of_all(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    span = show_span(0, ledger.leaves, ledger.entries.__getitem__, ledger.node())
    return prove_wrong_root(ledger.terms(), ledger.head(root=bytes(32)), span, ""), ledger.pin


def lying_seal(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.lie_in_seal(registry_digest=bytes(32))
    return broken_rule(ledger)


def broken_rule(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    """Show the last epoch under its own head, with keys from before it."""
    first, size = ledger.ends[-2], ledger.tree_size
    basis, entries = ledger.entries[:first], ledger.entries[first:]
    evidence = prove_broken_rule(ledger.terms(first), ledger.head(), size, basis, entries, ledger.node())
    return evidence, ledger.pin


def of_state(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    """Show the last epoch against the state that the seal before it vouches for."""
    first, size = ledger.ends[-2], ledger.tree_size
    state = replay_basis(ledger.entries[:first], ledger.origin)
    seal, entries = ledger.entries[first - 1], ledger.entries[first:]
    terms = ledger.terms(first)
    evidence = prove_broken_rule_of_state(terms, ledger.head(), size, state, seal, entries, ledger.node())
    return evidence, ledger.pin


def lying_seal_of_state(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.lie_in_seal(status_digest=bytes(32))
    return of_state(ledger)


def second_registration_of_state(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    second_registration(ledger)
    return of_state(ledger)


def second_registration(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    entries = ledger.entries
    card = next(place for place in range(ledger.ends[-2], len(entries)) if entries[place] != PADDING)
    again = next(entry for entry in entries[16:] if entry != PADDING and kind_of(entry) == "credential")
    assert kind_of(entries[card]) == "credential"
    ledger.seal_again([again, *[PADDING] * 14])
    return broken_rule(ledger)


def rule_below_the_head(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.lie_in_seal(status_digest=bytes(32))
    first, end = ledger.ends[-2], ledger.tree_size
    ledger.issue(next(iter(ledger.issuers.values())))
    ledger.close_epoch()
    basis, entries, size = ledger.entries[:first], ledger.entries[first:end], ledger.tree_size
    evidence = prove_broken_rule(ledger.terms(), ledger.head(), size, basis, entries, ledger.node())
    return evidence, ledger.pin


def too_much_padding(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    entries = ledger.entries[ledger.ends[-2] : -1]
    ledger.seal_again([*entries, *[PADDING] * 16])
    return broken_rule(ledger)


def stray_bytes(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.seal_again([b"not a statement", *[PADDING] * 14])
    return broken_rule(ledger)


def no_seal(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.put([*ledger.entries[ledger.ends[-2] : -1], PADDING])
    return broken_rule(ledger)


def omitted_action(ledger: LyingLedger) -> tuple[Evidence, Pin]:
    ledger.act("civil-1", Suspend())
    effects = list(ledger.registry.effects)
    suspended = effects.pop()
    before = parse_statement(ledger.entries[ledger.ends[-2] - 1]).body.govern_head
    ledger.lie_in_seal(govern_head=before)
    terms = ledger.terms(effects=effects)
    evidence = prove_omitted_action(
        terms,
        ledger.head(),
        ledger.tree_size,
        suspended.approvals,
        ledger.entries.__getitem__,
        ledger.node(),
    )
    return evidence, ledger.pin


Maker = Callable[[LyingLedger], tuple[Evidence, Pin]]
CASES: dict[str, tuple[Maker, str, str, str, str]] = {
    "fork of one size": (fork_of_one_size, "fork", "operator", "fork", "root"),
    "fork of two sizes": (fork_of_two_sizes, "fork", "operator", "fork", "root"),
    "tampered entry": (tampered_entry, "tampered_entry", "copy", "bad_entry", "entry"),
    "broken chain": (broken_chain, "broken_chain", "operator", "bad_seal", "chain"),
    "broken chain below the head": (broken_chain_below_the_head, "broken_chain", "operator", "bad_seal", "chain"),
    "wrong root": (wrong_root, "wrong_root", "operator", "bad_checkpoint", "root"),
    "wrong root of all": (wrong_root_of_all, "wrong_root", "operator", "bad_checkpoint", "root"),
    "lying seal": (lying_seal, "broken_rule", "operator", "bad_seal", "registry_digest"),
    "a place taken twice": (second_registration, "broken_rule", "operator", "bad_rule", "claims.status.idx"),
    "lying seal of a state": (lying_seal_of_state, "broken_rule", "operator", "bad_seal", "status_digest"),
    "taken twice in a state": (
        second_registration_of_state, "broken_rule", "operator", "bad_rule", "claims.status.idx",
    ),
    "rule below the head": (rule_below_the_head, "broken_rule", "operator", "bad_seal", "status_digest"),
    "too much padding": (too_much_padding, "broken_rule", "operator", "bad_epoch", ""),
    "stray bytes": (stray_bytes, "broken_rule", "operator", "bad_entry", "cose_sign1"),
    "no seal": (no_seal, "broken_rule", "operator", "bad_epoch", ""),
    "omitted action": (omitted_action, "omitted_action", "operator", "bad_seal", "govern_head"),
}  # fmt: skip


def kind_of(entry: bytes) -> str:
    return parse_statement(entry).kind


def proven(evidence: Evidence, pin: Pin) -> Finding:
    return check_evidence(format_evidence(evidence), pin)


def refused(evidence: Evidence, pin: Pin) -> str:
    with pytest.raises(VerificationError) as refusal:
        proven(evidence, pin)
    assert refusal.value.code == "not_proven"
    return refusal.value.field


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Evidence, Pin]]:
    return {name: case[0](young()) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("ledger", [young, grown], ids=["young", "grown"])
def test_each_kind_holds_and_says_against_whom(name: str, ledger: Callable[[], LyingLedger]) -> None:
    make, kind, against, code, field = CASES[name]
    evidence, pin = make(ledger())
    finding = proven(evidence, pin)
    assert (finding.kind, finding.against, finding.code) == (kind, against, code)
    assert finding.field == field
    assert parse_evidence(format_evidence(evidence)) == evidence
    lines = describe_finding(finding)
    assert PROVEN[kind] in lines
    assert any(
        line.startswith(f"Against: the {against}" if against == "operator" else "Against: a copy")
        for line in lines
    )


@pytest.mark.parametrize("name", CASES)
def test_evidence_of_one_ledger_proves_nothing_of_another(
    made: dict[str, tuple[Evidence, Pin]], name: str
) -> None:
    evidence, pin = made[name]
    assert refused(evidence, replace(pin, charter_hash=bytes(32))) == "charter"
    assert refused(evidence, replace(pin, origin="ledger.example/other")) == "charter"


@pytest.mark.parametrize("name", CASES)
def test_a_changed_bit_anywhere_leaves_no_evidence(made: dict[str, tuple[Evidence, Pin]], name: str) -> None:
    evidence, pin = made[name]
    data = format_evidence(evidence)
    # Nobody vouches for what a copy served: any other bytes are not the entry either.
    free = range(0)
    if name == "tampered entry":
        assert isinstance(evidence.body, TamperedEntry)
        served = evidence.body.served
        free = range(data.index(served), data.index(served) + len(served))
    for bit in range(0, len(data) * 8, max(1, len(data) * 8 // 150)):
        if bit // 8 in free:
            continue
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises((MalformedError, VerificationError)):
            check_evidence(bytes(changed), pin)


@pytest.mark.parametrize("name", CASES)
def test_cut_evidence_is_malformed(made: dict[str, tuple[Evidence, Pin]], name: str) -> None:
    data = format_evidence(made[name][0])
    for size in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(MalformedError):
            check_evidence(data[:size], made[name][1])
    with pytest.raises(MalformedError):
        check_evidence(data + b"\x00", made[name][1])


def test_every_kind_has_a_case_and_words() -> None:
    assert {case[1] for case in CASES.values()} == set(KINDS) == set(PROVEN)


def test_the_witnesses_of_both_heads_are_named() -> None:
    evidence, pin = fork_of_one_size(young())
    assert proven(evidence, pin).witnesses == WITNESSES[:1]
    evidence, pin = fork_of_two_sizes(young())
    assert proven(evidence, pin).witnesses == WITNESSES


# -- the form ---------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"\xa0")
def test_any_bytes_are_evidence_or_malformed(data: bytes) -> None:
    try:
        evidence = parse_evidence(data)
    except MalformedError:
        return
    assert format_evidence(evidence) == data


_ITEM = st.recursive(
    st.one_of(st.integers(0, 70), st.binary(max_size=64), st.text(max_size=8), st.none()),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(0, 9), inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(KINDS)), st.dictionaries(st.integers(1, 6), _ITEM, max_size=6))
def test_any_body_is_evidence_or_malformed(kind: str, body: dict[int, Any]) -> None:
    data = cbor.encode({1: 1, 2: kind, 3: b"charter", 4: [], 5: [], 6: "note", 7: body})
    try:
        evidence = parse_evidence(data)
    except MalformedError:
        return
    assert format_evidence(evidence) == data


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({1: 2}, "unsupported"),
        ({1: True}, "unsupported"),
        ({2: "another"}, "unsupported"),
        ({2: 1}, "unsupported"),
        ({3: b""}, "malformed"),
        ({3: bytes(65_536)}, "too_large"),
        ({4: [[1, []]]}, "malformed"),
        ({4: [[1, [b"b", b"a"]]]}, "malformed"),
        ({4: [[1, [b"a", b"a"]]]}, "malformed"),
        ({4: [[2, [b"a"]], [2, [b"a"]]]}, "malformed"),
        ({4: [[0, [b"a"]]]}, "malformed"),
        ({6: "x" * 65_537}, "too_large"),
        ({7: {1: "note", 2: bytes(32)}}, "malformed"),
        ({7: {1: "note", 2: bytes(31), 3: b""}}, "malformed"),
        ({7: {1: "note", 2: bytes(32), 3: bytes(33)}}, "malformed"),
        ({8: 0}, "malformed"),
    ],
)
def test_any_other_form_is_refused(change: dict[int, Any], code: str) -> None:
    good = {1: 1, 2: "fork", 3: b"charter", 4: [], 5: [], 6: "note", 7: {1: "note"}}
    assert parse_evidence(cbor.encode(good)) == Evidence(ShownTerms(b"charter", (), ()), "note", Fork("note"))
    with pytest.raises(MalformedError) as refusal:
        parse_evidence(cbor.encode({**good, **change}))
    assert refusal.value.code == code


# -- an honest ledger cannot be accused -------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest() -> LyingLedger:
    return grown()


def test_two_heads_that_agree_are_no_fork(honest: LyingLedger) -> None:
    size = honest.tree_size
    for other in honest.ends:
        evidence = prove_fork(
            honest.terms(), honest.heads[size], size, honest.heads[other], other, honest.node()
        )
        # The one head under keys that this very epoch replaces is no evidence of anything.
        is_bridge = any(honest.seal_of(effect.index) == other - 1 for effect in honest.registry.effects[1:])
        assert refused(evidence, honest.pin) == ("seals" if is_bridge else "other")


def test_a_prefix_that_is_not_the_prefix_is_no_fork(honest: LyingLedger) -> None:
    size, other = honest.tree_size, honest.ends[-2]
    evidence = prove_fork(honest.terms(), honest.heads[size], size, honest.heads[other], other, honest.node())
    assert isinstance(evidence.body, Fork)
    for body in (
        replace(evidence.body, prefix_root=bytes(32)),
        replace(evidence.body, path=bytes(len(evidence.body.path))),
        replace(evidence.body, path=evidence.body.path[32:]),
        replace(evidence.body, path=evidence.body.path + bytes(32)),
        Fork(honest.heads[other]),
    ):
        assert refused(replace(evidence, body=body), honest.pin) in ("path", "other")
    larger = replace(evidence, head=honest.heads[other], body=Fork(honest.heads[size]))
    assert refused(larger, honest.pin) == "other"


def stranger_head(ledger: TinyLedger, size: int) -> str:
    keys = (Ed25519NoteSigner(ledger.origin, seed("x")), MlDsa44Cosigner(ledger.origin, seed("y")))
    return sign_checkpoint(Checkpoint(ledger.origin, size, bytes(32)), keys, ledger.now_s)


def test_a_stranger_signs_no_fork(honest: LyingLedger) -> None:
    size = honest.tree_size
    lie = stranger_head(honest, size)
    terms = honest.terms()
    for head, other in ((honest.heads[size], lie), (lie, honest.heads[size]), (lie, lie)):
        assert refused(prove_fork(terms, head, size, other, size, honest.node()), honest.pin) == "note"


def test_retired_log_keys_accuse_nobody_of_a_later_head(honest: LyingLedger) -> None:
    """Whoever stole the keys that the governors replaced cannot sign against the operator of now."""
    size = honest.tree_size
    stolen = honest._log[honest.charter.log_keys[0]]
    for at in (size, honest.ends[-2]):
        lie = sign_checkpoint(Checkpoint(honest.origin, at, bytes(32)), stolen, honest.now_s)
        evidence = prove_fork(honest.terms(), honest.heads[size], size, lie, at, honest.node())
        assert refused(evidence, honest.pin) == "note"
    # Without the action that replaced them nothing is shown up to a head of this size.
    lie = sign_checkpoint(Checkpoint(honest.origin, size, bytes(32)), stolen, honest.now_s)
    for short in (ShownTerms(honest.entries[0], (), ()), honest.terms(honest.ends[2])):
        assert refused(prove_fork(short, lie, size, lie, size, honest.node()), honest.pin) == "seals"


def test_an_action_left_out_is_seen_by_the_seal(honest: LyingLedger) -> None:
    terms, size = honest.terms(), honest.tree_size
    lie = fork_of_one_size(young())[0].body
    for at in range(len(terms.actions)):
        kept = (*terms.actions[:at], *terms.actions[at + 1 :])
        evidence = Evidence(replace(terms, actions=kept), honest.heads[size], lie)
        refused(evidence, honest.pin)


def test_governors_alone_cannot_lay_other_keys_under_an_operator() -> None:
    """Governors approve keys of a stranger, and a stranger signs with them: no seal of the ledger says so."""
    ledger = young()
    size, action_index = ledger.tree_size, ledger.tree_size + 1
    ledger._round = 9
    verbs = (ledger.verb("log-keys"), ledger.verb("service-keys"))
    action = Action(ledger.origin, 0, ledger.now_s + DAY_S, verbs)
    approvals = sorted(
        sign_statement("govern", name, ledger.origin, action, ledger.governors[name])
        for name in list(ledger.governors)[:3]
    )
    stolen = signer("service 9")
    seal = replace(parse_statement(ledger.entries[-1]).body, index=size + 15, govern_head=bytes(32))
    forged = sign_statement("seal", ledger.origin, ledger.origin, seal, stolen)
    keys = (Ed25519NoteSigner(ledger.origin, seed("log 9")), MlDsa44Cosigner(ledger.origin, seed("log pq 9")))
    lies = [
        sign_checkpoint(Checkpoint(ledger.origin, size + 16, root), keys, ledger.now_s)
        for root in (bytes(32), b"1" * 32)
    ]
    terms = ledger.terms()
    shown = ShownAction(action_index, tuple(approvals))
    for seals in ((forged,), (*terms.seals, forged), (forged, forged)):
        framed = ShownTerms(terms.charter, (*terms.actions, shown), seals)
        evidence = prove_fork(framed, lies[0], size + 16, lies[1], size + 16, ledger.node())
        assert refused(evidence, ledger.pin) == "seals"
    # Not even where the action is on the ledger and its last seal is another's.
    evidence = prove_fork(
        ShownTerms(terms.charter, terms.actions, (forged,)),
        lies[0],
        size + 16,
        lies[1],
        size + 16,
        ledger.node(),
    )
    assert refused(evidence, ledger.pin) == "seals"


def test_the_true_entry_is_no_tampered_entry(honest: LyingLedger) -> None:
    size, node = honest.tree_size, honest.node()
    for index in range(0, size, 5):
        evidence = prove_tampered_entry(
            honest.terms(), honest.heads[size], size, index, honest.entries[index], node
        )
        assert refused(evidence, honest.pin) == "served"
    other = prove_tampered_entry(honest.terms(), honest.heads[size], size, 3, b"x", node)
    assert isinstance(other.body, TamperedEntry)
    for body in (replace(other.body, leaf=bytes(32)), replace(other.body, index=4)):
        assert refused(replace(other, body=body), honest.pin) == "path"


def test_an_honest_chain_is_no_broken_chain(honest: LyingLedger) -> None:
    size, terms = honest.tree_size, honest.terms()
    for at, first in enumerate([0, *honest.ends[:-1]]):
        for end in honest.ends[at:]:
            span = show_span(first, honest.leaves[first:end], honest.entries.__getitem__, honest.node())
            seal = honest.entries[end - 1]
            evidence = prove_broken_chain(terms, honest.heads[size], size, span, seal, honest.node())
            assert refused(evidence, honest.pin) == "seal"
            wrong = replace(span, leaves=bytes(32) + span.leaves[32:])
            assert isinstance(evidence.body, BrokenChain)
            assert refused(replace(evidence, body=replace(evidence.body, span=wrong)), honest.pin)


def test_wrong_leaves_are_no_broken_chain(honest: LyingLedger) -> None:
    size, first = honest.tree_size, honest.ends[-2]
    head, terms, node = honest.heads[size], honest.terms(), honest.node()
    span = show_span(first, honest.leaves[first:], honest.entries.__getitem__, node)
    for wrong in (
        replace(span, leaves=span.leaves[32:]),
        replace(span, leaves=span.leaves[:-64] + bytes(32) + span.leaves[-32:]),
        replace(span, peaks=bytes(len(span.peaks))),
        replace(span, peaks=b""),
        replace(span, seal_path=bytes(len(span.seal_path))),
        replace(span, seal_before=honest.entries[honest.ends[0] - 1]),
        replace(span, first=0, seal_before=b""),
        replace(span, first=first - 16),
    ):
        try:
            evidence = prove_broken_chain(terms, head, size, wrong, honest.entries[-1], node)
            refused(evidence, honest.pin)
        except CodedError as error:
            assert error.code == "malformed"


def test_a_true_root_is_no_wrong_root(honest: LyingLedger) -> None:
    node = honest.node()
    for at in range(2, len(honest.ends)):
        first, size = honest.ends[at - 1], honest.ends[at]
        span = show_span(first, honest.leaves[first:size], honest.entries.__getitem__, node)
        evidence = prove_wrong_root(honest.terms(size), honest.heads[size], span, honest.heads[first])
        refused(evidence, honest.pin)
        garbage = replace(span, leaves=bytes(len(span.leaves) - 32) + span.leaves[-32:])
        refused(replace(evidence, body=WrongRoot(garbage, honest.heads[first])), honest.pin)
    size = honest.tree_size
    stolen = honest._log[honest.charter.log_keys[0]]
    lie = sign_checkpoint(Checkpoint(honest.origin, size, bytes(32)), stolen, honest.now_s)
    span = show_span(0, honest.leaves, honest.entries.__getitem__, node)
    assert refused(prove_wrong_root(honest.terms(), lie, span, ""), honest.pin) == "note"


def accused_epoch(ledger: LyingLedger, first: int, end: int, size: int, *, terms: ShownTerms) -> Evidence:
    """Say that [first, end) is an epoch that breaks the first rule that a replay of it finds."""
    basis, entries = ledger.entries[:first], ledger.entries[first:end]
    try:
        alarm = find_violation(replay_basis(basis, ledger.origin), entries)
    except ForkAlarm as before:
        alarm = before
    found = ("bad_rule", first, "rule") if alarm is None else (alarm.code, alarm.index or 0, alarm.field)
    path = b""
    if end < size:
        path = b"".join(prove_consistency(end, size, ledger.node()))
    body = BrokenRule(tuple(basis), tuple(entries), path, *found)
    return Evidence(terms, ledger.heads[size], body)


def test_no_epoch_of_an_honest_ledger_breaks_a_rule(honest: LyingLedger) -> None:
    """Neither whole epochs, nor parts, nor several that are called one."""
    size = honest.tree_size
    for first in (0, *honest.ends[:-1], 8, honest.ends[1] + 1):
        for end in (first + 1, *honest.ends, honest.ends[-1] - 1, honest.ends[2] + 3):
            if first < end <= size:
                refused(accused_epoch(honest, first, end, size, terms=honest.terms()), honest.pin)
    for first, end in zip(honest.ends, honest.ends[1:], strict=False):
        for terms in (honest.terms(first), honest.terms(end)):
            refused(accused_epoch(honest, first, end, end, terms=terms), honest.pin)


def test_no_state_but_the_sealed_one_is_a_basis(honest: LyingLedger) -> None:
    """States of other times, of other ledgers and changed ones never make an honest epoch break a rule."""
    states = [
        format_state(registry)
        for first in honest.ends[:-1]
        if (registry := replay_basis(honest.entries[:first], honest.origin).registry)
    ]
    other = replay_basis(young().entries[: honest.ends[1]], honest.origin).registry
    assert other is not None
    for at, (first, end) in enumerate(zip(honest.ends, honest.ends[1:], strict=False)):
        entries = tuple(honest.entries[first:end])
        span = show_span(first, (), honest.entries.__getitem__, honest.node())
        for saved in (*states, format_state(other), flipped(states[at], 40), flipped(states[at], -40)):
            for found in (("bad_rule", first, "claims.status.idx"), ("bad_seal", end - 1, "registry_digest")):
                body = BrokenRule(SavedBasis(span, saved), entries, b"", *found)
                evidence = Evidence(honest.terms(first), honest.heads[end], body)
                refused(evidence, honest.pin)


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def test_waiting_approvals_are_no_omitted_action() -> None:
    """An action that lacks approvals is in the tree and not in the seal: that is no fault."""
    ledger = young()
    size_before = ledger.tree_size
    ledger.act("civil-1", Suspend(), approvals=2)
    size = ledger.tree_size
    indexes = [size_before, size_before + 1]
    evidence = prove_omitted_action(
        ledger.terms(), ledger.head(), size, indexes, ledger.entries.__getitem__, ledger.node()
    )
    assert refused(evidence, ledger.pin) == "approvals"


def test_a_distrust_that_waits_for_more_governors_is_no_omitted_action() -> None:
    ledger = young()
    for _ in range(3):  # the running clock hour moves on, so that the first index lies deep
        ledger.issue(ledger.issuers["civil-1"])
        ledger.close_epoch(after_s=31 * DAY_S)
    kid = ledger.issuers["civil-1"].signer.public_key.kid
    before = len(ledger.registry.effects)
    start = ledger.tree_size
    ledger.act("civil-1", DistrustKey(kid, 0), approvals=3)
    assert len(ledger.registry.effects) == before
    evidence = prove_omitted_action(
        ledger.terms(),
        ledger.head(),
        ledger.tree_size,
        [start, start + 1, start + 2],
        ledger.entries.__getitem__,
        ledger.node(),
    )
    assert refused(evidence, ledger.pin) == "approvals"


def test_effective_actions_are_no_omitted_action(honest: LyingLedger) -> None:
    size = honest.tree_size
    for effect in honest.registry.effects:
        evidence = prove_omitted_action(
            honest.terms(),
            honest.heads[size],
            size,
            sorted(effect.approvals),
            honest.entries.__getitem__,
            honest.node(),
        )
        refused(evidence, honest.pin)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mixture_of_honest_parts_accuses_the_operator(honest: LyingLedger, data: st.DataObject) -> None:
    """Parts of an honest ledger, put together as anybody likes."""
    pick = data.draw
    ends = st.sampled_from([0, *honest.ends])
    places = st.integers(0, honest.tree_size - 1)
    size, other = pick(st.sampled_from(honest.ends)), pick(st.sampled_from(honest.ends))
    first, end = sorted((pick(ends), pick(ends)))
    terms, entries = honest.terms(pick(ends)), honest.entries
    node = honest.node()
    kind = pick(st.sampled_from(["fork", "broken_chain", "wrong_root", "broken_rule", "omitted_action"]))
    try:
        match kind:
            case "fork":
                evidence = prove_fork(terms, honest.heads[size], size, honest.heads[other], other, node)
            case "broken_chain":
                span = show_span(first, honest.leaves[first:end], entries.__getitem__, node)
                evidence = prove_broken_chain(
                    terms, honest.heads[size], size, span, entries[pick(places)], node
                )
            case "wrong_root":
                span = show_span(first, honest.leaves[first:end], entries.__getitem__, node)
                earlier = honest.heads.get(first, "")
                evidence = prove_wrong_root(terms, honest.heads[size], span, earlier)
            case "broken_rule":
                evidence = accused_epoch(honest, first, max(end, first + 1), size, terms=terms)
            case _:
                indexes = sorted(pick(st.sets(places, min_size=1, max_size=3)))
                evidence = prove_omitted_action(
                    terms, honest.heads[size], size, indexes, entries.__getitem__, node
                )
        made = format_evidence(evidence)
    except (CodedError, ValueError, AssertionError, IndexError):
        return
    with pytest.raises((MalformedError, VerificationError)):
        check_evidence(made, honest.pin)


def test_the_parts_of_the_tests_are_those_of_the_tree(honest: LyingLedger) -> None:
    """The reader of nodes that these tests use gives the root that the ledger signs."""
    assert nodes(honest.leaves)(4, 0) == root_hash(honest.leaves[:16])


# -- what would accuse an honest operator if a check were missing ---------------------------------------------


def test_the_action_that_retired_stolen_log_keys_cannot_be_left_out() -> None:
    ledger = young()
    stolen = ledger.log_signers
    ledger.rotate("log-keys")
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    size, terms = ledger.tree_size, ledger.terms()
    lies = [
        sign_checkpoint(Checkpoint(ledger.origin, size, root), stolen, ledger.now_s)
        for root in (bytes(32), b"1" * 32)
    ]
    hidden = replace(terms, actions=terms.actions[:-1])
    evidence = prove_fork(hidden, lies[0], size, lies[1], size, ledger.node())
    assert refused(evidence, ledger.pin) == "seals"
    assert refused(replace(evidence, terms=terms), ledger.pin) == "note"


def test_a_path_from_a_made_up_prefix_leads_to_no_head() -> None:
    ledger = young()
    size = ledger.tree_size
    assert size == 64
    for other in (16, 32):
        path = b"".join(prove_consistency(other, size, ledger.node()))
        evidence = Evidence(
            ledger.terms(), ledger.heads[size], Fork(ledger.heads[other], b"made up" + bytes(25), path)
        )
        assert refused(evidence, ledger.pin) == "path"


def test_a_seal_that_is_not_in_the_tree_breaks_no_chain() -> None:
    ledger = young()
    first, size = ledger.ends[-2], ledger.tree_size
    span = show_span(first, ledger.leaves[first:], ledger.entries.__getitem__, ledger.node())
    elsewhere = ledger.other_seal(chain=bytes(32))
    evidence = prove_broken_chain(ledger.terms(), ledger.head(), size, span, elsewhere, ledger.node())
    assert refused(evidence, ledger.pin) == "seal"


def test_made_up_peaks_under_an_honest_seal_give_no_wrong_root() -> None:
    ledger = young()
    first, size = 32, ledger.tree_size
    assert first in ledger.ends
    made_up = [*[bytes(32)] * 31, ledger.leaves[31]]
    leaves = ledger.leaves[first:]
    span = show_span(first, leaves, ledger.entries.__getitem__, nodes(made_up))
    evidence = prove_wrong_root(ledger.terms(), ledger.heads[size], span, ledger.heads[first])
    assert refused(evidence, ledger.pin) == "peaks"


def test_terms_that_end_with_the_basis_end_with_its_seal() -> None:
    ledger = young()
    evidence, pin = lying_seal(ledger)
    before = parse_statement(ledger.entries[ledger.ends[-2] - 1]).body
    other = sign_statement(
        "seal", ledger.origin, ledger.origin, replace(before, chain=bytes(32)), ledger.service
    )
    terms = replace(evidence.terms, seals=(*evidence.terms.seals[:-1], other))
    assert refused(replace(evidence, terms=terms), pin) == "seals"


def test_terms_that_end_with_the_basis_know_no_later_head() -> None:
    ledger = young()
    evidence, pin = rule_below_the_head(ledger)
    assert isinstance(evidence.body, BrokenRule)
    short = ledger.terms(len(evidence.body.basis))
    assert refused(replace(evidence, terms=short), pin) == "seals"


def test_entries_under_another_charter_are_no_basis() -> None:
    ledger, other = young(), LyingLedger(quorum=1)
    other.admit()
    other.lie_in_seal(status_digest=bytes(32))
    accused, _ = broken_rule(other)
    assert other.log_signers[0].verifier_key == ledger.log_signers[0].verifier_key
    evidence = replace(accused, terms=ledger.terms())
    assert refused(evidence, ledger.pin) == "basis"


def test_an_approval_that_is_not_in_the_tree_makes_no_action() -> None:
    ledger = young()
    evidence, pin = omitted_action(ledger)
    body = evidence.body
    assert isinstance(body, OmittedAction)
    moved = tuple(replace(placed, path=bytes(len(placed.path))) for placed in body.approvals)
    assert refused(replace(evidence, body=replace(body, approvals=moved)), pin) == "path"


def test_governors_make_no_head_of_the_epoch_that_gave_their_keys_to_the_ledger() -> None:
    """The ledger sealed an action for keys that it does not have: whoever has them signs no head of that epoch."""
    ledger = young()
    ledger._round = 9
    ledger.decide(verb := ledger.verb("log-keys"))
    assert isinstance(verb, SetLogKeys)
    theirs, size = ledger._log[verb.log_keys[0]], ledger.tree_size
    lies = [
        sign_checkpoint(Checkpoint(ledger.origin, size, root), theirs, ledger.now_s)
        for root in (bytes(32), b"1" * 32)
    ]
    evidence = prove_fork(ledger.terms(), lies[0], size, lies[1], size, ledger.node())
    assert refused(evidence, ledger.pin) == "seals"
    # From the next epoch on, which the ledger opens only with these keys, they are its keys.
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    for at in range(ledger.registry.effects[-1].index + 1, size + 1):
        lie = sign_checkpoint(Checkpoint(ledger.origin, at, bytes(32)), theirs, ledger.now_s)
        framed = Evidence(ledger.terms(), ledger.head(), Fork(lie, bytes(32), bytes(32)))
        assert refused(framed, ledger.pin) == "seals"
    assert proven(*fork_of_one_size(ledger)).kind == "fork"


def test_governors_make_no_epoch_behind_the_one_that_gave_their_keys_to_the_ledger() -> None:
    ledger = young()
    ledger.rotate("log-keys")
    first = ledger.tree_size
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    ledger.put([*ledger.entries[first:-1], b"no seal of anybody"])
    evidence = prove_broken_rule(
        ledger.terms(first),
        ledger.head(),
        ledger.tree_size,
        ledger.entries[:first],
        ledger.entries[first:],
        ledger.node(),
    )
    assert refused(evidence, ledger.pin) == "seals"


def framed_with_a_stolen_service_key() -> tuple[LyingLedger, Callable[[bytes], bytes], ShownTerms]:
    """An honest ledger that has replaced its service key, and a thief of the one before.

    Returns the ledger, what signs a last seal over a chain value as if nothing had been replaced, and the terms
    without that action, to which such a seal belongs.
    """
    ledger = young()
    stolen = ledger.service
    ledger.rotate("service-keys")
    for _ in range(2):
        ledger.issue(ledger.issuers["civil-1"])
        ledger.close_epoch()
    kept = ledger.registry.effects[:-1]
    head = govern_start(ledger.origin)
    for effect in kept:
        head = govern_next(head, action_digest(effect.action), effect.index)

    def seal_over(chain: bytes) -> bytes:
        seal = replace(parse_statement(ledger.entries[-1]).body, chain=chain, govern_head=head)
        return sign_statement("seal", ledger.origin, ledger.origin, seal, stolen)

    return ledger, seal_over, ledger.terms(effects=kept)


def test_who_stole_a_service_key_that_was_replaced_makes_no_omitted_action() -> None:
    """A seal that the ledger never wrote leaves out the very action that replaced its key."""
    ledger, seal_over, terms = framed_with_a_stolen_service_key()
    size, effect = ledger.tree_size, ledger.registry.effects[-1]
    evidence = prove_omitted_action(
        replace(terms, seals=(seal_over(bytes(32)),)),
        ledger.heads[size],
        size,
        effect.approvals,
        ledger.entries.__getitem__,
        ledger.node(),
    )
    assert refused(evidence, ledger.pin) == "path"


def test_who_stole_a_service_key_makes_a_wrong_root_and_the_words_say_so() -> None:
    """The limit of section 12: nothing in the file can show that the seal's key had been replaced."""
    ledger, seal_over, terms = framed_with_a_stolen_service_key()
    leaves = [bytes(32)] * (ledger.tree_size - 1)
    seal = seal_over(extend_chain(chain_start(ledger.origin), leaves)[-1])
    span = show_span(0, [*leaves, leaf_hash(seal)], ledger.entries.__getitem__, ledger.node())
    head = ledger.heads[ledger.tree_size]
    found = proven(prove_wrong_root(replace(terms, seals=(seal,)), head, span, ""), ledger.pin)
    assert found.kind == "wrong_root"
    words = " ".join(describe_finding(found))
    assert "stolen service key" in words
    assert "nobody else" not in words


def test_who_stole_log_keys_and_service_key_hides_their_replacement_and_no_witness_stands_on_it() -> None:
    """The other limit of section 12: a file cannot show that nothing was left out of it."""
    ledger = young()
    log, service = ledger.log_signers, ledger.service
    kept = list(ledger.registry.effects)
    head = ledger.registry.govern_head
    ledger.rotate("log-keys", "service-keys")
    ledger.issue(ledger.issuers["civil-1"])
    ledger.close_epoch()
    size = ledger.tree_size
    seal = replace(parse_statement(ledger.entries[-1]).body, govern_head=head)
    lies = [
        sign_checkpoint(Checkpoint(ledger.origin, size, root), log, ledger.now_s)
        for root in (bytes(32), b"1" * 32)
    ]

    def framed(key: Any) -> Evidence:
        forged = sign_statement("seal", ledger.origin, ledger.origin, seal, key)
        terms = replace(ledger.terms(effects=kept), seals=(forged,))
        return prove_fork(terms, lies[0], size, lies[1], size, ledger.node())

    assert refused(framed(ledger.service), ledger.pin) == "seals"
    found = proven(framed(service), ledger.pin)
    assert (found.kind, found.witnesses) == ("fork", ())
    assert "No witness cosigned" in " ".join(describe_finding(found))
