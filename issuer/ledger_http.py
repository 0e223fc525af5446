"""A ledger behind HTTP: `POST /entries`, `POST /entries/batch`, `GET /entries/{id}` and `GET /bundle`.

docs/protocol.md, section 8. Several statements go as batches; to a ledger that has no such route, one by
one. While an epoch is open the ledger answers 303, then 302, with Retry-After; the client asks again until it is
closed. Refusals are concise problem details (RFC 9290) or JSON. Answers are capped in size, checked in
`ledger_client`, and no redirect leads to another host.

    client = HttpLedgerClient("https://ledger.example", pin)
    [outcome] = client.register([entry], signer.public_key)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx

from issuer.errors import IssuerError
from issuer.ledger_client import LedgerPin, Prover, Registered, UnprovenError
from ledger.codes import CODES
from ledger.core import cbor
from ledger.core.batch import (
    MAX_ANSWERS_BYTES,
    MAX_BATCH_BYTES,
    MAX_BATCH_ITEMS,
    format_batch,
    parse_answers,
)
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.cose_key import PublicKey
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, StorageError
from ledger.http_body import ASK_ENCODING, read_body
from ledger.problems import CUSTOM_ENTRY

ENTRY_TYPE: Final = "application/cose"
TRANSPARENT_TYPE: Final = "application/scitt-statement+cose"
MAX_ANSWER_BYTES: Final = 512 * 1024
MAX_PROBLEM_BYTES: Final = 8192
MAX_SEQ: Final = 2**53 - 1
TIMEOUT_S: Final = 30.0
BATCH_TIMEOUT_S: Final = 90.0
"""A batch is answered when its epoch closes, and a ledger waits up to half a minute for that."""
MAX_WAIT_S: Final = 900.0
DEFAULT_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
MIN_RETRY_S: Final = 0.02
BATCH_TYPE: Final = "application/cbor-seq"
_WRAPPER_BYTES: Final = 5
"""The most that a byte string's head adds to an entry."""


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
        self._prover = Prover(pin, self.bundle)
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
        answers = self._post_all(entries)
        deadline = self._clock() + self._max_wait_s
        outcomes: list[Registered | CodedError] = []
        for entry, answer in zip(entries, answers, strict=True):
            while isinstance(answer, _Later):
                answer = _gone(outcomes) or self._collect(answer, deadline)
            outcomes.append(self._prover.check(entry, answer, key))
            done()
        return outcomes

    def bundle(self) -> bytes:
        """Return the trust bundle."""
        return fetch_bundle(self._url, self._client)

    def next_seq(self, uri: str) -> int | None:
        """Return what the ledger says is the next sequence number of a list; see `LedgerClient`."""
        address = urljoin(self._url, f"status/{uri.removeprefix('sc:')}/next")
        answer = self._ask("GET", address, {"Accept": "application/json"})
        if not isinstance(answer, bytes):
            return None
        try:
            seq = json.loads(answer)["seq"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return seq if type(seq) is int and 0 < seq <= MAX_SEQ else None

    def _post_all(self, entries: Sequence[bytes]) -> list[_Answer]:
        """Post every entry: several in batches, where the ledger takes them."""
        if len(entries) == 1:
            return [self._post(entries[0], alone=True)]
        answers: list[_Answer] = []
        for batch in _batches(entries):
            gone = _gone(answers)
            answered = [gone] * len(batch) if gone is not None else self._post_batch(batch)
            if answered is None:  # an older ledger
                for entry in entries[len(answers) :]:
                    answers.append(_gone(answers) or self._post(entry, alone=False))
                break
            answers += answered
        return answers

    def _post_batch(self, entries: Sequence[bytes]) -> list[_Answer] | None:
        """Post one batch and return the answer to each of its entries; None where there is no such route."""
        address = urljoin(self._url, "entries/batch")
        try:
            with self._client.stream(
                "POST",
                address,
                headers={"Content-Type": BATCH_TYPE, **ASK_ENCODING},
                content=format_batch(entries),
                follow_redirects=False,
                timeout=BATCH_TIMEOUT_S,
            ) as response:
                if response.status_code in (404, 405):
                    return None
                if response.status_code != 200:
                    return [_problem(response)] * len(entries)
                answers = parse_answers(_read(response, MAX_ANSWERS_BYTES))
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
            silent = IssuerError("not_reachable", "the ledger did not answer", field="ledger")
            return [silent] * len(entries)
        except CodedError as error:
            return [UnprovenError(error.code, error.detail, field=error.field)] * len(entries)
        if len(answers) != len(entries):
            detail = "the ledger did not answer for each statement"
            return [UnprovenError("not_reachable", detail, field="ledger")] * len(entries)
        return [
            self._batch_answer(entry, status, body)
            for entry, (status, body) in zip(entries, answers, strict=True)
        ]

    def _batch_answer(self, entry: bytes, status: int, body: bytes) -> _Answer:
        if status in (200, 201):
            return body
        if status == 303:
            identity = parse_statement(entry).statement_id.hex()
            return _Later(urljoin(self._url, f"entries/{identity}"), self._clock() + DEFAULT_RETRY_S)
        return _refusal(status, body, is_json=False)

    def _post(self, entry: bytes, *, alone: bool) -> _Answer:
        headers = {"Content-Type": ENTRY_TYPE, "Accept": TRANSPARENT_TYPE}
        if not alone:
            headers["Prefer"] = "respond-async"  # RFC 7240; a ledger that waits would take one per epoch
        return self._ask("POST", urljoin(self._url, "entries"), headers, entry)

    def _collect(self, later: _Later, deadline: float) -> _Answer:
        if later.due_s > deadline:
            return IssuerError("not_reachable", "the ledger did not close its epoch in time", field="ledger")
        wait_s = later.due_s - self._clock()
        if wait_s > 0:
            # The epoch of one is the epoch of all: who waited for the first asks for the others at once.
            self._sleep(wait_s)
        return self._ask("GET", later.url, {"Accept": TRANSPARENT_TYPE})

    def _ask(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> _Answer:
        try:
            with self._client.stream(
                method, url, headers={**ASK_ENCODING, **headers}, content=body, follow_redirects=False
            ) as response:
                if response.status_code in (302, 303):
                    return _Later(self._same_ledger(url, response), self._clock() + _retry_s(response))
                if response.status_code in (200, 201):
                    return _read(response, MAX_ANSWER_BYTES)
                return _problem(response)
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
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
        with used.stream("GET", address, follow_redirects=False, headers=ASK_ENCODING) as response:
            if response.status_code != 200:
                raise _problem(response)
            return _read(response, MAX_BUNDLE_SIZE)
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
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


_Answer = bytes | _Later | CodedError
"""The Transparent Statement, where to ask for it later, or a refusal."""


def _batches(entries: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the entries in groups that a ledger takes as one batch."""
    start = size_bytes = 0
    for at, entry in enumerate(entries):
        needed = len(entry) + _WRAPPER_BYTES
        if at - start == MAX_BATCH_ITEMS or (at > start and size_bytes + needed > MAX_BATCH_BYTES):
            yield entries[start:at]
            start, size_bytes = at, 0
        size_bytes += needed
    yield entries[start:]


def _retry_s(response: httpx.Response) -> float:
    text = str(response.headers.get("Retry-After", ""))
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return DEFAULT_RETRY_S
    return min(max(float(text), MIN_RETRY_S), MAX_RETRY_S)


def _read(response: httpx.Response, max_size: int) -> bytes:
    try:
        return read_body(response, max_size, field="ledger")
    except StorageError as error:
        raise IssuerError(error.code, error.detail, field="ledger") from None


def _problem(response: httpx.Response) -> IssuerError:
    """Return the refusal that problem details describe (RFC 9290), or not_reachable without any."""
    try:
        body = _read(response, MAX_PROBLEM_BYTES)
    except CodedError:
        body = b""
    return _refusal(response.status_code, body, is_json="json" in response.headers.get("Content-Type", ""))


def _refusal(status: int, body: bytes, *, is_json: bool) -> IssuerError:
    try:
        if is_json:
            problem = json.loads(body)
            code, title, detail = problem.get("code"), problem.get("title"), problem.get("detail")
        else:
            problem = cbor.decode(body, max_size=MAX_PROBLEM_BYTES)
            title, detail = problem.get(-1), problem.get(-2)
            code = problem.get(CUSTOM_ENTRY, {}).get("code")
    except (ValueError, AttributeError, RecursionError, CodedError):
        code, title, detail = None, None, None
    if not isinstance(code, str) or code not in CODES:
        return IssuerError("not_reachable", f"the ledger answered {status}", field="ledger")
    said = next((text for text in (detail, title) if isinstance(text, str)), CODES[code].meaning)
    printable = "".join(character for character in said[:200] if character.isprintable())
    return IssuerError(code, printable)
