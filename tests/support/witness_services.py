"""Witnesses in this process, behind an HTTP client without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from ledger.core.note import NoteSigner
from ledger.core.pin import Pin
from ledger.store.witness_state import WitnessState
from ledger.witness.logs import WatchedLog
from ledger.witness.server import create_witness_app
from ledger.witness.service import MakeFollower, WitnessService
from tests.support.witness_cases import FOREIGN, NOW_S, ORIGIN, WITNESS_SIGNERS, foreign_signer, key_set

LOGS = (
    WatchedLog(ORIGIN, (key_set(), key_set("next")), Pin(ORIGIN, bytes(32))),
    WatchedLog(FOREIGN, ((foreign_signer().verifier_key,),)),
)


def open_state(path: Path) -> WitnessState:
    return WitnessState.open(path) if path.exists() else WitnessState.create(path)


@asynccontextmanager
async def running(
    path: Path,
    *,
    logs: Sequence[WatchedLog] = LOGS,
    signer: NoteSigner = WITNESS_SIGNERS["ed25519"],
    now_s: Callable[[], int] = lambda: NOW_S,
    make_follower: MakeFollower | None = None,
    answer_wait_s: float = 5.0,
) -> AsyncIterator[tuple[httpx.AsyncClient, WitnessService]]:
    """A running witness whose state is the file `path`, and a client of it."""
    state = open_state(path)
    service = WitnessService(
        signer, state, logs, now_s, make_follower=make_follower, answer_wait_s=answer_wait_s
    )
    service.start()
    transport = httpx.ASGITransport(create_witness_app(service))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://witness.test") as client:
            yield client, service
    finally:
        await asyncio.to_thread(service.stop)
        state.close()
