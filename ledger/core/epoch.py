"""Epochs: how statements become entries, and how a reader checks that they did so by the rules.

docs/protocol.md section 5. `build_epoch` and `replay_epoch` are the two halves: what one writes the other
accepts, and nothing else. Order in an epoch: govern and status by arrival, credentials by statement
identity, the least padding, the seal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.cells import CELL_SIZE, cells_from_leaves
from ledger.core.chain import chain_next, chain_start, extend_chain
from ledger.core.charter import Charter
from ledger.core.claims import CredentialFacts
from ledger.core.cose_key import PublicKey, Signer
from ledger.core.merkle import leaf_hash
from ledger.core.registry.fold import Registry
from ledger.core.seal import Seal
from ledger.core.statement import PADDING, Statement, is_padding, parse_statement, sign_statement
from ledger.errors import CodedError, ForkAlarm, LedgerError, MalformedError, VerificationError

MAX_EPOCH_ENTRIES: Final = 65_536
MAX_EPOCH_STATEMENTS: Final = MAX_EPOCH_ENTRIES - CELL_SIZE
_PADDING_LEAF: Final = leaf_hash(PADDING)

_OF_BYTES: Final = frozenset(("bad_signature", "malformed", "too_large", "unsupported"))
"""Codes that say that the bytes of an entry are not what was signed; the others are of rules."""

CheckSignature = Callable[[Statement, PublicKey], None]
Item = Statement | CredentialFacts | None


@dataclass(frozen=True, slots=True)
class BuiltEpoch:
    """An epoch that is ready to be written.

    Attributes:
        first_index: index of its first entry.
        entries, leaves, chain: one each per entry.
        statement_ids: identity per entry, None for padding.
        rejected: statements that did not apply at the close, with the reason.
        time_ms: epoch time.
    """

    first_index: int
    entries: list[bytes]
    leaves: list[bytes]
    chain: list[bytes]
    statement_ids: list[bytes | None]
    rejected: list[tuple[Statement, LedgerError]]
    time_ms: int


def check_signature(statement: Statement, key: PublicKey) -> None:
    """Check a statement's signature; the default of `replay_epoch`."""
    statement.check_signature(key)


def build_epoch(
    registry: Registry,
    chain_head: bytes,
    first_index: int,
    pending: Sequence[Statement],
    time_ms: int,
    seal_signer: Signer,
) -> BuiltEpoch:
    """Apply statements in the order of the rules and seal the epoch.

    Args:
        registry: state before the epoch; holds the state after it on return.
        chain_head: chain value of the last entry before the epoch.
        first_index: tree size before the epoch.
        pending: at most MAX_EPOCH_STATEMENTS, in the order of arrival, signatures checked.
        time_ms: epoch time, above the last one.
        seal_signer: the service key.

    Returns:
        The epoch; without entries, and with the registry as it was, if nothing applied and nothing that
        is held lapsed.

    Raises:
        VerificationError: code bad_epoch if the time does not rise.
    """
    lapses = registry.open_epoch(time_ms, first_index)
    accepted: list[Statement] = []
    rejected: list[tuple[Statement, LedgerError]] = []
    for statement in in_epoch_order(pending):
        try:
            # The key is asked for again: an action of this very epoch may have ended it.
            registry.key_for(statement)
            registry.apply(first_index + len(accepted), statement)
        except LedgerError as error:
            rejected.append((statement, error))
        else:
            accepted.append(statement)
    if not accepted and not lapses:
        registry.abandon_epoch()
        return BuiltEpoch(first_index, [], [], [], [], rejected, time_ms)
    return _seal(registry, chain_head, first_index, accepted, rejected, time_ms, seal_signer)


def in_epoch_order(statements: Sequence[Statement]) -> list[Statement]:
    """Return statements in the order in which an epoch applies them."""
    others = [statement for statement in statements if statement.kind != "credential"]
    credentials = [statement for statement in statements if statement.kind == "credential"]
    credentials.sort(key=_statement_id)
    return others + credentials


def genesis_epoch(
    charter_entry: bytes, accept_entries: Sequence[bytes], time_ms: int, seal_signer: Signer
) -> tuple[Registry, BuiltEpoch]:
    """Return the registry and the first epoch of a ledger: charter, accepts, padding, seal.

    Raises:
        MalformedError, VerificationError: the charter or an accept does not parse or verify, or the
            accepts are not one of each governor (code out_of_scope).
    """
    charter, registry = _open_charter(charter_entry)
    registry.open_epoch(time_ms, 0)
    accepts = {statement.iss: statement for statement in map(parse_statement, accept_entries)}
    ordered = [accepts[name] for name, _ in charter.body.governors if name in accepts]
    _check_accepts(registry, ordered)
    for accept in ordered:
        accept.check_signature(registry.key_for(accept))
    if len(accept_entries) != len(ordered):
        raise VerificationError("out_of_scope", "not one accept of each governor", field="accept")
    built = _seal(
        registry, chain_start(registry.governance.origin), 0, [charter, *ordered], [], time_ms, seal_signer
    )
    return registry, built


