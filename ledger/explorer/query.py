"""What may be searched: an entry by index, a statement by identity, an issuer by id. Never a person.

A subject, a place of a status list, a name or the text of a card is refused, all with the same sentence: the
entries of a ledger are public, and a page that finds one from a card would tell who holds the paper whom.

>>> parse_query(" 4711 ", ())
EntryIndexQuery(index=4711)
>>> parse_query("civil-1", ("civil-1",))
IssuerQuery(issuer_id='civil-1')
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from ledger.errors import LedgerError

MAX_QUERY_CHARS: Final = 200
REFUSAL: Final = (
    "This page finds an entry by its index, a statement by its identity (64 hex digits) and an issuer by its id. "
    "It never looks up a person: not by a name, a subject, a place on a status list or the text of a card. "
    "What you typed was not kept."
)
_INDEX: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_IDENTITY: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class EntryIndexQuery:
    """Look for the entry at an index."""

    index: int


@dataclass(frozen=True, slots=True)
class IdentityQuery:
    """Look for the statement of an identity, 32 bytes."""

    identity: bytes


@dataclass(frozen=True, slots=True)
class IssuerQuery:
    """Look for an issuer of the ledger."""

    issuer_id: str


Query = EntryIndexQuery | IdentityQuery | IssuerQuery


def parse_query(text: str, issuers: Collection[str]) -> Query:
    """Return what is looked for.

    Args:
        text: as it was typed.
        issuers: ids of the issuers of this ledger; a name that is none of them is refused like any other.

    Raises:
        LedgerError: code bad_input with `REFUSAL`, everything else. What was typed is not in the error.
    """
    asked = text.strip() if len(text) <= MAX_QUERY_CHARS else ""
    if _INDEX.fullmatch(asked):
        return EntryIndexQuery(int(asked))
    if _IDENTITY.fullmatch(asked):
        return IdentityQuery(bytes.fromhex(asked))
    if asked in issuers:
        return IssuerQuery(asked)
    raise LedgerError("bad_input", REFUSAL, field="search")
