"""Governance of a saved state: terms, issuers, effective actions, open proposals. docs/protocol.md section 4.

Part 1 of the registry digest holds all of the terms and issuers but `read_only`, which the opening of the
next epoch works out anew from `successor`. The indexes of approvals are bound by no digest and decide nothing:
they tell a reader where to look. What binds them is the hash of the whole saved state.

    governance = parse_saved_governance(part_1, effects, proposals)
"""

from __future__ import annotations

from typing import Any, Final

from ledger.core.actions import MAX_KEYS, Action, format_action, parse_action, parse_scope
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.charter import (
    parse_governors,
    parse_log_keys,
    parse_profiles,
    parse_threshold,
    parse_witness_policy,
)
from ledger.core.cose_key import parse_cose_key
from ledger.core.fields import (
    parse_array,
    parse_bytes,
    parse_map,
    parse_origin,
    parse_party,
    parse_title,
    parse_uint,
)
from ledger.core.ledger_verbs import (
    SCHEDULED_VERBS,
    ScheduledVerb,
    format_ledger_verb,
    parse_ledger_verb,
    parse_service_keys,
)
from ledger.core.merkle import HASH_SIZE
from ledger.core.registry.governance import (
    MAX_OPEN_APPROVALS,
    Effect,
    Governance,
    Proposal,
    action_digest,
    govern_next,
    govern_start,
)
from ledger.core.registry.issuers import DISTRUSTED, Issuer, KeyRecord
from ledger.core.registry.ledger_terms import Terms
from ledger.errors import MalformedError

MAX_EFFECTS: Final = 1 << 20
_MAX_GOVERNORS: Final = 32


def format_effects(governance: Governance) -> list[list[Any]]:
    """Return effective actions with the indexes of their approvals, in order, ready to be encoded."""
    return [[format_action(effect.action), list(effect.approvals)] for effect in governance.effects]


def format_open(governance: Governance) -> list[list[Any]]:
    """Return open actions with `[governor, index of the approval]`, by action digest, ready to be encoded."""
    return [
        [format_action(proposal.action), [list(item) for item in proposal.approvals.items()]]
        for _, proposal in sorted(governance.proposals.items(), key=_digest_of)
    ]


def parse_saved_governance(part_1: Any, effects: Any, proposals: Any) -> Governance:
    """Return the governance of decoded values; the caller compares its digests with a seal.

    Args:
        part_1: as `Governance.format_governance` gives it.
        effects, proposals: as the two functions above give them.

    Raises:
        MalformedError: not of that form.
    """
    body = parse_map(part_1, range(1, 16), field="governance")
    terms = _parse_terms(body)
    issuers = [_parse_issuer(row) for row in parse_array(body[14], field="issuers", low=0, high=MAX_ISSUERS)]
    if [issuer.number for issuer in issuers] != list(range(1, len(issuers) + 1)):
        raise MalformedError("issuers are not numbered in their order", field="issuer.number")
    taken = [_parse_effect(row) for row in parse_array(effects, field="effects", low=0, high=MAX_EFFECTS)]
    if any(one.index >= after.index for one, after in zip(taken, taken[1:], strict=False)):
        raise MalformedError("actions are not in the order of their effect", field="effects")
    head = govern_start(terms.origin)
    for effect in taken:
        head = govern_next(head, action_digest(effect.action), effect.index)
    most = _MAX_GOVERNORS * MAX_OPEN_APPROVALS
    waiting = [_parse_open(row) for row in parse_array(proposals, field="proposals", low=0, high=most)]
    return Governance(
        charter_hash=parse_bytes(body[2], HASH_SIZE, field="governance.charter"),
        epoch_ms=parse_uint(body[9], field="governance.epoch_ms", low=1),
        terms=terms,
        govern_head=head,
        counter=parse_uint(body[12], field="governance.counter"),
        issuers={issuer.issuer_id: issuer for issuer in issuers},
        proposals={action_digest(proposal.action): proposal for proposal in waiting},
        effects=taken,
    )


