"""Keys as SCRAPI gives them out: a COSE Key Set, and each key under its kid.

draft-ietf-scitt-scrapi, "Transparency Service Keys"; RFC 9052, section 7. Each key carries its kid (2), which
receipts name; in an address it is written in base64url without padding.

>>> from ledger.core.cose_key import SoftwareSigner
>>> key = SoftwareSigner.from_seed("p256", bytes(32)).public_key
>>> parse_key_set(format_key_set([key])) == [key], len(key_name(key))
(True, 11)
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Final

from ledger.core import cbor
from ledger.core.cose_key import PublicKey, format_cose_key, parse_cose_key
from ledger.errors import MalformedError

MAX_KEYS: Final = 1024
MAX_KEY_SET_BYTES: Final = 256 * 1024
_KID: Final = 2


def format_key(key: PublicKey) -> bytes:
    """Return one COSE Key with its kid."""
    return cbor.encode(_named(key))


def format_key_set(keys: Sequence[PublicKey]) -> bytes:
    """Return a COSE Key Set, each key with its kid."""
    return cbor.encode([_named(key) for key in keys])


def parse_key_set(data: bytes) -> list[PublicKey]:
    """Read a COSE Key Set; the inverse of `format_key_set`.

    Raises:
        MalformedError: not exactly that form; code `too_large` above 1,024 keys or 256 KiB.
    """
    value = cbor.decode(data, max_size=MAX_KEY_SET_BYTES, field="keys")
    if type(value) is not list or not value:
        raise MalformedError("a key set is a list of keys", field="keys")
    if len(value) > MAX_KEYS:
        raise MalformedError("more keys than a ledger has", field="keys", code="too_large")
    keys = []
    for item in value:
        if type(item) is not dict or type(item.get(_KID)) is not bytes:
            raise MalformedError("a key of a set has a kid", field="keys")
        keys.append(parse_cose_key({label: part for label, part in item.items() if label != _KID}))
    if format_key_set(keys) != data:
        raise MalformedError("a kid is not that of its key", field="keys")
    return keys


def key_name(key: PublicKey) -> str:
    """Return the kid of a key as it stands in an address."""
    return base64.urlsafe_b64encode(key.kid).rstrip(b"=").decode("ascii")


def _named(key: PublicKey) -> dict[int, Any]:
    return {**format_cose_key(key), _KID: key.kid}
