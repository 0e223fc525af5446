"""A holder's own replacement: any desk relays it, for a card of any issuer, and the old desk learns nothing.

docs/protocol.md, section 4, "A holder's own replacement". The statement is signed with the key that the old
card confirms, which follows from the holder's twelve words; the old card's code has all that the proof needs:
the logged bytes, the index and the path. No key and no file of the desk that issued the old card is used.
Nothing ties the statement to the holder's next card. What could is the time: so it may be sent at once, kept
and sent with others later, or never.

    old = read_old_card(front_texts)
    statement = sign_replacement(old, secret, status=view.status(old.claims.uri, old.claims.idx), now_s=now_s)
    relay(client, statement)
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from credential.core.card import Position, parse_card
from credential.core.case_file import Case
from credential.core.holder import holder_signer
from credential.core.qr_text import parse_qr_text
from credential.errors import SecretError
from issuer.errors import InputError, IssuerError
from issuer.files import make_folder, read_file, write_new
from issuer.ledger_client import LedgerClient, Registered
from ledger.core.calendar_days import month_of_seconds
from ledger.core.claims import CredentialClaims
from ledger.core.cose_key import PublicKey
from ledger.core.statement import MAX_ENTRY_BYTES, parse_statement, proven_claims, sign_statement
from ledger.core.status_change import (
    HOLDER_SEQ,
    REASON_REPLACED,
    REPLACED,
    TRANSITIONS,
    HolderProof,
    StatusChange,
    StatusRow,
)
from ledger.errors import CodedError

WHEN: Final = ("now", "batch", "never")
WAITING: Final = "replacements"
"""Folder of a desk with the statements that are sent later; no name in it says of which card."""
_NAME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class OldCard:
    """What the code of a card, or its case file, says of its place on the ledger. Nothing is verified."""

    entry: bytes
    position: Position
    claims: CredentialClaims


def read_old_card(texts: Sequence[str]) -> OldCard:
    """Return the card of which these are codes: the front, the back, or both.

    Raises:
        InputError: no code, or codes of several cards; a card without its ledger position.
        MalformedError: a code of another kind (code unsupported), or not of its form.
    """
    found = None
    for text in texts:
        card = parse_card(parse_qr_text(text))
        old = old_card(card.entry, card.position)
        if found is not None and found != old:
            raise InputError("card", "must be of one card")
        found = old
    if found is None:
        raise InputError("card", "must show the code of the card")
    return found


def old_card_of(case: Case) -> OldCard:
    """Return the card of an opened case file; errors as `old_card`."""
    return old_card(case.entry, Position(case.index, case.path) if case.is_listed else None)


def old_card(entry: bytes, position: Position | None) -> OldCard:
    """Return a card of its logged bytes and its position.

    Raises:
        InputError: there is no position: a card that is not registered cannot be replaced.
        MalformedError: the bytes are not those of a credential.
    """
    statement = parse_statement(entry)
    if statement.kind != "credential":
        raise InputError("card", "must be a credential")
    if position is None:
        raise InputError("card", "must carry its ledger position; complete it first")
    return OldCard(entry, position, statement.body)


def check_holder(old: OldCard, secret: bytes) -> None:
    """Check that twelve words are those of the card.

    Raises:
        SecretError: the card confirms another key.
    """
    claims = old.claims
    if holder_signer(secret, claims.iss, claims.sub).public_key.x != claims.cnf:
        raise SecretError("these words are not of this card", field="words")


def sign_replacement(old: OldCard, secret: bytes, *, status: int, now_s: int) -> bytes:
    """Return the holder's signed statement that the card is replaced.

    Args:
        old: the card.
        secret: the holder's 16 bytes; used here and kept nowhere.
        status: what the card's place reads now.
        now_s: the time, epoch seconds; only its month is signed.

    Raises:
        SecretError: the secret is not of this card.
        IssuerError: bad_transition, the card is withdrawn or replaced already.
    """
    check_holder(old, secret)
    if REASON_REPLACED not in TRANSITIONS.get((status, REPLACED), frozenset()):
        raise IssuerError("bad_transition", "the card is withdrawn or replaced already", field="card")
    claims = old.claims
    row = StatusRow(claims.idx, status, REPLACED, REASON_REPLACED, month_of_seconds(now_s))
    proof = HolderProof(old.position.index, old.position.path, old.entry)
    change = StatusChange(claims.uri, HOLDER_SEQ, (row,), proof)
    return sign_statement(
        "status", claims.sub, claims.uri, change, holder_signer(secret, claims.iss, claims.sub)
    )


def relay(client: LedgerClient, entry: bytes) -> Registered:
    """Register a holder's statement and return its proven place.

    Raises:
        MalformedError: not a statement.
        InputError: not a holder's own replacement.
        CodedError: the ledger's refusal, such as stale_action where the status has changed since; not_listed
            for a card that is not on this ledger; not_reachable, after which the same bytes may be sent again.
    """
    [outcome] = client.register([entry], _holder_key(entry))
    if isinstance(outcome, CodedError):
        raise outcome
    return outcome


def keep_for_later(folder: Path, entry: bytes) -> Path:
    """Write a statement into the desk's folder of what is sent later, under a random name; return its path.

    Raises:
        IssuerError: storage_failed.
    """
    make_folder(folder / WAITING)
    path = folder / WAITING / f"{secrets.token_hex(_NAME_BYTES)}.cose"
    write_new(path, entry)
    return path


def waiting(folder: Path) -> list[Path]:
    """Return the statements that wait, in the order of their random names."""
    return sorted((folder / WAITING).glob("*.cose"))


def relay_file(client: LedgerClient, path: Path) -> Registered:
    """Register the statement of a file and delete the file; it stays where it is refused. Errors as `relay`.

    Raises:
        IssuerError: not_found, storage_failed, too_large.
    """
    registered = relay(client, read_file(path, "file", max_size=MAX_ENTRY_BYTES))
    try:
        path.unlink()
    except OSError as error:
        raise IssuerError("storage_failed", "the file cannot be deleted", field=path.name) from error
    return registered


def _holder_key(entry: bytes) -> PublicKey:
    statement = parse_statement(entry)
    if statement.kind != "status" or statement.body.proof is None:
        raise InputError("file", "must be a holder's own replacement")
    return PublicKey("ed25519", proven_claims(statement.body).cnf)
