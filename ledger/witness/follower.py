"""Following a ledger: a thread that replays its entries, so that a witness cosigns only what the rules accept.

docs/protocol.md section 8. `HeadReplay` does the work; here it is decided what is replayed, and what follows.
Entries that do not give the signed root are the fault of who sent them, and are fetched again; entries that give
it and break a rule were signed by the log: then the log is refused for ever. Keys that governors gave the log
are learnt on the way, also where the witness slept while they changed.

    follower = Follower(witness, pin, "https://ledger.example")
    follower.start()
    verdict = await follower.examine(signed, wait_s=5)
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ledger.audit.source import Source, open_source
from ledger.core.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, parse_checkpoint
from ledger.core.note import format_note, parse_note
from ledger.core.pin import Pin
from ledger.core.witness_protocol import KeySet
from ledger.errors import CodedError, ForkAlarm, VerificationError
from ledger.service.log_witness import LogWitness
from ledger.witness.head_replay import HeadReplay, StoppedError, Verdict

POLL_S: Final = 10.0
"""How often the ledger is looked at without being asked to cosign anything."""
_LEAST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 60.0
_DOUBT_S: Final = 2.0
"""How long a head that the entries do not give is not tried again."""
_OTHER_HISTORY: Final = "the ledger shows a history that is not the one that was cosigned"
_log: Final = logging.getLogger("safeconduct.witness")


@dataclass(frozen=True, slots=True)
class FollowerStatus:
    """How far a replay is: entries replayed, and the code of what holds it up at present, or ""."""

    size: int
    problem: str


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
        self._origin = pin.origin
        self._poll_s = poll_s
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._replay = HeadReplay(pin, place, open_place, self._stopping.is_set)
        self._doubted: dict[tuple[int, bytes], float] = {}
        self._looked_at: tuple[int, bytes] | None = None
        self._failures = 0
        self._guard = threading.Lock()
        self._problem = ""
        self._wanted: dict[tuple[int, bytes], SignedCheckpoint] = {}
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
            return FollowerStatus(self._replay.replayed, self._problem)

    def nudge(self) -> None:
        """Look at the ledger now: somebody showed a checkpoint under keys that are not known."""
        self._wake.set()

    async def examine(self, signed: SignedCheckpoint, wait_s: float) -> Verdict:
        """Return what replaying says of a checkpoint, after waiting for it a little.

        Args:
            signed: a checkpoint that the log signed.
            wait_s: how long; what is not replayed by then is "wait", and at once what the entries do not give.
        """
        place = (signed.checkpoint.tree_size, signed.checkpoint.root_hash)
        told = (asyncio.get_running_loop(), asyncio.Event())
        with self._guard:
            self._waiting.add(told)
            self._wanted[place] = signed
        self._wake.set()
        try:
            async with asyncio.timeout(wait_s):
                while (verdict := self._replay.verdict(signed)) == "wait" and self._witness.alarm() is None:
                    if self._is_doubted(place):
                        break  # whoever signs such heads must not take the places of those who wait
                    await told[1].wait()
                    told[1].clear()
                return verdict
        except TimeoutError:
            return self._replay.verdict(signed)
        finally:
            with self._guard:
                self._waiting.discard(told)

    # -- the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._follow_once()
                self._failures, problem = 0, ""
            except StoppedError:
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
        self._replay.close()

    def _follow_once(self) -> None:
        """Replay up to what was asked for, and up to what the ledger shows."""
        alarm = self._witness.alarm()
        if alarm is not None:
            raise ForkAlarm(alarm.detail, code=alarm.code, index=alarm.index)
        size = self._replay.size
        doubt = self._take_wanted()
        if self._replay.size == size:
            self._take_shown()
        if doubt is not None and self._replay.size == size:
            raise doubt

    def _take_wanted(self) -> CodedError | None:
        """Replay up to the heads that were asked for; return why one did not go.

        Raises:
            ForkAlarm: it breaks a rule.
        """
        now_s, doubt = time.monotonic(), None
        with self._guard:
            wanted, self._wanted = self._wanted, {}
            self._doubted = {key: at for key, at in self._doubted.items() if now_s - at < _DOUBT_S}
        for place in sorted(wanted.keys() - self._doubted.keys()):
            signed = wanted[place]
            if signed.checkpoint.tree_size <= self._replay.size:
                continue
            try:
                self._advance(signed.checkpoint, format_note(signed.note), is_signed=True)
            except ForkAlarm:
                raise
            except CodedError as error:
                # It may be a head of a thief of the log's keys: asking again and again holds nothing up.
                with self._guard:
                    self._doubted[place] = now_s
                doubt = error
        return doubt

    def _is_doubted(self, place: tuple[int, bytes]) -> bool:
        with self._guard:
            return place in self._doubted and place not in self._wanted

    def _take_shown(self) -> None:
        """Replay up to the head that the ledger shows."""
        note = self._replay.shown()
        head = parse_checkpoint(parse_note(note).text)
        if head.origin != self._origin:
            raise VerificationError("bad_checkpoint", "the source shows another log", field="origin")
        if head.tree_size <= self._replay.size:
            known = self._replay.root_at(head.tree_size)
            if known is not None and known != head.root_hash:
                self._contradict(note, "the ledger shows another root than the one that was replayed")
            return
        if (head.tree_size, head.root_hash) == self._looked_at:
            raise VerificationError("bad_checkpoint", _OTHER_HISTORY, field="source")
        try:
            self._advance(head, note, is_signed=self._is_signed(note))
        except VerificationError:
            self._look_for_fork(head, note)
            raise

    def _look_for_fork(self, head: Checkpoint, note: str) -> None:
        """Keep a head that the ledger shows and signed over a history that is not the one that was cosigned."""
        cosigned = self._witness.head()
        place = (head.tree_size, head.root_hash)
        if cosigned is None or cosigned.size > head.tree_size or place == self._looked_at:
            return
        if not self._is_signed(note):
            return
        before = self._replay.root_before(head, cosigned.size)
        self._looked_at = place
        if before is not None and before != cosigned.root:
            self._contradict(note, _OTHER_HISTORY)

    def _contradict(self, note: str, detail: str) -> None:
        for keys in self._witness.key_sets:
            with suppress(CodedError):
                self._witness.keep_evidence(open_checkpoint(note, keys), detail)
                return

    def _advance(self, head: Checkpoint, note: str, *, is_signed: bool) -> None:
        """Replay up to a head.

        Args:
            is_signed: whether keys that are known signed it. If not, the keys that the replay finds must have;
                until then nothing that goes wrong is held against the log.
        """
        known_size = self._replay.size
        try:
            self._replay.advance(head, is_signed=is_signed)
        except ForkAlarm as alarm:
            if is_signed and self._answers_for(head, note, known_size):
                self._witness.condemn(alarm, note)
                raise
            raise VerificationError(
                "bad_checkpoint", "the source shows other entries", field="source"
            ) from alarm
        cosigned = self._witness.head()
        is_below = cosigned is not None and cosigned.size <= head.tree_size
        if cosigned is not None and is_below and self._replay.contradicts(cosigned.size, cosigned.root):
            # After a start: what is replayed first need not be what was cosigned before.
            self._replay.begin_again()
            self._looked_at = (head.tree_size, head.root_hash)
            self._contradict(note, _OTHER_HISTORY)
            raise VerificationError("bad_checkpoint", _OTHER_HISTORY, field="source")
        for pair in self._replay.log_key_pairs():
            self._witness.learn_log_keys(pair, durably=True)
        if not is_signed and not self._is_signed(note):
            # Not forgotten: whoever stands in the way would have it all replayed again and again.
            raise VerificationError(
                "bad_checkpoint", "the source shows a head that nobody signed", field="note"
            )
        self._replay.accept()

    def _answers_for(self, head: Checkpoint, note: str, known_size: int) -> bool:
        """Whether the log of now answers for a signed head over entries that break a rule.

        Keys that were replaced before do not speak for the log any more, and a tree that is not the one that was
        cosigned is a contradiction: whoever stole old keys, and stands between ledger and witness, could make both.

        Args:
            known_size: how far the replay was accepted before; what was cosigned below is that of the head.
        """
        if not self._is_signed(note, but=self._replay.replaced_keys()):
            return False
        cosigned = self._witness.head()
        if cosigned is None or cosigned.size <= known_size:
            return True
        if cosigned.size > head.tree_size:
            return False
        before = self._replay.root_before(head, cosigned.size)
        if before is not None and before != cosigned.root:
            self._contradict(note, _OTHER_HISTORY)
        return before == cosigned.root

    def _is_signed(self, note: str, but: Collection[KeySet] = ()) -> bool:
        for keys in self._witness.key_sets:
            if keys in but:
                continue
            with suppress(CodedError):
                open_checkpoint(note, keys)
                return True
        return False

    def _tell(self, problem: str) -> None:
        with self._guard:
            self._problem = problem
            waiting = list(self._waiting)
        for loop, event in waiting:
            with suppress(RuntimeError):  # its loop is closed
                loop.call_soon_threadsafe(event.set)
