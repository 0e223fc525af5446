"""Governance: who decides, who may issue, and which action took effect where.

The part of the fold that a field station runs too: it takes the charter and the approvals and gives
governors, issuers, keys and witness policy. docs/protocol.md sections 3, 4 (part 1 and 2) and 9 (step 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.core import cbor
from ledger.core.actions import Action, Admit, DistrustKey, format_action
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.charter import Charter, Governors, Profiles, format_governors, format_profiles
from ledger.core.cose_key import PublicKey, format_cose_key
from ledger.core.fields import parse_party
from ledger.core.registry.issuers import Issuer, KeyRecord, admit, apply_verb
from ledger.core.statement import Statement
from ledger.errors import VerificationError

__all__ = ["Effect", "Governance", "Issuer", "KeyRecord", "Proposal"]

_CHAIN_PREFIX: Final = b"\x02"
MAX_OPEN_APPROVALS: Final = 256
"""A governor's approvals of actions that are not in effect: state is bounded, and nobody fills it for others."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """An action that has some approvals, but not enough.

    Attributes:
        action: the action.
        approvals: governor name -> index of the approval, in the order of approval.
    """

    action: Action
    approvals: dict[str, int]


@dataclass(frozen=True, slots=True)
class Effect:
    """An action that took effect: where, by which approvals, and the keys that it distrusts."""

    action: Action
    index: int
    approvals: tuple[int, ...]
    distrusts: tuple[DistrustKey, ...]


@dataclass(slots=True)
class Governance:
    """State of the governance; changed only by `approve` and `lapse`."""

    charter_hash: bytes
    origin: str
    log_keys: tuple[bytes, bytes]
    service_key: PublicKey
    receipts_key: PublicKey
    governors: Governors
    threshold: int
    witness_policy: str
    epoch_ms: int
    profiles: Profiles
    rules: int
    govern_head: bytes
    counter: int = 0
    issuers: dict[str, Issuer] = field(default_factory=dict)
    proposals: dict[bytes, Proposal] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)

    @classmethod
    def from_charter(cls, charter: Charter, charter_hash: bytes) -> Governance:
        """Return the governance that a charter with leaf hash `charter_hash` founds."""
        return cls(
            charter_hash=charter_hash,
            origin=charter.origin,
            log_keys=charter.log_keys,
            service_key=charter.service_key,
            receipts_key=charter.receipts_key,
            governors=charter.governors,
            threshold=charter.threshold,
            witness_policy=charter.witness_policy,
            epoch_ms=charter.epoch_ms,
            profiles=dict(charter.profiles),
            rules=charter.rules,
            govern_head=hashlib.sha256(_CHAIN_PREFIX + b"govern/v1" + charter.origin.encode()).digest(),
        )

    def governor_key(self, name: str, kid: bytes) -> PublicKey:
        """Return the key of a governor.

        Raises:
            VerificationError: code unknown_issuer if no governor has this name and kid now.
        """
        for governor, key in self.governors:
            if governor == name and key.kid == kid:
                return key
        raise VerificationError("unknown_issuer", "no governor has this name and key", field="iss")

    def issuer_key(self, issuer_id: str, kid: bytes) -> tuple[Issuer, KeyRecord]:
        """Return an issuer and its key record, whatever their state.

        Raises:
            VerificationError: code unknown_issuer if there is none.
        """
        issuer = self.issuers.get(issuer_id)
        record = issuer.keys.get(kid) if issuer is not None else None
        if issuer is None or record is None:
            raise VerificationError("unknown_issuer", "no admitted issuer has this name and key", field="iss")
        return issuer, record

    def lapse(self, time_ms: int) -> None:
        """Drop the proposals whose `not_after` lies before the epoch time."""
        late = [key for key, proposal in self.proposals.items() if proposal.action.not_after * 1000 < time_ms]
        for key in late:
            del self.proposals[key]

    def required_approvals(self, action: Action, distrust_floor: int) -> int:
        """Return how many approvals an action needs: k, or n-1 for distrust below `distrust_floor`."""
        deep = any(
            isinstance(verb, DistrustKey) and verb.from_index < distrust_floor for verb in action.verbs
        )
        return max(self.threshold, len(self.governors) - 1) if deep else self.threshold

    def approve(
        self, index: int, statement: Statement, *, time_ms: int | None, required: int, commit: bool = True
    ) -> Effect | None:
        """Count one approval whose signature has been checked.

        Args:
            index: the approval's index.
            statement: a govern statement.
            time_ms: epoch time, or None where it is not judged again (a station).
            required: approvals that the action needs.
            commit: False judges and changes nothing.

        Returns:
            What took effect, or None while approvals are missing.

        Raises:
            VerificationError: stale_action for a counter or deadline that is not current, or a second
                approval of one governor; rate_limited for a governor with too many open approvals; the
                code of the verb that fails. Nothing has changed then.
            MalformedError: an issuer would be admitted under what is no name.
        """
        action: Action = statement.body
        if self._counter_of(action.subject) != action.counter:
            raise VerificationError("stale_action", "the counter is not current", field="action.counter")
        if time_ms is not None and action.not_after * 1000 < time_ms:
            raise VerificationError("stale_action", "the deadline has passed", field="action.not_after")
        key = action_digest(action)
        known = self.proposals.get(key)
        approvals = dict(known.approvals) if known else {}
        if statement.iss in approvals:
            raise VerificationError("stale_action", "this governor approved it before", field="iss")
        approvals[statement.iss] = index
        issuer = self._try_verbs(action, index)
        if len(approvals) < required:
            self._check_room(statement.iss)
            if commit:
                self.proposals[key] = Proposal(action, approvals)
            return None
        distrusts = tuple(verb for verb in action.verbs if isinstance(verb, DistrustKey))
        effect = Effect(action, index, tuple(approvals.values()), distrusts)
        if commit:
            self._take_effect(effect, issuer, key)
        return effect

    def _counter_of(self, subject: str) -> int:
        if subject == self.origin:
            return self.counter
        issuer = self.issuers.get(subject)
        return issuer.counter if issuer is not None else 0

    def _try_verbs(self, action: Action, index: int) -> Issuer:
        """Return the issuer as all verbs would leave it; raise the code of the verb that fails."""
        if action.subject == self.origin:
            raise VerificationError(
                "out_of_scope", "this verb does not act on the ledger", field="action.subject"
            )
        issuer = self.issuers.get(action.subject)
        for verb in action.verbs:
            if isinstance(verb, Admit) and issuer is None:
                if any(name == action.subject for name, _ in self.governors):
                    raise VerificationError("place_taken", "a governor has this name", field="action.subject")
                if len(self.issuers) >= MAX_ISSUERS:
                    raise VerificationError(
                        "out_of_scope", "the ledger is full of issuers", field="action.subject"
                    )
                parse_party(action.subject, field="action.subject")
                issuer = admit(action.subject, len(self.issuers) + 1, verb.admission, index)
            elif issuer is None:
                raise VerificationError(
                    "unknown_issuer", "the subject is not admitted", field="action.subject"
                )
            else:
                issuer = apply_verb(issuer, verb, index)
            if not set(issuer.scope.vcts) <= set(self.profiles):
                raise VerificationError(
                    "out_of_scope", "a profile that the ledger does not have", field="scope.vcts"
                )
        if issuer is None:
            raise VerificationError("stale_action", "an action without verbs", field="action.verbs")
        return issuer

    def _check_room(self, governor: str) -> None:
        if sum(governor in proposal.approvals for proposal in self.proposals.values()) >= MAX_OPEN_APPROVALS:
            raise VerificationError("rate_limited", "too many open approvals of this governor", field="iss")

    def _take_effect(self, effect: Effect, issuer: Issuer, key: bytes) -> None:
        subject = effect.action.subject
        self.issuers[subject] = replace(issuer, counter=issuer.counter + 1)
        self.govern_head = hashlib.sha256(
            _CHAIN_PREFIX + self.govern_head + key + effect.index.to_bytes(8, "big")
        ).digest()
        self.effects.append(effect)
        for other in [k for k, proposal in self.proposals.items() if proposal.action.subject == subject]:
            del self.proposals[other]

    def format_governance(self) -> dict[int, Any]:
        """Return part 1 of the registry digest, ready to be encoded."""
        return {
            1: self.origin,
            2: self.charter_hash,
            3: list(self.log_keys),
            4: format_cose_key(self.service_key),
            5: format_cose_key(self.receipts_key),
            6: format_governors(self.governors),
            7: self.threshold,
            8: self.witness_policy,
            9: self.epoch_ms,
            10: format_profiles(self.profiles),
            11: self.rules,
            12: self.counter,
            13: None,
            14: [issuer.format() for issuer in self.issuers.values()],
        }

    def format_proposals(self) -> list[list[Any]]:
        """Return part 2 of the registry digest, ready to be encoded."""
        return [
            [key, action.subject, action.counter, action.not_after, sorted(approvals)]
            for key, action, approvals in sorted(
                ((key, proposal.action, proposal.approvals) for key, proposal in self.proposals.items()),
                key=_first,
            )
        ]


def action_digest(action: Action) -> bytes:
    """Return the digest under which approvals of one action belong together."""
    return hashlib.sha256(cbor.encode(format_action(action))).digest()


def approvals_complete(statements: Iterable[Statement]) -> list[bool]:
    """Return, for each approval of effective actions by rising index, whether it completes its action.

    A bundle carries just the approvals that took part, so the last of one action is the one that made
    it effective (docs/protocol.md section 9, step 3).
    """
    digests = [action_digest(statement.body) for statement in statements]
    last = {digest: place for place, digest in enumerate(digests)}
    return [last[digest] == place for place, digest in enumerate(digests)]


def _first(row: tuple[bytes, Action, dict[str, int]]) -> bytes:
    return row[0]
