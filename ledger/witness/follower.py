"""Following a ledger: a thread that replays its entries, so that a witness cosigns only what the rules accept.

docs/protocol.md sections 4, 5 and 8. The entries come from the ledger's tiles, or from its directory, and are
not believed: first they must give the root that the log signed, then every signature is verified and every
rule applied, and each seal must say what the fold has come to. What does not give the signed root is the fault
of who sent it, and is fetched again; what gives it and breaks a rule was signed by the log: then the log is
refused for ever. Keys that governors gave the log are learnt on the way, also where the witness slept while
they changed.

    follower = Follower(witness, pin, "https://ledger.example")
    follower.start()
    verdict = await follower.examine(signed, wait_s=5)
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from ledger.audit.source import Source, open_source
from ledger.core.bridges import log_verifier_keys
from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_checkpoint
from ledger.core.key_history import KeyHistory
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.note import format_note, parse_note
from ledger.core.pin import Pin
from ledger.core.tiles import TILE_WIDTH
from ledger.errors import CodedError, ForkAlarm, StorageError, VerificationError
from ledger.service.log_witness import LogWitness
from ledger.service.replay import Replay

POLL_S: Final = 10.0
"""How often the ledger is looked at without being asked to cosign anything."""
_LEAST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 60.0
_IN_MEMORY_ENTRIES: Final = 65_536
"""So many new entries at most are held in memory; more are read twice where something is wrong with them."""
_PAGE: Final = 4_096
_KEPT_ROOTS: Final = 65_536
_DOUBT_S: Final = 2.0
"""How long a head that the entries do not give is not tried again."""
_log: Final = logging.getLogger("safeconduct.witness")

Verdict = Literal["good", "wrong", "keys", "wait"]
"""good: replayed, and signed with the keys of its time. wrong: not what the entries give, of which a signed head is
known. keys: signed with others than those of its time. wait: not there yet."""


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How far a replay is: entries replayed, and the code of what holds it up at present, or ""."""

    size: int
    problem: str


class _StoppedError(Exception):
    """The witness is told to stop."""


