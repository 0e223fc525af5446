"""Charter and accept: how a ledger begins. docs/protocol.md section 3, docs/safeconduct.cddl.

The charter is entry 0. Its leaf hash is the identity of the ledger: stations and auditors pin it, and
everything else (governors, keys, witness policy, profiles) follows from it and from the govern actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.core.cose_key import PublicKey, format_cose_key, parse_cose_key
from ledger.core.fields import (
    parse_array,
    parse_bytes,
    parse_map,
    parse_origin,
    parse_party,
    parse_text,
    parse_uint,
)
from ledger.core.policy import parse_policy
from ledger.errors import MalformedError

ED25519_KEY_BYTES: Final = 32
MLDSA44_KEY_BYTES: Final = 1312
RULES: Final = 1
"""The only version of the registry's rules."""
MAX_POLICY_BYTES: Final = 32_768

Governors = tuple[tuple[str, PublicKey], ...]
Profiles = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Charter:
    """Body of the charter.

    Attributes:
        origin: the ledger's origin, also the key name of its checkpoint signatures.
        log_keys: raw Ed25519 and ML-DSA-44 public keys of the log.
        service_key: signs charter and seals.
        receipts_key: P-256, signs receipts and status tokens.
        governors: (name, key), in the charter's order.
        threshold: k approvals make an action effective; n/2 < k <= n - 1.
        witness_policy: C2SP tlog-policy text.
        epoch_ms: epoch period in milliseconds.
        profiles: vct -> (number of digests, validity in days).
        rules: version of the registry's rules.
    """

    origin: str
    log_keys: tuple[bytes, bytes]
    service_key: PublicKey
    receipts_key: PublicKey
    governors: Governors
    threshold: int
    witness_policy: str
    epoch_ms: int
    profiles: Profiles
    rules: int = RULES


@dataclass(frozen=True, slots=True)
class Accept:
    """Body of an accept: the leaf hash of the charter that a governor accepts."""

    charter_hash: bytes


def parse_charter(value: Any) -> Charter:
    """Return the charter of a decoded body.

    Raises:
        MalformedError: a key is missing or unknown, a value is out of its range, two names are equal,
            the threshold is not n/2 < k <= n-1, one key has two roles, or the witness policy does not parse; code
            `unsupported` for another version of the rules.
    """
    body = parse_map(value, range(1, 11), field="charter")
    if parse_uint(body[10], field="charter.rules") != RULES:
        raise MalformedError("rules of another version", field="charter.rules", code="unsupported")
    origin = parse_origin(body[1], field="charter.origin")
    governors = parse_governors(body[5], field="charter.governors")
    if any(name == origin for name, _ in governors):
        raise MalformedError("a governor has the ledger's name", field="charter.governors")
    receipts_key = parse_cose_key(body[4])
    if receipts_key.kind != "p256":
        raise MalformedError("the receipts key is not on P-256", field="charter.receipts_key")
    service_key = parse_cose_key(body[3])
    roles = [service_key, receipts_key, *(key for _, key in governors)]
    if len({key.thumbprint() for key in roles}) != len(roles):
        raise MalformedError("one key has two roles", field="charter")
    return Charter(
        origin=origin,
        log_keys=parse_log_keys(body[2], field="charter.log_keys"),
        service_key=service_key,
        receipts_key=receipts_key,
        governors=governors,
        threshold=parse_threshold(body[6], len(governors), field="charter.threshold"),
        witness_policy=parse_witness_policy(body[7], field="charter.witness_policy"),
        epoch_ms=parse_uint(body[8], field="charter.epoch_ms", low=1, high=86_400_000),
        profiles=parse_profiles(body[9], field="charter.profiles"),
    )


def format_charter(charter: Charter) -> dict[int, Any]:
    """Return the body of a charter, ready to be encoded."""
    return {
        1: charter.origin,
        2: list(charter.log_keys),
        3: format_cose_key(charter.service_key),
        4: format_cose_key(charter.receipts_key),
        5: format_governors(charter.governors),
        6: charter.threshold,
        7: charter.witness_policy,
        8: charter.epoch_ms,
        9: format_profiles(charter.profiles),
        10: charter.rules,
    }


def parse_accept(value: Any) -> Accept:
    """Return the accept of a decoded body."""
    return Accept(parse_bytes(parse_map(value, (1,), field="accept")[1], 32, field="accept.charter"))


def format_accept(accept: Accept) -> dict[int, Any]:
    """Return the body of an accept, ready to be encoded."""
    return {1: accept.charter_hash}


def parse_log_keys(value: Any, *, field: str) -> tuple[bytes, bytes]:
    """Return the log's raw Ed25519 and ML-DSA-44 public keys."""
    pair = parse_array(value, field=field, low=2, high=2)
    return (
        parse_bytes(pair[0], ED25519_KEY_BYTES, field=field),
        parse_bytes(pair[1], MLDSA44_KEY_BYTES, field=field),
    )


def parse_governors(value: Any, *, field: str) -> Governors:
    """Return 3 to 32 governors with different names and different keys."""
    governors = []
    for item in parse_array(value, field=field, low=3, high=32):
        pair = parse_array(item, field=field, low=2, high=2)
        governors.append((parse_party(pair[0], field=field), parse_cose_key(pair[1])))
    if len({name for name, _ in governors}) != len(governors):
        raise MalformedError("two governors have one name", field=field)
    if len({key.thumbprint() for _, key in governors}) != len(governors):
        raise MalformedError("two governors have one key", field=field)
    return tuple(governors)


def format_governors(governors: Governors) -> list[list[Any]]:
    """Return governors, ready to be encoded."""
    return [[name, format_cose_key(key)] for name, key in governors]


def parse_threshold(value: Any, governor_count: int, *, field: str) -> int:
    """Return k with n/2 < k <= n - 1 (docs/protocol.md section 3)."""
    threshold = parse_uint(value, field=field)
    if not (2 * threshold > governor_count and threshold <= governor_count - 1):
        raise MalformedError("the threshold is not above half and below all of the governors", field=field)
    return threshold


def parse_witness_policy(value: Any, *, field: str) -> str:
    """Return the text of a witness policy that parses (C2SP tlog-policy) and names no log."""
    text = parse_text(value, field=field, max_bytes=MAX_POLICY_BYTES)
    if parse_policy(text).logs:
        raise MalformedError("the policy names a log; the charter does", field=field)
    return text


def parse_profiles(value: Any, *, field: str) -> dict[str, tuple[int, int]]:
    """Return vct -> (number of digests, validity in days)."""
    if not isinstance(value, dict) or not 1 <= len(value) <= 16:
        raise MalformedError("not a map of 1 to 16 profiles", field=field)
    profiles = {}
    for vct, numbers in value.items():
        pair = parse_array(numbers, field=field, low=2, high=2)
        profiles[parse_text(vct, field=field, max_bytes=64)] = (
            parse_uint(pair[0], field=field, low=1, high=32),
            parse_uint(pair[1], field=field, low=1, high=7300),
        )
    return profiles


def format_profiles(profiles: Profiles) -> dict[str, list[int]]:
    """Return profiles, ready to be encoded."""
    return {vct: list(numbers) for vct, numbers in profiles.items()}


def check_names_differ(names: Sequence[str], *, field: str) -> None:
    """Raise `place_taken` if a name stands twice.

    Source: docs/protocol.md section 3, "Names".
    """
    if len(set(names)) != len(names):
        raise MalformedError("a name is taken", field=field, code="place_taken")
