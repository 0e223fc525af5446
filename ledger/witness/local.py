"""Witnesses that run inside the ledger's own process, for demonstrations and tests.

C2SP tlog-witness asks for witnesses that other people run: one of our own proves nothing to anybody. The folder
is that of any witness (ledger/witness/folder.py), with the same memory; only nobody else can ask it.

    with open_local_witness(Path("w1"), passphrase, origin, log_keys, now_s) as client:
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ledger.core.note import VerifierKey
from ledger.service.witnesses import LocalWitness, Witness
from ledger.witness.folder import open_witness_folder


@contextmanager
def open_local_witness(
    folder: Path,
    passphrase: Callable[[], bytes],
    origin: str,
    log_keys: Sequence[VerifierKey],
    now_s: Callable[[], int],
) -> Iterator[LocalWitness]:
    """Take the folder of a witness for this process, to watch one log; errors as `open_witness_folder`."""
    with open_witness_folder(folder, passphrase) as opened:
        yield LocalWitness(Witness(opened.signer, origin, log_keys, opened.state, now_s))
