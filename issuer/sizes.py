"""How large the front code is, part by part, for a reference card of each profile.

docs/protocol.md, section 6: the goal is 603 bytes (version 19), the ceiling 644 (version 20). The reference
card is made from fixed keys and numbers, with an index and a status place of usual length, so that two
machines print the same table; `credential/profiles/` repeats its sum.

>>> reference_size("sc:identity").total_bytes <= 603
True
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Final

from credential.core.card import LoggedCredential, Position, front_parts
from credential.core.issue import Companion, PersonClaims, StatusPlace, issue, new_subject
from credential.core.profiles import FrontSize, built_in_profile
from issuer.qr import version_for
from ledger.core.cose_key import SoftwareSigner

REFERENCE_ISSUER: Final = "civil-1"
REFERENCE_INDEX: Final = 1_234_567
REFERENCE_IDX: Final = 101_071
REFERENCE_IAT_S: Final = 1_795_305_600


@dataclass(frozen=True, slots=True)
class SizeTable:
    """Sizes of one front code.

    Attributes:
        vct: the profile.
        parts: name and size in bytes; they add up to the total.
        total_bytes: size of the code in CBOR.
        version: version of the symbol at error correction M.
        limits: what the profile says.
    """

    vct: str
    parts: tuple[tuple[str, int], ...]
    total_bytes: int
    version: int
    limits: FrontSize


def reference_card(vct: str) -> LoggedCredential:
    """Return the reference card of a profile; it is on no ledger.

    Raises:
        MalformedError: code unsupported, the profile is not known.
    """
    counter = count()

    def fixed_bytes(size: int) -> bytes:
        return hashlib.sha256(f"reference card {next(counter)}".encode()).digest()[:size]

    profile = built_in_profile(vct)
    companion = (
        Companion("A" * 16, "travel", date(2026, 12, 31)) if "companion" in profile.must_open else None
    )
    issued = issue(
        profile,
        PersonClaims(companion=companion),
        iss=REFERENCE_ISSUER,
        sub=new_subject(fixed_bytes),
        iat_s=REFERENCE_IAT_S,
        place=StatusPlace("sc:1/0", REFERENCE_IDX),
        holder=fixed_bytes(16),
        signer=SoftwareSigner.from_seed("p256", fixed_bytes(32)),
        random_bytes=fixed_bytes,
    )
    path = b"".join(fixed_bytes(32) for _ in range(4))
    disclosures = tuple(part.content for part in issued.disclosures.values())
    return LoggedCredential(issued.entry, Position(REFERENCE_INDEX, path), disclosures)


def reference_size(vct: str) -> SizeTable:
    """Return the sizes of the reference card's front code; errors as `reference_card`."""
    parts = tuple(front_parts(reference_card(vct)))
    total = sum(size for _, size in parts)
    return SizeTable(vct, parts, total, version_for(total), built_in_profile(vct).front_size_bytes)
