"""Fetching a list over the network: the one moment at which a station is online.

Nothing of what comes back is believed here; the station verifies it like a file from a stick. The HTTP
client is loaded only when something is fetched.

    data = fetch_bundle("https://ledger.example/")
    delta = fetch_delta("https://ledger.example/", date(2026, 11, 21))
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.delta import MAX_DELTA_SIZE
from ledger.core.note import MAX_NOTE_SIZE
from ledger.errors import StorageError
from ledger.http_body import ASK_ENCODING, read_body
from verifier.errors import StationError

if TYPE_CHECKING:  # judging a card never needs it
    import httpx

TIMEOUT_S: Final = 30.0


def fetch_bundle(url: str, *, timeout_s: float = TIMEOUT_S, max_size_bytes: int = MAX_BUNDLE_SIZE) -> bytes:
    """Return what `GET <url>/bundle` answers.

    Args:
        url: base address of the ledger service, http or https, or the address of the bundle itself.
        timeout_s: for connecting and for each read.
        max_size_bytes: the most that is read.

    Raises:
        StationError: code usage, the address is not one.
        StorageError: code not_reachable, no answer, another status than 200, or more bytes than allowed.
    """
    data = _get(_base(url) + "bundle", timeout_s, max_size_bytes)
    if data is None:
        raise _unreachable("the service answered with status 404")
    return data


def fetch_delta(url: str, day: date, *, timeout_s: float = TIMEOUT_S) -> bytes | None:
    """Return what `GET <url>/delta/<day>` answers, None where there is none; otherwise as `fetch_bundle`."""
    return _get(f"{_base(url)}delta/{day.isoformat()}", timeout_s, MAX_DELTA_SIZE)


def fetch_origin(url: str, *, timeout_s: float = TIMEOUT_S) -> str | None:
    """Return the origin that `GET <url>/checkpoint` names, None where there is none; as `fetch_bundle`."""
    data = _get(_base(url) + "checkpoint", timeout_s, MAX_NOTE_SIZE)
    return None if data is None else data.partition(b"\n")[0].decode(errors="replace")


def _base(url: str) -> str:
    """Return the address of the service with a slash at its end."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise StationError("usage", "an address begins with http:// or https://", field="url")
    return url.removesuffix("bundle") if parts.path.endswith("/bundle") else url.rstrip("/") + "/"


def _get(address: str, timeout_s: float, max_size_bytes: int) -> bytes | None:
    import httpx  # not at the top: judging a card never needs it

    try:
        with httpx.stream(
            "GET", address, timeout=timeout_s, follow_redirects=False, headers=ASK_ENCODING
        ) as response:
            if response.status_code == httpx.codes.NOT_FOUND:
                return None
            if response.status_code != httpx.codes.OK:
                raise _unreachable(f"the service answered with status {response.status_code}")
            return _read(response, max_size_bytes)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise _unreachable("the service did not answer") from error


def _read(response: httpx.Response, max_size_bytes: int) -> bytes:
    try:
        return read_body(response, max_size_bytes, field="url")
    except StorageError as error:
        raise _unreachable(error.detail) from error


def _unreachable(detail: str) -> StorageError:
    return StorageError(detail, field="url", code="not_reachable")
