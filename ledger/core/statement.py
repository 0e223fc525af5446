"""Statements: the envelope that every entry shares, and the way from bytes to meaning and back.

A statement is a tagged COSE_Sign1 (RFC 9052) with an empty unprotected header; it is at the same time a
SCITT Signed Statement (RFC 9943). docs/protocol.md section 3, docs/safeconduct.cddl.

>>> is_padding(PADDING)
True
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ledger.core import cbor, cose
from ledger.core.actions import (
    Action,
    Admission,
    format_action,
    format_admission,
    parse_action,
    parse_admission,
)
from ledger.core.charter import Accept, Charter, format_accept, format_charter, parse_accept, parse_charter
from ledger.core.claims import (
    MAX_CREDENTIAL_BYTES,
    CredentialClaims,
    CredentialFacts,
    format_claims,
    match_credential,
    match_parts,
    parse_claims,
)
from ledger.core.cose_key import ED25519, EDDSA, ES256, ESP256, PublicKey, Signer
from ledger.core.fields import parse_bytes, parse_map, parse_text
from ledger.core.seal import Seal, format_seal, parse_seal
from ledger.core.status_change import StatusChange, format_status_change, parse_status_change
from ledger.errors import MalformedError

PADDING: Final = b"\xf6"
"""An entry that is no statement."""
MAX_ENTRY_BYTES: Final = 65_535
CREDENTIAL_TYP: Final = 293
"""CoAP content format of application/sd-cwt."""
SD_ALG_SHA256: Final = -16
SD_AEAD_AES_256_GCM: Final = 2
ALGORITHMS: Final = frozenset((ESP256, ES256, ED25519, EDDSA))

Body = Charter | Accept | Action | CredentialClaims | StatusChange | Seal | Admission

_TYP: Final = "application/vnd.safeconduct.{}+cose"
_BODIES: Final[dict[str, tuple[Callable[[Any], Any], Callable[[Any], dict[int, Any]]]]] = {
    "charter": (parse_charter, format_charter),
    "accept": (parse_accept, format_accept),
    "govern": (parse_action, format_action),
    "status": (parse_status_change, format_status_change),
    "seal": (parse_seal, format_seal),
}
_KIND_OF_TYP: Final = {_TYP.format(kind): kind for kind in _BODIES}
_APPLICATION: Final = "application"
_APPLICATION_BODY: Final = (parse_admission, format_admission)


class Statement(NamedTuple):
    """A parsed entry; its signature is not checked yet. A named tuple, as one is made for every entry.

    Attributes:
        kind: charter, accept, govern, credential, status, seal; "application" is never an entry.
        iss, sub: CWT claims of the protected header.
        kid: first 8 bytes of the signing key's thumbprint.
        alg: COSE algorithm.
        statement_id: SHA-256 of the Sig_structure, the identity of the statement.
        entry: the exact bytes.
        body: the parsed payload.
        message: the Sig_structure, what is signed.
        signature: 64 bytes.
    """

    kind: str
    iss: str
    sub: str
    kid: bytes
    alg: int
    statement_id: bytes
    entry: bytes
    body: Any
    message: bytes
    signature: bytes

    def check_signature(self, key: PublicKey) -> None:
        """Check the signature under `key`.

        Raises:
            VerificationError: code bad_signature.
            MalformedError: not the one form of a signature; code unsupported if the algorithm and the
                key do not fit.
        """
        key.verify(self.alg, self.message, self.signature, digest=self.statement_id)

    def facts(self) -> CredentialFacts:
        """Return what the rules look at in a credential."""
        iss, _, iat, exp, _, vct, uri, idx, digests = self.body
        return CredentialFacts(iss, self.kid, self.statement_id, iat, exp, vct, uri, idx, len(digests))


def is_padding(entry: bytes) -> bool:
    """Return whether an entry is the padding byte."""
    return entry == PADDING


def parse_statement(entry: bytes) -> Statement:
    """Return the statement that `entry` is.

    Raises:
        MalformedError: code too_large above the cap (4,096 bytes for a credential, 65,535 for others);
            unsupported for an unknown typ, algorithm or verb; malformed for everything else.
    """
    matched = match_credential(entry) if len(entry) <= MAX_CREDENTIAL_BYTES else None
    if matched is None:
        return _parse_generic(entry, _KIND_OF_TYP)
    alg, kid, claims, message = matched
    return Statement(
        "credential", claims.iss, claims.sub, kid, alg, hashlib.sha256(message).digest(), entry, claims, message,
        entry[-64:],
    )  # fmt: skip


def verify_credential(entry: bytes, keys: Mapping[tuple[str, bytes], PublicKey]) -> CredentialFacts | None:
    """Verify a credential entry under the key of its (iss, kid) and return what the rules look at.

    The way of an audit, which does nothing else for most entries: half the work of `parse_statement`.
    None where the entry is no credential of the common form, or its key is not among `keys`: parse it then.

    Raises:
        VerificationError, MalformedError: as `Statement.check_signature`.
    """
    parts = match_parts(entry) if len(entry) <= MAX_CREDENTIAL_BYTES else None
    if parts is None:
        return None
    alg, kid, message, iss, _, iat, exp, _, vct, uri, idx, digests = parts
    key = keys.get((iss, kid))
    if key is None:
        return None
    statement_id = hashlib.sha256(message).digest()
    key.verify(alg, message, entry[-64:], digest=statement_id)
    return CredentialFacts(iss, kid, statement_id, iat, exp, vct, uri, idx, len(digests))


def parse_application(data: bytes) -> Statement:
    """Return an issuer's application (docs/protocol.md section 11); errors as `parse_statement`."""
    return _parse_generic(data, {_TYP.format(_APPLICATION): _APPLICATION})


