"""A small ledger for tests of the log service: governors, one issuer, credentials, witnesses.

Everything comes from seeds and a clock that the test moves, so that a run can be repeated.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.core.actions import Action, Admission, Admit, Scope, Verb
from ledger.core.calendar_days import exp_for
from ledger.core.claims import CredentialClaims
from ledger.core.cose_key import SoftwareSigner
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner
from ledger.core.note import NoteSigner, format_vkey
from ledger.core.pin import Pin
from ledger.core.statement import sign_credential, sign_statement
from ledger.core.status_change import StatusChange, StatusRow
from ledger.service.founding import finish_ledger, prepare_ledger, sign_accept
from ledger.service.keys import LedgerKeys, log_verifier_keys, open_key_files
from ledger.service.service import LedgerService, open_service
from ledger.service.witnesses import Witness, WitnessClient

ORIGIN = "ledger.test/one"
PASSPHRASE = b"a passphrase for tests"
DAY_S = 86_400
START_MS = 1_790_000_000_000
PROFILES = {"sc:identity": (4, 1095), "sc:companion": (3, 365)}


def passphrase() -> bytes:
    return PASSPHRASE


@dataclass
class FakeClock:
    """Moves 5 ms with every look, so that epochs follow each other; tests move it further."""

    now: int = START_MS
    step: int = 5

    def __call__(self) -> int:
        self.now += self.step
        return self.now

    def seconds(self) -> int:
        return self.now // 1000


def seed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def governor(number: int) -> SoftwareSigner:
    return SoftwareSigner.from_seed("ed25519", seed(f"governor {number}"))


def witness_signers() -> list[NoteSigner]:
    return [
        Ed25519Cosigner("w1.test", seed("w1")),
        MlDsa44Cosigner("w2.test", seed("w2")),
        Ed25519Cosigner("w3.test", seed("w3")),
    ]


def policy_text(threshold: int | None) -> str:
    """Policy of three witnesses of which `threshold` are needed, or of nobody."""
    if threshold is None:
        return "quorum none\n"
    lines = [f"witness w{i + 1} {format_vkey(s.verifier_key)}\n" for i, s in enumerate(witness_signers())]
    return "".join(lines) + f"group some {threshold} w1 w2 w3\nquorum some\n"


@dataclass
class World:
    """A founded ledger in a directory, and the people around it."""

    data_dir: Path
    clock: FakeClock = field(default_factory=FakeClock)
    threshold: int | None = None
    epoch_ms: int = 20
    issuer: SoftwareSigner = field(default_factory=lambda: SoftwareSigner.from_seed("p256", seed("issuer")))
    keys: LedgerKeys | None = None
    charter_hash: bytes = b""
    witness_policy: str = ""

    def found(self) -> World:
        counter = itertools.count()
        prepared = prepare_ledger(
            self.data_dir,
            origin=ORIGIN,
            governors=tuple((f"governor-{i}", governor(i).public_key) for i in range(3)),
            threshold=2,
            witness_policy=self.witness_policy or policy_text(self.threshold),
            epoch_ms=self.epoch_ms,
            profiles=PROFILES,
            random_bytes=lambda n: hashlib.shake_256(b"keys %d" % next(counter)).digest(n),
            passphrase=passphrase,
        )
        self.charter_hash = prepared.charter_hash
        accepts = [sign_accept(prepared.charter_entry, f"governor-{i}", governor(i)) for i in range(3)]
        finish_ledger(self.data_dir, accepts, now_ms=self.clock, passphrase=passphrase)
        return self

    def open(self, witnesses: Sequence[WitnessClient] = (), **chosen: Any) -> LedgerService:
        if self.keys is None:
            self.keys = open_key_files(self.data_dir / "keys", ORIGIN, passphrase)
        return open_service(
            self.data_dir,
            passphrase=passphrase,
            now_ms=self.clock,
            witnesses=witnesses,
            keys=self.keys,
            **chosen,
        )

    def log_keys(self) -> tuple[Any, Any]:
        assert self.keys is not None
        raw = [signer.verifier_key.public_key for signer in self.keys.log]
        return log_verifier_keys(ORIGIN, (raw[0], raw[1]))

    def pin(self) -> Pin:
        return Pin(ORIGIN, self.charter_hash)

    def witnesses(self, folder: Path, replays: Sequence[Any] = (None, None, None)) -> list[Witness]:
        folder.mkdir(exist_ok=True)
        if self.keys is None:
            self.keys = open_key_files(self.data_dir / "keys", ORIGIN, passphrase)
        return [
            Witness(signer, ORIGIN, self.log_keys(), folder / f"{i}.db", self.clock.seconds, replay)
            for i, (signer, replay) in enumerate(zip(witness_signers(), replays, strict=True))
        ]

    def action(
        self, subject: str, counter: int, verbs: Sequence[Verb], governors: Iterable[int]
    ) -> list[bytes]:
        action = Action(subject, counter, self.clock.now // 1000 + 7 * DAY_S, tuple(verbs))
        return [sign_statement("govern", f"governor-{i}", subject, action, governor(i)) for i in governors]

    def admission(self, name: str = "civil-1", desks: int = 2) -> list[bytes]:
        scope = Scope(("sc:companion", "sc:identity"), 1_000_000, desks)
        admit = Admit(Admission("civil", "Civil registry", (self.issuer.public_key,), scope))
        return self.action(name, 0, [admit], (0, 1))

    def credential(
        self, number: int, *, uri: str = "sc:1/0", idx: int | None = None, **changed: Any
    ) -> bytes:
        iat = self.clock.now // 1000 // DAY_S * DAY_S
        digest = hashlib.sha256(b"%d" % number).digest()
        claims: dict[str, Any] = {
            "iss": "civil-1",
            "sub": base64.urlsafe_b64encode(digest[:12]).decode(),
            "iat": iat,
            "exp": exp_for(iat, 1095),
            "cnf": HOLDER,
            "vct": "sc:identity",
            "uri": uri,
            "idx": number if idx is None else idx,
            "digests": tuple(sorted(hashlib.sha256(digest + bytes([i])).digest() for i in range(4))),
        }
        return sign_credential(CredentialClaims(**{**claims, **changed}), self.issuer)

    def status(self, seq: int, rows: Sequence[tuple[int, int, int, int]], uri: str = "sc:1/0") -> bytes:
        import datetime

        day = datetime.datetime.fromtimestamp(self.clock.now / 1000, datetime.UTC)
        month = day.year * 100 + day.month
        change = StatusChange(uri, seq, tuple(StatusRow(*row, month) for row in rows))
        return sign_statement("status", "civil-1", uri, change, self.issuer)


HOLDER = SoftwareSigner.from_seed("ed25519", seed("holder")).public_key.x
