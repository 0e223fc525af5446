"""The holder's words and keys: published BIP-39 pairs, normal form, independence of the derived keys."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from credential.core import holder
from credential.errors import InputError, SecretError
from ledger.core.cose_key import ED25519

SECRET = bytes(range(16))
ISS, SUB = "sc.example", "AbCdEfGhIjKlMn_-"
# Entropy and words from the test vectors of BIP-39.
PUBLISHED = [
    ("00" * 16, "abandon " * 11 + "about"),
    ("7f" * 16, "legal winner thank year wave sausage worth useful legal winner thank yellow"),
    ("80" * 16, "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"),
    ("ff" * 16, "zoo " * 11 + "wrong"),
]


@pytest.mark.parametrize(("secret", "words"), PUBLISHED)
def test_the_published_words_hold(secret: str, words: str) -> None:
    assert holder.format_words(bytes.fromhex(secret)) == words
    assert holder.parse_words(words).hex() == secret


@given(st.binary(min_size=16, max_size=16))
def test_words_agree_with_the_reference_package_and_come_back(secret: bytes) -> None:
    words = holder.format_words(secret)
    assert words == Mnemonic("english").to_mnemonic(secret)
    assert holder.parse_words(words) == secret
    assert holder.parse_words("\t" + words.upper().replace(" ", " \n ")) == secret


def test_a_word_of_the_list_in_the_wrong_place_is_the_wrong_secret() -> None:
    words = holder.format_words(SECRET).split()
    refused = 0
    for i in range(11):
        swapped = words[:i] + [words[i + 1], words[i]] + words[i + 2 :]
        try:
            assert holder.parse_words(" ".join(swapped)) != SECRET
        except SecretError as error:
            refused += 1
            assert error.code == "wrong_secret"
            assert not any(word in str(error) for word in words)
    assert refused >= 6  # four bits of checksum let one swap in sixteen through


@pytest.mark.parametrize(
    "text", ["", "abandon", "abandon " * 12 + "about", "abandon " * 11 + "abou", "x " * 12, "a" * 500]
)
def test_words_that_are_not_twelve_of_the_list_are_bad_input(text: str) -> None:
    with pytest.raises(InputError) as caught:
        holder.parse_words(text)
    assert caught.value.code == "bad_input"


def test_an_unknown_word_is_named_by_its_number_only() -> None:
    with pytest.raises(InputError, match="word 3 ") as caught:
        holder.parse_words("abandon abandon s3cretish " + "abandon " * 8 + "about")
    assert "s3cretish" not in str(caught.value)


def test_the_keys_are_hkdf_with_the_info_of_the_protocol() -> None:
    pseudorandom = hmac.digest(ISS.encode() + b"\0" + SUB.encode(), SECRET, "sha256")

    def expand(info: str) -> bytes:
        return hmac.digest(pseudorandom, info.encode() + b"\x01", hashlib.sha256)

    assert holder.seal_key(SECRET, ISS, SUB, "names") == expand("safeconduct/v1/seal/names")
    assert holder.case_key(SECRET, ISS, SUB) == expand("safeconduct/v1/case")
    signer = holder.holder_signer(SECRET, ISS, SUB)
    signer.public_key.verify(ED25519, b"m", signer.sign(b"m"))
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(expand("safeconduct/v1/holder"))
    assert signer.public_key.x == private.public_key().public_bytes_raw()


def test_no_two_cards_or_purposes_share_a_key() -> None:
    cards = [(ISS, SUB), (ISS, "BbCdEfGhIjKlMn_-"), ("sc.other", SUB), (ISS + "A", SUB[1:])]
    keys = [holder.seal_key(SECRET, iss, sub, group) for iss, sub in cards for group in ("names", "rest")]
    keys += [holder.case_key(SECRET, iss, sub) for iss, sub in cards]
    keys += [holder.holder_signer(SECRET, iss, sub).public_key.x for iss, sub in cards]
    assert len(set(keys)) == len(keys) == 16


def test_parts_of_the_wrong_form_are_bad_input() -> None:
    with pytest.raises(InputError):
        holder.case_key(bytes(15), ISS, SUB)
    with pytest.raises(InputError):
        holder.case_key(SECRET, "a\0b", SUB)
    with pytest.raises(InputError):
        holder.case_key(SECRET, "", SUB)
    with pytest.raises(InputError):
        holder.seal_key(SECRET, ISS, SUB, "")
    with pytest.raises(InputError):
        holder.format_words(bytes(17))


@given(st.text(max_size=120))
def test_any_text_is_a_secret_or_refused(text: str) -> None:
    try:
        secret = holder.parse_words(text)
    except (InputError, SecretError) as error:
        assert error.code in ("bad_input", "wrong_secret")
    else:
        assert len(secret) == 16
