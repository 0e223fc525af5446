"""A station's server for a browser: the real application on a free port of this machine, with the page that was built.

`http://127.0.0.1` is a secure origin, so camera, service worker and storage work as they do behind a certificate.
Every request that arrives is recorded, also those of a service worker: a test that says "no call" looks here.

    with StationServer(make_world(now_s), folder, page) as server:
        server.url              # "http://127.0.0.1:40213/phone/"
        server.requests         # ["GET /phone/", ...]
        server.sent_bytes       # {"/phone/": 812, ...}, headers and bodies as they were sent
        server.stop()           # as if the station were switched off; start() is the same address again
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from fastapi import FastAPI

from tests.support.browser_world import World
from verifier.api import create_app
from verifier.phone_build import BuiltPage
from verifier.station import Station

PHONE: Final = "/phone/"
_START_LIMIT_S: Final = 30


class StationServer:
    """One station, served by a thread of this process."""

    def __init__(self, world: World, folder: Path, page: BuiltPage, *, old_list: bool = False) -> None:
        """Make the station's folder and serve it.

        Args:
            world: whose list the station has.
            folder: new; becomes the station's.
            page: the built phone page.
            old_list: the list of 19 days ago takes the place of the one of today.
        """
        self.world = world
        self.folder = folder
        self.requests: list[str] = []
        self.sent_bytes: dict[str, int] = {}
        self.log = io.StringIO()
        self.station = Station(folder)
        self.station.set_pin(world.pin)
        self.station.import_bundle(world.old_bundle if old_list else world.bundle)
        self._app = _Recorder(create_app(self.station, page=page), self.requests, self.sent_bytes)
        self._socket = _listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self.start()

    @property
    def url(self) -> str:
        """Address of the phone page."""
        return f"http://127.0.0.1:{self.port}{PHONE}"

    def start(self) -> None:
        """Serve, at the same address as before.

        Raises:
            AssertionError: it does not serve within the limit.
        """
        if self._server is not None:
            return
        if self._socket.fileno() < 0:
            self._socket = _listen(self.port)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            log_level="info",
            access_log=True,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._handler = logging.StreamHandler(self.log)
        logging.getLogger("uvicorn").addHandler(self._handler)
        thread.start()
        self._server, self._thread = server, thread
        end_s = time.monotonic() + _START_LIMIT_S
        while not server.started:
            assert thread.is_alive(), self.log.getvalue()
            assert time.monotonic() < end_s, "the station does not serve"
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop serving: connections are refused from then on."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join(timeout=_START_LIMIT_S)
        assert not self._thread.is_alive(), "the station does not stop"
        self._server = self._thread = None
        self._socket.close()
        logging.getLogger("uvicorn").removeHandler(self._handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._socket.close()


class _Recorder:
    """Writes down method and path of every request before the application sees it, and how much was answered."""

    def __init__(self, app: FastAPI, requests: list[str], sent_bytes: dict[str, int]) -> None:
        self._app = app
        self._requests = requests
        self._sent_bytes = sent_bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        self._requests.append(f"{scope['method']} {scope['path']}{'?' + query if query else ''}")

        async def count(message: Any) -> None:
            sent = len(message.get("body", b""))
            sent += sum(len(name) + len(value) + 4 for name, value in message.get("headers", ()))
            self._sent_bytes[scope["path"]] = self._sent_bytes.get(scope["path"], 0) + sent
            await send(message)

        await self._app(scope, receive, count)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextlib.contextmanager
def served(world: World, folder: Path, page: BuiltPage, *, old_list: bool = False) -> Iterator[StationServer]:
    """Serve a station for as long as the context lasts."""
    with StationServer(world, folder, page, old_list=old_list) as server:
        yield server
