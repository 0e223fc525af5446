"""Running the explorer in a process: open the copies, read them once, answer on one port.

explore(("data",), pin, host="127.0.0.1", port=8420, say=print, progress=...)
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

import uvicorn

from ledger.audit.source import open_source
from ledger.core.pin import Pin
from ledger.errors import StorageError
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.pages import create_app

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
SHUTDOWN_S: Final = 5


def explore(
    sources: tuple[str, ...],
    pin: Pin,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    progress: Callable[[str, int, int], None],
) -> None:
    """Serve the pages until the process is told to stop (SIGINT, SIGTERM).

    Args:
        sources: a copy, and perhaps a second one to compare it with: directories or addresses.
        pin: the ledger that they should be.
        host, port: where to listen; port 0 takes a free one.
        say: told where the pages are.
        progress: called with (source, entries read, tree size).

    Raises:
        StorageError: a source cannot be read (not_found, not_reachable), or the port is taken.
        MalformedError, ForkAlarm: a source shows no head at all.
    """
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        copies = []
        for name in sources:
            copy = LedgerCopy(name, open_source(name), pin)
            stack.callback(copy.close)
            copy.read(partial(progress, name))
            copies.append(copy)
        allowed = LOOPBACK if host in LOOPBACK else None
        app = create_app(copies[0], copies[1] if len(copies) > 1 else None, allowed_hosts=allowed)
        config = uvicorn.Config(
            app,
            lifespan="off",
            access_log=False,  # what somebody looks at is nobody's business
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        shown = f"[{host}]" if ":" in host else host
        listener.listen(config.backlog)
        say(f"Explore {copies[0].reader.head.origin} at http://{shown}:{listener.getsockname()[1]}/")
        _run(uvicorn.Server(config), listener)


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # The server puts its own handlers in place while it runs, and raises what it caught again afterwards.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything is read, without answering on it yet."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StorageError(f"cannot listen on {host}:{port}: {error.strerror}", field="port") from error
    return listener