def _seal(
    registry: Registry,
    chain_head: bytes,
    first_index: int,
    accepted: Sequence[Statement],
    rejected: list[tuple[Statement, LedgerError]],
    time_ms: int,
    seal_signer: Signer,
) -> BuiltEpoch:
    padding = -(len(accepted) + 1) % CELL_SIZE
    entries = [statement.entry for statement in accepted] + [PADDING] * padding
    leaves = [leaf_hash(entry) for entry in entries[: len(accepted)]] + [_PADDING_LEAF] * padding
    chain = extend_chain(chain_head, leaves)
    origin = registry.governance.origin
    seal = Seal(
        index=first_index + len(entries),
        chain=chain[-1],
        registry_digest=registry.registry_digest(),
        status_digest=registry.status_digest(),
        time_ms=time_ms,
        govern_head=registry.govern_head,
    )
    entry = sign_statement("seal", origin, origin, seal, seal_signer)
    leaf = leaf_hash(entry)
    ids: list[bytes | None] = [statement.statement_id for statement in accepted]
    registry.add_cells(cells_from_leaves([*leaves, leaf]))
    return BuiltEpoch(
        first_index=first_index,
        entries=[*entries, entry],
        leaves=[*leaves, leaf],
        chain=[*chain, chain_next(chain[-1], leaf)],
        statement_ids=[*ids, *[None] * padding, parse_statement(entry).statement_id],
        rejected=rejected,
        time_ms=time_ms,
    )


def replay_genesis(
    entries: Sequence[bytes], verify: CheckSignature = check_signature
) -> tuple[Registry, list[bytes], list[bytes]]:
    """Replay the first epoch of a ledger.

    Returns:
        The registry, the leaf hashes and the chain values.

    Raises:
        ForkAlarm: with index and code (bad_entry, bad_rule, bad_epoch, bad_seal) of the first violation.
    """
    statements = [_parse(entry, index) for index, entry in enumerate(entries)]
    if not entries:
        raise ForkAlarm("a ledger begins with a charter", code="bad_epoch", index=0)
    index = 0
    try:
        _, registry = _open_charter(entries[0])
        accepts = [s for s in statements[1:] if s is not None and s.kind == "accept"]
        index = 1
        _check_accepts(registry, accepts)
        for accept in accepts:
            verify(accept, registry.key_for(accept))
            index += 1
    except CodedError as error:
        raise _alarm("bad_entry" if error.code in _OF_BYTES else "bad_rule", error, index) from error
    origin = registry.governance.origin
    chain_head = chain_start(origin)
    if [s.kind for s in statements[1 : 1 + len(accepts)] if s is not None] != ["accept"] * len(accepts):
        raise ForkAlarm("the genesis epoch is not charter, accepts, padding, seal", code="bad_epoch", index=0)
    seal = _find_seal(statements, 0, 1 + len(accepts))
    _open_epoch(registry, seal, 0)
    leaves = [leaf_hash(entry) for entry in entries]
    return registry, leaves, _check_seal(registry, chain_head, 0, statements, leaves, verify)


def replay_epoch(
    registry: Registry,
    chain_head: bytes,
    first_index: int,
    entries: Sequence[bytes],
    verify: CheckSignature = check_signature,
) -> tuple[list[bytes], list[bytes]]:
    """Replay one epoch against the state before it.

    Args:
        registry: state before the epoch; holds the state after it on return.
        chain_head: chain value of the last entry before the epoch.
        first_index: tree size before the epoch.
        entries: all entries of the epoch, its seal last.
        verify: checks a statement's signature under the key that the rules ask for.

    Returns:
        Leaf hashes and chain values, one each per entry.

    Raises:
        ForkAlarm: with index and code (bad_entry, bad_rule, bad_epoch, bad_seal) of the first violation.
    """
    items = [_parse(entry, first_index + at) for at, entry in enumerate(entries)]
    leaves = [_PADDING_LEAF if entry == PADDING else leaf_hash(entry) for entry in entries]
    return leaves, replay_items(registry, chain_head, first_index, items, leaves, verify)


def replay_items(
    registry: Registry,
    chain_head: bytes,
    first_index: int,
    items: Sequence[Item],
    leaves: Sequence[bytes],
    verify: CheckSignature = check_signature,
    cells: bytes | None = None,
) -> list[bytes]:
    """Replay one epoch whose entries have been parsed and hashed elsewhere; as `replay_epoch`.

    Args:
        items: one per entry: a statement; None for padding; or the facts of a credential whose signature
            has been verified under the key that this registry holds for its (iss, kid). A registry never
            holds two keys for one pair, so the facts need no further look at the signature.
        leaves: leaf hash per entry.
        cells: of these leaves; None where nobody has hashed them yet.

    Returns:
        Chain values, one per entry.
    """
    count = len(items) - items.count(None) - 1
    seal = _find_seal(items, first_index, count)
    if not _open_epoch(registry, seal, first_index) and count == 0:
        raise ForkAlarm(
            "nothing lapses with an epoch without statements", code="bad_epoch", index=first_index
        )
    _check_order(items[:count], first_index)
    index = first_index
    try:
        for index, item in enumerate(items[:count], first_index):
            if type(item) is CredentialFacts:
                registry.issuer_key(item.iss, item.kid)
                registry.apply_credential(item)
            elif type(item) is Statement:
                verify(item, registry.key_for(item))
                registry.apply(index, item)
    except CodedError as error:
        code = "bad_entry" if error.code in _OF_BYTES else "bad_rule"
        raise _alarm(code, error, index) from error
    return _check_seal(registry, chain_head, first_index, items, leaves, verify, cells)


