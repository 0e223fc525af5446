"""The issuer's key at rest."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from issuer.errors import InputError, IssuerError
from issuer.keys import load_key, make_key
from ledger.core.cose_key import ESP256

PASSPHRASE = "correct horse"


def test_a_key_is_made_once_and_loaded_with_its_passphrase(tmp_path: Path) -> None:
    signer = make_key(tmp_path / "key.pem", PASSPHRASE)
    again = load_key(tmp_path / "key.pem", PASSPHRASE)
    assert again.public_key == signer.public_key
    again.public_key.verify(ESP256, b"message", again.sign(b"message"))


def test_the_file_is_encrypted_and_for_the_owner_only(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", PASSPHRASE)
    assert (tmp_path / "key.pem").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    make_key(path, PASSPHRASE)
    before = path.read_bytes()
    with pytest.raises(InputError):
        make_key(path, PASSPHRASE)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_another_passphrase_does_not_open_it(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", PASSPHRASE)
    with pytest.raises(IssuerError) as error:
        load_key(tmp_path / "key.pem", "wrong horse")
    assert error.value.code == "wrong_secret"
    assert "horse" not in str(error.value)


@pytest.mark.parametrize("passphrase", ["", "seven c", "x" * 1024])
def test_a_weak_or_endless_passphrase_leaves_nothing_behind(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(InputError) as error:
        make_key(tmp_path / "key.pem", passphrase)
    assert error.value.field == "passphrase"
    assert list(tmp_path.iterdir()) == []


def stored(
    path: Path, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, *, encrypted: bool = True
) -> Path:
    encryption = BestAvailableEncryption(PASSPHRASE.encode()) if encrypted else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    path.chmod(0o600)
    return path


def test_a_key_of_another_kind_is_unsupported(tmp_path: Path) -> None:
    for name, key in (
        ("ed.pem", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
        ("p384.pem", ec.derive_private_key(7, ec.SECP384R1())),
    ):
        with pytest.raises(IssuerError) as error:
            load_key(stored(tmp_path / name, key), PASSPHRASE)
        assert error.value.code == "unsupported"


def test_a_key_in_clear_is_refused(tmp_path: Path) -> None:
    path = stored(tmp_path / "key.pem", ec.derive_private_key(7, ec.SECP256R1()), encrypted=False)
    with pytest.raises(IssuerError) as error:
        load_key(path, PASSPHRASE)
    assert error.value.code == "malformed"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such bits")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem", PASSPHRASE)
    (tmp_path / "key.pem").chmod(0o640)
    with pytest.raises(InputError):
        load_key(tmp_path / "key.pem", PASSPHRASE)


@pytest.mark.parametrize(
    ("content", "code"), [(None, "not_found"), (b"x", "malformed"), (bytes(20_000), "too_large")]
)
def test_what_is_no_key_file_has_a_code(tmp_path: Path, content: bytes | None, code: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(IssuerError) as error:
        load_key(path, PASSPHRASE)
    assert error.value.code == code
