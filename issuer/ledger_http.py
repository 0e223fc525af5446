"""A ledger behind HTTP: `POST /entries`, `GET /entries/{id}` and `GET /bundle`.

docs/protocol.md, section 8. While an epoch is open the ledger answers 303 with Retry-After; the client
asks again until it is closed. Refusals are concise problem details (RFC 9290) or JSON. Answers are capped
in size, checked in `ledger_client`, and no redirect leads to another host.

    client = HttpLedgerClient("https://ledger.example", pin)
    [outcome] = client.register([entry], signer.public_key)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from issuer.errors import IssuerError
from issuer.ledger_client import LedgerPin, Registered, UnprovenError, checked
from ledger.codes import CODES
from ledger.core import cbor
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.cose_key import PublicKey
from ledger.errors import CodedError

ENTRY_TYPE: Final = "application/cose"
TRANSPARENT_TYPE: Final = "application/scitt-statement+cose"
MAX_ANSWER_BYTES: Final = 512 * 1024
MAX_PROBLEM_BYTES: Final = 8192
TIMEOUT_S: Final = 30.0
MAX_WAIT_S: Final = 900.0
DEFAULT_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
MIN_RETRY_S: Final = 0.02


class HttpLedgerClient:
    """A ledger behind HTTP (docs/protocol.md, section 8)."""

    def __init__(
        self,
        url: str,
        pin: LedgerPin,
        *,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        """Prepare; nothing is sent yet.

        Args:
            url: base address of the ledger.
            pin: the ledger.
            client: the HTTP client; a test gives one that has no socket.
            sleep: waits so many seconds.
            clock: seconds that only rise.
            max_wait_s: how long to wait for an open epoch.
        """
        self._url = url.rstrip("/") + "/"
        self._pin = pin
        self._client = client or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self._sleep = sleep
        self._clock = clock
        self._max_wait_s = max_wait_s

    def register(
        self, entries: Sequence[bytes], key: PublicKey, done: Callable[[], None] = lambda: None
    ) -> list[Registered | CodedError]:
        """Post every entry, then collect the answers; see `LedgerClient`.

        All are posted before the first is waited for, so that they can share an epoch. Once the ledger does
        not answer, the others are not tried either.
        """
        answers: list[bytes | _Later | CodedError] = []
        for entry in entries:
            answers.append(_gone(answers) or self._post(entry, alone=len(entries) == 1))
        deadline = self._clock() + self._max_wait_s
        outcomes: list[Registered | CodedError] = []
        for entry, answer in zip(entries, answers, strict=True):
            while isinstance(answer, _Later):
                answer = _gone(outcomes) or self._collect(answer, deadline)
            outcomes.append(checked(entry, answer, key, self._pin))
            done()
        return outcomes

    def bundle(self) -> bytes:
        """Return the trust bundle."""
        return fetch_bundle(self._url, self._client)

    def _post(self, entry: bytes, *, alone: bool) -> bytes | _Later | CodedError:
        headers = {"Content-Type": ENTRY_TYPE, "Accept": TRANSPARENT_TYPE}
        if not alone:
            headers["Prefer"] = "respond-async"  # RFC 7240; a ledger that waits would take one per epoch
        return self._ask("POST", urljoin(self._url, "entries"), headers, entry)

    def _collect(self, later: _Later, deadline: float) -> bytes | _Later | CodedError:
        if later.due_s > deadline:
            return IssuerError("not_reachable", "the ledger did not close its epoch in time", field="ledger")
        wait_s = later.due_s - self._clock()
        if (
            wait_s > 0
        ):  # the epoch of one is the epoch of all: who waited for the first asks for the others at once
            self._sleep(wait_s)
        return self._ask("GET", later.url, {"Accept": TRANSPARENT_TYPE})

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> bytes | _Later | CodedError:
        try:
            with self._client.stream(
                method, url, headers=headers, content=body, follow_redirects=False
            ) as response:
                if response.status_code == 303:
                    return _Later(self._same_ledger(url, response), self._clock() + _retry_s(response))
                if response.status_code in (200, 201):
                    return _read(response, MAX_ANSWER_BYTES)
                return _problem(response)
        except (httpx.HTTPError, httpx.InvalidURL):
            return IssuerError("not_reachable", "the ledger did not answer", field="ledger")
        except CodedError as error:
            return UnprovenError(error.code, error.detail, field=error.field)

    def _same_ledger(self, url: str, response: httpx.Response) -> str:
        target = urljoin(url, response.headers.get("Location", ""))
        if urlsplit(target)[:2] != urlsplit(self._url)[:2]:
            raise IssuerError("not_reachable", "the ledger points to another host", field="ledger")
        return str(target)


def fetch_bundle(url: str, client: httpx.Client | None = None) -> bytes:
    """Return `GET /bundle` of a ledger, not yet checked.

    Raises:
        IssuerError: not_reachable; too_large over 64 MiB; the ledger's own code where it refuses.
    """
    address = urljoin(url.rstrip("/") + "/", "bundle")
    used = client or httpx.Client(timeout=TIMEOUT_S)
    try:
        with used.stream("GET", address, follow_redirects=False) as response:
            if response.status_code != 200:
                raise _problem(response)
            return _read(response, MAX_BUNDLE_SIZE)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise IssuerError("not_reachable", "the ledger did not answer", field="ledger") from None


@dataclass(frozen=True, slots=True)
class _Later:
    """The epoch is still open: ask again at this address from this time on."""

    url: str
    due_s: float


def _gone(answers: Sequence[object]) -> IssuerError | None:
    """Return that the ledger does not answer, where the last of the answers says so."""
    last = answers[-1] if answers else None
    return last if isinstance(last, IssuerError) and last.code == "not_reachable" else None


def _retry_s(response: httpx.Response) -> float:
    text = str(response.headers.get("Retry-After", ""))
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return DEFAULT_RETRY_S
    return min(max(float(text), MIN_RETRY_S), MAX_RETRY_S)


def _read(response: httpx.Response, max_size: int) -> bytes:
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > max_size:
            raise IssuerError("too_large", "the ledger's answer is too large", field="ledger")
    return bytes(data)


def _problem(response: httpx.Response) -> IssuerError:
    """Return the refusal that problem details describe (RFC 9290), or not_reachable without any."""
    try:
        body = _read(response, MAX_PROBLEM_BYTES)
        if "json" in response.headers.get("Content-Type", ""):
            problem = json.loads(body)
            title, detail = problem.get("title"), problem.get("detail")
        else:
            problem = cbor.decode(body, max_size=MAX_PROBLEM_BYTES)
            title, detail = problem.get(-1), problem.get(-2)
        code = problem.get("code")
    except (ValueError, AttributeError, RecursionError, CodedError):
        code, title, detail = None, None, None
    if not isinstance(code, str) or code not in CODES:
        return IssuerError("not_reachable", f"the ledger answered {response.status_code}", field="ledger")
    said = next((text for text in (detail, title) if isinstance(text, str)), CODES[code].meaning)
    printable = "".join(character for character in said[:200] if character.isprintable())
    return IssuerError(code, printable)
