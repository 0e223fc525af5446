"""Entries, actions and charters in plain words, for governors, auditors and the curious.

docs/protocol.md sections 3 to 6. Nothing here can show personal data, because nothing of it is on a ledger:
a credential's entry has an issuer, a random subject, dates, a status place and salted digests.

>>> describe_entry(b"\\xf6")
['Padding: the byte f6. It fills an epoch to a multiple of 16 and means nothing.']
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

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
    Verb,
)
from ledger.core.charter import Charter
from ledger.core.claims import CredentialClaims
from ledger.core.merkle import leaf_hash
from ledger.core.registry.governance import Governance, action_digest
from ledger.core.registry.issuers import ACTIVE, RETIRED, Issuer, KeyRecord
from ledger.core.registry.quarantine import HeldChange
from ledger.core.seal import Seal
from ledger.core.statement import Statement, is_padding, parse_statement
from ledger.core.status_change import REASON_NAMES, WITHDRAWN, StatusChange
from ledger.govern_files import words_of
from ledger.ledger_words import describe_key, describe_ledger_verb, describe_terms

if TYPE_CHECKING:  # an audit brings the database with it
    from ledger.audit import AuditReport

_LAST_SECOND: Final = 253_402_300_799
STATUS_NAMES: Final = {
    0: "valid",
    1: "withdrawn",
    2: "suspended",
    3: "replaced",
    0x0C: "affirmed",
    0x0D: "held",
}
_MOST_ROWS: Final = 20


def format_time(time_s: int) -> str:
    """Return seconds since 1970 as a date and time in UTC.

    >>> format_time(1_794_700_800), format_time(2**53 - 1)
    ('2026-11-15 00:00 UTC', 'second 9007199254740991')
    """
    if not 0 <= time_s <= _LAST_SECOND:
        return f"second {time_s}"
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%d %H:%M} UTC"


def describe_entry(entry: bytes) -> list[str]:
    """Return an entry in plain words, one line each.

    Raises:
        MalformedError: it is neither a statement nor padding.
    """
    if is_padding(entry):
        return ["Padding: the byte f6. It fills an epoch to a multiple of 16 and means nothing."]
    return describe_statement(parse_statement(entry))


def describe_statement(statement: Statement) -> list[str]:
    """Return a statement in plain words, one line each."""
    body = statement.body
    match body:
        case Charter():
            lines = describe_charter(body, leaf_hash(statement.entry))
        case Action():
            lines = [f"Approval by governor {statement.iss} of this action:", *describe_action(body)]
        case CredentialClaims():
            lines = _describe_credential(body)
        case StatusChange():
            lines = _describe_status(statement.iss, body)
        case Seal():
            lines = _describe_seal(body)
        case _:
            lines = [
                f"Accept: governor {statement.iss} accepts the charter of {statement.sub}",
                f"  charter: {body.charter_hash.hex()}",
            ]
    return [
        *lines,
        f"Signed with key {statement.kid.hex()}, algorithm {statement.alg}",
        f"Identity: {statement.statement_id.hex()}",
        f"Leaf hash: {leaf_hash(statement.entry).hex()}",
        f"Size: {len(statement.entry)} bytes",
    ]


def describe_charter(charter: Charter, charter_hash: bytes) -> list[str]:
    """Return a charter in plain words; `charter_hash` is its leaf hash."""
    lines = [
        f"Charter of the ledger {charter.origin}",
        f"  charter: {charter_hash.hex()}",
        f"  in words: {words_of(charter_hash)}",
        f"  {charter.threshold} of {len(charter.governors)} governors decide:",
        *(f"    {name}: {describe_key(key)}" for name, key in charter.governors),
        f"  an epoch lasts {charter.epoch_ms} ms",
    ]
    lines += [
        f"  {vct}: {digests} digests, valid {days} days"
        for vct, (digests, days) in sorted(charter.profiles.items())
    ]
    return [*lines, "  witnesses:", *(f"    {line}" for line in charter.witness_policy.splitlines())]


def describe_action(action: Action) -> list[str]:
    """Return an action in plain words, with its digest as words."""
    digest = action_digest(action)
    lines = [
        f"Action {action.counter} on {action.subject}, to be approved until {format_time(action.not_after)}",
        f"  in words: {words_of(digest)}",
        f"  digest: {digest.hex()}",
    ]
    for number, verb in enumerate(action.verbs, start=1):
        first, *more = _describe_verb(verb, action.subject)
        lines += [f"  {number}. {first}", *(f"     {line}" for line in more)]
    return lines


def describe_admission(admission: Admission) -> list[str]:
    """Return what an issuer asks for, or was given."""
    keys = [f"key: {describe_key(key)}, thumbprint {key.thumbprint().hex()}" for key in admission.keys]
    return [
        f"title: {admission.title}",
        f"answers for it: {admission.authority}",
        _describe_scope(admission.scope),
        *keys,
    ]


def describe_governance(governance: Governance) -> list[str]:
    """Return who decides, who may issue, and what waits for approvals."""
    lines = [
        f"Ledger {governance.origin}",
        f"  charter: {governance.charter_hash.hex()}",
        f"  {governance.threshold} of {len(governance.governors)} governors decide: "
        + ", ".join(name for name, _ in governance.governors),
        f"  {len(governance.effects)} actions are in effect; "
        f"the next on the ledger itself has the counter {governance.counter}",
        *(f"  governor {name}: {describe_key(key)}" for name, key in governance.governors),
        *describe_terms(governance.terms),
    ]
    for issuer in governance.issuers.values():
        lines += describe_issuer(issuer)
    for proposal in governance.proposals.values():
        lines += [
            "Open proposal, approved by " + ", ".join(sorted(proposal.approvals)) + ":",
            *(f"  {line}" for line in describe_action(proposal.action)),
        ]
    return lines


def describe_held(governance: Governance, held: Sequence[HeldChange]) -> list[str]:
    """Return the mass changes of status that wait for the governors, by the index that they name."""
    names = {issuer.number: issuer.issuer_id for issuer in governance.issuers.values()}
    lines = []
    for change in held:
        withdrawn = sum(row.new == WITHDRAWN for row in change.rows.values())
        lines += [
            f"Held at entry {change.index}: {withdrawn} withdrawals and {len(change.rows) - withdrawn} "
            f"suspensions of {names[change.number]} on list {change.uri}",
            f"  since {format_time(change.time_ms // 1000)}; lapses at {format_time(change.lapses_ms // 1000)} "
            f"unless governors confirm {change.index} or refuse {change.index}",
        ]
    return lines


def describe_issuer(issuer: Issuer) -> list[str]:
    """Return one issuer and its keys."""
    state = "suspended" if issuer.suspended else "active"
    return [
        f"Issuer {issuer.number}: {issuer.issuer_id}, {state}; its next action has the counter {issuer.counter}",
        f"  title: {issuer.title}",
        f"  answers for it: {issuer.authority}",
        f"  {_describe_scope(issuer.scope)}",
        *(f"  key {record.key.kid.hex()}: {_key_state(record)}" for record in issuer.keys.values()),
    ]


def describe_report(report: AuditReport, *, against_given: bool) -> list[str]:
    """Return an audit's report in plain words, the verdict first."""
    if report.code == "not_cosigned":
        return [
            f"NOT COSIGNED: {report.tree_size} entries of {report.origin} fit together, root {report.root}",
            "  No head has a quorum of witnesses: nobody but the ledger vouches that this is its only history.",
            "  Ask for a cosigned copy, or accept this one with --allow-uncosigned.",
        ]
    if not report.ok:
        where = "" if report.index is None else f" at entry {report.index}"
        rule = f" ({report.rule})" if report.rule else ""
        return [
            f"NOT CONSISTENT: {report.code}{where}{rule}",
            f"  {report.detail}",
            f"  ledger {report.origin}, checkpoint of {report.tree_size} entries, root {report.root}",
            "Keep this copy as it is: it is evidence.",
        ]
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(report.counts.items()))
    witnesses = ", ".join(
        f"{name} at {format_time(time_s)}" for name, time_s in sorted(report.cosigned.items())
    )
    lines = [
        f"CONSISTENT: {report.tree_size} entries of {report.origin}",
        f"  root {report.root}",
        f"  {report.epochs} epochs, the last at {format_time(report.last_time_ms // 1000)}",
        f"  entries: {counts}",
        *(f"  issuer {name}: {title}" for name, title in report.issuers.items()),
        f"  cosigned by: {witnesses or 'nobody'}",
    ]
    for held in report.held:
        lines.append(
            f"  held: entry {held['index']}, by which {held['issuer']} would withdraw or suspend "
            f"{held['places']} places of {held['list']}; governors confirm or refuse it until "
            f"{format_time(held['until_s'])}"
        )
    if report.resumed_from:
        lines.append(f"  The first {report.resumed_from} entries were replayed by an audit before this one.")
    if report.cosigned_size is not None and report.cosigned_size < report.tree_size:
        lines.append(f"  The newest head with a quorum of witnesses has {report.cosigned_size} entries.")
    if not report.quorum:
        lines.append("  Warning: the cosignatures do not satisfy the witness policy of this ledger.")
    if report.against_size is not None:
        lines.append(f"  It extends the checkpoint of {report.against_size} entries that you saw before.")
    elif not against_given:
        lines.append("  A tail that was cut off is only seen with --against CHECKPOINT_SEEN_BEFORE.")
    return lines


