"""Running the service in a process: open, start, listen, stop.

The service is started before the port is opened, so that a ledger that refuses to start (docs/protocol.md
section 5) never answers anybody, and its reason becomes the exit code of the command.

    serve_ledger(Path("data"), host="127.0.0.1", port=8400, passphrase=ask, now_ms=clock, say=print, ...)
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

from ledger.api import create_app
from ledger.errors import LedgerError
from ledger.listening import answer, listen_on, make_server, shown_address
from ledger.service.founding import load_charter
from ledger.service.keys import log_verifier_keys
from ledger.service.service import LedgerService, open_service
from ledger.service.settings import load_settings
from ledger.service.witnesses import LocalWitness
from ledger.witness.client import HttpWitnesses
from ledger.witness.local import open_local_witness


def serve_ledger(
    data_dir: Path,
    *,
    host: str,
    port: int,
    lock: Path | None,
    local_witnesses: Sequence[Path],
    witnesses: Sequence[str] = (),
    access_log: bool,
    passphrase: Callable[[], bytes],
    now_ms: Callable[[], int],
    say: Callable[[str], None],
) -> None:
    """Serve a ledger until the process is told to stop (SIGINT, SIGTERM).

    Args:
        data_dir: the ledger's directory.
        host, port: where to listen; port 0 takes a free one.
        lock: place of the checkpoint lock, or None for the one that was chosen at the beginning.
        local_witnesses: directories of witnesses that run in this process.
        witnesses: NAME=URL each, in place of the address that the witness policy has for a witness.
        access_log: whether method, route and status of requests are logged.
        passphrase: opens the private keys; asked once.
        now_ms: the clock.
        say: told where the service listens.

    Raises:
        ForkAlarm: code lock_mismatch, or the code with which the database contradicts itself.
        StorageError: not_reachable without a quorum of witnesses; read_only where another process writes;
            wrong_secret; not_found; storage_failed, also where the port is taken.
        LedgerError: code bad_input, a witness that the policy does not name, or without an address.
    """
    secret = passphrase()
    chosen: dict[str, Any] = {"access_log": access_log}
    if lock is not None:
        chosen["lock"] = lock
    listener = listen_on(host, port)
    with ExitStack() as stack:
        stack.callback(listener.close)
        locals_ = [
            stack.enter_context(local)
            for local in _local_witnesses(data_dir, local_witnesses, secret, now_ms)
        ]
        remote = HttpWitnesses(witnesses, but=[client.key for client in locals_])
        service = open_service(
            data_dir,
            passphrase=lambda: secret,
            now_ms=now_ms,
            witnesses=locals_,
            find_witnesses=remote,
            **chosen,
        )
        try:
            remote.check(service.witness_policy)
        except LedgerError:
            service.close()
            raise
        if access_log:
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        asyncio.run(_run(service, listener, say, remote))


async def _run(
    service: LedgerService,
    listener: socket.socket,
    say: Callable[[str], None],
    remote: HttpWitnesses,
) -> None:
    server = make_server(create_app(service))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(remote.aclose)
        await service.start()
        stack.push_async_callback(service.stop)
        await answer(server, listener, lambda: say(f"Serving {service.origin} at {shown_address(listener)}"))


def _local_witnesses(
    data_dir: Path, folders: Sequence[Path], secret: bytes, now_ms: Callable[[], int]
) -> list[AbstractContextManager[LocalWitness]]:
    if not folders:
        return []
    charter = load_charter(load_settings(data_dir)).body
    log_keys = log_verifier_keys(charter.origin, charter.log_keys)
    return [
        open_local_witness(folder, lambda: secret, charter.origin, log_keys, lambda: now_ms() // 1000)
        for folder in folders
    ]
