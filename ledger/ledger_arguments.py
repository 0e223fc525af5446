"""Verbs on the ledger itself as a person types them: `sc-ledger govern propose`. docs/protocol.md section 3.

    governors 3 ana= bo= chi=chi.pub dee=dee.pub      ana and bo keep their keys
    witness-policy witnesses.txt  log-keys log-keys.pub  successor pin-of-the-new-ledger.json

>>> take_ledger_verb(["threshold", "3"], lambda name: b"", ())
SetThreshold(threshold=3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.core import cbor
from ledger.core.charter import Governors, parse_log_keys, parse_threshold, parse_witness_policy
from ledger.core.cose_key import PublicKey
from ledger.core.fields import UINT53_MAX
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
    parse_service_keys,
)
from ledger.core.pin import parse_pin
from ledger.errors import LedgerError
from ledger.governor_keys import parse_public_key

LEDGER_WORDS: Final = (
    "governors", "threshold", "witness-policy", "log-keys", "service-keys", "profiles", "rules", "successor",
)  # fmt: skip
_KEY_FILE_MAX_BYTES: Final = 16_384

ReadFile = Callable[[str], bytes]


def take_ledger_verb(rest: list[str], read: ReadFile, governors: Governors) -> LedgerVerb:
    """Take one verb with its arguments off a list of words.

    Args:
        rest: words, the verb first; what belongs to it is removed.
        read: returns the content of a file.
        governors: those of now, for `NAME=` without a file.

    Raises:
        LedgerError: code bad_input, an argument is missing or malformed.
        MalformedError: a file is not what it must be, or the values do not make the verb.
    """
    match rest.pop(0):
        case "governors":
            return _take_governors(rest, read, governors)
        case "threshold":
            return SetThreshold(parse_number(take(rest, "threshold K"), "K"))
        case "witness-policy":
            text = read(take(rest, "witness-policy FILE")).decode("utf-8", "replace")
            return SetWitnessPolicy(parse_witness_policy(text, field="verb.witness_policy"))
        case "log-keys":
            value = _decode(read(take(rest, "log-keys FILE")))
            return SetLogKeys(parse_log_keys(value, field="verb.log_keys"))
        case "service-keys":
            return SetServiceKeys(*parse_service_keys(_decode(read(take(rest, "service-keys FILE")))))
        case "profiles":
            return _take_profiles(rest)
        case "rules":
            return SetRules(parse_number(take(rest, "rules N"), "N"))
        case _:
            pin = parse_pin(read(take(rest, "successor PIN_FILE")))
            return SetSuccessor(pin.origin, pin.charter_hash)


def _take_governors(rest: list[str], read: ReadFile, governors: Governors) -> SetGovernors:
    form = "governors K NAME=PUBLIC_KEY_FILE ... (all of them; NAME= keeps the key of now)"
    threshold = parse_number(take(rest, form), "K")
    known = dict(governors)
    chosen: list[tuple[str, PublicKey]] = []
    while rest and "=" in rest[0]:
        name, _, file = rest.pop(0).partition("=")
        if file:
            chosen.append((name, parse_public_key(read(file))))
        elif name in known:
            chosen.append((name, known[name]))
        else:
            raise bad(f"{name}= keeps the key of a governor of now: give --from SOURCE that knows one")
    if not chosen:
        raise bad(form)
    return SetGovernors(tuple(chosen), parse_threshold(threshold, len(chosen), field="verb.threshold"))


def _take_profiles(rest: list[str]) -> SetProfiles:
    form = "profiles VCT=DIGESTS:DAYS ... (all of them, those of now too)"
    profiles: dict[str, tuple[int, int]] = {}
    while rest and "=" in rest[0]:
        vct, _, numbers = rest.pop(0).rpartition("=")
        digests, separator, days = numbers.partition(":")
        if not vct or not separator or vct in profiles:
            raise bad(form)
        profiles[vct] = (parse_number(digests, "DIGESTS"), parse_number(days, "DAYS"))
    if not profiles:
        raise bad(form)
    return SetProfiles(profiles)


def _decode(data: bytes) -> object:
    value: object = cbor.decode(data, max_size=_KEY_FILE_MAX_BYTES, field="keys")
    return value


def take(rest: list[str], form: str) -> str:
    """Take an argument; LedgerError bad_input that shows the form of the verb if there is none."""
    if not rest:
        raise bad(f"an argument is missing: {form}")
    return rest.pop(0)


def parse_number(text: str, name: str) -> int:
    """Return a number from 0 that a person typed; LedgerError bad_input if it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > UINT53_MAX:
        raise bad(f"{name} is a number from 0")
    return int(text)


def bad(detail: str) -> LedgerError:
    """Return the error for what a person typed."""
    return LedgerError("bad_input", detail, field="verb")