def _parse_generic(entry: bytes, kinds: dict[str, str]) -> Statement:
    sign1 = cose.parse_sign1(entry, max_size=MAX_ENTRY_BYTES)
    if sign1.unprotected or sign1.payload is None:
        raise MalformedError("the unprotected header is not empty or the payload is missing", field="entry")
    kind, kid, alg, iss, sub = _parse_protected(sign1.protected, kinds)
    if len(sign1.signature) != 64:
        raise MalformedError("not 64 bytes", field="signature")
    body: Body
    if kind == "credential":
        if len(entry) > MAX_CREDENTIAL_BYTES:
            raise MalformedError(f"more than {MAX_CREDENTIAL_BYTES} bytes", field="entry", code="too_large")
        body = parse_claims(cbor.decode(sign1.payload, max_size=MAX_CREDENTIAL_BYTES))
        if (iss, sub) != (body.iss, body.sub):
            raise MalformedError("iss or sub differ between header and payload", field="claims")
    else:
        parse_body, _ = _APPLICATION_BODY if kind == _APPLICATION else _BODIES[kind]
        body = parse_body(cbor.decode(sign1.payload, max_size=MAX_ENTRY_BYTES))
        _check_subject(kind, iss, sub, body)
    if _encode_body(kind, body) != sign1.payload:
        raise MalformedError("not the one form of its body", field=kind)
    message = cose.sig_structure(sign1.protected_bytes, sign1.payload)
    return Statement(
        kind, iss, sub, kid, alg, hashlib.sha256(message).digest(), entry, body, message, sign1.signature
    )


