"""A desk on the disk: one folder with its settings, its key, its pinned charter and its state.

desk.json         settings (`desk_config`)
key.pem           the issuer's key, encrypted
application.cose  what the governors are asked to admit
charter.cose      the pinned charter, once connected
desk.sqlite       used places, what is on its way, rows of batches
desk.lock         held by the command that works here
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from issuer.application import Application, check_application, format_application, make_application
from issuer.approval_journal import ApprovalJournal
from issuer.desk import Desk
from issuer.desk_config import CONFIG_MAX_BYTES, DeskConfig, format_config, parse_config
from issuer.desk_store import DeskStore
from issuer.errors import InputError, IssuerError
from issuer.files import OWNER_ONLY, make_folder, read_file, replace_file, write_new
from issuer.keys import load_key, make_key
from issuer.ledger_client import LedgerClient, LedgerPin, pin_charter
from issuer.ledger_http import HttpLedgerClient
from issuer.ledger_view import open_view
from issuer.second_signers import SecondSigners
from issuer.vault import SALT_BYTES, Vault
from ledger.core.bundle import parse_bundle
from ledger.core.cose_key import SoftwareSigner
from ledger.core.statement import MAX_ENTRY_BYTES

CONFIG: Final = "desk.json"
KEY: Final = "key.pem"
APPLICATION: Final = "application.cose"
CHARTER: Final = "charter.cose"
STATE: Final = "desk.sqlite"
LOCK: Final = "desk.lock"
LOCK_WAIT_S: Final = 30.0

MakeClient = Callable[[str, LedgerPin], LedgerClient]


def init_desk(
    folder: Path,
    passphrase: str,
    *,
    issuer_id: str,
    authority: str,
    title: str,
    origin: str,
    vcts: tuple[str, ...],
    rate: int,
    desks: int,
    desk: int,
) -> Application:
    """Make a desk: key, application, settings. A run that was interrupted is taken up again.

    Raises:
        InputError: a value is not of its form, or the folder has a desk already.
        IssuerError: wrong_secret where an earlier run's key has another passphrase; storage_failed.
    """
    if (folder / CONFIG).exists():
        raise InputError("desk", "this folder has a desk already")
    if not 0 <= desk < desks:
        raise InputError("desk-number", "must be from 0 and below the number of desks")
    trial = SoftwareSigner.from_seed("p256", bytes(32)).public_key
    values = {"issuer_id": issuer_id, "origin": origin, "authority": authority, "title": title}
    # Judged before the key is made, so that a mistyped value leaves nothing behind.
    make_application(**values, vcts=vcts, rate=rate, desks=desks, key=trial)
    make_folder(folder)
    key_file = folder / KEY
    signer = load_key(key_file, passphrase) if key_file.exists() else make_key(key_file, passphrase)
    application = make_application(**values, vcts=vcts, rate=rate, desks=desks, key=signer.public_key)
    replace_file(folder / APPLICATION, format_application(application, signer), mode=0o644)
    config = DeskConfig(issuer_id, authority, title, origin, desk, desks)
    write_new(folder / CONFIG, format_config(config))
    return application


def read_config(folder: Path) -> DeskConfig:
    """Return the settings of a desk.

    Raises:
        IssuerError: not_found, the folder has no desk.
        InputError: the settings are not of their form.
    """
    return parse_config(read_file(folder / CONFIG, "desk", max_size=CONFIG_MAX_BYTES))


def connect_desk(folder: Path, bundle: bytes, charter_hex: str, ledger_url: str) -> DeskConfig:
    """Pin the ledger, and learn the issuer's number from the governors' approvals.

    Args:
        folder: the desk.
        bundle: the ledger's trust bundle.
        charter_hex: leaf hash of the charter as people told it, 64 hex digits.
        ledger_url: base address of the ledger.

    Raises:
        InputError: not a hash, or a charter of another origin.
        VerificationError: bundle_invalid, bad_signature: not that ledger.
        IssuerError: unknown_issuer, the issuer or the desk's key is not admitted.
    """
    config = read_config(folder)
    try:
        charter_hash = bytes.fromhex(charter_hex)
    except ValueError:
        charter_hash = b""
    if len(charter_hash) != 32:
        raise InputError("charter", "must be 64 hex digits")
    view = open_view(bundle, charter_hash)
    if view.pin.origin != config.origin:
        raise InputError("charter", "is of another ledger than the desk applied to")
    issuer = view.issuer(config.issuer_id)
    applied = check_application(read_file(folder / APPLICATION, "application", max_size=MAX_ENTRY_BYTES))
    if not any(key.kid in issuer.keys for key in applied.admission.keys):
        raise IssuerError("unknown_issuer", "the governors have not admitted this desk's key", field="key")
    if config.desk >= issuer.scope.desks:
        raise InputError("desk-number", "is above the number of desks that were admitted")
    connected = replace(
        config,
        authority=issuer.authority,
        title=issuer.title,
        desks=issuer.scope.desks,
        number=issuer.number,
        charter=charter_hash.hex(),
        ledger_url=ledger_url,
    )
    replace_file(folder / CHARTER, parse_bundle(bundle).charter.entry)
    replace_file(folder / CONFIG, format_config(connected))
    return connected


def open_desk(
    folder: Path,
    passphrase: str,
    *,
    make_client: MakeClient = HttpLedgerClient,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    now_s: Callable[[], int],
) -> Desk:
    """Open a connected desk.

    Whoever issues or changes a status calls it inside `work_at`.

    Raises:
        IssuerError: not_found, usage where it is not connected, wrong_secret, storage_failed.
        InputError: the settings are not of their form.
    """
    config, client = open_client(folder, make_client)
    signer = load_key(folder / KEY, passphrase)
    store = DeskStore(folder / STATE)
    vault = Vault(passphrase, store.salt(random_bytes(SALT_BYTES)))
    return Desk(config, signer, store, client, random_bytes=random_bytes, now_s=now_s, vault=vault)


def adopt_rule(folder: Path, desk: Desk, request: bytes, approval: bytes, *, now_s: int) -> SecondSigners:
    """Put an approved rule about second signers into the settings, inside `work_at`.

    The desk's state has it first, so that settings with a rule that nobody approved are told apart. After a
    crash in between no status is signed until it is run again with the same files; else a run again is refused.

    Raises:
        MalformedError, VerificationError, IssuerError: as `ApprovedChanges.check_rule_change`; stale_action too
            where the settings do not hold the rule that was adopted last; storage_failed.
    """
    rule = desk.approved_changes().check_rule_change(request, approval, now_s=now_s)
    config = read_config(folder)
    ApprovalJournal(desk.store).adopt_rule(rule, config.second_signers)
    replace_file(folder / CONFIG, format_config(replace(config, second_signers=rule)))
    return rule


def open_client(folder: Path, make_client: MakeClient = HttpLedgerClient) -> tuple[DeskConfig, LedgerClient]:
    """Return the settings of a connected desk and its ledger: enough to relay, as no key is used.

    Raises:
        IssuerError: not_found, usage where it is not connected, storage_failed.
        InputError: the settings are not of their form.
    """
    config = read_config(folder)
    if not config.is_connected:
        raise IssuerError("usage", "connect the desk to its ledger first", field="desk")
    charter = read_file(folder / CHARTER, "charter", max_size=MAX_ENTRY_BYTES)
    return config, make_client(config.ledger_url, pin_charter(charter, bytes.fromhex(config.charter)))


@contextmanager
def work_at(folder: Path, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Work at a desk alone: two commands at once could sign for one person twice. A crash ends it, too.

    Raises:
        IssuerError: not_found, the folder has no desk; storage_failed, another command works at this desk.
    """
    if not (folder / CONFIG).exists():
        raise IssuerError("not_found", "there is no such file", field="desk")
    lock = FileLock(folder / LOCK, mode=OWNER_ONLY)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise IssuerError("storage_failed", "another command works at this desk", field="desk") from None
    except OSError as error:
        raise IssuerError("storage_failed", "the desk cannot be locked", field="desk") from error
    try:
        yield
    finally:
        lock.release()