def _parse_terms(body: Any) -> Terms:
    governors = parse_governors(body[6], field="governors")
    service_key, receipts_key = parse_service_keys([body[4], body[5]])
    successor = None
    if body[13] is not None:
        origin, charter_hash = parse_array(body[13], field="successor", low=2, high=2)
        successor = (
            parse_origin(origin, field="successor"),
            parse_bytes(charter_hash, HASH_SIZE, field="successor"),
        )
    scheduled = parse_map(body[15], (), optional=range(12, 17), field="scheduled")
    return Terms(
        origin=parse_origin(body[1], field="origin"),
        governors=governors,
        threshold=parse_threshold(body[7], len(governors), field="threshold"),
        witness_policy=parse_witness_policy(body[8], field="witness_policy"),
        log_keys=parse_log_keys(body[3], field="log_keys"),
        service_key=service_key,
        receipts_key=receipts_key,
        profiles=parse_profiles(body[10], field="profiles"),
        rules=parse_uint(body[11], field="rules"),
        successor=successor,
        # Whatever it was: nothing is judged before an epoch opens, and it holds from the opening on.
        read_only=successor is not None,
        scheduled={number: _parse_scheduled(number, value) for number, value in scheduled.items()},
    )


def _parse_scheduled(number: int, value: Any) -> ScheduledVerb:
    arguments = parse_array(value, field="scheduled", low=1, high=2)
    verb = parse_ledger_verb(number, [number, *arguments])
    if not isinstance(verb, SCHEDULED_VERBS) or len(format_ledger_verb(verb)) != 1 + len(arguments):
        raise MalformedError("a verb with the wrong number of arguments", field="scheduled")
    return verb


def _parse_issuer(value: Any) -> Issuer:
    row = parse_array(value, field="issuer", low=8, high=8)
    keys = [_parse_key(key) for key in parse_array(row[7], field="issuer.keys", low=1, high=MAX_KEYS)]
    return Issuer(
        issuer_id=parse_party(row[0], field="issuer.name"),
        number=parse_uint(row[1], field="issuer.number", low=1),
        authority=parse_party(row[2], field="issuer.authority"),
        title=parse_title(row[3], field="issuer.title"),
        scope=parse_scope(row[4]),
        suspended=bool(parse_uint(row[5], field="issuer.suspended", high=1)),
        counter=parse_uint(row[6], field="issuer.counter"),
        keys={record.key.kid: record for record in keys},
    )


def _parse_key(value: Any) -> KeyRecord:
    row = parse_array(value, field="issuer.key", low=6, high=6)
    key = parse_cose_key(row[1])
    if row[0] != key.kid:
        raise MalformedError("not the kid of the key", field="issuer.kid")
    return KeyRecord(
        key=key,
        added=parse_uint(row[2], field="issuer.key"),
        state=parse_uint(row[3], field="issuer.key", high=DISTRUSTED),
        at=None if row[4] is None else parse_uint(row[4], field="issuer.key"),
        distrusted_from=None if row[5] is None else parse_uint(row[5], field="issuer.key"),
    )


def _parse_effect(value: Any) -> Effect:
    action, indexes = parse_array(value, field="effect", low=2, high=2)
    approvals = parse_array(indexes, field="effect.approvals", low=1, high=_MAX_GOVERNORS)
    return Effect.of(parse_action(action), _parse_indexes(approvals))


def _parse_open(value: Any) -> Proposal:
    action, items = parse_array(value, field="proposal", low=2, high=2)
    pairs = [
        parse_array(item, field="proposal.approvals", low=2, high=2)
        for item in parse_array(items, field="proposal.approvals", low=1, high=_MAX_GOVERNORS)
    ]
    names = [parse_party(name, field="proposal.approvals") for name, _ in pairs]
    indexes = _parse_indexes([index for _, index in pairs])
    parsed: Action = parse_action(action)
    return Proposal(parsed, dict(zip(names, indexes, strict=True)))


def _parse_indexes(values: list[Any]) -> tuple[int, ...]:
    indexes = tuple(parse_uint(value, field="approvals") for value in values)
    if any(one >= after for one, after in zip(indexes, indexes[1:], strict=False)):
        raise MalformedError("approvals are not by rising index", field="approvals")
    return indexes


def _digest_of(item: tuple[bytes, Proposal]) -> bytes:
    return item[0]
