"""Key binding: a phone proves that it holds the key of the credential that it shows.

Implements the SD-KBT of draft-ietf-spice-sd-cwt (read: April 2026): a COSE_Sign1 by the key in the
credential's `cnf`, typ 294, with the whole credential and its chosen disclosures in protected header 13,
and the claims aud, iat or cti, and cnonce. Bound to one station by `aud`, and to this moment by the
station's nonce, or by an age of at most 5 minutes where the station's clock is trusted
(docs/protocol.md, section 6).

>>> from ledger.core import cbor, cose, cose_key
>>> holder = cose_key.SoftwareSigner.from_seed("ed25519", bytes(32))
>>> claims = {2: "sub", 8: {1: cose_key.format_cose_key(holder.public_key)}}
>>> card = cose.format_sign1(cose.sign({16: 293}, cbor.encode(claims), holder))
>>> token = prove_key_binding(card, holder, aud="hut-7", iat_s=1_800_000_000, cnonce=b"12345678")
>>> check_key_binding(token, expected_aud="hut-7", cnonce=b"12345678", now_s=None).aud
'hut-7'
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from credential.errors import KeyBindingError
from ledger.core import cbor, cose
from ledger.core.cbor import CBORSimpleValue, CBORTag
from ledger.core.cose import Sign1
from ledger.core.cose_key import PublicKey, Signer, parse_cose_key
from ledger.errors import MalformedError, VerificationError

TYP_KBT: Final = 294
TYPS_KBT: Final[frozenset[int | str]] = frozenset((TYP_KBT, "application/kb+cwt"))
TYPS_SD_CWT: Final[frozenset[int | str]] = frozenset((293, "application/sd-cwt"))
KBT_MAX_BYTES: Final = 8192
MAX_AGE_S: Final = 300
CLOCK_SKEW_S: Final = 60
CNONCE_MIN_BYTES: Final = 8
CNONCE_MAX_BYTES: Final = 64
AUD_MAX_BYTES: Final = 255

_ISS, _SUB, _AUD, _EXP, _NBF, _IAT, _CTI, _CNF, _CNONCE = 1, 2, 3, 4, 5, 6, 7, 8, 39
_FLOAT_LIMIT: Final = 2**53

Seconds = int | float | None


@dataclass(frozen=True, slots=True)
class KeyBinding:
    """Evidence of a checked key binding.

    Attributes:
        inner: the credential as presented, its issuer's signature not yet checked unless the caller did.
        inner_claims: the claims of its payload, digests included.
        holder_key: the key of `cnf`, which signed the binding.
        aud: the station it is for.
        iat_s: when it was made, or None where only a cti says that it is unique.
        cnonce: the nonce it answers, or None.
    """

    inner: Sign1
    inner_claims: dict[Any, Any]
    holder_key: PublicKey
    aud: str
    iat_s: int | float | None
    cnonce: bytes | None


def prove_key_binding(
    sd_cwt: bytes, signer: Signer, *, aud: str, iat_s: int, cnonce: bytes | None = None
) -> bytes:
    """Return the key binding token of a presentation.

    Args:
        sd_cwt: the tagged credential with the chosen disclosures in its unprotected header.
        signer: the holder's key, the one in `cnf`.
        aud: the station's name.
        iat_s: now, epoch seconds.
        cnonce: the station's nonce, 8 to 64 bytes, or None.

    Raises:
        MalformedError: the credential does not parse or names no key.
        KeyBindingError: the signer's key is not the one in `cnf`, or `iat_s` lies outside the
            credential's own times.
        ValueError: `aud` or `cnonce` have a length that is not allowed.
    """
    if not 1 <= len(aud.encode()) <= AUD_MAX_BYTES:
        raise ValueError("an audience is 1 to 255 bytes")
    if cnonce is not None and not CNONCE_MIN_BYTES <= len(cnonce) <= CNONCE_MAX_BYTES:
        raise ValueError("a nonce is 8 to 64 bytes")
    inner = cose.parse_sign1(sd_cwt, max_size=KBT_MAX_BYTES)
    inner_claims = _parse_claims(inner, deterministic=True)
    if _confirmation_key(inner_claims) != signer.public_key:
        raise KeyBindingError("this is not the key of the credential")
    claims: dict[int, Any] = {_AUD: aud, _IAT: iat_s}
    if cnonce is not None:
        claims[_CNONCE] = cnonce
    _check_times(inner_claims, claims)
    header = {cose.KCWT: _as_tag(inner), cose.TYP: TYP_KBT}
    return cose.format_sign1(cose.sign(header, cbor.encode(claims), signer))


def check_key_binding(
    data: bytes,
    *,
    expected_aud: str,
    cnonce: bytes | None,
    now_s: int | None,
    max_age_s: int = MAX_AGE_S,
    check_issuer: Callable[[Sign1], None] | None = None,
    deterministic: bool = True,
) -> KeyBinding:
    """Check a key binding token; return the credential in it and the evidence.

    Args:
        data: the tagged token.
        expected_aud: the station's own name.
        cnonce: the nonce that the station handed out, or None if it handed out none.
        now_s: the station's time, epoch seconds, or None where its clock is not trusted.
        max_age_s: how old a token without a nonce may be.
        check_issuer: called with the credential before anything in it is used; raises to refuse it.
        deterministic: False only for tokens that others published.

    Raises:
        MalformedError: not a COSE_Sign1 over a COSE_Sign1 of the right types and shapes, over 8 KiB
            (code too_large), or an algorithm or key that is not supported (code unsupported).
        KeyBindingError: the signature does not verify under `cnf`; another audience; another nonce or
            none; without a nonce: no trusted clock, no iat, or an iat older than `max_age_s` or more
            than 60 s ahead; times that contradict each other or the credential's; iss, sub or header 15
            in the token.
        CodedError: whatever `check_issuer` raises.

    Source: draft-ietf-spice-sd-cwt, "SD-KBT and SD-CWT Verifier Validation", steps 1 to 6 and 8; step 7
    is `sd_cwt.apply_disclosures`.
    """
    outer = cose.parse_sign1(data, max_size=KBT_MAX_BYTES, deterministic=deterministic)
    _check_type(outer)
    inner = _parse_inner(outer, deterministic)
    if check_issuer is not None:
        check_issuer(inner)
    inner_claims = _parse_claims(inner, deterministic)
    holder_key = _confirmation_key(inner_claims)
    try:
        cose.check_signature(outer, holder_key)
    except VerificationError:
        raise KeyBindingError("the key binding is not signed by the holder's key") from None
    claims = _parse_claims(outer, deterministic)
    if cose.CWT_CLAIMS in outer.protected or _ISS in claims or _SUB in claims:
        raise KeyBindingError("a key binding has no issuer or subject of its own")
    _check_audience(claims, inner_claims, expected_aud)
    _check_times(inner_claims, claims)
    _check_fresh(claims, cnonce, now_s, max_age_s)
    return KeyBinding(
        inner, inner_claims, holder_key, claims[_AUD], _seconds(claims, _IAT), claims.get(_CNONCE)
    )


def bound_credential(data: bytes) -> bytes:
    """Return the credential inside a key binding token, tagged, in its one form. Nothing is verified.

    Raises:
        MalformedError: not a COSE_Sign1 over a COSE_Sign1, over 8 KiB (code too_large), or of other types:
            a token inside a token too (code unsupported).
    """
    outer = cose.parse_sign1(data, max_size=KBT_MAX_BYTES)
    _check_type(outer)
    return cose.format_sign1(_parse_inner(outer, deterministic=True))


def _check_type(outer: Sign1) -> None:
    if not _is_one_of(outer.protected.get(cose.TYP), TYPS_KBT):
        raise MalformedError("not a key binding token", field="typ", code="unsupported")


def _parse_inner(outer: Sign1, deterministic: bool) -> Sign1:
    tag = outer.protected.get(cose.KCWT)
    if type(tag) is not CBORTag:
        raise MalformedError("header 13 holds no credential", field="kcwt")
    # The parts that are signed are byte strings and survive; only the order of the unprotected header
    # could change, and the outer signature has already fixed it.
    data = _encode_tag(tag)
    inner = cose.parse_sign1(data, max_size=KBT_MAX_BYTES, deterministic=deterministic)
    if not _is_one_of(inner.protected.get(cose.TYP), TYPS_SD_CWT):
        raise MalformedError("header 13 holds no SD-CWT", field="kcwt", code="unsupported")
    return inner


def _is_label(label: object) -> bool:
    """Tell an integer, a text or simple(59) from what Python holds equal to one: simple(3) would be found as 3."""
    return type(label) in (int, str) or (type(label) is CBORSimpleValue and label == cbor.REDACTED_KEYS)


def _is_one_of(typ: object, known: frozenset[int | str]) -> bool:
    """Tell whether a type is known; it may be of any CBOR type, and some cannot be looked up."""
    return type(typ) in (int, str) and typ in known


def _encode_tag(tag: CBORTag) -> bytes:
    try:
        return cbor.encode(tag)
    except ValueError:
        raise MalformedError("header 13 holds no credential", field="kcwt") from None


def _as_tag(message: Sign1) -> CBORTag:
    parts = [message.protected_bytes, message.unprotected, message.payload, message.signature]
    return CBORTag(cose.SIGN1_TAG, parts)


def _parse_claims(message: Sign1, deterministic: bool) -> dict[Any, Any]:
    claims = cbor.decode(
        message.payload or b"", max_size=KBT_MAX_BYTES, deterministic=deterministic, field="claims"
    )
    if type(claims) is not dict or not all(map(_is_label, claims)):
        raise MalformedError("the claims are not a map of labels", field="claims")
    return claims


def _confirmation_key(claims: dict[Any, Any]) -> PublicKey:
    cnf = claims.get(_CNF)
    if type(cnf) is not dict or cnf.keys() != {1}:
        raise MalformedError("cnf is not exactly one key", field="cnf")
    return parse_cose_key(cnf[1])


def _check_audience(claims: dict[Any, Any], inner: dict[Any, Any], expected_aud: str) -> None:
    if type(claims.get(_AUD)) is not str:
        raise MalformedError("a key binding names its audience", field="aud")
    if claims[_AUD] != expected_aud or inner.get(_AUD, expected_aud) != expected_aud:
        raise KeyBindingError("the key binding is for someone else", field="aud")


def _check_times(inner: dict[Any, Any], claims: dict[Any, Any]) -> None:
    """Check the relations of step 6 of the draft between the times of credential and token."""
    exp, nbf, iat = (_seconds(inner, label) for label in (_EXP, _NBF, _IAT))
    kbt_exp, kbt_nbf, kbt_iat = (_seconds(claims, label) for label in (_EXP, _NBF, _IAT))
    if kbt_iat is None and type(claims.get(_CTI)) is not bytes:
        raise KeyBindingError("a key binding has iat or cti", field="iat")
    if kbt_iat is None and (kbt_exp is not None or kbt_nbf is not None):
        raise KeyBindingError("a key binding without iat has no other time", field="iat")
    in_order = (
        _at_most(kbt_nbf, kbt_iat),
        _before(kbt_iat, kbt_exp),
        _at_most(nbf, iat),
        _before(iat, exp),
        _before(nbf, exp),
        _at_most(kbt_exp, exp),
        _at_most(nbf, kbt_nbf),
        _at_most(iat, kbt_iat),
        _before(kbt_nbf, exp),
        _before(kbt_iat, exp),
        _at_most(nbf, kbt_iat),
    )
    if not all(in_order):
        raise KeyBindingError("the times of key binding and credential contradict each other", field="iat")


def _check_fresh(claims: dict[Any, Any], cnonce: bytes | None, now_s: int | None, max_age_s: int) -> None:
    answered = claims.get(_CNONCE)
    if answered is not None and type(answered) is not bytes:
        raise MalformedError("a nonce is a byte string", field="cnonce")
    iat = _seconds(claims, _IAT)
    if now_s is not None:
        exp, nbf = _seconds(claims, _EXP), _seconds(claims, _NBF)
        if not _before(now_s, exp) or not _at_most(nbf, now_s + CLOCK_SKEW_S):
            raise KeyBindingError("the key binding is not in force now", field="exp")
    if cnonce is not None:
        if answered != cnonce:
            raise KeyBindingError("the key binding does not answer this station's nonce", field="cnonce")
        return
    if now_s is None or iat is None:
        raise KeyBindingError("without a nonce a trusted clock and iat are needed", field="cnonce")
    if not now_s - max_age_s <= iat <= now_s + CLOCK_SKEW_S:
        raise KeyBindingError("the key binding is not fresh", field="iat")


def _seconds(claims: dict[Any, Any], label: int) -> Seconds:
    value = claims.get(label)
    if value is None or type(value) is int:
        return value
    if type(value) is float and math.isfinite(value) and abs(value) <= _FLOAT_LIMIT:
        return value
    raise MalformedError("a time is not a finite number", field="claims")


def _before(earlier: Seconds, later: Seconds) -> bool:
    return earlier is None or later is None or earlier < later


def _at_most(earlier: Seconds, later: Seconds) -> bool:
    return earlier is None or later is None or earlier <= later
