"""Secrets that wait: only the passphrase opens them, each only for its own credential."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer import vault
from issuer.errors import IssuerError
from issuer.vault import WORDS_KNOWN, WORDS_ON_SCREEN, WORDS_ON_SHEET, Held, Papers, Vault
from ledger.core import cbor
from ledger.errors import CodedError

SALT = bytes(range(16))
SUB = "A" * 16
OPENED = Vault("correct horse", SALT)


@pytest.mark.parametrize("words", [WORDS_ON_SHEET, WORDS_ON_SCREEN, WORDS_KNOWN])
@pytest.mark.parametrize("print_name", [True, False])
def test_what_is_held_comes_back(words: str, print_name: bool) -> None:
    held = Held(bytes(range(16)), words, print_name)
    sealed = OPENED.seal(SUB, held, bytes(12))
    assert OPENED.open(SUB, sealed) == held
    assert held.papers == Papers(words, print_name)
    assert held.secret not in sealed
    assert words.encode() not in sealed


def test_another_passphrase_salt_or_credential_opens_nothing() -> None:
    sealed = OPENED.seal(SUB, Held(bytes(16)), bytes(12))
    for other, sub in (
        (Vault("correct horsf", SALT), SUB),
        (Vault("correct horse", bytes(16)), SUB),
        (OPENED, "B" * 16),
    ):
        with pytest.raises(IssuerError) as error:
            other.open(sub, sealed)
        assert error.value.code == "wrong_secret"


def test_every_flipped_bit_is_noticed() -> None:
    sealed = OPENED.seal(SUB, Held(bytes(16)), bytes(12))
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(IssuerError):
            OPENED.open(SUB, bytes(changed))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    with pytest.raises(CodedError):
        OPENED.open(SUB, data)


def test_content_of_another_form_is_refused() -> None:
    for content in ([bytes(15), "sheet", False], [bytes(16), "sheet"], [bytes(16), 1, False], b""):
        sealed = bytes(12) + AESGCM(OPENED._secrets_key).encrypt(
            bytes(12), cbor.encode(content), SUB.encode()
        )
        with pytest.raises(IssuerError) as error:
            OPENED.open(SUB, sealed)
        assert error.value.code == "malformed"


def test_a_fingerprint_depends_on_data_and_passphrase() -> None:
    assert OPENED.fingerprint(b"a") == Vault("correct horse", SALT).fingerprint(b"a")
    assert OPENED.fingerprint(b"a") != OPENED.fingerprint(b"b")
    assert OPENED.fingerprint(b"a") != Vault("correct horsf", SALT).fingerprint(b"a")


def test_the_passphrase_is_stretched_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    stretch = Scrypt

    def counting(*, salt: bytes, length: int, n: int, r: int, p: int) -> object:
        calls.append(n)
        return stretch(salt=salt, length=length, n=n, r=r, p=p)

    monkeypatch.setattr(vault, "Scrypt", counting)
    opened = Vault("correct horse", SALT)
    assert calls == []
    opened.seal(SUB, Held(bytes(16)), bytes(12))
    opened.fingerprint(b"")
    assert calls == [2**15]
