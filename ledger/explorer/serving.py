"""Running the explorer in a process: open the copies, read them once, answer on one port.

explore(("data",), pin, host="127.0.0.1", port=8420, say=print, progress=...)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Final

from ledger.audit.source import open_source
from ledger.core.pin import Pin
from ledger.explorer.copy import LedgerCopy
from ledger.explorer.pages import create_app
from ledger.listening import answer, listen_on, make_server, shown_address

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


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
        listener = stack.enter_context(listen_on(host, port))
        copies = []
        for name in sources:
            copy = LedgerCopy(name, open_source(name), pin)
            stack.callback(copy.close)
            copy.read(partial(progress, name))
            copies.append(copy)
        allowed = LOOPBACK if host in LOOPBACK else None
        app = create_app(copies[0], copies[1] if len(copies) > 1 else None, allowed_hosts=allowed)
        said = f"Explore {copies[0].reader.head.origin} at {shown_address(listener)}/"
        asyncio.run(answer(make_server(app), listener, lambda: say(said)))
