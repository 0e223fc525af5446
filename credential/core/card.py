"""What is printed: the logged credential with open disclosures, sealed ones, and its ledger position.

docs/protocol.md, section 6, "On the card". A code is the ledger entry itself with an unprotected header:
17 open disclosures, 171 sealed ones, -65537 the position. The front opens exactly what must be open; the
back repeats that, so that it cannot be peeled off, and adds every other part sealed, nested ones each on
their own, whether the person has it or not; only a portrait that is not there is left off. Cards are made
from the bytes that the ledger returned, never from those that were sent.

    front = format_front(logged)                          # "SC1:6BF..." of about 570 bytes
    back = format_back(logged, keys, random_bytes)
    parse_card(card_bytes(logged, front_disclosures)).position == logged.position
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from credential.core import holder, qr_text
from credential.core.disclosure import (
    Disclosure,
    format_disclosure_list,
    parse_disclosure,
    parse_disclosure_list,
)
from credential.core.padding import parse_padded
from credential.core.profiles import PORTRAIT, Profile, built_in_profile
from credential.core.sd_cwt import apply_disclosures
from credential.core.sealed_disclosure import (
    NONCE_BYTES,
    SealedDisclosure,
    format_sealed_list,
    parse_sealed_list,
    seal_disclosure,
)
from credential.errors import InputError
from ledger.core import cbor, cose
from ledger.core.cells import CELL_PATH_SIZE_BYTES
from ledger.core.claims import MAX_CREDENTIAL_BYTES, CredentialClaims, parse_claims
from ledger.core.fields import parse_array, parse_bytes, parse_uint
from ledger.errors import MalformedError

CARD_MAX_BYTES: Final = 2861
"""What the longest text of a QR code (`qr_text`) carries."""
_CARD_LABELS: Final = frozenset((cose.SD_CLAIMS, cose.SD_AEAD_ENCRYPTED, cose.LEDGER_POSITION, cose.RECEIPTS))
_CLAIM_NAMES: Final = {1: "iss", 2: "sub", 4: "exp", 6: "iat", 8: "cnf", 11: "vct", 65535: "status"}

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Position:
    """Where an entry stands in the ledger: its index and its 128-byte path inside its cell."""

    index: int
    path: bytes


@dataclass(frozen=True, slots=True)
class LoggedCredential:
    """A credential as it is printed.

    Attributes:
        entry: the bytes as they stand in the ledger.
        position: where; None for a card that is printed before it is registered.
        disclosures: encoded disclosures of the parts, parents and nested ones; all of them in a case file.

    Raises:
        MalformedError: not a credential, a profile that is not known here (code unsupported), a part
            twice or without a name.
        DisclosureError: a disclosure that does not belong to the entry.
    """

    entry: bytes
    position: Position | None
    disclosures: tuple[bytes, ...]

    def __post_init__(self) -> None:
        payload = self._payload()
        apply_disclosures(payload, self.disclosures)
        parts = [parse_disclosure(content).key for content in self.disclosures]
        if len(set(parts)) != len(parts) or not all(isinstance(key, str) for key in parts):
            raise MalformedError("each part has a name of its own", field="disclosures")
        built_in_profile(parse_claims(payload).vct)

    @property
    def claims(self) -> CredentialClaims:
        """What stands in the entry in clear."""
        return parse_claims(self._payload())

    @property
    def profile(self) -> Profile:
        """The profile of its `vct`."""
        return built_in_profile(self.claims.vct)

    def parts(self) -> dict[str, Disclosure]:
        """Return the disclosures by claim name."""
        parsed = (parse_disclosure(content) for content in self.disclosures)
        return {str(part.key): part for part in parsed}

    def said_parts(self) -> dict[str, Disclosure]:
        """Return the disclosures of `parts` but for those that say nothing: their value is null.

        Raises:
            MalformedError: a sealed value is not padded as docs/safeconduct.cddl says.
        """
        padded = self.profile.bucket_bytes
        return {
            name: part
            for name, part in self.parts().items()
            if name not in padded or parse_padded(part.value, name) is not None
        }

    def _payload(self) -> dict[Any, Any]:
        payload = cose.parse_sign1(self.entry, max_size=MAX_CREDENTIAL_BYTES).payload
        value = cbor.decode(payload or b"", max_size=MAX_CREDENTIAL_BYTES, field="claims")
        if not isinstance(value, dict):
            raise MalformedError("the claims are a map", field="claims")
        return value


@dataclass(frozen=True, slots=True)
class Card:
    """One code taken apart. Nothing is verified.

    Attributes:
        entry: the ledger entry: the same message with an empty unprotected header.
        opened: encoded disclosures of header 17.
        sealed: items of header 171.
        position: where it says that it stands, or None.
        receipts: receipts of header 394; phones only.
    """

    entry: bytes
    opened: tuple[bytes, ...]
    sealed: tuple[SealedDisclosure, ...]
    position: Position | None
    receipts: tuple[bytes, ...] = ()


def seal_keys(secret: bytes, claims: CredentialClaims) -> dict[str, bytes]:
    """Return the 32-byte seal key of each sealed group of a card.

    Raises:
        InputError: the secret is not 16 bytes long.
        MalformedError: code unsupported, the profile is not known here.
    """
    groups = built_in_profile(claims.vct).sealed_groups
    return {group: holder.seal_key(secret, claims.iss, claims.sub, group) for group in groups}


def format_front(logged: LoggedCredential) -> str:
    """Return the text of the front code: what must be open, and the position.

    Raises:
        InputError: a part that must be open is missing.
    """
    return qr_text.format_qr_text(format_card(front_card(logged)))


def format_back(
    logged: LoggedCredential,
    keys: Mapping[str, bytes],
    random_bytes: RandomBytes,
    *,
    leave_out: Sequence[str] = (),
) -> str:
    """Return the text of the back code: what must be open, the position, and every sealed part.

    Args:
        logged: the credential.
        keys: seal keys by group (`seal_keys`).
        random_bytes: returns so many bytes from a cryptographic source; 12 are drawn per part.
        leave_out: top-level claims that are left off, for a code that would be too large.

    Raises:
        InputError: a part that must be open is missing, or a group has no key.
    """
    front = front_card(logged)
    sealed = []
    for part, group in _back_parts(logged, leave_out):
        if group not in keys:
            raise InputError("a sealed group has no key", field=group)
        sealed.append(seal_disclosure(part.content, keys[group], random_bytes(NONCE_BYTES)))
    return qr_text.format_qr_text(format_card(Card(front.entry, front.opened, tuple(sealed), front.position)))


def front_card(logged: LoggedCredential) -> Card:
    """Return the front code before it becomes bytes; errors as `format_front`."""
    parts = logged.parts()
    missing = [name for name in logged.profile.must_open if name not in parts]
    if missing:
        raise InputError("a part that must be open is missing", field=missing[0])
    opened = tuple(parts[name].content for name in logged.profile.must_open)
    return Card(logged.entry, opened, (), logged.position)


def front_parts(logged: LoggedCredential) -> list[tuple[str, int]]:
    """Return the parts of the front code with their sizes in bytes; the sizes add up to the code's.

    "framing" is what is left: tags and the heads of arrays, maps and byte strings.
    """
    card = format_card(front_card(logged))
    message = cose.parse_sign1(card, max_size=CARD_MAX_BYTES)
    payload = cbor.decode(message.payload or b"", max_size=CARD_MAX_BYTES)
    sizes = [("protected header", len(message.protected_bytes))]
    for key, value in payload.items():
        name = _CLAIM_NAMES.get(key, "digests") if type(key) is int else "digests"
        sizes.append((name, len(cbor.encode(key)) + len(cbor.encode(value))))
    sizes.append(("signature", len(message.signature)))
    for name in logged.profile.must_open:
        sizes.append((f"disclosure {name}", len(logged.parts()[name].content)))
    if logged.position is not None:
        sizes.append(("position", len(logged.position.path) + len(cbor.encode(logged.position.index))))
    return [*sizes, ("framing", len(card) - sum(size for _, size in sizes))]


def format_card(card: Card) -> bytes:
    """Return the bytes of a code; the inverse of `parse_card`.

    Raises:
        MalformedError: `card.entry` is not a COSE_Sign1 with an empty unprotected header, or the code
            is over 2,861 bytes (code too_large).
    """
    message = cose.parse_sign1(card.entry, max_size=MAX_CREDENTIAL_BYTES)
    if message.unprotected:
        raise MalformedError("an entry has an empty unprotected header", field="unprotected")
    header: dict[int, Any] = {}
    if card.opened:
        parsed = [parse_disclosure(content) for content in card.opened]
        header[cose.SD_CLAIMS] = format_disclosure_list(parsed)
    if card.sealed:
        header[cose.SD_AEAD_ENCRYPTED] = format_sealed_list(card.sealed)
    if card.position is not None:
        header[cose.LEDGER_POSITION] = [card.position.index, card.position.path]
    if card.receipts:
        header[cose.RECEIPTS] = list(card.receipts)
    data = cose.format_sign1(
        cose.Sign1(message.protected_bytes, message.protected, header, message.payload, message.signature)
    )
    if len(data) > CARD_MAX_BYTES:
        raise MalformedError("the code is too large", field="card", code="too_large")
    return data


def parse_card(data: bytes) -> Card:
    """Take the bytes of a code apart.

    Raises:
        MalformedError: code too_large over 2,861 bytes; otherwise not a tagged COSE_Sign1 in
            deterministic CBOR, or an unprotected header with anything but the four parts of a card.
    """
    message = cose.parse_sign1(data, max_size=CARD_MAX_BYTES)
    header = message.unprotected
    if not header.keys() <= _CARD_LABELS:
        raise MalformedError("a part that does not belong on a card", field="unprotected")
    opened = parse_disclosure_list(header[cose.SD_CLAIMS]) if cose.SD_CLAIMS in header else ()
    for content in opened:
        parse_disclosure(content)
    sealed = header.get(cose.SD_AEAD_ENCRYPTED)
    receipts = parse_array(header.get(cose.RECEIPTS, [b""]), field="receipts", low=1, high=8)
    if not all(type(receipt) is bytes for receipt in receipts):
        raise MalformedError("a receipt is a byte string", field="receipts")
    entry = cose.Sign1(message.protected_bytes, message.protected, {}, message.payload, message.signature)
    return Card(
        cose.format_sign1(entry),
        opened,
        parse_sealed_list(sealed) if cose.SD_AEAD_ENCRYPTED in header else (),
        _parse_position(header[cose.LEDGER_POSITION]) if cose.LEDGER_POSITION in header else None,
        tuple(receipts) if cose.RECEIPTS in header else (),
    )


def _parse_position(value: object) -> Position:
    index, path = parse_array(value, field="position", low=2, high=2)
    return Position(
        parse_uint(index, field="position.index"),
        parse_bytes(path, CELL_PATH_SIZE_BYTES, field="position.path"),
    )


def _back_parts(logged: LoggedCredential, leave_out: Sequence[str]) -> list[tuple[Disclosure, str]]:
    """Return the parts of the back in the profile's order, a parent before what is nested in it.

    A portrait has a card of its own, so that whether there is one shows anyway; every other part is there
    even if it says nothing.
    """
    parts, profile = logged.parts(), logged.profile
    if PORTRAIT not in logged.said_parts():
        leave_out = (*leave_out, PORTRAIT)
    rules = [rule for rule in profile.claims if rule.name in profile.card.back and rule.name not in leave_out]
    names = [(name, rule.group) for rule in rules for name in (rule.name, *rule.nested)]
    return [(parts[name], group) for name, group in names if name in parts]