def _parse(entry: bytes, index: int) -> Statement | None:
    if is_padding(entry):
        return None
    try:
        return parse_statement(entry)
    except MalformedError as error:
        raise _alarm("bad_entry", error, index) from error


def _open_charter(entry: bytes) -> tuple[Statement, Registry]:
    statement = None if is_padding(entry) else parse_statement(entry)
    if statement is None or statement.kind != "charter":
        raise VerificationError("bad_epoch", "entry 0 is not a charter", field="charter")
    charter: Charter = statement.body
    if statement.kid != charter.service_key.kid:
        raise VerificationError("unknown_issuer", "the charter is not signed by its service key", field="kid")
    statement.check_signature(charter.service_key)
    return statement, Registry.found(charter, leaf_hash(entry))


def _check_accepts(registry: Registry, accepts: Sequence[Statement]) -> None:
    governance = registry.governance
    if [statement.iss for statement in accepts] != [name for name, _ in governance.governors]:
        raise VerificationError(
            "out_of_scope", "not one accept of each governor, in their order", field="accept"
        )
    for statement in accepts:
        if statement.kind != "accept" or statement.sub != governance.origin:
            raise VerificationError("out_of_scope", "not an accept of this ledger", field="accept")
        if statement.body.charter_hash != governance.charter_hash:
            raise VerificationError("out_of_scope", "accepts another charter", field="accept.charter")


def _open_epoch(registry: Registry, seal: Seal, first_index: int) -> bool:
    try:
        return registry.open_epoch(seal.time_ms, first_index)
    except CodedError as error:
        raise _alarm("bad_epoch", error, seal.index) from error


def _find_seal(statements: Sequence[Item], first_index: int, count: int) -> Seal:
    """Check the shape of an epoch: `count` statements, the least padding, one seal, and return the seal."""
    last = statements[-1] if statements else None
    end = first_index + len(statements)
    if not isinstance(last, Statement) or last.kind != "seal":
        raise ForkAlarm("the last entry of an epoch is not a seal", code="bad_epoch", index=max(end - 1, 0))
    well_formed = (
        count >= 0
        and len(statements) <= MAX_EPOCH_ENTRIES
        and None not in statements[:count]
        and statements[count:-1].count(None) == len(statements) - count - 1 == -(count + 1) % CELL_SIZE
        and first_index % CELL_SIZE == 0
    )
    if not well_formed:
        raise ForkAlarm("not statements, the least padding and one seal", code="bad_epoch", index=first_index)
    seal: Seal = last.body
    return seal


def _check_order(items: Sequence[Item], first_index: int) -> None:
    previous = b""
    for index, item in enumerate(items, first_index):
        if type(item) is CredentialFacts or (type(item) is Statement and item.kind == "credential"):
            if item.statement_id <= previous:
                raise ForkAlarm("credentials are not by rising identity", code="bad_epoch", index=index)
            previous = item.statement_id
        elif previous:
            raise ForkAlarm("a statement stands behind the credentials", code="bad_epoch", index=index)
        elif type(item) is Statement and item.kind == "seal":
            raise ForkAlarm("a seal within an epoch", code="bad_epoch", index=index)


def _check_seal(
    registry: Registry,
    chain_head: bytes,
    first_index: int,
    items: Sequence[Item],
    leaves: Sequence[bytes],
    verify: CheckSignature,
    cells: bytes | None = None,
) -> list[bytes]:
    chain = extend_chain(chain_head, leaves)
    statement = items[-1]
    assert isinstance(statement, Statement)
    index = first_index + len(items) - 1
    seal: Seal = statement.body
    try:
        verify(statement, registry.key_for(statement))
    except CodedError as error:
        raise _alarm("bad_seal", error, index) from error
    expected = {
        "index": index,
        "chain": chain[-2],
        "registry_digest": registry.registry_digest(),
        "status_digest": registry.status_digest(),
        "govern_head": registry.govern_head,
    }
    for name, value in expected.items():
        if getattr(seal, name) != value:
            raise ForkAlarm(
                "the seal does not say what the entries mean", code="bad_seal", field=name, index=index
            )
    registry.add_cells(cells_from_leaves(leaves) if cells is None else cells)
    return chain


def _alarm(code: str, error: CodedError, index: int) -> ForkAlarm:
    return ForkAlarm(
        f"{error.detail} ({error.code})", code=code, field=error.field or error.code, index=index
    )


def _statement_id(statement: Statement) -> bytes:
    return statement.statement_id