class Follower:
    """Replays one ledger on a thread of its own.

    Args:
        witness: the witness of this log; is told of alarms and of new keys.
        pin: the ledger that it must be.
        place: address of the ledger, or its directory.
        poll_s: seconds between looks at the ledger.
        open_place: opens the source; a test gives one of its own.
    """

    def __init__(
        self,
        witness: LogWitness,
        pin: Pin,
        place: str,
        *,
        poll_s: float = POLL_S,
        open_place: Callable[[str], Source] = open_source,
    ) -> None:
        self._witness = witness
        self._pin = pin
        self._place = place
        self._poll_s = poll_s
        self._open_place = open_place
        self._source: Source | None = None
        self._read: Callable[[int, int], Sequence[bytes]] = self._fetch_nothing
        self._history = KeyHistory()
        self._replay = self._new_replay()
        self._roots: OrderedDict[int, bytes] = OrderedDict()
        self._size = self._forgotten = 0
        self._doubted: dict[tuple[int, bytes], float] = {}
        self._failures = 0
        self._problem = ""
        self._guard = threading.Lock()
        self._wanted: SignedCheckpoint | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._thread = threading.Thread(target=self._run, name="witness-replay", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self, wait_s: float = 2.0) -> None:
        """End; a fetch under way is left to end by itself."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(wait_s)

    def status(self) -> FollowerStatus:
        """Return how far it is."""
        with self._guard:
            return FollowerStatus(self._replay.frontier.size, self._problem)

    def nudge(self) -> None:
        """Look at the ledger now: somebody showed a checkpoint under keys that are not known."""
        self._wake.set()

    async def examine(self, signed: SignedCheckpoint, wait_s: float) -> Verdict:
        """Return what replaying says of a checkpoint, after waiting for it a little.

        Args:
            signed: a checkpoint that the log signed.
            wait_s: how long; what is not replayed by then is "wait".
        """
        told = (asyncio.get_running_loop(), asyncio.Event())
        with self._guard:
            self._waiting.add(told)
            self._wanted = signed
        self._wake.set()
        try:
            async with asyncio.timeout(wait_s):
                while (verdict := self._verdict(signed)) == "wait" and self._witness.alarm() is None:
                    await told[1].wait()
                    told[1].clear()
                return verdict
        except TimeoutError:
            return self._verdict(signed)
        finally:
            with self._guard:
                self._waiting.discard(told)

    def _verdict(self, signed: SignedCheckpoint) -> Verdict:
        checkpoint = signed.checkpoint
        with self._guard:
            if not self._forgotten < checkpoint.tree_size <= self._size:
                return "wait"
            if self._roots.get(checkpoint.tree_size) != checkpoint.root_hash:
                return "wrong"
            keys = self._history.log_keys_at(checkpoint.tree_size)
        try:
            open_checkpoint(format_note(signed.note), keys)
        except CodedError:
            return "keys"
        return "good"

    # -- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._follow_once()
                self._failures, problem = 0, ""
            except _StoppedError:
                break
            except ForkAlarm as alarm:
                _log.error("%s: alarm %s at entry %s", self._witness.origin, alarm.code, alarm.index)
                self._tell(alarm.code)
                break  # remembered; this log is refused for ever
            except CodedError as error:
                self._failures, problem = min(self._failures + 1, 16), error.code
                _log.warning("%s cannot be replayed at present: %s", self._witness.origin, error.code)
            except Exception:
                _log.exception("%s cannot be replayed", self._witness.origin)
                self._failures, problem = min(self._failures + 1, 16), "storage_failed"
            self._tell(problem)
            if self._failures:
                self._stopping.wait(_LEAST_PAUSE_S)  # whatever requests come in meanwhile
                self._wake.wait(min(_LEAST_PAUSE_S * 2**self._failures, _LONGEST_PAUSE_S))
            else:
                self._wake.wait(self._poll_s)
        self._close_source()

    def _follow_once(self) -> None:
        """Replay up to what was asked for, and up to what the ledger shows."""
        alarm = self._witness.alarm()
        if alarm is not None:
            raise ForkAlarm(alarm.detail, code=alarm.code, index=alarm.index)
        size = self._size
        doubt = self._take_wanted()
        if self._size == size:
            self._take_shown()
        if doubt is not None and self._size == size:
            raise doubt

    def _take_wanted(self) -> CodedError | None:
        """Replay up to the head that was asked for; return why that did not go.

        Raises:
            ForkAlarm: it breaks a rule.
        """
        with self._guard:
            wanted, self._wanted = self._wanted, None
        if wanted is None or wanted.checkpoint.tree_size <= self._size:
            return None
        head = wanted.checkpoint
        now_s, place = time.monotonic(), (head.tree_size, head.root_hash)
        self._doubted = {key: at for key, at in self._doubted.items() if now_s - at < _DOUBT_S}
        if place in self._doubted:
            return None
        try:
            self._advance(head, format_note(wanted.note), is_signed=True)
        except ForkAlarm:
            raise
        except CodedError as error:
            # It may be a head of a thief of the log's keys: asking for it again and again holds nothing up.
            self._doubted[place] = now_s
            return error
        return None

    def _take_shown(self) -> None:
        """Replay up to the head that the ledger shows."""
        note = self._open_source().checkpoint()
        head = parse_checkpoint(parse_note(note).text)
        if head.origin != self._pin.origin:
            raise VerificationError("bad_checkpoint", "the source shows another log", field="origin")
        if head.tree_size > self._size:
            self._advance(head, note, is_signed=self._is_signed(note))

    def _advance(self, head: Checkpoint, note: str, *, is_signed: bool) -> None:
        """Replay up to a head.

        Args:
            is_signed: whether keys that are known signed it. If not, the keys that the replay finds must have;
                until then nothing that goes wrong is held against the log.
        """
        try:
            self._replay_to(head)
        except ForkAlarm as alarm:
            if is_signed and self._gives_root(head):
                self._witness.condemn(alarm, note)
                raise
            raise VerificationError(
                "bad_checkpoint", "the source sends other entries", field="source"
            ) from alarm
        self._learn_keys()
        if not is_signed and not self._is_signed(note):
            self._begin_again()
            raise VerificationError(
                "bad_checkpoint", "the source shows a head that nobody signed", field="note"
            )
        with self._guard:
            self._size = self._replay.frontier.size

    def _replay_to(self, head: Checkpoint) -> None:
        start = self._replay.frontier.size
        if head.tree_size - start <= _IN_MEMORY_ENTRIES:
            entries = self._fetch(start, head.tree_size, head.tree_size)
            frontier = self._replay.frontier.copy()
            frontier.extend(leaf_hash(entry) for entry in entries)
            if frontier.root() != head.root_hash:
                raise VerificationError("bad_checkpoint", "the source sends other entries", field="source")
            self._read = lambda low, high: entries[low - start : high - start]
        else:
            self._read = lambda low, high: self._fetch(low, high, head.tree_size)
        try:
            self._replay.advance(head.tree_size, head.root_hash)
        except BaseException:
            self._begin_again()
            raise

    def _gives_root(self, head: Checkpoint) -> bool:
        """Whether the entries of the source are those that the head was signed over: else it proves nothing."""
        frontier = Frontier()
        for low in range(0, head.tree_size, _PAGE):
            page = self._fetch(low, min(low + _PAGE, head.tree_size), head.tree_size)
            frontier.extend(leaf_hash(entry) for entry in page)
        return frontier.root() == head.root_hash

    def _learn_keys(self) -> None:
        registry = self._replay.registry
        assert registry is not None
        terms = registry.governance.terms
        pairs = [*self._history.all_log_keys(), log_verifier_keys(terms.origin, terms.opened().log_keys)]
        for pair in pairs:
            self._witness.learn_log_keys(pair, durably=True)

    def _is_signed(self, note: str) -> bool:
        for keys in self._witness.key_sets:
            with suppress(CodedError):
                open_checkpoint(note, keys)
                return True
        return False

    def _fetch(self, start: int, stop: int, tree_size: int) -> list[bytes]:
        """Return the entries [start, stop).

        Raises:
            StorageError: the source does not have them; whatever it sends, the log is not to blame for that.
        """
        if self._stopping.is_set():
            raise _StoppedError
        first = start // TILE_WIDTH * TILE_WIDTH
        try:
            entries = self._open_source().entries(first, stop, tree_size)[0][start - first : stop - first]
        except ForkAlarm as error:
            raise StorageError(error.detail, field="source", code="not_reachable") from error
        if len(entries) != stop - start:
            raise StorageError("the source lacks entries", field="source", code="not_reachable")
        return entries

    @staticmethod
    def _fetch_nothing(_low: int, _high: int) -> Sequence[bytes]:
        return ()

    def _new_replay(self) -> Replay:
        return Replay(
            lambda low, high: self._read(low, high),
            charter_hash=self._pin.charter_hash,
            on_epoch=self._on_epoch,
        )

    def _on_epoch(self, replay: Replay, leaves: Sequence[bytes], chain: Sequence[bytes]) -> None:
        if self._stopping.is_set():
            raise _StoppedError
        assert replay.registry is not None
        size = replay.frontier.size
        with self._guard:
            self._history.note_epoch(size, replay.registry.governance)
            self._roots[size] = replay.frontier.root()
            if len(self._roots) > _KEPT_ROOTS:
                self._forgotten = self._roots.popitem(last=False)[0]

    def _begin_again(self) -> None:
        with self._guard:
            self._history, self._size, self._forgotten = KeyHistory(), 0, 0
            self._roots.clear()
            self._replay = self._new_replay()

    def _open_source(self) -> Source:
        if self._source is None:
            self._source = self._open_place(self._place)
        return self._source

    def _close_source(self) -> None:
        if self._source is not None:
            self._source.close()

    def _tell(self, problem: str) -> None:
        with self._guard:
            self._problem = problem
            waiting = list(self._waiting)
        for loop, event in waiting:
            with suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(event.set)
