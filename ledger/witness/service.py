"""One witness of many logs: look the log up, let it be replayed where that is asked for, judge, cosign.

Each log has a witness and, where its entries are replayed, a follower of its own; one that is slow, or refused
for ever, holds up no other. Clock, signer and state are arguments.

    service = WitnessService(folder.signer, folder.state, read_logs(path), now_s)
    service.start()
    answer = await service.answer(body)
    service.stop()
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final

from ledger.core.note import NoteSigner, format_vkey
from ledger.core.witness_protocol import (
    TEXT_TYPE,
    Acceptance,
    Answer,
    Refusal,
    decide,
    format_refusal,
    origin_of,
    parse_add_checkpoint,
)
from ledger.errors import MalformedError
from ledger.service.log_witness import LogWitness
from ledger.store.witness_state import WitnessState
from ledger.witness.follower import Follower
from ledger.witness.logs import WatchedLog

ANSWER_WAIT_S: Final = 5.0
"""How long a request waits for the replay; below the time that a ledger gives its witnesses."""
RETRY_AFTER_S: Final = 5
MAX_WAITING: Final = 4
"""Requests of one log that may wait for its replay at once."""
_THREADS: Final = 8

MakeFollower = Callable[[LogWitness, WatchedLog], Follower]


@dataclass(frozen=True, slots=True)
class LogHealth:
    """State of one log.

    Attributes:
        origin: its name.
        size, root: the last checkpoint that was cosigned; 0 and "" if none was.
        state: "cosigning", or "refused" for ever.
        code, index, detail: why it is refused; "", None and "" otherwise.
        contradictions: signed checkpoints that are kept because they contradict what was cosigned.
        replayed: entries that were replayed, None for a log that is not.
        problem: code of what holds the replay up at present, or "".
    """

    origin: str
    size: int
    root: str
    state: str
    code: str
    index: int | None
    detail: str
    contradictions: int
    replayed: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class WitnessHealth:
    """State of a witness: its name, its verifier key, and its logs."""

    name: str
    vkey: str
    logs: tuple[LogHealth, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


class _Watched:
    """One log with its witness, and with its follower if it has one."""

    def __init__(self, witness: LogWitness, follower: Follower | None) -> None:
        self.witness = witness
        self.follower = follower
        self.waiting = 0


class WitnessService:
    """A witness of many logs. Methods run on one event loop.

    Args:
        signer: the witness's key.
        state: what it remembers.
        logs: the logs that it watches.
        now_s: POSIX time in seconds.
        make_follower: for logs that are replayed.
        answer_wait_s: how long a request waits for its replay.

    Raises:
        StorageError: what it remembers of a log is damaged.
    """

    def __init__(
        self,
        signer: NoteSigner,
        state: WitnessState,
        logs: Sequence[WatchedLog],
        now_s: Callable[[], int],
        *,
        make_follower: MakeFollower | None = None,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        self._key = signer.verifier_key
        self._answer_wait_s = answer_wait_s
        self._watched: dict[str, _Watched] = {}
        for log in logs:
            witness = LogWitness(
                signer, log.origin, log.key_sets[0], state, now_s, allow_extensions=log.pin is None
            )
            for keys in log.key_sets[1:]:
                witness.learn_log_keys(keys)
            follower = (make_follower or _follower)(witness, log) if log.replay else None
            self._watched[log.origin] = _Watched(witness, follower)
        self._by_hash = {hashlib.sha256(origin.encode()).hexdigest(): origin for origin in self._watched}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="witness")

    def start(self) -> None:
        """Begin to follow the logs that are replayed."""
        for watched in self._watched.values():
            if watched.follower is not None:
                watched.follower.start()

    def stop(self) -> None:
        """Let go of threads; what is being written is written."""
        for watched in self._watched.values():
            if watched.follower is not None:
                watched.follower.stop()
        self._threads.shutdown()

    async def answer(self, body: bytes) -> Answer:
        """Return the answer to the body of an add-checkpoint request.

        Raises:
            StorageError: the state cannot be read or written; nothing was cosigned.
        """
        try:
            request = parse_add_checkpoint(body)
        except MalformedError as error:
            return format_refusal(Refusal(400, error.code, error.detail))
        watched = self._watched.get(origin_of(request))
        if watched is None:
            refusal = decide(request, None)
            assert isinstance(refusal, Refusal)
            return format_refusal(refusal)
        decision = await self._in_thread(watched.witness.consider, request)
        if watched.follower is not None:
            if isinstance(decision, Refusal) and decision.status == 403:
                watched.follower.nudge()  # governors may have given the log new keys
            elif isinstance(decision, Acceptance):
                held_up = await self._replayed(watched, watched.follower, decision)
                if held_up is not None:
                    return held_up
        if isinstance(decision, Acceptance):
            decision = await self._in_thread(watched.witness.cosign, request)
        if isinstance(decision, Refusal):
            return format_refusal(decision)
        return Answer(200, TEXT_TYPE, decision.encode())

    async def last_checkpoint(self, origin_hash: str) -> str | None:
        """Return the last note that was cosigned for the log with this SHA-256 of its origin, in small hex.

        Raises:
            StorageError: the state cannot be read.
        """
        origin = self._by_hash.get(origin_hash)
        if origin is None:
            return None
        note: str | None = await self._in_thread(self._watched[origin].witness.last_checkpoint, origin)
        return note

    async def health(self) -> WitnessHealth:
        """Return the state of the witness and of its logs; errors as `last_checkpoint`."""
        logs: tuple[LogHealth, ...] = await self._in_thread(
            lambda: tuple(_health_of(watched) for watched in self._watched.values())
        )
        return WitnessHealth(self._key.name, format_vkey(self._key), logs)

    async def _replayed(self, watched: _Watched, follower: Follower, decision: Acceptance) -> Answer | None:
        """Return None where the replay accepts a checkpoint, or was refused for ever; else the answer."""
        if watched.waiting >= MAX_WAITING:
            return Answer(503, TEXT_TYPE, b"the log is being replayed\n", RETRY_AFTER_S)
        watched.waiting += 1
        try:
            verdict = await follower.examine(decision.signed, self._answer_wait_s)
        finally:
            watched.waiting -= 1
        if verdict == "good" or await self._in_thread(watched.witness.alarm) is not None:
            return None
        if verdict == "wait":
            return Answer(503, TEXT_TYPE, b"the log is being replayed\n", RETRY_AFTER_S)
        if verdict == "keys":
            detail = "the keys that signed it do not hold for this tree"
            return format_refusal(Refusal(403, "bad_checkpoint", detail))
        detail = "the checkpoint is not what the entries of the log give"
        await self._in_thread(watched.witness.keep_evidence, decision.signed, detail)
        return format_refusal(Refusal(422, "bad_checkpoint", detail))

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _follower(witness: LogWitness, log: WatchedLog) -> Follower:
    assert log.pin is not None
    return Follower(witness, log.pin, log.replay)


def _health_of(watched: _Watched) -> LogHealth:
    witness = watched.witness
    head, alarm = witness.head(), witness.alarm()
    status = None if watched.follower is None else watched.follower.status()
    return LogHealth(
        origin=witness.origin,
        size=0 if head is None else head.size,
        root="" if head is None else head.root.hex(),
        state="cosigning" if alarm is None else "refused",
        code="" if alarm is None else alarm.code,
        index=None if alarm is None else alarm.index,
        detail="" if alarm is None else alarm.detail,
        contradictions=witness.fork_count(),
        replayed=None if status is None else status.size,
        problem="" if status is None else status.problem,
    )
