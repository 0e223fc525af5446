"""Seal: the last entry of an epoch says what the ledger means there. docs/protocol.md section 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.core.fields import parse_bytes, parse_map, parse_uint


@dataclass(frozen=True, slots=True)
class Seal:
    """Body of a seal.

    Attributes:
        index: its own index, N-1.
        chain: chain value of entry N-2.
        registry_digest: of the state after entry N-2.
        status_digest: of the status lists after entry N-2.
        time_ms: epoch time in milliseconds since 1970.
        govern_head: head of the chain of effective govern actions.
    """

    index: int
    chain: bytes
    registry_digest: bytes
    status_digest: bytes
    time_ms: int
    govern_head: bytes


def parse_seal(value: Any) -> Seal:
    """Return the seal of a decoded body; MalformedError if it is not the form of the CDDL."""
    body = parse_map(value, range(1, 7), field="seal")
    return Seal(
        index=parse_uint(body[1], field="seal.index"),
        chain=parse_bytes(body[2], 32, field="seal.chain"),
        registry_digest=parse_bytes(body[3], 32, field="seal.registry_digest"),
        status_digest=parse_bytes(body[4], 32, field="seal.status_digest"),
        time_ms=parse_uint(body[5], field="seal.time_ms"),
        govern_head=parse_bytes(body[6], 32, field="seal.govern_head"),
    )


def format_seal(seal: Seal) -> dict[int, Any]:
    """Return the body of a seal, ready to be encoded."""
    return {
        1: seal.index,
        2: seal.chain,
        3: seal.registry_digest,
        4: seal.status_digest,
        5: seal.time_ms,
        6: seal.govern_head,
    }
