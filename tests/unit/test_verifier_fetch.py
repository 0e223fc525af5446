"""Fetching a list: caps, statuses and silence, against a transport in memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ledger.errors import CodedError, StorageError
from verifier.fetch import fetch_bundle


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[httpx.Request], httpx.Response]], None]:
    """Return a function that puts a handler in the place of the network."""

    def install(handler: Callable[[httpx.Request], httpx.Response]) -> None:
        def stream(method: str, url: str, **options: Any) -> Any:
            options.pop("follow_redirects")
            return httpx.Client(transport=httpx.MockTransport(handler)).stream(method, url, **options)

        monkeypatch.setattr(httpx, "stream", stream)

    return install


@pytest.mark.parametrize(
    "url", ["https://ledger.example", "https://ledger.example/", "https://ledger.example/bundle"]
)
def test_the_list_is_fetched_from_its_route(serve: Any, url: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://ledger.example/bundle"
        return httpx.Response(200, content=b"a list")

    serve(answer)
    assert fetch_bundle(url) == b"a list"


@pytest.mark.parametrize("status", [301, 404, 500, 503])
def test_another_status_is_not_reachable(serve: Any, status: int) -> None:
    serve(lambda _: httpx.Response(status))
    with pytest.raises(StorageError) as caught:
        fetch_bundle("https://ledger.example")
    assert caught.value.code == "not_reachable"


def test_silence_is_not_reachable(serve: Any) -> None:
    def silence(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("", request=request)

    serve(silence)
    with pytest.raises(StorageError) as caught:
        fetch_bundle("https://ledger.example")
    assert caught.value.code == "not_reachable"


def test_an_answer_over_the_cap_is_not_taken(serve: Any) -> None:
    serve(lambda _: httpx.Response(200, content=bytes(101)))
    with pytest.raises(StorageError):
        fetch_bundle("https://ledger.example", max_size_bytes=100)
    serve(lambda _: httpx.Response(200, content=bytes(100)))
    assert fetch_bundle("https://ledger.example", max_size_bytes=100) == bytes(100)


@pytest.mark.parametrize(
    "url", ["", "ledger.example", "file:///etc/hosts", "ftp://ledger.example", "https://"]
)
def test_what_is_no_address_is_a_wrong_call(url: str) -> None:
    with pytest.raises(CodedError) as caught:
        fetch_bundle(url)
    assert caught.value.code == "usage"


def test_judging_a_card_loads_no_http_client() -> None:
    program = (
        "import sys, verifier.station, verifier.report, verifier.fetch; sys.exit('httpx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
