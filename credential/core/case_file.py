"""The case file: what a desk needs to print a card again, readable only with the holder's twelve words.

docs/protocol.md, section 11, and `case-file` in docs/safeconduct.cddl: a COSE_Encrypt0 (RFC 9052,
section 5.2) with A256GCM under the case-file key of the holder's secret. `iss` and `sub` stand in the
protected header, so that the key can be derived and nobody can pass one file off as another. Without
the words the file is noise; deleting it is erasure.

    data = seal_case(case, secret, "civil-1", sub, nonce)
    open_case(data, secret) == case
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from credential.core import holder
from credential.core.card import LoggedCredential, Position
from credential.core.disclosure import parse_disclosure
from credential.errors import SecretError
from ledger.core import cbor, cose
from ledger.core.cells import CELL_PATH_SIZE_BYTES
from ledger.core.claims import MAX_CREDENTIAL_BYTES
from ledger.core.fields import (
    parse_array,
    parse_bytes,
    parse_map,
    parse_party,
    parse_subject,
    parse_title,
    parse_uint,
)
from ledger.errors import MalformedError

CASE_FILE_MAX_BYTES: Final = 65_536
TYP: Final = "application/vnd.safeconduct.case+cose"
ENCRYPT0_TAG: Final = 16
A256GCM: Final = 3
NONCE_BYTES: Final = 12
_IV: Final = 5
_DISCLOSURES_MAX: Final = 64

NOT_LISTED_PATH: Final = bytes(CELL_PATH_SIZE_BYTES)
"""Path of a case whose credential is not registered yet. No real path is all zeros."""


@dataclass(frozen=True, slots=True)
class Case:
    """The plaintext of a case file.

    Attributes:
        entry: the credential as it was logged, or as it was sent while it is not registered yet.
        index: its ledger index; 0 where it is not registered yet.
        path: its 128-byte path inside its cell; `NOT_LISTED_PATH` where it is not registered yet.
        disclosures: encoded disclosures of what is attested.
        decoys: encoded disclosures that stand for nothing.
        title: the issuer's title.
    """

    entry: bytes
    index: int
    path: bytes
    disclosures: tuple[bytes, ...]
    decoys: tuple[bytes, ...]
    title: str

    @property
    def is_listed(self) -> bool:
        """Whether the credential is registered, as far as this file knows."""
        return self.path != NOT_LISTED_PATH

    def logged(self) -> LoggedCredential:
        """Return what is printed.

        Raises:
            MalformedError, DisclosureError: as `LoggedCredential`.
        """
        position = Position(self.index, self.path) if self.is_listed else None
        return LoggedCredential(self.entry, position, self.disclosures)


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case file taken apart, still encrypted."""

    iss: str
    sub: str
    nonce: bytes
    ciphertext: bytes


