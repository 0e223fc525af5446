"""A redirect to what is no name of a host is a service that does not answer, for every client; never a traceback.

No client follows one, but httpx reads its place all the same, and then the name is looked at letter by letter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from issuer.ledger_http import fetch_bundle as issuer_bundle
from ledger.errors import CodedError
from ledger.published_files import HttpFiles
from ledger.remote import RemoteLedger
from verifier.fetch import fetch_bundle as station_bundle


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://xn--a/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


CLIENTS: dict[str, Callable[[str], object]] = {
    "issuer": issuer_bundle,
    "governor": lambda url: RemoteLedger(url).bundle(),
    "auditor": lambda url: HttpFiles(url).get("checkpoint", 100),
    "station": station_bundle,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_redirect_to_no_name_of_a_host_is_a_service_that_does_not_answer(client: str, url: str) -> None:
    with pytest.raises(CodedError) as raised:
        CLIENTS[client](url)
    assert raised.value.code == "not_reachable"
