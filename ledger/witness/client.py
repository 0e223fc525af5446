"""Asking a witness over HTTP, as a ledger does. C2SP tlog-witness; docs/protocol.md sections 5 and 8.

Nothing of an answer is believed: callers verify the line, and a checkpoint from the monitoring endpoint counts
only with the witness's own signature on it. A witness that fails is left alone for a while, longer each time,
so that one that is down costs the others nothing. Answers are capped, and no redirect is followed.

    witness = HttpWitness(key, "https://witness.example")
    lines = await witness.add_checkpoint(old_size, proof, note)
    await witness.aclose()
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlsplit

import httpx

from ledger.core.checkpoint import parse_checkpoint
from ledger.core.cosignature import CosignerKey, check_cosignature
from ledger.core.note import find_line, format_signature_line, parse_note
from ledger.core.policy import Policy
from ledger.core.witness_protocol import (
    MAX_ANSWER_SIZE,
    AddCheckpoint,
    Busy,
    Conflict,
    Cosigned,
    format_add_checkpoint,
    origin_path,
    read_answer,
)
from ledger.errors import CodedError, LedgerError, StorageError, VerificationError
from ledger.http_body import ASK_ENCODING, read_body_async
from ledger.service.witnesses import WitnessConflictError

TIMEOUT_S: Final = 9.0
"""How long a witness may take; below the time that the publisher gives it, so that the reason is told."""
CONNECT_TIMEOUT_S: Final = 5.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
_log: Final = logging.getLogger("safeconduct.ledger")


class HttpWitness:
    """One witness elsewhere.

    Args:
        key: the key of its cosignatures, from the policy.
        url: its submission prefix, which is also asked as monitoring prefix.
        client: the HTTP client; a test gives one without a socket.
        timeout_s: how long an answer may take as a whole.
        clock: seconds that only rise.
        jitter: a number in [0, 1), by which witnesses are not asked again all at the same moment.

    Raises:
        LedgerError: code bad_input, not an http or https address.
    """

    def __init__(
        self,
        key: CosignerKey,
        url: str,
        *,
        client: httpx.AsyncClient | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._key = key
        self._url = check_witness_url(url)
        self._client = client or httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
            follow_redirects=False,
        )
        self._timeout_s = timeout_s
        self._clock = clock
        self._jitter = jitter
        self._failures = 0
        self._not_before = 0.0

    @property
    def key(self) -> CosignerKey:
        """The key of its cosignatures."""
        return self._key

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def last_checkpoint(self, origin: str) -> str | None:
        """Return the last note that it shows for this log, None if it shows none.

        It may be an hour old, and some witnesses show nothing at all: `seen_size` asks by the protocol.

        Raises:
            StorageError: code not_reachable, it does not answer, or with something that it did not cosign.
        """
        status, body, _ = await self._ask("GET", origin_path(origin))
        if status in (403, 404, 405, 410):
            return None
        if status != 200:  # what it shows may stand elsewhere than what it signs: no reason to leave it alone
            raise _unreachable(f"the witness answered with status {status}")
        try:
            note = parse_note(body)
            checkpoint = parse_checkpoint(note.text, allow_extensions=True)
            line = find_line(note, self._key)
            if line is None or checkpoint.origin != origin:
                raise VerificationError("bad_checkpoint", "not a checkpoint that this witness cosigned")
            check_cosignature(self._key, line, checkpoint, note.text)
        except CodedError as error:
            raise _unreachable("the witness shows something that it did not cosign") from error
        return body.decode()

    async def add_checkpoint(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """As `WitnessClient`; of the answer the lines of this witness's key alone, still to be verified."""
        body = format_add_checkpoint(AddCheckpoint(old_size, tuple(proof), note))
        status, data, retry_after = await self._ask("POST", "add-checkpoint", body)
        answer = read_answer(status, data, retry_after)
        if isinstance(answer, Busy):
            raise self._failed(answer.detail, answer.retry_after_s)
        self._failures, self._not_before = 0, 0.0
        if isinstance(answer, Cosigned):
            name, number = self._key.name, self._key.key_id
            own = [line for line in answer.lines if (line.name, line.key_id) == (name, number)]
            return "".join(format_signature_line(line) for line in own)
        if isinstance(answer, Conflict):
            if answer.size is None or answer.size == old_size:
                # Without a size, some witnesses say by 409 what the specification says by 422.
                raise VerificationError("inconsistent", "the witness has seen another tree", field="witness")
            raise WitnessConflictError(answer.size)
        raise VerificationError(answer.code, answer.detail, field="witness")

    async def seen_size(self, note: str, tree_size: int) -> int:
        """As `ledger.service.witnesses.ProbedWitness`."""
        try:
            await self.add_checkpoint(0, (), note)
        except WitnessConflictError as conflict:
            if conflict.size == tree_size:
                await self.add_checkpoint(tree_size, (), note)
            return conflict.size
        except VerificationError as error:
            # Any tree extends the empty one: what it refuses here is the log, and not this tree.
            raise VerificationError("bad_checkpoint", error.detail, field="witness") from error
        return 0

    async def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes, str]:
        if self._clock() < self._not_before:
            raise _unreachable("the witness failed a moment ago")
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._client.stream(
                    method,
                    f"{self._url}/{path}",
                    content=body,
                    headers={"Content-Type": "text/plain", **ASK_ENCODING},
                ) as answer:
                    try:
                        data = await read_body_async(answer, MAX_ANSWER_SIZE, field="witness")
                    except StorageError as error:
                        raise self._failed(f"the witness: {error.detail}") from error
                    return answer.status_code, data, answer.headers.get("Retry-After", "")
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, TimeoutError, OSError) as error:
            # UnicodeError: httpx reads the place of a redirect though it is not followed; it may be no name of a host.
            raise self._failed("the witness does not answer") from error
        except asyncio.CancelledError:
            self._failed("the witness took too long")
            raise

    def _failed(self, detail: str, retry_after_s: int | None = None) -> StorageError:
        """Leave the witness alone for a while, and return the error that says why."""
        self._failures += 1
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE_S)
        pause_s *= 0.5 + self._jitter() / 2
        if retry_after_s is not None:
            pause_s = min(max(float(retry_after_s), 0.1), LONGEST_PAUSE_S)
        self._not_before = self._clock() + pause_s
        return _unreachable(detail)