def _key_state(record: KeyRecord) -> str:
    if record.state == ACTIVE:
        return f"active since entry {record.added}"
    if record.state == RETIRED:
        return f"retired at entry {record.at}"
    return f"distrusted; what it signed from entry {record.distrusted_from} on needs affirmation"


def _describe_scope(scope: Scope) -> str:
    return (
        f"may sign {', '.join(scope.vcts)}; at most {scope.rate} in 24 hours; "
        f"{scope.desks} desk{'s' if scope.desks != 1 else ''}"
    )


def _describe_verb(verb: Verb, subject: str) -> list[str]:
    match verb:
        case Admit(admission):
            return [f"Admit {subject} as an issuer", *describe_admission(admission)]
        case Change(authority, title, scope):
            changes = [
                f"title becomes: {title}" if title is not None else "",
                f"answers for it from now on: {authority}" if authority is not None else "",
                _describe_scope(scope) if scope is not None else "",
            ]
            return [f"Change {subject}", *(change for change in changes if change)]
        case Suspend():
            return [f"Suspend {subject}: no new credentials; changes of status go on"]
        case Reinstate():
            return [f"End the suspension of {subject}"]
        case AddKey(key):
            return [f"Give {subject} a further key", describe_key(key)]
        case RetireKey(kid):
            return [
                f"Retire the key {kid.hex()} of {subject}: it signs nothing new; what it signed stays valid"
            ]
        case DistrustKey(kid, from_index):
            return [
                f"Distrust the key {kid.hex()} of {subject}: it signs nothing new, for ever",
                f"what it signed from entry {from_index} on reads as under review until it is affirmed,",
                "and changes of status that it made from there on are reversed",
            ]
        case ConfirmHeld(index):
            return [f"Let the changes of status held of entry {index} of {subject} take effect"]
        case RefuseHeld(index):
            return [f"Refuse the changes of status held of entry {index} of {subject}"]
        case _:
            return describe_ledger_verb(verb)


