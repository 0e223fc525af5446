"""Taking a port and answering on it until the process is told to stop: for every service of the ledger.

A port is taken before anything is read or opened, so that two processes never do the same work, and answers
only when there is something to answer with. Nothing about who asks is logged.

    with listen_on("127.0.0.1", 8400) as listener:
        asyncio.run(answer(make_server(app), listener, lambda: print(shown_address(listener))))
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from ledger.errors import StorageError

SHUTDOWN_S: Final = 10
"""How long requests under way may take once the process is told to stop."""


def listen_on(host: str, port: int) -> socket.socket:
    """Take the port without answering on it yet.

    Raises:
        StorageError: it is taken, or not an address of this machine.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StorageError(f"cannot listen on {host}:{port}: {error.strerror}", field="port") from error
    return listener


def shown_address(listener: socket.socket) -> str:
    """Return the address that a socket is bound to, as people type it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(app: ASGIApp, **limits: Any) -> uvicorn.Server:
    """Return a server that SIGINT and SIGTERM end; whoever makes it starts and stops what it serves.

    Args:
        app: what answers.
        limits: further settings of uvicorn, such as limit_concurrency.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            lifespan="off",  # started and stopped outside: refusals are the caller's to report
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            **limits,
        )
    )

    def stop(_number: int, _frame: object) -> None:
        server.should_exit = True

    # The server puts its own handlers in place while it runs, and raises what it caught again afterwards.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return server


async def answer(server: uvicorn.Server, listener: socket.socket, say: Callable[[], None]) -> None:
    """Answer on a port that was taken, until the server is told to stop.

    Args:
        server: of `make_server`.
        listener: of `listen_on`.
        say: called once it answers.
    """
    listener.listen(server.config.backlog)
    say()
    await server.serve(sockets=[listener])
