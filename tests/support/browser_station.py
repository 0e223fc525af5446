"""A station's server for a browser: the real application on a free port of this machine, with the page that was built.

`http://127.0.0.1` is a secure origin, so camera, service worker and storage work as they do behind a certificate.
Every request that arrives is recorded, also those of a service worker: a test that says "no call" looks here.

    with StationServer(make_world(now_s), folder, page) as server:
        server.url              # "http://127.0.0.1:40213/phone/"
        server.requests         # ["GET /phone/", ...]
        server.stop()           # as if the station were switched off; start() is the same address again
"""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from scripts import environment, web
from tests.support.browser_world import World
from verifier.api import create_app
from verifier.station import Station

PHONE: Final = "/phone/"
_START_LIMIT_S: Final = 30
_BUILD_LIMIT_S: Final = 180
_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; worker-src 'self'; manifest-src 'self'; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types safeconduct"
)


class StationServer:
    """One station, served by a thread of this process."""

    def __init__(self, world: World, folder: Path, page: Path, *, old_list: bool = False) -> None:
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
        self.log = io.StringIO()
        self.station = Station(folder)
        self.station.set_pin(world.pin)
        self.station.import_bundle(world.old_bundle if old_list else world.bundle)
        self._app = _Recorder(_with_page(create_app(self.station), page), self.requests)
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


def build_page(out: Path) -> Path:
    """Build the phone page into a folder, as its users get it.

    Raises:
        AssertionError: it does not build; the text says what Vite said.
    """
    done = subprocess.run(
        [
            str(web.node()),
            str(web.FOLDER / "node_modules" / "vite" / "bin" / "vite.js"),
            "build",
            "--outDir",
            str(out),
            "--emptyOutDir",
            "--logLevel",
            "error",
        ],
        cwd=web.FOLDER,
        env=web.node_environment(),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_BUILD_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"the phone page does not build\n{done.stdout}\n{done.stderr}"
    return out


def built_once(shared: Path) -> Path:
    """Build the page once for all processes of a test run; `shared` is a folder that all of them see."""
    out = shared / "phone-page"
    with environment.one_at_a_time(shared / "phone-page.lock"):
        if not (out / "index.html").is_file():
            build_page(out)
    return out


class _Recorder:
    """Writes down method and path of every request before the application sees it."""

    def __init__(self, app: FastAPI, requests: list[str]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            query = scope["query_string"].decode("latin-1")
            self._requests.append(f"{scope['method']} {scope['path']}{'?' + query if query else ''}")
        await self._app(scope, receive, send)


def _with_page(app: FastAPI, page: Path) -> FastAPI:
    """Serve the built page below `/phone/` with the headers of the product."""

    @app.middleware("http")
    async def add_policy(request: Any, answer: Any) -> Any:
        response = await answer(request)
        if request.url.path.startswith(PHONE):
            response.headers["Content-Security-Policy"] = _POLICY
        return response

    app.mount(PHONE.rstrip("/"), StaticFiles(directory=page, html=True))
    return app


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


@contextlib.contextmanager
def served(world: World, folder: Path, page: Path, *, old_list: bool = False) -> Iterator[StationServer]:
    """Serve a station for as long as the context lasts."""
    with StationServer(world, folder, page, old_list=old_list) as server:
        yield server
