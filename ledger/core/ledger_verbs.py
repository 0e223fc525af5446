"""Verbs 10 to 17: what governors decide about the ledger itself. docs/protocol.md section 3.

`ledger.core.actions` knows the verbs on an issuer and the action that carries verbs of either kind.

>>> parse_ledger_verb(11, [11, 3])
SetThreshold(threshold=3)
>>> format_ledger_verb(SetRules(1))
[16, 1]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger.core.charter import (
    Governors,
    Profiles,
    format_governors,
    format_profiles,
    parse_governors,
    parse_log_keys,
    parse_profiles,
    parse_threshold,
    parse_witness_policy,
)
from ledger.core.cose_key import PublicKey, format_cose_key, parse_cose_key
from ledger.core.fields import parse_array, parse_bytes, parse_origin, parse_uint
from ledger.errors import MalformedError


@dataclass(frozen=True, slots=True)
class SetGovernors:
    """Verb 10: who governs, and how many of them decide."""

    governors: Governors
    threshold: int


@dataclass(frozen=True, slots=True)
class SetThreshold:
    """Verb 11: how many governors decide."""

    threshold: int


@dataclass(frozen=True, slots=True)
class SetWitnessPolicy:
    """Verb 12: the witness policy, tlog-policy text without log lines."""

    text: str


@dataclass(frozen=True, slots=True)
class SetLogKeys:
    """Verb 13: raw Ed25519 and ML-DSA-44 public keys of the log."""

    log_keys: tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class SetServiceKeys:
    """Verb 14: the key of seals, and the key of receipts (P-256)."""

    service_key: PublicKey
    receipts_key: PublicKey


@dataclass(frozen=True, slots=True)
class SetProfiles:
    """Verb 15: all profiles, vct -> (number of digests, validity in days)."""

    profiles: Profiles


@dataclass(frozen=True, slots=True)
class SetRules:
    """Verb 16: the version of the registry's rules."""

    rules: int


@dataclass(frozen=True, slots=True)
class SetSuccessor:
    """Verb 17: the ledger that goes on, by origin and leaf hash of its charter."""

    origin: str
    charter_hash: bytes


ScheduledVerb = SetWitnessPolicy | SetLogKeys | SetServiceKeys | SetProfiles | SetRules
LedgerVerb = SetGovernors | SetThreshold | ScheduledVerb | SetSuccessor

LEDGER_VERBS: Final = (
    SetGovernors, SetThreshold, SetWitnessPolicy, SetLogKeys, SetServiceKeys, SetProfiles, SetRules, SetSuccessor,
)  # fmt: skip
SCHEDULED_VERBS: Final = (SetWitnessPolicy, SetLogKeys, SetServiceKeys, SetProfiles, SetRules)
"""They hold from the opening of the next epoch."""
BRIDGED_VERBS: Final = (SetGovernors, SetThreshold, SetWitnessPolicy, SetLogKeys, SetServiceKeys)
"""A verifier crosses them by a checkpoint under the keys and the witnesses before them (section 9)."""


def parse_ledger_verb(code: int, item: list[Any]) -> LedgerVerb:
    """Return the verb of a number from 10 to 17 with the right number of arguments.

    Raises:
        MalformedError: an argument is not of its form.
    """
    match code:
        case 10:
            governors = parse_governors(item[1], field="verb.governors")
            return SetGovernors(governors, parse_threshold(item[2], len(governors), field="verb.threshold"))
        case 11:
            return SetThreshold(parse_uint(item[1], field="verb.threshold"))
        case 12:
            return SetWitnessPolicy(parse_witness_policy(item[1], field="verb.witness_policy"))
        case 13:
            return SetLogKeys(parse_log_keys(item[1], field="verb.log_keys"))
        case 14:
            return SetServiceKeys(*parse_service_keys(item[1:]))
        case 15:
            return SetProfiles(parse_profiles(item[1], field="verb.profiles"))
        case 16:
            return SetRules(parse_uint(item[1], field="verb.rules"))
        case _:
            return SetSuccessor(
                parse_origin(item[1], field="verb.successor"),
                parse_bytes(item[2], 32, field="verb.successor"),
            )


def format_ledger_verb(verb: LedgerVerb) -> list[Any]:
    """Return a verb as an array: its number, then its arguments; the inverse of `parse_ledger_verb`."""
    match verb:
        case SetGovernors(governors, threshold):
            return [10, format_governors(governors), threshold]
        case SetThreshold(threshold):
            return [11, threshold]
        case SetWitnessPolicy(text):
            return [12, text]
        case SetLogKeys(log_keys):
            return [13, list(log_keys)]
        case SetServiceKeys(service_key, receipts_key):
            return [14, *format_service_keys(service_key, receipts_key)]
        case SetProfiles(profiles):
            return [15, format_profiles(profiles)]
        case SetRules(rules):
            return [16, rules]
        case SetSuccessor(origin, charter_hash):
            return [17, origin, charter_hash]


def parse_service_keys(value: Any) -> tuple[PublicKey, PublicKey]:
    """Return the service key and the receipts key of an array of both; the receipts key is on P-256."""
    pair = parse_array(value, field="verb.service_keys", low=2, high=2)
    service_key, receipts_key = parse_cose_key(pair[0]), parse_cose_key(pair[1])
    if receipts_key.kind != "p256":
        raise MalformedError("the receipts key is not on P-256", field="verb.receipts_key")
    return service_key, receipts_key


def format_service_keys(service_key: PublicKey, receipts_key: PublicKey) -> list[Any]:
    """Return service key and receipts key, ready to be encoded."""
    return [format_cose_key(service_key), format_cose_key(receipts_key)]