def _parse_protected(protected: Any, kinds: dict[str, str]) -> tuple[str, bytes, int, str, str]:
    typ = protected.get(cose.TYP)
    if typ == CREDENTIAL_TYP and type(typ) is int and _APPLICATION not in kinds.values():
        kind, extra = "credential", {cose.SD_ALG: SD_ALG_SHA256, cose.SD_AEAD: SD_AEAD_AES_256_GCM}
    elif isinstance(typ, str) and typ in kinds:
        kind, extra = kinds[typ], {}
    else:
        raise MalformedError("not a type of statement of this version", field="typ", code="unsupported")
    if set(protected) != {cose.ALG, cose.KID, cose.CWT_CLAIMS, cose.TYP, *extra}:
        raise MalformedError("header parameters missing or unexpected", field="protected")
    alg = protected[cose.ALG]
    if type(alg) is not int or alg not in ALGORITHMS:
        raise MalformedError("not an algorithm of this version", field="alg", code="unsupported")
    # simple(2) equals 2 in Python, and is something else.
    if any(type(protected[label]) is not int or protected[label] != value for label, value in extra.items()):
        raise MalformedError("another hash or AEAD algorithm", field="protected", code="unsupported")
    claims = parse_map(protected[cose.CWT_CLAIMS], (1, 2), field="protected")
    return (
        kind,
        parse_bytes(protected[cose.KID], 8, field="kid"),
        alg,
        parse_text(claims[1], field="iss", max_bytes=200),
        parse_text(claims[2], field="sub", max_bytes=200),
    )


def _check_subject(kind: str, iss: str, sub: str, body: Any) -> None:
    """Check that iss and sub repeat what the body says (table in docs/protocol.md section 3)."""
    match kind:
        case "charter":
            fits = iss == sub == body.origin
        case "govern":
            fits = sub == body.subject
        case "status" if body.proof is not None:
            claims = proven_claims(body)
            place = (body.uri, body.rows[0].idx)
            fits = sub == body.uri and iss == claims.sub and place == (claims.uri, claims.idx)
        case "status":
            fits = sub == body.uri
        case "seal":
            fits = iss == sub
        case _:
            fits = True
    if not fits:
        raise MalformedError("iss or sub do not fit the body", field="protected")


def proven_claims(change: StatusChange) -> CredentialClaims:
    """Return the claims of the credential that a holder's own replacement carries.

    Nothing is checked but the form: that the credential is on the ledger is for the registry to say.

    Raises:
        MalformedError: there is none, or what there is has not the form of a credential (code unsupported
            for a statement of another kind).
    """
    if change.proof is None:
        raise MalformedError("no proof of a credential", field="status.proof")
    entry = change.proof.entry
    matched = match_credential(entry)
    # No other kind is looked for, so that nothing nests.
    claims: CredentialClaims = matched.claims if matched else _parse_generic(entry, {}).body
    return claims


def sign_statement(kind: str, iss: str, sub: str, body: Body, signer: Signer) -> bytes:
    """Sign a charter, accept, govern, status, seal or application and return its entry bytes.

    For a holder's own replacement `iss` is the credential's `sub`, and `signer` has the key of its `cnf`.
    """
    protected = {
        cose.ALG: signer.alg,
        cose.KID: signer.public_key.kid,
        cose.CWT_CLAIMS: {1: iss, 2: sub},
        cose.TYP: _TYP.format(kind),
    }
    return cose.format_sign1(cose.sign(protected, _encode_body(kind, body), signer))


def sign_credential(claims: CredentialClaims, signer: Signer) -> bytes:
    """Sign the claims of a credential and return its entry bytes."""
    protected = {
        cose.ALG: signer.alg,
        cose.KID: signer.public_key.kid,
        cose.CWT_CLAIMS: {1: claims.iss, 2: claims.sub},
        cose.TYP: CREDENTIAL_TYP,
        cose.SD_ALG: SD_ALG_SHA256,
        cose.SD_AEAD: SD_AEAD_AES_256_GCM,
    }
    return cose.format_sign1(cose.sign(protected, _encode_body("credential", claims), signer))


def _encode_body(kind: str, body: Any) -> bytes:
    if kind == "credential":
        return cbor.encode(format_claims(body))
    _, format_body = _APPLICATION_BODY if kind == _APPLICATION else _BODIES[kind]
    return cbor.encode(format_body(body))
