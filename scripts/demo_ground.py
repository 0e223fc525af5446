"""The ground that the demonstration stands on: a stepped clock, a ledger with its people, desks, a station.

Everything runs in one process and through the same functions that the commands call. Nothing is faked but
the time: the clock begins 25 days ago and is moved by the story, so that a reader sees weeks in seconds.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Engine

from credential.core.profiles import built_in_profiles
from issuer.desk import Desk
from issuer.desk_config import DeskConfig
from issuer.desk_store import DeskStore
from issuer.ledger_client import InProcessLedgerClient, LedgerPin, pin_charter
from ledger.core.actions import Action, Admission, Admit, Scope, Verb
from ledger.core.cose_key import PublicKey, SoftwareSigner
from ledger.core.cosignature import Ed25519Cosigner, MlDsa44Cosigner
from ledger.core.note import NoteSigner, format_vkey
from ledger.core.pin import Pin, format_pin
from ledger.core.statement import parse_statement, sign_statement
from ledger.errors import CodedError
from ledger.service.founding import finish_ledger, prepare_ledger, sign_accept
from ledger.service.keys import log_verifier_keys
from ledger.service.replay import Replay
from ledger.service.service import LedgerService, open_service
from ledger.service.witnesses import LocalWitness, Witness
from ledger.store.engine import DATABASE_NAME, open_engine
from ledger.store.entries import LedgerReader

ORIGIN: Final = "safeconduct.example/demo"
PASSPHRASE: Final = "safeconduct demo"  # noqa: S105 - of throw-away keys, and printed nowhere as a secret
EPOCH_MS: Final = 100
DAY_MS: Final = 86_400_000
GOVERNORS: Final = ("registrar", "red-crescent", "ombudsman", "university", "diaspora")
THRESHOLD: Final = 3
APPROVAL_DAYS: Final = 7

T = TypeVar("T")


@dataclass(slots=True)
class SteppedClock:
    """A clock that the story moves.

    Attributes:
        end_ms: the real time at which the demonstration began; day 0.
        now: milliseconds since 1970.
    """

    end_ms: int
    now: int = 0

    def go_to(self, day: int) -> None:
        """Move to a day counted from today, so -25 is 25 days ago."""
        self.now = self.end_ms + day * DAY_MS

    def now_ms(self) -> int:
        """Return the time in milliseconds."""
        return self.now

    def now_s(self) -> int:
        """Return the time in seconds."""
        return self.now // 1000


@dataclass(frozen=True, slots=True)
class Attestor:
    """An issuer of the story: who it is, and the key that it signs with at first."""

    issuer_id: str
    title: str
    signer: SoftwareSigner


def new_signer(kind: str = "p256") -> SoftwareSigner:
    """Return a signer with a fresh random key."""
    return SoftwareSigner.from_seed("p256" if kind == "p256" else "ed25519", secrets.token_bytes(32))


class Loop:
    """An event loop on a thread of its own, for the service beside a story that reads from top to bottom."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Ground:
    """A founded ledger with five governors and two witnesses of which one replays."""

    def __init__(self, out: Path, clock: SteppedClock) -> None:
        self.out = out
        self.clock = clock
        self.data_dir = out / "ledger"
        self._loop = Loop()
        self._governors = {name: new_signer("ed25519") for name in GOVERNORS}
        self._witness_keys: dict[str, NoteSigner] = {
            "w1": Ed25519Cosigner("witness-one.example", secrets.token_bytes(32)),
            "w2": MlDsa44Cosigner("witness-two.example", secrets.token_bytes(32)),
        }
        self._counters: dict[str, int] = {}
        self._stores: list[DeskStore] = []
        self._engines: list[Engine] = []
        self._service: LedgerService | None = None
        self.charter = b""
        self.pin = Pin(ORIGIN, bytes(32))

    def found(self) -> None:
        """Prepare the charter, let every governor accept it, begin, and start the service."""
        prepared = prepare_ledger(
            self.data_dir,
            origin=ORIGIN,
            governors=tuple((name, signer.public_key) for name, signer in self._governors.items()),
            threshold=THRESHOLD,
            witness_policy=self._policy(),
            epoch_ms=EPOCH_MS,
            profiles={vct: (p.digest_count, p.validity_days) for vct, p in built_in_profiles().items()},
            random_bytes=secrets.token_bytes,
            passphrase=PASSPHRASE.encode,
        )
        self.charter = prepared.charter_entry
        self.pin = Pin(ORIGIN, prepared.charter_hash)
        (self.out / "pin.json").write_bytes(format_pin(self.pin))
        accepts = [sign_accept(self.charter, name, signer) for name, signer in self._governors.items()]
        finish_ledger(self.data_dir, accepts, now_ms=self.clock.now_ms, passphrase=PASSPHRASE.encode)
        self._service = self.open_service(self.clock.now_ms)
        self._loop.run(self._service.start())

    def open_service(self, now_ms: Callable[[], int]) -> LedgerService:
        """Return the service of this ledger with its two witnesses, not started yet."""
        witnesses = [LocalWitness(self._witness(name, now_ms)) for name in self._witness_keys]
        return open_service(
            self.data_dir, passphrase=PASSPHRASE.encode, now_ms=now_ms, witnesses=witnesses, wait=True
        )

    def _policy(self) -> str:
        lines = [f"witness {name} {format_vkey(s.verifier_key)}" for name, s in self._witness_keys.items()]
        return "\n".join([*lines, "group both all w1 w2", "quorum both", ""])

    def _witness(self, name: str, now_ms: Callable[[], int]) -> Witness:
        folder = self.out / "witnesses" / name
        folder.mkdir(parents=True, exist_ok=True)
        charter = parse_statement(self.charter).body
        replay = None
        if name == "w2":
            engine = open_engine(self.data_dir / DATABASE_NAME, "read")
            self._engines.append(engine)
            replay = Replay(LedgerReader(engine).entries, charter_hash=self.pin.charter_hash)
        return Witness(
            self._witness_keys[name],
            ORIGIN,
            log_verifier_keys(ORIGIN, charter.log_keys),
            folder / "state.db",
            lambda: now_ms() // 1000,
            replay,
        )

    # -- what people do ---------------------------------------------------------------------------------

    def submit(self, entries: Sequence[bytes]) -> list[bytes | CodedError]:
        """Register statements; return a Transparent Statement or the refusal for each."""
        service = self.service

        async def register(entry: bytes) -> bytes | CodedError:
            try:
                return await service.transparent(await service.submit(entry))
            except CodedError as error:
                return error

        async def register_all() -> list[bytes | CodedError]:
            return await asyncio.gather(*(register(entry) for entry in entries))

        return self._loop.run(register_all())

    def decide(self, subject: str, *verbs: Verb) -> None:
        """Let three governors approve an action on a subject."""
        counter = self._counters.get(subject, 0)
        until_s = self.clock.now_s() + APPROVAL_DAYS * 86_400
        action = Action(subject, counter, until_s, verbs)
        names = GOVERNORS[:THRESHOLD]
        approvals = [sign_statement("govern", name, subject, action, self._governors[name]) for name in names]
        for answer in self.submit(approvals):
            if isinstance(answer, CodedError):
                raise answer
        self._counters[subject] = counter + 1

    def admit(self, issuer_id: str, title: str, vcts: Sequence[str]) -> Attestor:
        """Let the governors admit an issuer with a fresh key."""
        signer = new_signer()
        scope = Scope(tuple(sorted(vcts)), rate=500, desks=1)
        self.decide(issuer_id, Admit(Admission(issuer_id, title, (signer.public_key,), scope)))
        return Attestor(issuer_id, title, signer)

    def desk(self, attestor: Attestor, signer: SoftwareSigner | None = None, name: str = "") -> Desk:
        """Return a desk of an issuer; `signer` is another key than its first."""
        number = list(self._counters).index(attestor.issuer_id) + 1
        config = DeskConfig(
            attestor.issuer_id, attestor.issuer_id, attestor.title, ORIGIN, 0, 1, number,
            self.pin.charter_hash.hex(), "in-process",
        )  # fmt: skip
        folder = self.out / "desks"
        folder.mkdir(parents=True, exist_ok=True)
        store = DeskStore(folder / f"{name or attestor.issuer_id}.sqlite")
        self._stores.append(store)
        return Desk(
            config, signer or attestor.signer, store, self.client,
            random_bytes=secrets.token_bytes, now_s=self.clock.now_s,
        )  # fmt: skip

    @property
    def client(self) -> InProcessLedgerClient:
        """The ledger as a desk in this process sees it."""
        return InProcessLedgerClient(self.ledger_pin, self.submit, self.bundle)

    def index_of(self, statement_id: bytes) -> int:
        """Return where a statement stands on the ledger."""
        placed = self._loop.run(self.service.find(statement_id))
        assert placed is not None
        return placed.leaf_index

    @property
    def service(self) -> LedgerService:
        """The running service."""
        assert self._service is not None
        return self._service

    @property
    def ledger_pin(self) -> LedgerPin:
        """The ledger as a desk pins it."""
        return pin_charter(self.charter, self.pin.charter_hash)

    @property
    def tree_size(self) -> int:
        """Number of entries so far."""
        return self.service.head.size

    def bundle(self) -> bytes:
        """Return the trust bundle of the newest cosigned head."""
        return self._loop.run(self.service.bundle())

    def close(self) -> None:
        """Stop the service, which closes its last epoch."""
        for store in self._stores:
            store.close()
        for engine in self._engines:
            engine.dispose()
        if self._service is not None:
            self._loop.run(self._service.stop())
            self._service = None
        self._loop.close()


def distrusted_kid(key: PublicKey) -> str:
    """Return how people name a key: the first eight hex digits of its kid."""
    return key.kid.hex()[:8]
