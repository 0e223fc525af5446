"""A printed card, read in the time of a scan: the ledger entry in it, and the unsigned header around it.

docs/protocol.md, section 6, `card` and `card-header` in docs/safeconduct.cddl. The code on a card is the
ledger entry with a header of its own in the place of the empty one, so reading a card is: walk over that
header, put `{}` back, and hand the entry to the ledger's own parser. The header is unsigned; only labels
17, 171, 394 and -65537 may stand in it, in this order and in one encoding, or the card is `malformed`.

`credential.core.card` reads the same bytes through the general CBOR parser, four times slower; a test
holds the two together.

>>> read_header(bytes.fromhex("a11181413f") + b"rest", 0)
(CardHeader(opened=(b'?',), sealed=(), position=None, receipts=()), 5)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from credential.core.card import CARD_MAX_BYTES, Position
from credential.core.card import Card as PrintedCard
from credential.core.disclosure import DISCLOSURES_MAX
from credential.core.key_binding import bound_credential
from credential.core.sealed_disclosure import SealedDisclosure, parse_sealed_list
from ledger.core import cose
from ledger.core.cells import CELL_PATH_SIZE_BYTES
from ledger.core.claims import CredentialClaims, match_credential
from ledger.core.cosignature import END_OF_TIME_S
from ledger.core.fields import UINT53_MAX
from ledger.core.statement import parse_statement
from ledger.errors import MalformedError

RECEIPTS_MAX: Final = 8
_CARD_START: Final = b"\xd2\x84\x58"
_TOKEN_START: Final = b"\xd2\x84\x59"
"""A protected header of 256 bytes or more holds a credential: only a key binding token has one."""
_EMPTY_HEADER: Final = b"\xa0"
_SIGNATURE_BYTES: Final = 64
# Encoded labels in bytewise order, which is the order that they must stand in.
_OPEN: Final = b"\x11"
_SEALED: Final = b"\x18\xab"
_RECEIPTS: Final = b"\x19\x01\x8a"
_POSITION: Final = b"\x3a\x00\x01\x00\x00"
_FRONT_START: Final = b"\xa2" + _OPEN + b"\x81\x58"
_LABELS: Final = {0x11: _OPEN, 0x18: _SEALED, 0x19: _RECEIPTS, 0x3A: _POSITION}


class CardHeader(NamedTuple):
    """The unsigned header of a card: labels 17, 171, -65537 and 394; all of it may be missing."""

    opened: tuple[bytes, ...] = ()
    sealed: tuple[SealedDisclosure, ...] = ()
    position: Position | None = None
    receipts: tuple[bytes, ...] = ()


class Card(NamedTuple):
    """A card that has the right form. Nothing in it is verified.

    Attributes:
        entry: the bytes of the ledger entry, with the empty header.
        message: the Sig_structure, what the issuer signed.
        signature: 64 bytes.
        alg: COSE algorithm of the signature.
        kid: 8 bytes.
        claims: what stands in clear.
        header: the unsigned part.
        token: the key binding token that the card came in, not checked yet; b"" for paper.
    """

    entry: bytes
    message: bytes
    signature: bytes
    alg: int
    kid: bytes
    claims: CredentialClaims
    header: CardHeader
    token: bytes = b""

    def printed(self) -> PrintedCard:
        """Return the card as `credential.core.card` formats it."""
        header = self.header
        return PrintedCard(self.entry, header.opened, header.sealed, header.position, header.receipts)


def read_card(data: bytes) -> Card:
    """Read the one allowed form of a card, or of the card inside a key binding token.

    Raises:
        MalformedError: code unsupported for an algorithm or a type that is not supported; too_large for
            a card or an entry above its cap; malformed for everything else.
    Source: docs/protocol.md, section 10, step 2 and "Key binding".
    """
    if len(data) > CARD_MAX_BYTES:
        raise MalformedError("larger than a code can hold", field="card", code="too_large")
    if data[:3] == _TOKEN_START:
        return read_card(bound_credential(data))._replace(token=data)
    header_start = _header_start(data)
    header, header_end = read_header(data, header_start)
    entry = data[:header_start] + _EMPTY_HEADER + data[header_end:]
    matched = match_credential(entry)
    if matched is None:
        return _check_dates(_read_rare(entry, header))
    # The common form has four bytes for a time, which no calendar ends before.
    return Card(
        entry, matched.message, entry[-_SIGNATURE_BYTES:], matched.alg, matched.kid, matched.claims, header
    )


def merge_cards(cards: Iterable[Card]) -> list[Card]:
    """Join what was read of one card, front and back, into one; different cards stay apart, in their order.

    Two codes are of one card where the entries are equal and the positions are too, or one has none. Each
    disclosure is kept once. Two different tokens stay apart too: one may be fresh and the other not.
    """
    merged: list[Card] = []
    for card in cards:
        for place, other in enumerate(merged):
            if other.entry == card.entry and _agree(other, card):
                merged[place] = _joined(other, card)
                break
        else:
            merged.append(card)
    return merged


def read_header(data: bytes, start: int) -> tuple[CardHeader, int]:
    """Read the header map at `start`; return it and the place after it.

    Raises:
        MalformedError: another label, labels out of order or twice, an empty array, or another form than
            the one of the CDDL.
    """
    try:
        return _read_front(data, start) or _read_header(data, start)
    except IndexError as error:
        raise MalformedError("the bytes end within the header", field="card_header") from error


def _read_rare(entry: bytes, header: CardHeader) -> Card:
    """Parse an entry that is not of the common form, or say what is wrong with it."""
    statement = parse_statement(entry)
    if statement.kind != "credential":
        raise MalformedError("a statement, and not a credential", field="typ", code="unsupported")
    return Card(
        entry, statement.message, statement.signature, statement.alg, statement.kid, statement.body, header
    )


def _check_dates(card: Card) -> Card:
    """Return the card whose times a calendar has; the ledger refuses the others too, but a card may be newer."""
    if card.claims.iat >= END_OF_TIME_S or card.claims.exp >= END_OF_TIME_S:
        raise MalformedError("a date lies outside the years 1 to 9999", field="claims")
    return card


def _header_start(data: bytes) -> int:
    """Return where the unsigned header begins: after the tag, the array and the protected header."""
    if data[:3] != _CARD_START or len(data) < 4:
        cose.parse_sign1(data, max_size=CARD_MAX_BYTES)  # says what is wrong with most other bytes
        raise MalformedError("a protected header of another size", field="protected")
    return 4 + data[3]


def _read_front(data: bytes, at: int) -> tuple[CardHeader, int] | None:
    """Read the header of nearly every front, one open disclosure of 24 to 255 bytes and a position, or return None."""
    if data[at : at + 4] != _FRONT_START or data[at + 4] < 24:
        return None
    start = at + 5
    end = start + data[at + 4]
    if data[end : end + 5] != _POSITION:
        return None
    position, after = _read_position(data, end + 5)
    return CardHeader((data[start:end],), (), position), after


def _read_header(data: bytes, at: int) -> tuple[CardHeader, int]:
    count = data[at] - 0xA0
    if not 0 <= count <= len(_LABELS):
        raise MalformedError("the header is not a small map", field="card_header")
    at += 1
    opened: tuple[bytes, ...] = ()
    receipts: tuple[bytes, ...] = ()
    sealed: tuple[SealedDisclosure, ...] = ()
    position = None
    before = 0
    for _ in range(count):
        first = data[at]
        label = _LABELS.get(first)
        if label is None or first <= before or not data.startswith(label, at):
            raise MalformedError("a label that may not stand there", field="card_header")
        before = first
        at += len(label)
        if label is _OPEN:
            opened, at = _read_byte_strings(data, at)
        elif label is _POSITION:
            position, at = _read_position(data, at)
        elif label is _SEALED:
            sealed, at = _read_sealed(data, at)
        else:
            receipts, at = _read_byte_strings(data, at)
            if len(receipts) > RECEIPTS_MAX:
                raise MalformedError("too many receipts", field="receipts")
    return CardHeader(opened, sealed, position, receipts), at


def _read_position(data: bytes, at: int) -> tuple[Position, int]:
    if data[at] != 0x82:
        raise MalformedError("a position is an index and a path", field="position")
    index, at = _read_uint(data, at + 1)
    path, at = _read_bytes(data, at)
    if len(path) != CELL_PATH_SIZE_BYTES or index > UINT53_MAX:
        raise MalformedError("a position is an index and 128 bytes", field="position")
    return Position(index, path), at


def _read_sealed(data: bytes, at: int) -> tuple[tuple[SealedDisclosure, ...], int]:
    count, at = _read_array_head(data, at)
    rows: list[list[bytes]] = []
    for _ in range(count):
        if data[at] != 0x83:
            raise MalformedError("a sealed disclosure has three parts", field="sealed")
        nonce, at = _read_bytes(data, at + 1)
        ciphertext, at = _read_bytes(data, at)
        tag, at = _read_bytes(data, at)
        rows.append([nonce, ciphertext, tag])
    return parse_sealed_list(rows), at


def _read_byte_strings(data: bytes, at: int) -> tuple[tuple[bytes, ...], int]:
    count, at = _read_array_head(data, at)
    items = []
    for _ in range(count):
        item, at = _read_bytes(data, at)
        items.append(item)
    return tuple(items), at


def _read_array_head(data: bytes, at: int) -> tuple[int, int]:
    """Read the head of an array of 1 to 64 items."""
    count = data[at] - 0x80
    if 1 <= count < 24:
        return count, at + 1
    if count == 24 and 24 <= data[at + 1] <= DISCLOSURES_MAX:
        return data[at + 1], at + 2
    raise MalformedError("not an array of 1 to 64 items", field="card_header")


def _read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Read a byte string with the shortest head."""
    first = data[at]
    if first == 0x58 and data[at + 1] >= 24:
        start = at + 2
        end = start + data[at + 1]
    elif 0x40 <= first < 0x58:
        start = at + 1
        end = start + first - 0x40
    elif first == 0x59 and data[at + 1]:
        start = at + 3
        end = start + (data[at + 1] << 8 | data[at + 2])
    else:
        raise MalformedError("not a byte string in its shortest form", field="card_header")
    if end > len(data):
        raise IndexError
    return data[start:end], end


def _read_uint(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned integer in its shortest form."""
    first = data[at]
    if first < 24:
        return first, at + 1
    if first > 27:
        raise MalformedError("not an unsigned integer", field="card_header")
    size = 1 << (first - 24)
    end = at + 1 + size
    if end > len(data):
        raise IndexError
    value = int.from_bytes(data[at + 1 : end])
    if value < (24 if size == 1 else 1 << 4 * size):
        raise MalformedError("an integer is not in its shortest form", field="card_header")
    return value, end


def _agree(one: Card, other: Card) -> bool:
    positions = {card.header.position for card in (one, other)} - {None}
    tokens = {card.token for card in (one, other)} - {b""}
    return len(positions) < 2 and len(tokens) < 2


def _joined(card: Card, other: Card) -> Card:
    old, header = card.header, other.header
    joined = CardHeader(
        opened=_union(old.opened, header.opened),
        sealed=tuple(dict.fromkeys((*old.sealed, *header.sealed))),
        position=old.position or header.position,
        receipts=_union(old.receipts, header.receipts),
    )
    return card._replace(header=joined, token=card.token or other.token)


def _union(one: Sequence[bytes], other: Sequence[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*one, *other)))
