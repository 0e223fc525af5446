"""One round of publishing: what is new goes into the folder, each file whole, the checkpoint last.

C2SP tlog-tiles, docs/protocol.md section 8. Whoever reads the folder at any moment finds a checkpoint and
every tile, entry bundle and key that it promises, because these were on the disk before it. Nothing is
written that does not hash to a head that its quorum of witnesses has cosigned.

    with opened_source("data", None) as source, StaticFolder(Path("www")).held() as folder:
        done = publish_once(source, folder, now_s=time.time())

    www/checkpoint                        www/tile/0/000.p/16       www/tile/entries/000.p/16
    www/bundle                            www/delta/2026-11-21
    www/.well-known/scitt-keys.cbor       www/.well-known/scitt-keys/<kid>
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.core.authentic_tiles import AuthenticTiles
from ledger.core.checkpoint import Checkpoint, parse_checkpoint
from ledger.core.cose_key import PublicKey
from ledger.core.cosignature import check_cosignatures
from ledger.core.key_set import MAX_KEY_SET_BYTES, format_key, format_key_set, key_name, parse_key_set
from ledger.core.merkle import root_at
from ledger.core.note import MAX_NOTE_SIZE, parse_note
from ledger.core.policy import parse_policy
from ledger.core.tiles import (
    ENTRIES,
    TILE_WIDTH,
    TilePath,
    format_tile_path,
    new_bundles,
    new_tiles,
    tile_counts,
    tile_width,
)
from ledger.errors import CodedError, ForkAlarm, MalformedError, StorageError
from ledger.publish.folder import StaticFolder
from ledger.publish.sources import KEYS_ADDRESS, KEYS_PATH, Publication, PublicationSource
from ledger.publish.stored import Progress
from ledger.published_files import CHECKPOINT

BUNDLE_PATH: Final = "bundle"
KEEP_PARTIALS_S: Final = 3600.0
"""Partial tiles stay for an hour beside their full tile: not every reader falls back to it."""


@dataclass(frozen=True, slots=True)
class Published:
    """What a round did.

    Attributes:
        old_size, size: tree size of the published head before (0 for none) and after.
        written: files that are new.
        removed: partial tiles that are gone.
        changed: whether the checkpoint is another than before.
        has_keys: whether the source showed receipts keys that the bundle vouches for.
    """

    old_size: int
    size: int
    written: int
    removed: int
    changed: bool
    has_keys: bool


def publish_once(
    source: PublicationSource,
    folder: StaticFolder,
    *,
    now_s: float,
    keep_partials_s: float | None = KEEP_PARTIALS_S,
    check: bool = False,
    progress: Progress = lambda done, total: None,
) -> Published:
    """Bring a folder to the newest publication of a source.

    Args:
        source: where it comes from.
        folder: held by the caller.
        now_s: seconds since 1970, as the file system counts them.
        keep_partials_s: how long a partial tile stays beside its full tile; None for ever.
        check: compare every file again and write what is missing, not only what is new.
        progress: told how many files of how many are done.

    Raises:
        ForkAlarm: fork or inconsistent, the published head is not one of the source's tree; bad_tile or
            bad_entry, the source does not hash to its head, or a file holds another content; bad_checkpoint.
            The folder shows what it showed before.
        BundleError: the source's bundle does not verify.
        StorageError: no_bundle, there is no head yet; not_reachable, no answer, or the source is behind the
            folder; storage_failed, the disk did not do its work. The folder shows what it showed before.
    """
    new = source.newest()
    before_text, before = _published(folder)
    if before is not None and before.origin != new.opened.checkpoint.origin:
        raise ForkAlarm("another ledger is published here", field="origin", code="bad_checkpoint")
    if before is not None and before.tree_size > new.size:
        detail = f"the source shows {new.size} entries; {before.tree_size} are published here"
        raise StorageError(detail, field="tree_size", code="not_reachable")
    tiles = AuthenticTiles(source.read_tile, new.size, new.opened.checkpoint.root_hash)
    _check_extends(before, new, tiles)
    old_size = 0 if before is None else before.tree_size
    paths = _paths(source, 0 if check else old_size, new.size)
    written = 0
    for done, path in enumerate(paths, 1):
        written += folder.keep(format_tile_path(path), tiles.read(path))
        progress(done, len(paths))
    for day in new.deltas:
        if check or not folder.has(f"delta/{day}"):
            written += folder.keep(f"delta/{day}", source.read_delta(day))
    written += _write_keys(folder, new)
    folder.settle()
    changed = before_text is None or _is_newer(new, before_text)
    if changed:
        # The bundle promises no file, so it may be seen a moment before its checkpoint.
        for path_text, data in ((BUNDLE_PATH, new.bundle), (CHECKPOINT, new.checkpoint.encode())):
            folder.replace(path_text, data)
            folder.settle()
    removed = 0 if keep_partials_s is None else folder.drop_partials(now_s - keep_partials_s)
    return Published(old_size, new.size, written, removed, changed, bool(new.keys))


def partial_tiles(tree_size: int) -> Iterator[TilePath]:
    """Yield the partial tiles and the partial entry bundle of a tree.

    >>> [format_tile_path(path) for path in partial_tiles(272)]
    ['tile/0/001.p/16', 'tile/entries/001.p/16', 'tile/1/000.p/1']
    """
    for level, (full, width) in enumerate(tile_counts(tree_size)):
        if width:
            yield TilePath(level, full, width)
            if level == 0:
                yield TilePath(ENTRIES, full, width)


def _published(folder: StaticFolder) -> tuple[str | None, Checkpoint | None]:
    data = folder.read(CHECKPOINT, max_size=MAX_NOTE_SIZE)
    if data is None:
        return None, None
    try:
        text = data.decode()
        return text, parse_checkpoint(parse_note(text).text)
    except (UnicodeDecodeError, CodedError) as error:
        detail = "what is published here as a checkpoint is none"
        raise ForkAlarm(detail, field=CHECKPOINT, code="bad_checkpoint") from error


def _check_extends(before: Checkpoint | None, new: Publication, tiles: AuthenticTiles) -> None:
    if before is None or before.tree_size == 0:
        return
    same_size = before.tree_size == new.size
    root = new.opened.checkpoint.root_hash if same_size else root_at(before.tree_size, tiles.nodes())
    if root != before.root_hash:
        raise ForkAlarm(
            "the source is not an extension of what is published here",
            field="root_hash",
            code="fork" if same_size else "inconsistent",
            index=before.tree_size,
        )


def _paths(source: PublicationSource, old_size: int, new_size: int) -> list[TilePath]:
    """Return what a reader of any head since `old_size` may ask for, tile by tile from the left.

    The partial tiles of a head on the way are left out where the full tile has come already.
    """
    paths = {*new_tiles(old_size, new_size), *new_bundles(old_size, new_size)}
    for size in source.sizes(old_size, new_size):
        for path in partial_tiles(size):
            if tile_width(path.tile_level, path.index, new_size) < TILE_WIDTH:
                paths.add(path)
    return sorted(paths, key=lambda path: (path.tile_level, path.index, path.level == ENTRIES, path.width))


def _write_keys(folder: StaticFolder, new: Publication) -> int:
    """Write the keys of receipts; return how many files are new."""
    written = 0
    if new.keys:
        written += sum(folder.keep(f"{KEYS_ADDRESS}/{key_name(key)}", format_key(key)) for key in new.keys)
        key_set = format_key_set(new.keys)
        before = folder.read(KEYS_PATH, max_size=MAX_KEY_SET_BYTES)
        # A source cannot invent a key, but leave one out: receipts are kept longer than keys are used.
        if before is None or (before != key_set and not _is_missing(before, new.keys)):
            folder.replace(KEYS_PATH, key_set)
            written += 1
    return written


def _is_missing(key_set: bytes, keys: Sequence[PublicKey]) -> bool:
    """Tell whether a published key set has a key that is not among these."""
    try:
        return not set(parse_key_set(key_set)) <= set(keys)
    except MalformedError:
        return False  # what is there is damaged


def _is_newer(new: Publication, before_text: str) -> bool:
    """Tell whether the new checkpoint is larger, or of the same head with cosignatures that are no older."""
    if new.checkpoint == before_text:
        return False
    note = parse_note(before_text)
    if parse_checkpoint(note.text) != new.opened.checkpoint:
        return True
    policy = parse_policy(new.opened.governance.witness_policy)
    try:
        times = check_cosignatures(note, new.opened.checkpoint, policy.witness_keys())
    except CodedError:
        return True  # what is there is damaged
    return (policy.quorum_time(times) or 0) <= new.opened.now_min_s
