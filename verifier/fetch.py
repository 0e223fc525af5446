"""Fetching a list over the network: the one moment at which a station is online.

Nothing of what comes back is believed here; the station verifies it like a file from a stick. The HTTP
client is loaded only when something is fetched.

    data = fetch_bundle("https://ledger.example/")
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.errors import StorageError
from verifier.errors import StationError

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
    import httpx  # not at the top: judging a card never needs it

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise StationError("usage", "an address begins with http:// or https://", field="url")
    address = url if parts.path.endswith("/bundle") else url.rstrip("/") + "/bundle"
    try:
        with httpx.stream("GET", address, timeout=timeout_s, follow_redirects=False) as response:
            if response.status_code != httpx.codes.OK:
                raise _unreachable(f"the service answered with status {response.status_code}")
            data = bytearray()
            for part in response.iter_bytes():
                data += part
                if len(data) > max_size_bytes:
                    raise _unreachable("the answer is larger than a list may be")
            return bytes(data)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _unreachable("the service did not answer") from error


def _unreachable(detail: str) -> StorageError:
    return StorageError(detail, field="url", code="not_reachable")