def _describe_credential(claims: CredentialClaims) -> list[str]:
    return [
        f"Credential of type {claims.vct}, signed by {claims.iss}",
        f"  subject: {claims.sub} (random; it stands for no person)",
        f"  day of issue: {format_time(claims.iat)}; valid until {format_time(claims.exp)}",
        f"  status place: {claims.uri}, number {claims.idx}",
        f"  {len(claims.digests)} salted digests",
    ]


def _describe_status(issuer: str, change: StatusChange) -> list[str]:
    if change.proof is None:
        lines = [f"Change of status by {issuer} on list {change.uri}, number {change.seq} of that list"]
    else:
        lines = [
            f"Replacement by the holder of the credential {issuer} on list {change.uri}",
            f"  proved by the credential at entry {change.proof.index}",
        ]
    for row in change.rows[:_MOST_ROWS]:
        old, new = (STATUS_NAMES.get(value, str(value)) for value in (row.old, row.new))
        reason = REASON_NAMES.get(row.reason, str(row.reason))
        month = f"{row.month // 100}-{row.month % 100:02}"
        lines.append(f"  place {row.idx}: {old} -> {new} ({reason}, {month})")
    if len(change.rows) > _MOST_ROWS:
        lines.append(f"  and {len(change.rows) - _MOST_ROWS} more places")
    return lines


def _describe_seal(seal: Seal) -> list[str]:
    return [
        f"Seal of an epoch that ends at entry {seal.index}, at {format_time(seal.time_ms // 1000)}",
        f"  chain value before it: {seal.chain.hex()}",
        f"  registry digest: {seal.registry_digest.hex()}",
        f"  status digest: {seal.status_digest.hex()}",
        f"  head of the govern actions: {seal.govern_head.hex()}",
    ]
