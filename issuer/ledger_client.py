"""The ledger as a desk sees it: register a statement, and believe nothing that is not proven.

`POST /entries` and `GET /entries/{id}` of docs/protocol.md, section 8, and the bundle of section 9. What a
ledger answers is checked here: the logged bytes are the statement that was sent, and the receipt proves
them under the receipts key of the pinned charter. The cell path of a card is the beginning of that
receipt's path, because every tree is a multiple of 16 entries.

    pin = pin_charter(charter_entry, charter_hash)
    client = HttpLedgerClient("https://ledger.example", pin)
    [outcome] = client.register([entry], signer.public_key)
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

import httpx

from issuer.errors import IssuerError
from ledger.codes import CODES
from ledger.core import cbor
from ledger.core.bundle import MAX_BUNDLE_SIZE
from ledger.core.cells import CELL_PATH_SIZE_BYTES, CELL_SIZE, fold_cell
from ledger.core.cose_key import PublicKey
from ledger.core.merkle import leaf_hash
from ledger.core.receipt import check_inclusion_receipt, parse_inclusion_receipt, split_transparent_statement
from ledger.core.statement import parse_statement
from ledger.errors import CodedError, VerificationError

ENTRY_TYPE: Final = "application/cose"
TRANSPARENT_TYPE: Final = "application/scitt-statement+cose"
BUNDLE_TYPE: Final = "application/octet-stream"
MAX_ANSWER_BYTES: Final = 512 * 1024
MAX_PROBLEM_BYTES: Final = 8192
TIMEOUT_S: Final = 30.0
MAX_WAIT_S: Final = 900.0
DEFAULT_RETRY_S: Final = 1.0
MAX_RETRY_S: Final = 60.0
_CELL_LEVELS: Final = 4


@dataclass(frozen=True, slots=True)
class LedgerPin:
    """What a desk knows of its ledger beforehand, from the charter whose hash it was told by people.

    Attributes:
        origin: the ledger's origin.
        charter_hash: leaf hash of the charter, 32 bytes.
        receipts_key: signs receipts. Its change is not in force in this version.
    """

    origin: str
    charter_hash: bytes
    receipts_key: PublicKey


@dataclass(frozen=True, slots=True)
class Registered:
    """A statement that is on the ledger, proven.

    Attributes:
        index: its ledger index.
        path: the 128 bytes from its leaf to its cell.
        entry: the bytes as they were logged; a card is printed from these.
        receipt: the receipt that proves it.
    """

    index: int
    path: bytes
    entry: bytes
    receipt: bytes


class LedgerClient(Protocol):
    """A ledger that takes statements."""

    def register(
        self, entries: Sequence[bytes], key: PublicKey, done: Callable[[], None] = ...
    ) -> list[Registered | CodedError]:
        """Register statements and wait until each is on the ledger or refused.

        Args:
            entries: signed statements.
            key: the key that signed them.
            done: called after each answer, for a progress display.

        Returns:
            One outcome per entry, in their order: proven registration, or why not. Code not_reachable
            says that it is not known; the same bytes may be sent again at any time.
        """
        ...

    def bundle(self) -> bytes:
        """Return the trust bundle, not yet checked.

        Raises:
            IssuerError: not_reachable, too_large.
        """
        ...


def pin_charter(charter_entry: bytes, charter_hash: bytes) -> LedgerPin:
    """Return what the charter says to a desk.

    Args:
        charter_entry: entry 0 as the ledger gave it.
        charter_hash: its leaf hash as people told it.

    Raises:
        VerificationError: bad_signature; bundle_invalid where it is another charter.
        MalformedError: not a statement.
    """
    if leaf_hash(charter_entry) != charter_hash:
        raise VerificationError("bundle_invalid", "the ledger has another charter", field="charter")
    statement = parse_statement(charter_entry)
    if statement.kind != "charter":
        raise VerificationError("bundle_invalid", "entry 0 is not a charter", field="charter")
    statement.check_signature(statement.body.service_key)
    return LedgerPin(statement.body.origin, charter_hash, statement.body.receipts_key)


def check_registered(entry: bytes, answer: bytes, key: PublicKey, pin: LedgerPin) -> Registered:
    """Check a Transparent Statement against the statement that was sent.

    Args:
        entry: the statement that was sent.
        answer: the Transparent Statement that came back.
        key: the key that signed the statement.
        pin: the ledger.

    Raises:
        VerificationError: not_listed where it is another statement, of another ledger, or in a tree
            whose size is not a multiple of 16; bad_signature where the logged bytes or the receipt do
            not verify.
        MalformedError: not a Transparent Statement with a receipt of the one form.
    """
    logged, receipts = split_transparent_statement(answer)
    statement = parse_statement(logged)
    if statement.statement_id != parse_statement(entry).statement_id:
        raise VerificationError("not_listed", "the ledger answered with another statement", field="entry")
    statement.check_signature(key)
    receipt = parse_inclusion_receipt(receipts[0])
    if receipt.issuer != pin.origin:
        raise VerificationError("not_listed", "a receipt of another ledger", field="receipt")
    leaf = leaf_hash(logged)
    size, index, _ = check_inclusion_receipt(receipts[0], leaf, pin.receipts_key)
    if size % CELL_SIZE or len(receipt.path) < _CELL_LEVELS:
        raise VerificationError("not_listed", "the tree is not a whole number of cells", field="receipt")
    path = b"".join(receipt.path[:_CELL_LEVELS])
    assert len(path) == CELL_PATH_SIZE_BYTES
    fold_cell(leaf, index, path)
    return Registered(index, path, logged, receipts[0])


class InProcessLedgerClient:
    """A ledger in the same process: no sockets, the same checks."""

    def __init__(
        self,
        pin: LedgerPin,
        submit: Callable[[Sequence[bytes]], Sequence[bytes | CodedError]],
        bundle: Callable[[], bytes],
    ) -> None:
        """Wrap a ledger.

        Args:
            pin: the ledger.
            submit: takes entries and returns a Transparent Statement or a refusal for each.
            bundle: returns the trust bundle.
        """
        self._pin = pin
        self._submit = submit
        self._bundle = bundle

    def register(
        self, entries: Sequence[bytes], key: PublicKey, done: Callable[[], None] = lambda: None
    ) -> list[Registered | CodedError]:
        """Register all entries at once; see `LedgerClient`."""
        outcomes = []
        for entry, answer in zip(entries, self._submit(entries), strict=True):
            outcomes.append(_checked(entry, answer, key, self._pin))
            done()
        return outcomes

    def bundle(self) -> bytes:
        """Return the trust bundle."""
        return self._bundle()


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

        All are posted before the first is waited for, so that they can share an epoch.
        """
        answers: list[bytes | _Later | CodedError] = [self._post(entry) for entry in entries]
        deadline = self._clock() + self._max_wait_s
        outcomes: list[Registered | CodedError] = []
        for entry, answer in zip(entries, answers, strict=True):
            while isinstance(answer, _Later):
                answer = self._collect(answer, deadline)
            outcomes.append(_checked(entry, answer, key, self._pin))
            done()
        return outcomes

    def bundle(self) -> bytes:
        """Return the trust bundle."""
        return fetch_bundle(self._url, self._client)

    def _post(self, entry: bytes) -> bytes | _Later | CodedError:
        headers = {"Content-Type": ENTRY_TYPE, "Accept": TRANSPARENT_TYPE}
        return self._ask("POST", urljoin(self._url, "entries"), headers, entry)

    def _collect(self, later: _Later, deadline: float) -> bytes | _Later | CodedError:
        if self._clock() + later.retry_s > deadline:
            return IssuerError("not_reachable", "the ledger did not close its epoch in time", field="ledger")
        self._sleep(later.retry_s)
        return self._ask("GET", later.url, {"Accept": TRANSPARENT_TYPE})

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> bytes | _Later | CodedError:
        try:
            with self._client.stream(
                method, url, headers=headers, content=body, follow_redirects=False
            ) as response:
                if response.status_code == 303:
                    return _Later(self._same_ledger(url, response), _retry_s(response))
                if response.status_code in (200, 201):
                    return _read(response, MAX_ANSWER_BYTES)
                return _problem(response)
        except (httpx.HTTPError, httpx.InvalidURL):
            return IssuerError("not_reachable", "the ledger did not answer", field="ledger")
        except CodedError as error:
            return error

    def _same_ledger(self, url: str, response: httpx.Response) -> str:
        target = urljoin(url, response.headers.get("Location", ""))
        if urlsplit(target)[:2] != urlsplit(self._url)[:2]:
            raise IssuerError("not_reachable", "the ledger points to another host", field="ledger")
        return target


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
    """The epoch is still open: ask again at this address after so many seconds."""

    url: str
    retry_s: float


def _checked(
    entry: bytes, answer: bytes | CodedError, key: PublicKey, pin: LedgerPin
) -> Registered | CodedError:
    if isinstance(answer, CodedError):
        return answer
    try:
        return check_registered(entry, answer, key, pin)
    except CodedError as error:
        return error


def _retry_s(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        return DEFAULT_RETRY_S
    return min(max(float(text), 0.02), MAX_RETRY_S)


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
    return IssuerError(code, printable, field="ledger")
