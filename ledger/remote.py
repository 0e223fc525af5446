"""A ledger behind HTTP, for governors and auditors: register, fetch the bundle, fetch entries.

docs/protocol.md section 8. Answers are capped in size, and nothing of them is believed here: callers check
bundles and receipts. No redirect leads to another host.

    with RemoteLedger("https://ledger.example") as ledger:
        answer = ledger.register(approval)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import httpx

from ledger.codes import CODES
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.govern_hint import MAX_HINT_BYTES
from ledger.core.receipt import parse_inclusion_receipt, split_transparent_statement
from ledger.core.tiles import MAX_BUNDLE_SIZE as MAX_ENTRIES_BYTES
from ledger.core.tiles import TilePath, format_tile_path
from ledger.errors import LedgerError, MalformedError, StorageError, VerificationError
from ledger.http_body import ASK_ENCODING, read_body
from ledger.problems import MAX_PROBLEM_BYTES, parse_problem

ENTRY_TYPE: Final = "application/cose"
STATEMENT_TYPE: Final = "application/scitt-statement+cose"
TIMEOUT_S: Final = 60.0
LONGEST_WAIT_S: Final = 900.0
_MAX_ANSWER_BYTES: Final = 512 * 1024
_LONGEST_RETRY_S: Final = 60
_PENDING: Final = (httpx.codes.FOUND, httpx.codes.SEE_OTHER)
"""Its epoch is open: SCRAPI answers the POST with 303 and those who ask again with 302."""


def is_address(source: str) -> bool:
    """Return whether a source is the address of a service and not a path."""
    return source.startswith(("http://", "https://"))


class RemoteLedger:
    """One service.

    Args:
        url: its base address.
        client: the HTTP client; a test gives one without a socket.
        sleep: waits so many seconds.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        url: str,
        client: httpx.Client | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not is_address(url):
            raise LedgerError("bad_input", "an address begins with http:// or https://", field="url")
        self._url = url.rstrip("/") + "/"
        self._client = client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._sleep = sleep
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def bundle(self) -> bytes:
        """Return the trust bundle, not checked; errors as `register`."""
        return self._get("bundle", MAX_BUNDLE_SIZE)

    def govern_hint(self) -> bytes:
        """Return what the service says that waits for governors, not checked; errors as `register`."""
        return self._get("govern", MAX_HINT_BYTES)

    def entry_bundle(self, path: TilePath) -> bytes:
        """Return an entry bundle, not checked; errors as `register`."""
        return self._get(format_tile_path(path), MAX_ENTRIES_BYTES)

    def register(self, entry: bytes) -> bytes:
        """Register a statement, wait until it is on the ledger, and return the Transparent Statement.

        Raises:
            VerificationError: the code with which the ledger refuses it.
            StorageError: code not_reachable, no answer, or none within 15 minutes.
        """
        deadline = self._clock() + LONGEST_WAIT_S
        headers = {"Content-Type": ENTRY_TYPE, "Prefer": "wait"}
        status, answer, body = self._ask("POST", "entries", headers, _MAX_ANSWER_BYTES, entry)
        while status in _PENDING:
            retry_s = _retry_s(answer.get("Retry-After", ""))
            if self._clock() + retry_s > deadline:
                raise _unreachable("the ledger did not close its epoch in time")
            self._sleep(retry_s)
            status, answer, body = self._ask("GET", answer.get("Location", ""), {}, _MAX_ANSWER_BYTES)
        if status not in (httpx.codes.OK, httpx.codes.CREATED):
            raise _unreachable(f"the service answered with status {status}")
        return body

    def statement(self, statement_id: bytes) -> tuple[int, bytes]:
        """Return (index, logged bytes) of a statement as the ledger tells it; errors as `register`."""
        status, _, body = self._ask("GET", f"entries/{statement_id.hex()}", {}, _MAX_ANSWER_BYTES)
        if status in _PENDING:
            raise VerificationError("not_found", "its epoch is still open", field="id")
        entry, receipts = split_transparent_statement(body)
        return parse_inclusion_receipt(receipts[0]).leaf_index, entry

    def _get(self, path: str, max_size: int) -> bytes:
        status, _, body = self._ask("GET", path, {}, max_size)
        if status != httpx.codes.OK:
            raise _unreachable(f"the service answered with status {status}")
        return body

    def _ask(
        self, method: str, path: str, headers: dict[str, str], max_size: int, body: bytes | None = None
    ) -> tuple[int, httpx.Headers, bytes]:
        url = urljoin(self._url, path)
        if urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise _unreachable("the service points to another host")
        try:
            with self._client.stream(
                method, url, headers={"Accept": STATEMENT_TYPE, **ASK_ENCODING, **headers}, content=body
            ) as answer:
                refused = answer.status_code >= httpx.codes.BAD_REQUEST
                data = _read(answer, MAX_PROBLEM_BYTES if refused else max_size)
                if refused:
                    raise _refusal(answer.status_code, answer.headers.get("Content-Type", ""), data)
                return answer.status_code, answer.headers, data
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _unreachable("the service does not answer") from error


def _read(answer: httpx.Response, max_size: int) -> bytes:
    try:
        return read_body(answer, max_size, field="url")
    except StorageError as error:
        raise _unreachable(error.detail) from error


def _refusal(status: int, media_type: str, body: bytes) -> LedgerError:
    """Return the refusal that problem details describe, or not_reachable without any."""
    code, detail = None, ""
    try:
        if "json" in media_type:
            value = json.loads(body)
            code, detail = value.get("code"), value.get("detail")
        else:
            problem = parse_problem(body)
            code, detail = problem.code, problem.detail
    except (ValueError, AttributeError, RecursionError, MalformedError):
        code = None
    if not isinstance(code, str) or code not in CODES or not isinstance(detail, str):
        return _unreachable(f"the service answered with status {status}")
    printable = "".join(character for character in detail[:300] if character.isprintable())
    return VerificationError(code, f"the ledger says: {printable}", field="ledger")


def _retry_s(text: str) -> float:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return 1.0
    return float(min(max(int(text), 1), _LONGEST_RETRY_S))


def _unreachable(detail: str) -> StorageError:
    return StorageError(detail, field="url", code="not_reachable")
