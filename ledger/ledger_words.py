"""What governors decide about the ledger itself, in plain words. docs/protocol.md section 3, verbs 10 to 17.

>>> from ledger.core.ledger_verbs import SetThreshold
>>> describe_ledger_verb(SetThreshold(3))
['From this action on, 3 governors decide']
"""

from __future__ import annotations

import hashlib
from typing import Final

from ledger.core import cbor
from ledger.core.charter import Profiles
from ledger.core.cose_key import PublicKey
from ledger.core.ledger_verbs import (
    LedgerVerb,
    SetGovernors,
    SetLogKeys,
    SetProfiles,
    SetRules,
    SetServiceKeys,
    SetSuccessor,
    SetThreshold,
    SetWitnessPolicy,
)
from ledger.core.registry.ledger_terms import Terms
from ledger.govern_files import words_of

_LATER: Final = "It holds from the next epoch on."


def describe_key(key: PublicKey) -> str:
    """Return a public key as people compare it."""
    kind = "P-256" if key.kind == "p256" else "Ed25519"
    return f"{kind} {key.kid.hex()} ({words_of(key.thumbprint())})"


def describe_log_keys(log_keys: tuple[bytes, bytes]) -> str:
    """Return both public keys of the log as people compare them: the digest of the file that names them."""
    digest = hashlib.sha256(cbor.encode(list(log_keys))).digest()
    return f"log keys {digest.hex()[:16]} ({words_of(digest)})"


def describe_terms(terms: Terms) -> list[str]:
    """Return keys and profiles of the ledger, what is scheduled, and its successor."""
    lines = [
        f"  {describe_log_keys(terms.log_keys)}",
        f"  service key: {describe_key(terms.service_key)}",
        f"  receipts key: {describe_key(terms.receipts_key)}",
        *(f"  {line}" for line in _describe_profiles(terms.profiles)),
    ]
    for verb in terms.scheduled.values():
        first, *more = describe_ledger_verb(verb)
        lines += [f"  Scheduled: {first}", *(f"    {line}" for line in more)]
    if terms.successor is not None:
        origin, charter_hash = terms.successor
        lines.append(f"  It is over: the ledger {origin} goes on ({words_of(charter_hash)})")
    return lines


def describe_ledger_verb(verb: LedgerVerb) -> list[str]:
    """Return a verb in plain words, the main line first."""
    match verb:
        case SetGovernors(governors, threshold):
            return [
                f"From this action on, {threshold} of these {len(governors)} governors decide, and nobody else:",
                *(f"{name}: {describe_key(key)}" for name, key in governors),
                "What others approved of other actions until then does not count any more.",
            ]
        case SetThreshold(threshold):
            return [f"From this action on, {threshold} governors decide"]
        case SetWitnessPolicy(text):
            return ["Replace the witnesses by these:", *text.splitlines(), _LATER]
        case SetLogKeys(log_keys):
            return ["Replace the keys that sign checkpoints", describe_log_keys(log_keys), _LATER]
        case SetServiceKeys(service_key, receipts_key):
            return [
                "Replace the keys of seals and of receipts",
                f"service key: {describe_key(service_key)}",
                f"receipts key: {describe_key(receipts_key)}",
                _LATER,
            ]
        case SetProfiles(profiles):
            return [
                "Replace the list of credential types by this one:",
                *_describe_profiles(profiles),
                _LATER,
            ]
        case SetRules(rules):
            return [f"Go over to the rules of version {rules}", _LATER]
        case SetSuccessor(origin, charter_hash):
            return [
                f"End this ledger: {origin} goes on in its place, for good",
                f"its charter: {charter_hash.hex()} ({words_of(charter_hash)})",
                "From the next epoch on nobody can issue here; changes of status go on.",
            ]


def _describe_profiles(profiles: Profiles) -> list[str]:
    return [
        f"credential type {vct}: {digests} digests, valid for {days} days"
        for vct, (digests, days) in sorted(profiles.items())
    ]
