"""P1: from the text of a code to evidence, against one bare ES256 verification, on one core."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.measure import Figure, Goal, quantile
from benchmarks.signed_statements import BareSignature, bare_signature, check_bare
from tests.support.ledgers import TinyLedger
from verifier.core.verdict import verify

BLOCK: Final = 16
"""Cards judged in a row before the other side has its turn."""


def measure(rounds: int, cards: int = 512, repeats: int = 8) -> list[Figure]:
    """Return p50 and p99 of the fronts of `cards` identity cards on one ledger, as ratios.

    Both sides take turns in small blocks; each call is timed by itself, in processor time of the thread: on a
    shared machine the slowest hundredth of a wall clock is somebody else's work.
    """
    ledger = TinyLedger()
    issuer = ledger.admit()
    issued = [ledger.issue(issuer) for _ in range(cards)]
    ledger.close_epoch()
    texts = [card.front() for card in issued]
    trusted, now_s = ledger.trusted(), ledger.now_s + 100
    bare = [bare_signature(card.issued.entry, issuer.signer.public_key) for card in issued]
    assert verify(texts[0], trusted, now_s).state == "confirmed"

    def judge(text: str) -> None:
        verify(text, trusted, now_s)

    medians, tails, details = [], [], {}
    gc.collect()
    gc.freeze()  # the ledger in memory is the benchmark's, not a station's
    for _ in range(rounds):
        ours, theirs = _one_round(texts, judge, bare, repeats)
        medians.append(quantile(ours, 0.5) / quantile(theirs, 0.5))
        tails.append(quantile(ours, 0.99) / quantile(theirs, 0.99))
        details = {
            "verify_us": {name: round(quantile(ours, share) * 1e6, 1) for name, share in _SHARES},
            "bare_us": {name: round(quantile(theirs, share) * 1e6, 1) for name, share in _SHARES},
        }
    gc.unfreeze()
    what, against = "text of a code -> evidence", "one bare ES256 verification"
    return [
        Figure("P1", f"{what}, p50", against, "x", Goal("<=", 1.5), tuple(medians), details),
        Figure("P1t", f"{what}, p99", against, "x", Goal("<=", 3.0), tuple(tails), details),
    ]


_SHARES: Final = (("p50", 0.5), ("p99", 0.99))


def _one_round(
    texts: Sequence[str], judge: Callable[[str], None], bare: Sequence[BareSignature], repeats: int
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    clock = time.thread_time
    for _ in range(repeats):
        for start in range(0, len(texts), BLOCK):
            for text in texts[start : start + BLOCK]:
                begin = clock()
                judge(text)
                ours.append(clock() - begin)
            for signature in bare[start : start + BLOCK]:
                one = (signature,)
                begin = clock()
                check_bare(one)
                theirs.append(clock() - begin)
    return ours, theirs
