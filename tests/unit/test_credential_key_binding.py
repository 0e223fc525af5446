"""Key binding: the published token, freshness, audience, and the order of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import key_binding, sd_cwt
from credential.errors import CredentialError, KeyBindingError
from ledger.core import cbor, cose
from ledger.core.cbor import CBORTag
from ledger.core.cose_key import SoftwareSigner, format_cose_key
from ledger.errors import CodedError, MalformedError

HOLDER = SoftwareSigner.from_seed("ed25519", bytes(32))
ISSUER = SoftwareSigner.from_seed("p256", bytes(32))
AUD, NONCE, NOW = "station-7", b"12345678", 1_800_000_000
PART = sd_cwt.format_disclosure(bytes(16), "Amina", "n", kind="claim")
CLAIMS: dict[Any, Any] = {
    1: "sc.example",
    2: "AbCdEfGhIjKlMn_-",
    4: NOW + 86_400,
    6: NOW - 86_400,
    8: {1: format_cose_key(HOLDER.public_key)},
    cbor.REDACTED_KEYS: [PART.digest],
}


def card(claims: dict[Any, Any] | None = None, typ: object = 293) -> bytes:
    payload = cbor.encode(CLAIMS if claims is None else claims)
    return cose.format_sign1(cose.sign({16: typ}, payload, ISSUER, {17: [PART.content]}))


def token(inner: bytes | None = None, signer: SoftwareSigner = HOLDER, **change: Any) -> bytes:
    """Return a token made by hand, so that it can break any rule; `c3=...` sets claim 3, None drops it."""
    tag = cbor.decode(card() if inner is None else inner, max_size=8192)
    claims = {3: AUD, 6: NOW, 39: NONCE, **{int(k[1:]): v for k, v in change.items() if k[0] == "c"}}
    header = {13: tag, 16: 294, **{int(k[1:]): v for k, v in change.items() if k[0] == "h"}}
    payload = cbor.encode({key: value for key, value in claims.items() if value is not None})
    return cose.format_sign1(cose.sign(header, payload, signer))


def check(data: bytes, *, cnonce: bytes | None = NONCE, now_s: int | None = NOW) -> key_binding.KeyBinding:
    return key_binding.check_key_binding(data, expected_aud=AUD, cnonce=cnonce, now_s=now_s)


def test_a_presentation_with_the_stations_nonce_is_accepted_without_a_clock() -> None:
    data = key_binding.prove_key_binding(card(), HOLDER, aud=AUD, iat_s=NOW, cnonce=NONCE)
    evidence = check(data, now_s=None)
    assert (evidence.aud, evidence.iat_s, evidence.cnonce) == (AUD, NOW, NONCE)
    assert evidence.holder_key == HOLDER.public_key
    assert cose.format_sign1(evidence.inner) == card()
    claims = sd_cwt.apply_disclosures(evidence.inner_claims, evidence.inner.unprotected[17]).claims
    assert claims["n"] == "Amina"
    assert data == token()


def test_the_published_token_verifies(vectors_dir: Path) -> None:
    data = (vectors_dir / "sd-cwt" / "kbt.cbor").read_bytes()
    seen: list[cose.Sign1] = []
    evidence = key_binding.check_key_binding(
        data,
        expected_aud="https://verifier.example/app",
        cnonce=bytes.fromhex("8c0f5f523b95bea44a9a48c649240803"),
        now_s=1725244237 + 60,
        check_issuer=seen.append,
    )
    assert seen == [evidence.inner]
    assert evidence.inner.protected[1] == -35
    assert evidence.iat_s == 1725244237
    disclosed = sd_cwt.apply_disclosures(evidence.inner_claims, evidence.inner.unprotected[17])
    assert len(disclosed.used) == 3
    assert disclosed.claims[501] == "ABCD-123456"


def test_the_caller_may_refuse_the_issuer_before_anything_else() -> None:
    def refuse(_: cose.Sign1) -> None:
        raise CredentialError("unknown_issuer", "not admitted")

    with pytest.raises(CredentialError) as caught:
        key_binding.check_key_binding(token(), expected_aud="x", cnonce=None, now_s=None, check_issuer=refuse)
    assert caught.value.code == "unknown_issuer"


@pytest.mark.parametrize(("age_s", "good"), [(0, True), (300, True), (301, False), (-60, True), (-61, False)])
def test_without_a_nonce_a_token_is_fresh_for_five_minutes(age_s: int, good: bool) -> None:
    data = token(c39=None)
    if good:
        assert check(data, cnonce=None, now_s=NOW + age_s).iat_s == NOW
    else:
        with pytest.raises(KeyBindingError):
            check(data, cnonce=None, now_s=NOW + age_s)


def test_without_a_nonce_a_clock_and_iat_are_needed() -> None:
    with pytest.raises(KeyBindingError):
        check(token(), cnonce=None, now_s=None)
    with pytest.raises(KeyBindingError):
        check(token(c6=None, c7=b"unique"), cnonce=None)
    assert check(token(c6=None, c7=b"unique")).iat_s is None


@pytest.mark.parametrize(
    "change",
    [
        {"c3": "station-8"},
        {"c39": b"87654321"},
        {"c39": None},
        {"c1": "iss"},
        {"c2": "sub"},
        {"h15": {1: "iss"}},
        {"c6": None},  # neither iat nor cti
        {"c6": None, "c7": b"x", "c4": NOW + 9},
        {"c6": None, "c7": b"x", "c5": NOW - 9},
        {"c5": NOW + 1},  # nbf after iat
        {"c4": NOW},  # exp not after iat
        {"c4": NOW + 86_401},  # exp after the card's
        {"c6": NOW - 86_401},  # iat before the card's
        {"c6": NOW + 86_400},  # iat not before the card's exp
        {"c4": NOW - 1, "c6": NOW - 5},  # ended
        {"c5": NOW + 61, "c6": NOW + 70},  # not begun
    ],
)
def test_a_token_that_breaks_a_rule_is_bad_key_binding(change: dict[str, Any]) -> None:
    with pytest.raises(KeyBindingError) as caught:
        check(token(**change))
    assert caught.value.code == "bad_key_binding"


@pytest.mark.parametrize("change", [{"c4": NOW}, {"c5": NOW + 1}, {"c4": NOW + 86_401}, {"c6": NOW - 86_401}])
def test_times_that_contradict_each_other_are_bad_without_a_clock_too(change: dict[str, Any]) -> None:
    with pytest.raises(KeyBindingError) as caught:
        check(token(**change), now_s=None)
    assert caught.value.field == "iat"


@pytest.mark.parametrize(
    "change",
    [
        {5: NOW - 80_000},  # nbf after iat
        {4: NOW - 86_400},  # exp not after iat
        {3: "station-8"},  # for another station
        {5: NOW + 2, 6: NOW + 3},  # the card begins after the token
    ],
)
def test_a_card_whose_own_times_or_audience_contradict_is_bad_key_binding(change: dict[int, Any]) -> None:
    with pytest.raises(KeyBindingError):
        check(token(card({**CLAIMS, **change})))


@pytest.mark.parametrize(
    "data",
    [
        token(h16=293),
        token(h16="application/cwt"),
        token(h13=b"x"),
        token(h13=CBORTag(16, [])),
        token(card(typ=294)),
        token(c3=7),
        token(c3=None),
        token(c39="text"),
        token(c6="now"),
        token(card({**CLAIMS, 8: {}})),
        token(card({**CLAIMS, 8: {3: b"kid"}})),
        token(card({**CLAIMS, 8: {1: {}, 3: b"kid"}})),
        b"",
        card(),
    ],
)
def test_a_token_of_another_shape_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        check(data)


def test_a_token_by_another_key_is_bad_key_binding() -> None:
    other = SoftwareSigner.from_seed("ed25519", b"\x01" * 32)
    with pytest.raises(KeyBindingError):
        check(token(signer=other))
    with pytest.raises(KeyBindingError):
        key_binding.prove_key_binding(card(), other, aud=AUD, iat_s=NOW)


def test_every_changed_bit_of_a_token_is_refused_with_a_code() -> None:
    data = token()
    for bit in range(len(data) * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodedError) as caught:
            check(bytes(changed))
        assert caught.value.code in ("malformed", "unsupported", "bad_key_binding")


def test_what_cannot_be_proved_is_refused() -> None:
    with pytest.raises(KeyBindingError):
        key_binding.prove_key_binding(card(), HOLDER, aud=AUD, iat_s=NOW + 86_400)
    for aud, cnonce in (("", None), ("a" * 256, None), (AUD, b"short"), (AUD, bytes(65))):
        with pytest.raises(ValueError, match="bytes"):
            key_binding.prove_key_binding(card(), HOLDER, aud=aud, iat_s=NOW, cnonce=cnonce)
    with pytest.raises(MalformedError):
        key_binding.prove_key_binding(b"\xd2", HOLDER, aud=AUD, iat_s=NOW)


def test_times_of_other_publishers_may_be_finite_floats_only() -> None:
    payload = b"\xa2\x03\x69station-7\x06\xfb\x41\xda\xd2\x74\x80\x00\x00\x00"  # iat 1800000000.0
    tag = cbor.decode(card(), max_size=8192)
    infinite = payload[:-8] + b"\x7f\xf0" + bytes(6)
    good = cose.format_sign1(cose.sign({13: tag, 16: 294}, payload, HOLDER))
    bad = cose.format_sign1(cose.sign({13: tag, 16: 294}, infinite, HOLDER))
    result = key_binding.check_key_binding(
        good, expected_aud=AUD, cnonce=None, now_s=NOW, deterministic=False
    )
    assert result.iat_s == NOW
    with pytest.raises(MalformedError):
        key_binding.check_key_binding(bad, expected_aud=AUD, cnonce=None, now_s=NOW, deterministic=False)


@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    for candidate in (data, b"\xd2\x84" + data):
        with pytest.raises(CodedError):
            check(candidate)
