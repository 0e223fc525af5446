"""Founding a ledger: prepare the charter, let each governor accept it by file, begin.

docs/protocol.md section 3, "Genesis". Nothing that runs later ever makes a ledger, a database or a lock:
a directory that lost one of them is refused, because an empty ledger with the old keys would be a fork.

    prepared = prepare_ledger(data_dir, origin=..., governors=..., ...)   # each governor signs an accept
    finish_ledger(data_dir, accepts, now_ms=clock, passphrase=ask)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.core.chain import chain_start
from ledger.core.charter import Accept, Charter, Governors, Profiles
from ledger.core.checkpoint import open_checkpoint
from ledger.core.cose_key import Signer
from ledger.core.epoch import genesis_epoch
from ledger.core.fields import parse_origin
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.statement import Statement, parse_statement, sign_statement
from ledger.errors import MalformedError, StorageError
from ledger.service.intake import Clock
from ledger.service.keys import LedgerKeys, Passphrase, RandomBytes, create_key_files, open_key_files
from ledger.service.plan import EpochPlan, TreeState, plan_epoch, replan_epoch
from ledger.service.settings import LedgerSettings, load_settings, save_settings
from ledger.store.engine import migrate, open_engine
from ledger.store.entries import LedgerWriter, StoredCheckpoint
from ledger.store.lock import CheckpointLock, LockedHead, hold_directory
from ledger.store.tiles import TileEdge


@dataclass(frozen=True, slots=True)
class Prepared:
    """A charter that waits for its governors.

    Attributes:
        charter_entry: the bytes that become entry 0; each governor gets them by file.
        charter_hash: its leaf hash, the identity of the ledger.
    """

    charter_entry: bytes
    charter_hash: bytes


def prepare_ledger(
    data_dir: Path,
    *,
    origin: str,
    governors: Governors,
    threshold: int,
    witness_policy: str,
    epoch_ms: int,
    profiles: Profiles,
    random_bytes: RandomBytes,
    passphrase: Passphrase,
    lock: Path | None = None,
) -> Prepared:
    """Make keys and charter of a new ledger in a new or empty directory.

    Args:
        data_dir: where the ledger will live.
        origin: its name, a schema-less URL.
        governors: (name, public key) of each governor.
        threshold: approvals that an action needs.
        witness_policy: tlog-policy text without log lines.
        epoch_ms: epoch period; at least 60,000 for real people.
        profiles: vct -> (number of digests, validity in days).
        random_bytes: source of randomness for the keys.
        passphrase: encrypts the private keys.
        lock: place of the checkpoint lock, best on another disk; None is inside the directory.

    Raises:
        StorageError: the directory holds something, or cannot be written.
        MalformedError: the values do not make a charter; nothing is left that stands in the way.
    """
    settings = LedgerSettings(data_dir, lock)
    parse_origin(origin, field="charter.origin")
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if any(data_dir.iterdir()):
            raise StorageError("the directory is not empty", field="data_dir", code="usage")
    except OSError as error:
        raise StorageError("the directory cannot be made", field="data_dir") from error
    keys = create_key_files(settings.keys_dir, origin, random_bytes, passphrase)
    charter = Charter(
        origin=origin,
        log_keys=(keys.log[0].verifier_key.public_key, keys.log[1].verifier_key.public_key),
        service_key=keys.service.public_key,
        receipts_key=keys.receipts.public_key,
        governors=governors,
        threshold=threshold,
        witness_policy=witness_policy,
        epoch_ms=epoch_ms,
        profiles=profiles,
    )
    try:
        entry = sign_statement("charter", origin, origin, charter, keys.service)
        parse_statement(entry)
    except (MalformedError, ValueError):
        for path in settings.keys_dir.iterdir():
            path.unlink()
        settings.keys_dir.rmdir()
        raise
    settings.charter_path.write_bytes(entry)
    save_settings(settings)
    return Prepared(entry, leaf_hash(entry))


def load_charter(settings: LedgerSettings) -> Statement:
    """Return the prepared charter.

    Raises:
        StorageError: it cannot be read.
        MalformedError: it is not a charter.
    """
    try:
        statement = parse_statement(settings.charter_path.read_bytes())
    except OSError as error:
        raise StorageError("the charter cannot be read", field="charter") from error
    if statement.kind != "charter":
        raise MalformedError("not a charter", field="charter")
    return statement


def sign_accept(charter_entry: bytes, governor: str, signer: Signer) -> bytes:
    """Return a governor's accept of a charter, after parsing what is accepted.

    Raises:
        MalformedError: not a charter, or the governor with this key is not named in it.
    """
    statement = parse_statement(charter_entry)
    charter = statement.body
    if not isinstance(charter, Charter) or (governor, signer.public_key) not in charter.governors:
        raise MalformedError("the charter does not name this governor with this key", field="governor")
    return sign_statement("accept", governor, charter.origin, Accept(leaf_hash(charter_entry)), signer)


def finish_ledger(
    data_dir: Path,
    accepts: Sequence[bytes],
    *,
    now_ms: Clock,
    passphrase: Passphrase,
    keys: LedgerKeys | None = None,
) -> StoredCheckpoint:
    """Write epoch 0: charter, accepts, padding, seal; make the database and the checkpoint lock.

    May be called again after it was interrupted; an epoch 0 of this charter that was signed and staged by then is
    the one that is written. The order is that of every epoch: staged, lock, commit.

    Args:
        data_dir: a prepared directory.
        accepts: one of each governor, in any order.
        now_ms: the clock.
        passphrase: opens the private keys.
        keys: signers from elsewhere, in place of the key files.

    Raises:
        StorageError: the ledger has begun already (code usage), or something cannot be written.
        MalformedError, VerificationError: the accepts are not one of each governor.
    """
    settings = load_settings(data_dir)
    entry = load_charter(settings).entry
    origin = parse_statement(entry).iss
    if settings.lock_path.exists():
        raise StorageError("this ledger has begun already", field="lock", code="usage")
    signers = keys or open_key_files(settings.keys_dir, origin, passphrase)
    time_ms = now_ms()
    _, built = genesis_epoch(entry, accepts, time_ms, signers.service)
    before = TreeState(Frontier(), TileEdge({}), chain_start(origin))
    with hold_directory(data_dir):
        engine = open_engine(settings.database_path, "create")
        try:
            migrate(engine)
            store = LedgerWriter(engine)
            if store.head() is not None:
                raise StorageError("this ledger has begun already", field="database", code="usage")
            plan = _staged_genesis(store, before, entry, signers)
            if plan is None:
                plan = plan_epoch(
                    before, built.entries, built.leaves, built.chain, built.statement_ids, time_ms, origin,
                    signers.log,
                )  # fmt: skip
                store.stage(plan.rows.checkpoint.size, plan.rows.checkpoint.root, plan.staged)
            head = plan.rows.checkpoint
            if not store.meta():
                store.set_meta({"origin": origin, "charter": leaf_hash(entry).hex()})
            settings.lock_path.parent.mkdir(parents=True, exist_ok=True)
            CheckpointLock.create(
                settings.lock_path, origin, LockedHead(head.size, head.root, head.note)
            ).close()
            store.commit(plan.rows)
        finally:
            engine.dispose()
    return head


def _staged_genesis(
    store: LedgerWriter, before: TreeState, charter_entry: bytes, signers: LedgerKeys
) -> EpochPlan | None:
    """Return the epoch 0 of this charter that an interrupted call signed: another would be a fork.

    Raises:
        MalformedError, VerificationError: it is damaged, or not signed with these keys.
    """
    for size, root in store.staged_heads():
        staged = store.staged(size, root)
        assert staged is not None
        plan = replan_epoch(before, staged)
        if plan.rows.entries[0] != charter_entry:
            continue  # of another ledger, whose charter was made anew since
        ed25519, mldsa44 = (signer.verifier_key for signer in signers.log)
        signed = open_checkpoint(plan.rows.checkpoint.note, (ed25519, mldsa44)).checkpoint
        if (signed.tree_size, signed.root_hash) != (plan.rows.checkpoint.size, plan.rows.checkpoint.root):
            raise MalformedError("the staged epoch does not lead to its head", field="staged")
        return plan
    return None
