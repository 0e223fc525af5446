"""What governors decide about the ledger itself, and when it holds. docs/protocol.md section 3.

Governors, threshold and successor hold at once. Witness policy, log keys, service and receipts keys, profiles
and rules are scheduled: they hold from the opening of the next epoch, so that the seal and the checkpoint
that contain the action are made under the old ones.

    terms = apply_ledger_verb(terms, SetWitnessPolicy("quorum none\\n"), issuer_ids)
    terms.witness_policy          # still the old one
    terms.opened().witness_policy # the new one
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.core.charter import RULES, Governors, Profiles
from ledger.core.cose_key import PublicKey
from ledger.core.ledger_verbs import (
    LedgerVerb,
    ScheduledVerb,
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
    format_ledger_verb,
)
from ledger.errors import VerificationError

UNTIL_BRIDGED: Final = (SetWitnessPolicy, SetLogKeys, SetServiceKeys)
"""Scheduled verbs that a station takes over where it crosses their bridging checkpoint."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the ledger as a whole, and what will.

    Attributes:
        origin: the ledger's name.
        governors, threshold: who decides, and how many of them.
        witness_policy, log_keys, service_key, receipts_key, profiles, rules: what holds in the running epoch.
        successor: origin and charter hash of the ledger that goes on, or None.
        read_only: whether new credentials are refused, from the epoch after the one that named the successor.
        scheduled: by number of the verb, what holds from the next epoch on.
    """

    origin: str
    governors: Governors
    threshold: int
    witness_policy: str
    log_keys: tuple[bytes, bytes]
    service_key: PublicKey
    receipts_key: PublicKey
    profiles: Profiles
    rules: int
    successor: tuple[str, bytes] | None = None
    read_only: bool = False
    scheduled: Mapping[int, ScheduledVerb] = field(default_factory=dict)

    @property
    def is_due(self) -> bool:
        """Whether the next epoch brings anything new."""
        return bool(self.scheduled) or (self.successor is not None and not self.read_only)

    def opened(self, *, bridged: bool = True) -> Terms:
        """Return the terms of the epoch that opens next.

        Args:
            bridged: False leaves what needs a bridging checkpoint scheduled: a station, which does not see
                where epochs begin, takes over profiles and rules as soon as it reads them.
        """
        terms, waiting = self, {}
        for number, verb in self.scheduled.items():
            if not bridged and isinstance(verb, UNTIL_BRIDGED):
                waiting[number] = verb
            else:
                terms = _hold(terms, verb)
        return replace(terms, scheduled=waiting, read_only=terms.successor is not None)

    def format_scheduled(self) -> dict[int, list[Any]]:
        """Return field 15 of part 1 of the registry digest: verb => its arguments as an array."""
        return {number: format_ledger_verb(verb)[1:] for number, verb in self.scheduled.items()}


def apply_ledger_verb(terms: Terms, verb: LedgerVerb, issuer_ids: Collection[str]) -> Terms:
    """Return the terms after one verb.

    Args:
        terms: before it.
        verb: verbs 10 to 17.
        issuer_ids: names that no governor may have.

    Raises:
        VerificationError: place_taken for a governor with the name of an issuer or of the ledger;
            out_of_scope for a threshold that is not n/2 < k <= n - 1, or a successor with this ledger's own
            name; unsupported for rules of another version; bad_transition for a profile that is removed or
            gets another number of digests, and for a second successor.
    """
    match verb:
        case SetGovernors(governors, threshold):
            _check_names(terms, governors, issuer_ids)
            return replace(terms, governors=governors, threshold=threshold)
        case SetThreshold(threshold):
            count = len(terms.governors)
            if not count < 2 * threshold <= 2 * (count - 1):
                raise VerificationError(
                    "out_of_scope", "not above half and below all of the governors", field="verb.threshold"
                )
            return replace(terms, threshold=threshold)
        case SetSuccessor(origin, charter_hash):
            if terms.successor is not None:
                raise VerificationError(
                    "bad_transition", "the ledger has a successor", field="verb.successor"
                )
            if origin == terms.origin:
                raise VerificationError("out_of_scope", "the ledger itself", field="verb.successor")
            return replace(terms, successor=(origin, charter_hash))
        case SetProfiles(profiles):
            _check_profiles(terms, profiles)
        case SetRules(rules) if rules != RULES:
            raise VerificationError("unsupported", "rules of another version", field="verb.rules")
    # Of two scheduled values of one kind the later counts.
    return replace(terms, scheduled={**terms.scheduled, format_ledger_verb(verb)[0]: verb})


def _check_names(terms: Terms, governors: Governors, issuer_ids: Collection[str]) -> None:
    for name, _ in governors:
        if name in issuer_ids or name == terms.origin:
            raise VerificationError("place_taken", "an issuer or the ledger has this name", field="governors")


def _check_profiles(terms: Terms, profiles: Profiles) -> None:
    """Profiles are compared with those that would hold next: what is once scheduled stays, too."""
    known = terms.opened().profiles
    for vct, (digest_count, _) in known.items():
        if vct not in profiles or profiles[vct][0] != digest_count:
            raise VerificationError(
                "bad_transition", "a profile is removed or has other digests", field="verb.profiles"
            )


def _hold(terms: Terms, verb: ScheduledVerb) -> Terms:
    match verb:
        case SetWitnessPolicy(text):
            return replace(terms, witness_policy=text)
        case SetLogKeys(log_keys):
            return replace(terms, log_keys=log_keys)
        case SetServiceKeys(service_key, receipts_key):
            return replace(terms, service_key=service_key, receipts_key=receipts_key)
        case SetProfiles(profiles):
            return replace(terms, profiles=profiles)
        case SetRules(rules):
            return replace(terms, rules=rules)
