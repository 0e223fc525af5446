"""Signed credentials in bulk, made in several processes, and bare signatures to measure against.

Everything follows from numbers, so that a run can be repeated; the claims are those of no person.
"""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from itertools import accumulate
from typing import Final, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.measure import cores
from ledger.core.calendar_days import DAY_S, exp_for
from ledger.core.claims import CredentialClaims
from ledger.core.cose_key import PublicKey
from ledger.core.statement import parse_statement, sign_credential
from tests.support.ledgers import signer

ISSUERS: Final = 8
IDENTITY: Final = "sc:identity"
DIGESTS, VALIDITY_DAYS = 4, 1095
_PER_LIST: Final = 70_000
"""Credentials on a list before the next one, which opens when half of the places are taken."""
_AHEAD: Final = 16
_PLACES: Final = 131_072
_STEP: Final = 48_271
"""Odd, so that its multiples take every place of a list once, in an order like drawn ones."""


def issuer_name(number: int) -> str:
    return f"civil-{number}"


def claims_of(number: int, iat_s: int, exp_s: int) -> CredentialClaims:
    """Return claims for the credential of this number: issuers in turn, a list half full before the next."""
    issuer, taken = number % ISSUERS + 1, number // ISSUERS
    digest = hashlib.sha256(b"%d" % number).digest()
    return CredentialClaims(
        iss=issuer_name(issuer),
        sub=base64.urlsafe_b64encode(digest[:12]).decode(),
        iat=iat_s // DAY_S * DAY_S,
        exp=exp_s,
        cnf=digest,
        vct=IDENTITY,
        uri=f"sc:{issuer}/{taken // _PER_LIST}",
        idx=taken % _PER_LIST * _STEP % _PLACES,
        digests=tuple(sorted(hashlib.sha256(digest + bytes([at])).digest() for at in range(DIGESTS))),
    )


def sign_range(start: int, stop: int, iat_s: int) -> list[bytes]:
    """Return the entries of the credentials [start, stop)."""
    signers = {number: signer(issuer_name(number)) for number in range(1, ISSUERS + 1)}
    exp_s = exp_for(iat_s // DAY_S * DAY_S, VALIDITY_DAYS)
    return [
        sign_credential(claims_of(number, iat_s, exp_s), signers[number % ISSUERS + 1])
        for number in range(start, stop)
    ]


def worker_pool() -> Executor:
    """Return processes, one for each core, that sign or check bare signatures."""
    return ProcessPoolExecutor(cores(), mp_context=multiprocessing.get_context("spawn"))


def signed_batches(pool: Executor, sizes: Sequence[int], iat_s: int) -> Iterator[list[bytes]]:
    """Yield batches of entries of these sizes, signed by a pool that goes a little ahead."""
    waiting: deque[Future[list[bytes]]] = deque()
    stops = list(accumulate(sizes))
    for size, stop in zip(sizes, stops, strict=True):
        waiting.append(pool.submit(sign_range, stop - size, stop, iat_s))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


class BareSignature(NamedTuple):
    """What a bare check needs: the library's key, a DER signature, and the bytes that are signed."""

    key: ec.EllipticCurvePublicKey
    signature: bytes
    message: bytes


_ECDSA: Final = ec.ECDSA(hashes.SHA256())


def bare_signature(entry: bytes, key: PublicKey) -> BareSignature:
    """Return the signature of a credential, ready for the library."""
    statement = parse_statement(entry)
    raw = statement.signature
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + key.x + key.y)
    return BareSignature(point, der, statement.message)


def check_bare(signatures: Sequence[BareSignature]) -> None:
    """Verify signatures with the library and do nothing else: the limit that everything is held against."""
    algorithm = _ECDSA
    for key, signature, message in signatures:
        key.verify(signature, message, algorithm)


_kept: dict[int, list[BareSignature]] = {}


def bare_rate(pool: Executor, count: int) -> float:
    """Return how many bare signatures all cores check in a second, `count` in each portion of the work."""
    # Two portions for each core, so that a process that ends early takes from the other, as in an audit.
    portions = [count] * cores() * 2
    start = time.perf_counter()
    list(pool.map(check_bare_in_worker, portions))
    return count * len(portions) / (time.perf_counter() - start)


def check_bare_in_worker(count: int) -> int:
    """Verify `count` signatures in a worker process, which makes them once."""
    if count not in _kept:
        entries = sign_range(0, count, 1_794_700_800)
        keys = [signer(issuer_name(number % ISSUERS + 1)).public_key for number in range(count)]
        _kept[count] = [bare_signature(entry, key) for entry, key in zip(entries, keys, strict=True)]
    check_bare(_kept[count])
    return count