def check_witness_url(url: str) -> str:
    """Return the prefix of a witness without a slash at its end.

    Raises:
        LedgerError: code bad_input, not an http or https address, or one with a query or a user.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        good = False
    if not good or not url.isascii():
        raise LedgerError("bad_input", "a witness has an http or https address", field="witness")
    return url.rstrip("/")


class HttpWitnesses:
    """The witnesses that policies name, each with one client for as long as the process lives.

    Args:
        chosen: NAME=URL each, in place of the policy's address; NAME is the policy's, or the key's.
        but: keys of witnesses that are asked in another way.

    Raises:
        LedgerError: code bad_input, not NAME=URL, or not an address.
    """

    def __init__(self, chosen: Sequence[str] = (), *, but: Sequence[CosignerKey] = ()) -> None:
        self._chosen: dict[str, str] = {}
        for item in chosen:
            name, separator, url = item.partition("=")
            if not separator or not name:
                raise LedgerError("bad_input", "a witness is given as NAME=URL", field="witness")
            self._chosen[name] = check_witness_url(url)
        self._but = frozenset(but)
        self._clients: dict[CosignerKey, HttpWitness] = {}

    def __call__(self, policies: Sequence[Policy]) -> list[HttpWitness]:
        """Return a client for each witness of these policies that has an address that is one."""
        found: dict[CosignerKey, HttpWitness] = {}
        for witness in (witness for policy in policies for witness in policy.witnesses):
            url = self._chosen.get(witness.name) or self._chosen.get(witness.key.name) or witness.url
            if url is None or witness.key in self._but:
                continue
            if witness.key not in self._clients:
                try:
                    self._clients[witness.key] = HttpWitness(witness.key, url)
                except LedgerError:
                    _log.error("the address of witness %s is not one", witness.key.name)
                    continue
            found[witness.key] = self._clients[witness.key]
        return list(found.values())

    def check(self, policy: Policy) -> None:
        """Check that each chosen name is one of the policy.

        Raises:
            LedgerError: code bad_input, it is not.
        """
        names = {name for witness in policy.witnesses for name in (witness.name, witness.key.name)}
        for name in self._chosen:
            if name not in names:
                raise LedgerError("bad_input", f"the policy has no witness {name}", field="witness")

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


def _unreachable(detail: str) -> StorageError:
    return StorageError(detail, field="witness", code="not_reachable")
