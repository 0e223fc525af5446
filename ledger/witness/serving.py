"""Running a witness in a process: take the folder, look its memory through, listen, stop.

The folder is opened before the port is: a witness that cannot read what it cosigned never answers anybody, and
the reason becomes the exit code of the command. No access is logged, and no address of who asks.

    serve_witness(Path("w1"), host="127.0.0.1", port=8500, replays=[], passphrase=ask, now_s=clock, say=print)
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ledger.core.pin import PIN_MAX_BYTES, parse_pin
from ledger.errors import LedgerError
from ledger.files import read_file
from ledger.listening import answer, listen_on, make_server, shown_address
from ledger.witness.folder import open_witness_folder
from ledger.witness.logs import WatchedLog, log_of_pin, read_logs, with_log
from ledger.witness.server import create_witness_app
from ledger.witness.service import WitnessService

MAX_CONNECTIONS: Final = 256
KEEP_ALIVE_S: Final = 75
"""A ledger asks once in an epoch: its connection should live from one to the next."""


def serve_witness(
    folder: Path,
    *,
    host: str,
    port: int,
    replays: Sequence[str],
    passphrase: Callable[[], bytes],
    now_s: Callable[[], int],
    say: Callable[[str], None],
) -> None:
    """Serve a witness until the process is told to stop (SIGINT, SIGTERM).

    Args:
        folder: of the witness.
        host, port: where to listen; port 0 takes a free one.
        replays: PIN=PLACE each: a ledger that is replayed from an address or a directory, beside those in the
            folder's list.
        passphrase: opens the key.
        now_s: POSIX time in seconds.
        say: told where the witness listens.

    Raises:
        StorageError: read_only where another process has the folder; not_found; storage_failed where its
            memory cannot be read, or the port is taken; not_reachable for a ledger of `replays` that is new.
        LedgerError: wrong_secret; malformed or bad_input for a list of logs or a pin that is not one.
    """
    with open_witness_folder(folder, passphrase) as opened:
        logs = read_logs(folder)
        for item in replays:
            logs = _with_replay(logs, item)
        service = WitnessService(opened.signer, opened.state, logs, now_s)
        listener = listen_on(host, port)
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
        try:
            asyncio.run(_run(service, listener, opened.signer.verifier_key.name, say))
        finally:
            listener.close()
            service.stop()


async def _run(
    service: WitnessService, listener: socket.socket, name: str, say: Callable[[str], None]
) -> None:
    server = make_server(
        create_witness_app(service), limit_concurrency=MAX_CONNECTIONS, timeout_keep_alive=KEEP_ALIVE_S
    )
    service.start()
    await answer(server, listener, lambda: say(f"Witness {name} at {shown_address(listener)}"))


def _with_replay(logs: Sequence[WatchedLog], item: str) -> tuple[WatchedLog, ...]:
    """Return the logs with one that is replayed; one that the folder knows is not asked for its charter."""
    name, separator, place = item.partition("=")
    if not separator or not name or not place:
        raise LedgerError("usage", "a replay is given as PIN=URL or PIN=DIRECTORY", field="replay")
    pin = parse_pin(read_file(Path(name), max_size=PIN_MAX_BYTES, field="pin"))
    known = next((log for log in logs if log.pin is not None and log.pin.same_ledger(pin)), None)
    if known is not None:
        return with_log(logs, WatchedLog(pin.origin, known.key_sets, known.pin, place))
    return with_log(logs, log_of_pin(pin, place, replay=True))