def seal_case(case: Case, secret: bytes, iss: str, sub: str, nonce: bytes) -> bytes:
    """Return the bytes of the case file.

    Args:
        case: the content.
        secret: the holder's 16-byte secret.
        iss: issuer id of the credential.
        sub: its `sub`.
        nonce: 12 random bytes, never used before for this card.

    Raises:
        MalformedError: the file would be over 65,536 bytes (code too_large), or a part has not its form.
        ValueError: the nonce is not 12 bytes.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError("a nonce is 12 bytes")
    plaintext = format_case(case)
    parse_case(plaintext)
    header = _format_protected(iss, sub)
    ciphertext = AESGCM(holder.case_key(secret, iss, sub)).encrypt(nonce, plaintext, _associated_data(header))
    return format_case_file(CaseFile(iss, sub, nonce, ciphertext))


def open_case(data: bytes, secret: bytes) -> Case:
    """Return the content of a case file.

    Raises:
        MalformedError: as `parse_case_file` and `parse_case`.
        SecretError: the secret does not open it: other words, another person's file, or changed bytes.
    """
    file = parse_case_file(data)
    key = holder.case_key(secret, file.iss, file.sub)
    header = _format_protected(file.iss, file.sub)
    try:
        plaintext = AESGCM(key).decrypt(file.nonce, file.ciphertext, _associated_data(header))
    except InvalidTag:
        raise SecretError("these words do not open this file", field="case_file") from None
    return parse_case(plaintext)


def format_case_file(file: CaseFile) -> bytes:
    """Return the COSE_Encrypt0; the inverse of `parse_case_file`.

    Raises:
        MalformedError: code too_large over 65,536 bytes.
    """
    parts = [_format_protected(file.iss, file.sub), {_IV: file.nonce}, file.ciphertext]
    data = cbor.encode(cbor.CBORTag(ENCRYPT0_TAG, parts))
    if len(data) > CASE_FILE_MAX_BYTES:
        raise MalformedError("the case file is too large", field="case_file", code="too_large")
    return data


def parse_case_file(data: bytes) -> CaseFile:
    """Take a case file apart without opening it.

    Raises:
        MalformedError: code too_large over 65,536 bytes; code unsupported for another algorithm or
            type; otherwise not a tagged COSE_Encrypt0 of exactly the form in docs/safeconduct.cddl.
    """
    message = cbor.decode(data, max_size=CASE_FILE_MAX_BYTES, field="case_file")
    if type(message) is not cbor.CBORTag or message.tag != ENCRYPT0_TAG:
        raise MalformedError("not a case file", field="case_file")
    protected, unprotected, ciphertext = parse_array(message.value, field="case_file", low=3, high=3)
    if type(protected) is not bytes or type(ciphertext) is not bytes:
        raise MalformedError("header and content are byte strings", field="case_file")
    header = parse_map(
        cbor.decode(protected, max_size=1024, field="case_file"),
        (cose.ALG, cose.CWT_CLAIMS, cose.TYP),
        field="case_file.protected",
    )
    if header[cose.ALG] != A256GCM or type(header[cose.ALG]) is not int or header[cose.TYP] != TYP:
        raise MalformedError("another algorithm or type", field="case_file.protected", code="unsupported")
    claims = parse_map(header[cose.CWT_CLAIMS], (1, 2), field="case_file.protected")
    iv = parse_map(unprotected, (_IV,), field="case_file.unprotected")[_IV]
    return CaseFile(
        iss=parse_party(claims[1], field="case_file.iss"),
        sub=parse_subject(claims[2], field="case_file.sub"),
        nonce=parse_bytes(iv, NONCE_BYTES, field="case_file.nonce"),
        ciphertext=ciphertext,
    )


def format_case(case: Case) -> bytes:
    """Return the plaintext of a case file; the inverse of `parse_case`."""
    value: Mapping[int, Any] = {
        1: case.entry,
        2: case.index,
        3: case.path,
        4: list(case.disclosures),
        5: list(case.decoys),
        6: case.title,
    }
    return cbor.encode(value)


def parse_case(data: bytes) -> Case:
    """Return the content of a plaintext.

    Raises:
        MalformedError: code too_large over 65,536 bytes or for an entry over 4,096; otherwise not the
            map of docs/safeconduct.cddl, or a disclosure that does not parse.
    """
    value = parse_map(
        cbor.decode(data, max_size=CASE_FILE_MAX_BYTES, field="case"), range(1, 7), field="case"
    )
    entry = value[1]
    if type(entry) is not bytes:
        raise MalformedError("an entry is a byte string", field="case.entry")
    if len(entry) > MAX_CREDENTIAL_BYTES:
        raise MalformedError("an entry of a credential is smaller", field="case.entry", code="too_large")
    return Case(
        entry=entry,
        index=parse_uint(value[2], field="case.index"),
        path=parse_bytes(value[3], CELL_PATH_SIZE_BYTES, field="case.path"),
        disclosures=_parse_disclosures(value[4], "case.disclosures"),
        decoys=_parse_disclosures(value[5], "case.decoys"),
        title=parse_title(value[6], field="case.title"),
    )


def _parse_disclosures(value: object, field: str) -> tuple[bytes, ...]:
    items = parse_array(value, field=field, low=0, high=_DISCLOSURES_MAX)
    if not all(type(item) is bytes for item in items):
        raise MalformedError("a disclosure is a byte string", field=field)
    for item in items:
        parse_disclosure(item)
    return tuple(items)


def _format_protected(iss: str, sub: str) -> bytes:
    return cbor.encode({cose.ALG: A256GCM, cose.CWT_CLAIMS: {1: iss, 2: sub}, cose.TYP: TYP})


def _associated_data(protected: bytes) -> bytes:
    """Return the Enc_structure of RFC 9052, section 5.3, with empty external data."""
    return cbor.encode(["Encrypt0", protected, b""])
