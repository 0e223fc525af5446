"""What the desk holds and hands out for one person: prepared, then issued.

prepared = Prepared(outgoing, secret)        # signed, stored nowhere yet
issued.words, issued.case_file               # what leaves the desk
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from credential.core.case_file import NOT_LISTED_PATH, Case
from credential.core.holder import format_words
from credential.core.issue import IssuedCredential
from issuer.desk_store import Outgoing
from issuer.errors import IssuerError
from ledger.core.statement import parse_statement


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed credential that is not stored yet, and the secret of its holder."""

    outgoing: Outgoing
    secret: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """What the desk hands out for one person.

    Attributes:
        sub: subject of the credential; names its case file.
        secret: the holder's 16 bytes.
        case_file: the encrypted case file; provisional while `is_listed` is false.
        is_listed: whether the credential is on the ledger.
        waits_for: code for which it is not, "not_reachable" above all; "" where it is.
    """

    sub: str
    secret: bytes
    case_file: bytes
    is_listed: bool
    waits_for: str = ""

    @property
    def words(self) -> str:
        """The holder's twelve words."""
        return format_words(self.secret)


def provisional_case(issued: IssuedCredential, title: str) -> Case:
    """Return the case of a credential that is not registered yet."""
    return Case(
        entry=issued.entry,
        index=0,
        path=NOT_LISTED_PATH,
        disclosures=tuple(part.content for part in issued.disclosures.values()),
        decoys=tuple(part.content for part in issued.decoys),
        title=title,
    )


def listed_case(stored: Outgoing, case: Case) -> Case:
    """Return the case with the ledger position of its stored credential.

    Raises:
        IssuerError: not_listed, the case is of another credential.
    """
    assert stored.index is not None
    assert stored.path is not None
    assert stored.logged is not None
    if parse_statement(stored.logged).statement_id != parse_statement(case.entry).statement_id:
        raise IssuerError("not_listed", "the case file is of another credential", field="case_file")
    listed = replace(case, entry=stored.logged, index=stored.index, path=stored.path)
    listed.logged()  # the disclosures belong to the bytes that will be printed
    return listed
