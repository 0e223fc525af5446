"""What an evidence file proves: against whom, with the code, index and field that an audit would name.

>>> not_proven("the two heads agree", "fork").code
'not_proven'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import VerificationError

OPERATOR: Final = "operator"
"""Signatures of the ledger contradict each other or the rules: whoever holds its keys did it."""
COPY: Final = "copy"
"""Bytes that somebody served do not belong to a signed head. Nobody's signature is on them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What holds.

    Attributes:
        kind: of the evidence.
        against: "operator" or "copy".
        origin: of the ledger.
        code: the stable code that an audit gives the fault.
        index: leaf index that the fault is at, or None.
        field: field or rule that the fault names, or "".
        detail: one sentence.
        heads: (tree size, root) of the heads that count, the main one first.
        witnesses: key names of the witnesses whose valid cosignatures stand on all of these heads.
    """

    kind: str
    against: str
    origin: str
    code: str
    index: int | None
    field: str
    detail: str
    heads: tuple[tuple[int, bytes], ...]
    witnesses: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, hashes in hex."""
        return {
            "kind": self.kind,
            "against": self.against,
            "origin": self.origin,
            "code": self.code,
            "index": self.index,
            "field": self.field,
            "detail": self.detail,
            "heads": [{"size": size, "root": root.hex()} for size, root in self.heads],
            "witnesses": list(self.witnesses),
        }


def not_proven(detail: str, field: str) -> VerificationError:
    """Return the error of evidence that does not hold."""
    return VerificationError("not_proven", detail, field=field)
