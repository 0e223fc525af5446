"""A desk and the ledger that it registers with, in one process: no socket, no clock, no chance.

world = DeskWorld(tmp_path)
issued = world.desk.issue_person(person())
world.trusted()                       # the bundle as a station sees it
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from credential.core.birth import year_only
from credential.core.issue import PersonClaims
from credential.core.names import Name
from issuer.desk import Desk
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.errors import IssuerError
from issuer.ledger_client import InProcessLedgerClient, LedgerPin, pin_charter
from issuer.vault import Vault
from ledger.core.actions import Admission, Admit, Scope
from ledger.core.cose_key import ES256, PublicKey, SoftwareSigner
from ledger.core.epoch import build_epoch
from ledger.core.merkle import prove_inclusion, root_hash
from ledger.core.receipt import format_inclusion_receipt, sign_root, transparent_statement
from ledger.core.statement import Statement, parse_statement
from ledger.errors import CodedError
from tests.support.ledgers import ALL_PROFILES, CountedBytes, TinyLedger, seed, signer
from verifier.core.trusted_list import TrustedList

PASSPHRASE = "a passphrase for tests"
PORTRAIT = bytes(range(256)) * 3 + bytes(32)
"""800 bytes; no picture, but nothing here looks at it."""


def person(portrait: bytes = b"") -> PersonClaims:
    """Return a person with every part, and a portrait where one is given."""
    return PersonClaims(
        names=(Name("مريم", "Arab", "MARYAM"), Name("Mimi", "Latn", "MIMI", "known_as")),
        birth=year_only(2009, told="in the year of the flood"),
        sex="female",
        nationalities=("SYR",),
        birthplace="Deir ez-Zor",
        portrait=portrait,
    )


class SubmittingLedger(TinyLedger):
    """A ledger that answers each submission with a Transparent Statement, one epoch per call."""

    offline = False
    """While true, nothing is taken and nothing answered."""
    tells_seq = False
    """Whether it tells the next sequence number of a list."""
    deaf = False
    """While true, what is sent is registered but the answer is lost."""

    def answer(self, entries: Sequence[bytes]) -> list[bytes | CodedError]:
        """Register entries and return an answer for each."""
        if self.offline:
            return [IssuerError("not_reachable", "offline", field="ledger")] * len(entries)
        refused: dict[bytes, CodedError] = {}
        fresh: list[Statement] = []
        for statement in map(parse_statement, entries):
            try:
                statement.check_signature(self.registry.key_for(statement))
                if self.index_of(statement) is None:
                    fresh.append(statement)
            except CodedError as error:
                refused[statement.statement_id] = error
        self.time_ms += 60_000
        built = build_epoch(self.registry, self.chain_head, self.tree_size, fresh, self.time_ms, self.service)
        refused |= {statement.statement_id: error for statement, error in built.rejected}
        if built.entries:
            self._append(built)
        if self.deaf:
            return [IssuerError("not_reachable", "no answer", field="ledger")] * len(entries)
        return [
            refused[statement.statement_id]
            if statement.statement_id in refused
            else self.transparent(self.index_of(statement) or 0)
            for statement in map(parse_statement, entries)
        ]

    def index_of(self, statement: Statement) -> int | None:
        """Return where a statement stands, by its identity."""
        for index, entry in enumerate(self.entries):
            if len(entry) > 1 and parse_statement(entry).statement_id == statement.statement_id:
                return index
        return None

    def transparent(self, index: int) -> bytes:
        """Return the Transparent Statement of an entry."""
        receipts = SoftwareSigner.from_seed("p256", seed("receipts"), alg=ES256)
        signed = sign_root(root_hash(self.leaves), receipts, self.origin)
        path = prove_inclusion(index, self.tree_size, self._node)
        receipt = format_inclusion_receipt(signed, self.tree_size, index, path)
        return transparent_statement(self.entries[index], [receipt])

    def admit_key(self, issuer_id: str, key: PublicKey, *, desks: int = 2) -> None:
        """Let the governors admit an issuer with this key."""
        admission = Admission(
            "interior", "Civil registry of Example", (key,), Scope(ALL_PROFILES, 10_000, desks)
        )
        self.act(issuer_id, Admit(admission))

    @property
    def desk_pin(self) -> LedgerPin:
        """What a desk of this ledger pins."""
        return pin_charter(self.entries[0], self.charter_hash)

    def client(self) -> InProcessLedgerClient:
        """Return a client of this ledger."""
        return InProcessLedgerClient(self.desk_pin, self.answer, self.bundle, self.hint)

    def hint(self, uri: str) -> int | None:
        """Return the next sequence number of a list, if the ledger tells it."""
        return self.registry.lists[uri].seq + 1 if self.tells_seq and uri in self.registry.lists else None

    def _node(self, level: int, index: int) -> bytes:
        return root_hash(self.leaves[index << level : (index + 1) << level])


class DeskWorld:
    """A ledger with one admitted issuer and its connected desk."""

    def __init__(self, folder: Path, *, desk: int = 0, desks: int = 2) -> None:
        self.ledger = SubmittingLedger()
        self.signer = signer("desk key")
        self.ledger.admit_key("civil-1", self.signer.public_key, desks=desks)
        self.config = DeskConfig(
            issuer_id="civil-1",
            authority="interior",
            title="Civil registry of Example",
            origin=self.ledger.origin,
            desk=desk,
            desks=desks,
            number=1,
            charter=self.ledger.charter_hash.hex(),
            ledger_url="http://ledger.example",
        )
        self.folder = folder
        self.random_bytes = CountedBytes("desk")
        self.store = DeskStore(folder / "desk.sqlite")
        self.desk = self._desk()

    def reopen(self) -> Desk:
        """Open the desk again, as a new process does; what the old one had in memory is gone."""
        self.store.close()
        self.store = DeskStore(self.folder / "desk.sqlite")
        self.desk = self._desk()
        return self.desk

    def _desk(self) -> Desk:
        return Desk(
            self.config,
            self.signer,
            self.store,
            self.ledger.client(),
            random_bytes=self.random_bytes,
            now_s=lambda: self.ledger.now_s,
            vault=Vault(PASSPHRASE, self.store.salt(self.random_bytes(16))),
        )

    def trusted(self) -> TrustedList:
        """Return the bundle as a station sees it."""
        return self.ledger.trusted()


def until(days: int = 30) -> date:
    """Return a day after the ledger's first."""
    return date.fromordinal(date(2026, 11, 15).toordinal() + days)
