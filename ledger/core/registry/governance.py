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
from ledger.core.actions import HELD_VERBS, Action, Admit, DistrustKey, format_action
from ledger.core.bundle import MAX_ISSUERS
from ledger.core.charter import Charter, Governors, Profiles, format_governors, format_profiles
from ledger.core.cose_key import PublicKey, format_cose_key
from ledger.core.fields import parse_party
from ledger.core.ledger_verbs import LEDGER_VERBS, SetGovernors
from ledger.core.registry.issuers import Issuer, KeyRecord, admit, apply_verb
from ledger.core.registry.ledger_terms import Terms, apply_ledger_verb
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
    """An action that took effect: where, by which approvals, and the keys that it distrusts.

    What it confirms or refuses of held changes stands in `action.verbs`; the fold acts on it.
    """

    action: Action
    index: int
    approvals: tuple[int, ...]
    distrusts: tuple[DistrustKey, ...]

    @classmethod
    def of(cls, action: Action, approvals: tuple[int, ...]) -> Effect:
        """Return the effect of an action; it takes place with the last of its approvals, which are by index."""
        distrusts = tuple(verb for verb in action.verbs if isinstance(verb, DistrustKey))
        return cls(action, approvals[-1], approvals, distrusts)


@dataclass(slots=True)
class Governance:
    """State of the governance; changed only by `approve`, `lapse`, `open_epoch` and `abandon_epoch`.

    Attributes:
        charter_hash: leaf hash of the charter.
        epoch_ms: epoch period in milliseconds.
        terms: what holds for the ledger as a whole; its parts are properties here.
        govern_head: head of the chain of effective actions.
        counter: actions in effect on the ledger itself.
        issuers: by issuer id, in the order of their admission.
        proposals: by action digest, what waits for approvals.
        effects: effective actions, in order.
    """

    charter_hash: bytes
    epoch_ms: int
    terms: Terms
    govern_head: bytes
    counter: int = 0
    issuers: dict[str, Issuer] = field(default_factory=dict)
    proposals: dict[bytes, Proposal] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    _terms_before: Terms | None = None

    @classmethod
    def from_charter(cls, charter: Charter, charter_hash: bytes) -> Governance:
        """Return the governance that a charter with leaf hash `charter_hash` founds."""
        return cls(
            charter_hash=charter_hash,
            epoch_ms=charter.epoch_ms,
            terms=Terms(
                origin=charter.origin,
                governors=charter.governors,
                threshold=charter.threshold,
                witness_policy=charter.witness_policy,
                log_keys=charter.log_keys,
                service_key=charter.service_key,
                receipts_key=charter.receipts_key,
                profiles=dict(charter.profiles),
                rules=charter.rules,
            ),
            govern_head=govern_start(charter.origin),
        )

    @property
    def origin(self) -> str:
        """The ledger's name."""
        return self.terms.origin

    @property
    def governors(self) -> Governors:
        """Names and keys of those who decide."""
        return self.terms.governors

    @property
    def threshold(self) -> int:
        """How many governors decide."""
        return self.terms.threshold

    @property
    def witness_policy(self) -> str:
        """The witness policy of the running epoch."""
        return self.terms.witness_policy

    @property
    def log_keys(self) -> tuple[bytes, bytes]:
        """Raw public keys of the log in the running epoch."""
        return self.terms.log_keys

    @property
    def service_key(self) -> PublicKey:
        """The key of seals in the running epoch."""
        return self.terms.service_key

    @property
    def receipts_key(self) -> PublicKey:
        """The key of receipts in the running epoch."""
        return self.terms.receipts_key

    @property
    def profiles(self) -> Profiles:
        """Number of digests and validity in days by vct, in the running epoch."""
        return self.terms.profiles

    def open_epoch(self) -> bool:
        """Let what is scheduled hold; tell whether anything has changed with it."""
        self._terms_before = self.terms
        if self.terms.is_due:
            self.terms = self.terms.opened()
        return self.terms is not self._terms_before

    def abandon_epoch(self) -> bool:
        """Take back the last `open_epoch`, where nothing took effect since; tell whether anything has changed."""
        opened, self.terms = self.terms, self._terms_before or self.terms
        return self.terms is not opened

    def hold_unbridged(self) -> None:
        """Let profiles and rules hold at once: a station does not see where epochs begin.

        It may so accept what the ledger would not; the head in the seal stands for that it did not.
        """
        if self.terms.is_due:
            self.terms = self.terms.opened(bridged=False)

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
        if self.counter_of(action.subject) != action.counter:
            raise VerificationError("stale_action", "the counter is not current", field="action.counter")
        if time_ms is not None and action.not_after * 1000 < time_ms:
            raise VerificationError("stale_action", "the deadline has passed", field="action.not_after")
        key = action_digest(action)
        known = self.proposals.get(key)
        approvals = dict(known.approvals) if known else {}
        if statement.iss in approvals:
            raise VerificationError("stale_action", "this governor approved it before", field="iss")
        approvals[statement.iss] = index
        changed = self._try_verbs(action, index)
        if len(approvals) < required:
            self._check_room(statement.iss)
            if commit:
                self.proposals[key] = Proposal(action, approvals)
            return None
        effect = Effect.of(action, tuple(approvals.values()))
        if commit:
            self._take_effect(effect, changed, key)
        return effect

    def counter_of(self, subject: str) -> int:
        """Return how many actions are in effect on a subject: the counter of the next one."""
        if subject == self.origin:
            return self.counter
        issuer = self.issuers.get(subject)
        return issuer.counter if issuer is not None else 0

    def _try_verbs(self, action: Action, index: int) -> Issuer | Terms:
        """Return the issuer, or the terms, as all verbs would leave it; raise the code of the verb that fails."""
        on_ledger = action.subject == self.origin
        if any(isinstance(verb, LEDGER_VERBS) != on_ledger for verb in action.verbs):
            what = "the ledger" if on_ledger else "an issuer"
            raise VerificationError(
                "out_of_scope", f"this verb does not act on {what}", field="action.subject"
            )
        if not on_ledger:
            return self._try_on_issuer(action, index)
        terms = self.terms
        for verb in action.verbs:
            if isinstance(verb, LEDGER_VERBS):
                terms = apply_ledger_verb(terms, verb, self.issuers)
        return terms

    def _try_on_issuer(self, action: Action, index: int) -> Issuer:
        issuer = self.issuers.get(action.subject)
        for verb in action.verbs:
            if isinstance(verb, Admit) and issuer is None:
                self._check_new_name(action.subject)
                issuer = admit(action.subject, len(self.issuers) + 1, verb.admission, index)
            elif issuer is None:
                raise VerificationError(
                    "unknown_issuer", "the subject is not admitted", field="action.subject"
                )
            elif isinstance(verb, HELD_VERBS):
                continue  # leaves the issuer as it is; the fold knows what is held
            else:
                issuer = apply_verb(issuer, verb, index)
            if not set(issuer.scope.vcts) <= set(self.profiles):
                raise VerificationError(
                    "out_of_scope", "a profile that the ledger does not have", field="scope.vcts"
                )
        if issuer is None:
            raise VerificationError("stale_action", "an action without verbs", field="action.verbs")
        return issuer

    def _check_new_name(self, issuer_id: str) -> None:
        if any(name == issuer_id for name, _ in self.governors):
            raise VerificationError("place_taken", "a governor has this name", field="action.subject")
        if len(self.issuers) >= MAX_ISSUERS:
            raise VerificationError("out_of_scope", "the ledger is full of issuers", field="action.subject")
        parse_party(issuer_id, field="action.subject")

    def _check_room(self, governor: str) -> None:
        if sum(governor in proposal.approvals for proposal in self.proposals.values()) >= MAX_OPEN_APPROVALS:
            raise VerificationError("rate_limited", "too many open approvals of this governor", field="iss")

    def _take_effect(self, effect: Effect, changed: Issuer | Terms, key: bytes) -> None:
        subject = effect.action.subject
        before = self.governors
        if isinstance(changed, Terms):
            self.counter += 1
            self.terms = changed
        else:
            self.issuers[subject] = replace(changed, counter=changed.counter + 1)
        self.govern_head = govern_next(self.govern_head, key, effect.index)
        self.effects.append(effect)
        for other in [k for k, proposal in self.proposals.items() if proposal.action.subject == subject]:
            del self.proposals[other]
        if any(isinstance(verb, SetGovernors) for verb in effect.action.verbs):
            self._strike_approvals(before)

    def _strike_approvals(self, before: Governors) -> None:
        """Strike approvals of who is no governor any more; one whose key was replaced approves anew.

        A proposal that loses its last approval is gone.
        """
        kept = {name for name, key in before if (name, key) in self.governors}
        for key, proposal in list(self.proposals.items()):
            approvals = {name: index for name, index in proposal.approvals.items() if name in kept}
            if approvals:
                self.proposals[key] = replace(proposal, approvals=approvals)
            else:
                del self.proposals[key]

    def format_governance(self) -> dict[int, Any]:
        """Return part 1 of the registry digest, ready to be encoded."""
        terms = self.terms
        return {
            1: self.origin,
            2: self.charter_hash,
            3: list(terms.log_keys),
            4: format_cose_key(terms.service_key),
            5: format_cose_key(terms.receipts_key),
            6: format_governors(terms.governors),
            7: terms.threshold,
            8: terms.witness_policy,
            9: self.epoch_ms,
            10: format_profiles(terms.profiles),
            11: terms.rules,
            12: self.counter,
            13: None if terms.successor is None else list(terms.successor),
            14: [issuer.format() for issuer in self.issuers.values()],
            15: terms.format_scheduled(),
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


def govern_start(origin: str) -> bytes:
    """Return the head of the chain of effective actions before the first one."""
    return hashlib.sha256(_CHAIN_PREFIX + b"govern/v1" + origin.encode()).digest()


def govern_next(head: bytes, digest: bytes, index: int) -> bytes:
    """Return the head after the action with this digest took effect at `index`."""
    return hashlib.sha256(_CHAIN_PREFIX + head + digest + index.to_bytes(8, "big")).digest()


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
