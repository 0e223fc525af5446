"""The text of QR codes: round trips, caps, the slip, and what other systems' codes look like."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credential.core import base45, qr_text
from credential.core.qr_text import SealKeys
from ledger.core import cbor
from ledger.errors import MalformedError

SUB = "AbCdEfGhIjKlMn_-"


@given(st.binary(max_size=700))
def test_a_credential_comes_back_from_its_text(data: bytes) -> None:
    text = qr_text.format_qr_text(data)
    assert text.startswith("SC1:")
    assert qr_text.recognise(text) == "credential"
    assert qr_text.parse_qr_text(text) == data


def test_a_text_longer_than_any_code_is_too_large() -> None:
    with pytest.raises(MalformedError) as caught:
        qr_text.parse_qr_text("SC1:" + "0" * 4293)
    assert caught.value.code == "too_large"
    with pytest.raises(ValueError, match="longer"):
        qr_text.format_qr_text(bytes(2862))
    assert len(qr_text.format_qr_text(bytes(2861))) == 4296


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("HC1:6BFOXN*TS0BI", "eu_health_certificate"),
        ("shc:/5676290952432060", "smart_health_card"),
        ("mdoc:owBjMS4wAY", "mobile_document"),
        ("openid4vp://authorize?client_id=x", "wallet_request"),
        ("openid-credential-offer://?x", "wallet_offer"),
        ("https://example.org/a", "url"),
        ("WWW.EXAMPLE.ORG", "url"),
        ("WIFI:S:net;;", "wifi"),
        ("BEGIN:VCARD\nVERSION:3.0", "contact"),
        ("geo:1,2", "place"),
        ('{"data":{"hdr":{"is":"UTO"}}}', "visible_digital_seal"),
        ("4006381333931", "number"),
        (base45.encode(zlib.compress(b"claim 169", 9)), "claim_169"),
        (base45.encode(zlib.compress(b"claim 169", 6)), "claim_169"),
        ("SCK1:ABC", "seal_keys"),
        ("sc1:BB8", "unknown"),
        ("BB8BB8", "unknown"),
        ("", "unknown"),
        ("hello", "unknown"),
    ],
)
def test_a_code_of_another_kind_is_named(text: str, name: str) -> None:
    assert qr_text.recognise(text) == name
    with pytest.raises(MalformedError) as caught:
        qr_text.parse_qr_text(text)
    assert (caught.value.code, caught.value.field) == ("unsupported", name)


def test_a_credential_is_not_a_slip() -> None:
    with pytest.raises(MalformedError) as caught:
        qr_text.parse_seal_keys("SC1:BB8")
    assert (caught.value.code, caught.value.field) == ("unsupported", "credential")


@given(
    st.dictionaries(
        st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=32),
        st.binary(min_size=32, max_size=32),
        min_size=1,
        max_size=16,
    )
)
def test_a_slip_comes_back_from_its_text(keys: dict[str, bytes]) -> None:
    slip = SealKeys(SUB, keys)
    assert qr_text.parse_seal_keys(qr_text.format_seal_keys(slip)) == slip


@pytest.mark.parametrize(
    "slip",
    [
        SealKeys("short", {"names": bytes(32)}),
        SealKeys(SUB, {}),
        SealKeys(SUB, {"names": bytes(31)}),
        SealKeys(SUB, {"Names": bytes(32)}),
        SealKeys(SUB, {"": bytes(32)}),
        SealKeys(SUB, {f"g{i}": bytes(32) for i in range(17)}),
    ],
)
def test_a_slip_that_breaks_a_rule_is_neither_written_nor_read(slip: SealKeys) -> None:
    with pytest.raises(ValueError, match=r"subject|keys|group|bytes"):
        qr_text.format_seal_keys(slip)
    text = "SCK1:" + base45.encode(cbor.encode([slip.sub, dict(slip.keys)]))
    with pytest.raises(MalformedError) as caught:
        qr_text.parse_seal_keys(text)
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(
    "value", [[], [SUB], [SUB, []], {SUB: 1}, [SUB, {1: bytes(32)}], [1, {"a": bytes(32)}]]
)
def test_a_slip_of_another_shape_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        qr_text.parse_seal_keys("SCK1:" + base45.encode(cbor.encode(value)))


@given(st.text(max_size=80))
def test_any_text_is_recognised_and_parsed_or_refused(text: str) -> None:
    assert qr_text.recognise(text)
    for candidate in (text, "SC1:" + text, "SCK1:" + text):
        for parse in (qr_text.parse_qr_text, qr_text.parse_seal_keys):
            try:
                parse(candidate)
            except MalformedError as error:
                assert error.code in ("malformed", "unsupported", "too_large")
