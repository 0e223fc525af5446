"""The hash chain: a running digest over the leaves, beside the tree and independent of it.

docs/protocol.md, section 2: `chain[-1] = H(0x02 || "chain/v1" || origin)` and
`chain[i] = H(0x02 || chain[i-1] || leaf[i])`, SHA-256. Each stored row carries its value and each seal
commits the head. The chain alone proves nothing about a tail that was cut off; checkpoints and witnesses do.

>>> start = chain_start("ledger.example/one")
>>> chain_next(start, bytes(32)) == extend_chain(start, [bytes(32)])[0]
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

_LABEL: Final = b"\x02chain/v1"


def chain_start(origin: str) -> bytes:
    """Return the 32-byte chain value before entry 0 of the ledger with this origin."""
    return hashlib.sha256(_LABEL + origin.encode("utf-8")).digest()


def chain_next(prev: bytes, leaf: bytes) -> bytes:
    """Return the 32-byte chain value of an entry from the value before it and the entry's leaf hash."""
    return hashlib.sha256(b"\x02" + prev + leaf).digest()


def extend_chain(prev: bytes, leaves: Iterable[bytes]) -> list[bytes]:
    """Return the chain value of every leaf in order; the last one is the new head."""
    sha256 = hashlib.sha256
    values = accumulate(leaves, lambda value, leaf: sha256(b"\x02" + value + leaf).digest(), initial=prev)
    next(values)  # the start itself is not the value of a leaf
    return list(values)
