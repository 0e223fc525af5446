"""The errors of the credential package: one root, stable codes."""

from __future__ import annotations

import pytest

from credential import errors
from ledger.codes import CODES
from ledger.errors import CodedError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.DisclosureError("x"), "bad_disclosure"),
        (errors.KeyBindingError("x"), "bad_key_binding"),
        (errors.SecretError("x"), "wrong_secret"),
        (errors.InputError("x", field="name"), "bad_input"),
        (errors.CredentialError("stale", "x"), "stale"),
    ],
)
def test_every_error_has_the_common_root_and_a_known_code(error: errors.CredentialError, code: str) -> None:
    assert isinstance(error, errors.CredentialError)
    assert isinstance(error, CodedError)
    assert error.code == code
    assert code in CODES
    assert str(error).startswith(f"{code}: x")
