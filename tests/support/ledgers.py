"""A whole ledger in memory: governors, witnesses, issuers, epochs and bundles, without a disk or a clock.

Every key follows from a name, every random byte from a counter, so that a ledger built twice is the same
ledger. Time is an argument everywhere.

    ledger = TinyLedger()
    civil = ledger.admit("civil-1")
    card = ledger.issue(civil, PersonClaims())
    ledger.close_epoch()
    text, bundle = card.front(), ledger.bundle()
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from credential.core.card import LoggedCredential, Position, format_back, format_front, seal_keys
from credential.core.issue import IssuedCredential, PersonClaims, StatusPlace, issue, new_subject
from credential.core.profiles import built_in_profile, built_in_profiles
from credential.core.qr_text import SealKeys, format_seal_keys
from credential.core.status_list import compress_list
from ledger.core import cbor
from ledger.core.actions import Action, Admission, Admit, Scope, Verb
from ledger.core.bundle import Bundle, PackedList, PlacedEntry, format_bundle
from ledger.core.calendar_days import DAY_S, month_of_seconds
from ledger.core.cells import CELL_SIZE, cells_from_leaves, prove_in_cell
from ledger.core.charter import Accept, Charter
from ledger.core.checkpoint import Checkpoint, format_checkpoint, sign_checkpoint
from ledger.core.cose_key import Kind, SoftwareSigner
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner, add_cosignature, cosign
from ledger.core.epoch import BuiltEpoch, build_epoch, genesis_epoch
from ledger.core.merkle import leaf_hash, root_hash
from ledger.core.note import Ed25519NoteSigner, format_vkey
from ledger.core.pin import Pin
from ledger.core.registry import Registry
from ledger.core.statement import parse_statement, sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from verifier.core.trust import open_bundle
from verifier.core.trusted_list import TrustedList

ORIGIN = "ledger.example/tiny"
START_S = 1_794_700_800
"""15 November 2026, 00:00 UTC: the time of the genesis epoch."""
ALL_PROFILES = tuple(sorted(built_in_profiles()))


def seed(name: str) -> bytes:
    """Return 32 bytes that follow from a name."""
    return hashlib.sha256(b"tiny ledger\0" + name.encode()).digest()


def signer(name: str, kind: Kind = "p256") -> SoftwareSigner:
    """Return the signer that a name stands for."""
    return SoftwareSigner.from_seed(kind, seed(name))


class CountedBytes:
    """Random bytes for tests: SHA-256 of a label and a counter."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._count = 0

    def __call__(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            self._count += 1
            data += seed(f"{self._label}/{self._count}")
        return data[:size]


@dataclass
class TinyIssuer:
    """An admitted issuer with the signer of its newest key."""

    issuer_id: str
    number: int
    signer: SoftwareSigner
    next_idx: int = 0
    seqs: dict[str, int] = field(default_factory=dict)


@dataclass
class TinyCard:
    """An issued credential, its holder's secret and, once the epoch is closed, its place."""

    ledger: TinyLedger
    issued: IssuedCredential
    secret: bytes

    @property
    def sub(self) -> str:
        """Subject of the credential."""
        return self.issued.claims.sub

    @property
    def index(self) -> int:
        """Ledger index."""
        return self.ledger.entries.index(self.issued.entry)

    def logged(self, *, position: bool = True) -> LoggedCredential:
        """Return the credential as it is printed, with or without its position."""
        place = Position(self.index, self.ledger.path(self.index)) if position else None
        disclosures = tuple(part.content for part in self.issued.disclosures.values())
        return LoggedCredential(self.issued.entry, place, disclosures)

    def front(self, *, position: bool = True) -> str:
        """Return the text of the front code."""
        return format_front(self.logged(position=position))

    def back(self, *, position: bool = True) -> str:
        """Return the text of the back code."""
        keys = seal_keys(self.secret, self.issued.claims)
        random_bytes = CountedBytes(f"nonce/{self.sub}")
        return format_back(self.logged(position=position), keys, random_bytes)

    def slip(self) -> SealKeys:
        """Return the seal keys of the card."""
        return SealKeys(self.sub, seal_keys(self.secret, self.issued.claims))

    def slip_text(self) -> str:
        """Return the text of the slip."""
        return format_seal_keys(self.slip())


class TinyLedger:
    """A ledger with 3 governors (2 decide) and 2 witnesses (both needed unless told otherwise)."""

    def __init__(
        self,
        origin: str = ORIGIN,
        *,
        governors: int = 3,
        threshold: int = 2,
        witnesses: int = 2,
        quorum: int = 2,
        start_s: int = START_S,
    ) -> None:
        self.origin = origin
        self.random_bytes = CountedBytes(origin)
        self.service = signer("service")
        self.governors = {
            f"governor-{n}": signer(f"governor {n}", "ed25519") for n in range(1, governors + 1)
        }
        self.threshold = threshold
        self.log_signers = (Ed25519NoteSigner(origin, seed("log")), MlDsa44Cosigner(origin, seed("log pq")))
        self.witnesses = [
            Ed25519Cosigner(f"witness-{n}.example", seed(f"w{n}")) for n in range(1, witnesses + 1)
        ]
        lines = [f"witness w{n} {format_vkey(w.verifier_key)}\n" for n, w in enumerate(self.witnesses, 1)]
        names = " ".join(f"w{n}" for n in range(1, witnesses + 1))
        group = (
            [f"group all-of-them {quorum} {names}\n", "quorum all-of-them\n"]
            if witnesses
            else ["quorum none\n"]
        )
        self.charter = Charter(
            origin=origin,
            log_keys=(
                self.log_signers[0].verifier_key.public_key,
                self.log_signers[1].verifier_key.public_key,
            ),
            service_key=self.service.public_key,
            receipts_key=signer("receipts").public_key,
            governors=tuple((name, item.public_key) for name, item in self.governors.items()),
            threshold=threshold,
            witness_policy="".join([*lines, *group]),
            epoch_ms=1_000,
            profiles={
                vct: (profile.digest_count, profile.validity_days)
                for vct, profile in built_in_profiles().items()
            },
        )
        charter_entry = sign_statement("charter", origin, origin, self.charter, self.service)
        self.charter_hash = leaf_hash(charter_entry)
        accepts = [
            sign_statement("accept", name, origin, Accept(self.charter_hash), item)
            for name, item in self.governors.items()
        ]
        self.time_ms = start_s * 1_000
        self.entries: list[bytes] = []
        self.leaves: list[bytes] = []
        self.chain_head = b""
        self.pending: list[bytes] = []
        self.issuers: dict[str, TinyIssuer] = {}
        self.registry: Registry
        self.registry, built = genesis_epoch(charter_entry, accepts, self.time_ms, self.service)
        self._append(built)

    @property
    def pin(self) -> Pin:
        """What a station of this ledger pins."""
        return Pin(self.origin, self.charter_hash)

    @property
    def now_s(self) -> int:
        """Time of the last epoch in seconds."""
        return self.time_ms // 1_000

    @property
    def tree_size(self) -> int:
        """Number of entries."""
        return len(self.entries)

    def submit(self, entry: bytes) -> None:
        """Put an entry into the next epoch."""
        self.pending.append(entry)

    def close_epoch(self, *, after_s: int = 60) -> BuiltEpoch:
        """Seal what is pending, `after_s` seconds after the epoch before; nothing may be rejected."""
        self.time_ms += after_s * 1_000
        statements = [parse_statement(entry) for entry in self.pending]
        for statement in statements:
            statement.check_signature(self.registry.key_for(statement))
        built = build_epoch(
            self.registry, self.chain_head, self.tree_size, statements, self.time_ms, self.service
        )
        if built.rejected:
            raise built.rejected[0][1]
        self.pending = []
        self._append(built)
        return built

    def act(self, subject: str, *verbs: Verb, approvals: int | None = None) -> None:
        """Put k approvals of one action into an epoch of its own."""
        issuer = self.registry.governance.issuers.get(subject)
        action = Action(subject, issuer.counter if issuer else 0, self.now_s + 30 * DAY_S, verbs)
        for name, item in list(self.governors.items())[: approvals or self.threshold]:
            self.submit(sign_statement("govern", name, subject, action, item))
        self.close_epoch()

    def admit(
        self,
        issuer_id: str = "civil-1",
        *,
        title: str = "Civil registry of Example",
        authority: str = "interior",
        vcts: Sequence[str] = ALL_PROFILES,
        kind: Kind = "p256",
    ) -> TinyIssuer:
        """Admit an issuer with one key."""
        own = signer(f"issuer {issuer_id}", kind)
        scope = Scope(tuple(vcts), rate=10_000, desks=4)
        self.act(issuer_id, Admit(Admission(authority, title, (own.public_key,), scope)))
        issuer = TinyIssuer(issuer_id, len(self.issuers) + 1, own)
        self.issuers[issuer_id] = issuer
        return issuer

    def issue(
        self,
        issuer: TinyIssuer,
        person: PersonClaims | None = None,
        *,
        vct: str = "sc:identity",
        iat_s: int | None = None,
        signer: SoftwareSigner | None = None,
        submit: bool = True,
    ) -> TinyCard:
        """Sign a credential and, unless told otherwise, put it into the next epoch."""
        place = StatusPlace(f"sc:{issuer.number}/0", issuer.next_idx)
        issuer.next_idx += 1
        secret = self.random_bytes(16)
        issued = issue(
            built_in_profile(vct),
            person or PersonClaims(),
            iss=issuer.issuer_id,
            sub=new_subject(self.random_bytes),
            iat_s=self.now_s // DAY_S * DAY_S if iat_s is None else iat_s,
            place=place,
            holder=secret,
            signer=signer or issuer.signer,
            random_bytes=self.random_bytes,
        )
        if submit:
            self.submit(issued.entry)
        return TinyCard(self, issued, secret)

    def change_status(
        self, issuer: TinyIssuer, card: TinyCard, old: int, new: int, reason: int, *, submit: bool = True
    ) -> bytes:
        """Sign a change of one status and, unless told otherwise, put it into the next epoch."""
        claims = card.issued.claims
        seq = issuer.seqs[claims.uri] = issuer.seqs.get(claims.uri, 0) + 1
        row = StatusRow(claims.idx, old, new, reason, month_of_seconds(self.now_s))
        change = StatusChange(claims.uri, seq, (row,))
        entry = sign_statement("status", issuer.issuer_id, claims.uri, change, issuer.signer)
        if submit:
            self.submit(entry)
        return entry

    def path(self, index: int) -> bytes:
        """Return the 128-byte path of an entry to its cell."""
        start = index // CELL_SIZE * CELL_SIZE
        return prove_in_cell(self.leaves[start : start + CELL_SIZE], index - start)

    def placed(self, index: int) -> PlacedEntry:
        """Return an entry with its path."""
        return PlacedEntry(index, self.path(index), self.entries[index])

    def checkpoint(
        self, *, time_s: int | None = None, witness_times: Sequence[int | None] | None = None
    ) -> str:
        """Return the cosigned checkpoint of the tree; a witness whose time is None does not sign."""
        at = self.now_s if time_s is None else time_s
        head = Checkpoint(self.origin, self.tree_size, root_hash(self.leaves))
        note = sign_checkpoint(head, self.log_signers, at)
        for witness, time in zip(self.witnesses, witness_times or [at] * len(self.witnesses), strict=True):
            if time is not None:
                note = add_cosignature(note, cosign(witness, head, format_checkpoint(head), time))
        return note

    def bundle_parts(self, **checkpoint: Any) -> Bundle:
        """Return the bundle before it becomes bytes; arguments as `checkpoint`."""
        indexes = sorted(index for effect in self.registry.effects for index in effect.approvals)
        lists = [
            PackedList(uri, compress_list(state.raw), compress_list(cbor.encode(state.format_reasons())))
            for uri, state in sorted(self.registry.lists.items())
        ]
        return Bundle(
            charter=self.placed(0),
            approvals=tuple(self.placed(index) for index in indexes),
            checkpoint=self.checkpoint(**checkpoint),
            cells=cells_from_leaves(self.leaves),
            seal=self.placed(self.tree_size - 1),
            lists=tuple(lists),
        )

    def bundle(self, **checkpoint: Any) -> bytes:
        """Return the bundle; arguments as `checkpoint`."""
        return format_bundle(self.bundle_parts(**checkpoint))

    def trusted(self, **checkpoint: Any) -> TrustedList:
        """Return the bundle as a station sees it; arguments as `checkpoint`."""
        return open_bundle(self.bundle(**checkpoint), self.pin)

    def _append(self, built: BuiltEpoch) -> None:
        self.entries += built.entries
        self.leaves += built.leaves
        self.chain_head = built.chain[-1]
