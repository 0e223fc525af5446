"""Status List Tokens: the lists of the ledger as signed tokens for online readers.

draft-ietf-oauth-status-list, docs/protocol.md section 7: `application/statuslist+cwt`, signed with the
receipts key, `sub` the list's URI, `exp` 7 days and `ttl` one hour after `iat`.
"""

from __future__ import annotations

from typing import Final

from ledger.core import cbor, cose
from ledger.core.cose_key import Signer
from ledger.service.snapshots import ListSnapshot

MEDIA_TYPE: Final = "application/statuslist+cwt"
LIFETIME_S: Final = 7 * 86_400
TTL_S: Final = 3600
_SUB: Final = 2
_EXP: Final = 4
_IAT: Final = 6
_STATUS_LIST: Final = 65_533
_TTL: Final = 65_534
_BITS: Final = 4


def format_status_token(snapshot: ListSnapshot, iat_s: int, signer: Signer) -> bytes:
    """Return the token of one list.

    Args:
        snapshot: the list.
        iat_s: POSIX time that the witnesses of the list's head vouch for: the token is no fresher than that.
        signer: the receipts key.
    """
    payload = {
        _SUB: snapshot.uri,
        _EXP: iat_s + LIFETIME_S,
        _IAT: iat_s,
        _STATUS_LIST: {"bits": _BITS, "lst": snapshot.raw_deflated},
        _TTL: TTL_S,
    }
    protected = {cose.KID: signer.public_key.kid, cose.TYP: MEDIA_TYPE}
    return cose.format_sign1(cose.sign(protected, cbor.encode(payload), signer))
