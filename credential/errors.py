"""Errors of the credential package: one root and the few families that its readers tell apart.

Bytes that are not in their one allowed form raise `ledger.errors.MalformedError`; everything else that
this package refuses is a `CredentialError` with a stable code (docs/protocol.md, section 10).

>>> str(DisclosureError("two disclosures give one claim", field="disclosure"))
'bad_disclosure: two disclosures give one claim [disclosure]'
"""

from __future__ import annotations

from ledger.errors import CodedError


class CredentialError(CodedError):
    """Root of the errors of the credential package."""


class DisclosureError(CredentialError):
    """A disclosed part does not match what the issuer signed (code bad_disclosure)."""

    def __init__(self, detail: str, *, field: str = "disclosure") -> None:
        super().__init__("bad_disclosure", detail, field=field)


class KeyBindingError(CredentialError):
    """The key binding is missing, old or for someone else (code bad_key_binding)."""

    def __init__(self, detail: str, *, field: str = "key_binding") -> None:
        super().__init__("bad_key_binding", detail, field=field)


class SecretError(CredentialError):
    """Words, a passphrase or a key do not open what they should (code wrong_secret)."""

    def __init__(self, detail: str, *, field: str = "") -> None:
        super().__init__("wrong_secret", detail, field=field)


class InputError(CredentialError):
    """A value that a person gave is missing or not of the right form (code bad_input)."""

    def __init__(self, detail: str, *, field: str = "") -> None:
        super().__init__("bad_input", detail, field=field)
