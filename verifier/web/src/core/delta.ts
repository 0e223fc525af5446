/**
 * A day's delta: what turns the trust bundle of one day's beginning into that of its end.
 *
 * docs/protocol.md section 9, "Deltas", and `delta` in docs/safeconduct.cddl. A delta saves a station the rest of the
 * bundle. Nothing in it is believed: it leads to bytes whose hash it names, and these are verified as any other bundle.
 *
 *     const next = openTrustedList(applyDelta(bundle, delta), pin);
 */

import { sha256 } from "@noble/hashes/sha2.js";
import {
  approvalRow,
  formatBundle,
  listRow,
  MAX_BUNDLE_SIZE,
  type PackedList,
  parseApprovals,
  parseBridges,
  parseBundle,
  parseLists,
  parseNoteText,
  parsePlaced,
  type PlacedEntry,
} from "./bundle.ts";
import { compare, concat, encodeUtf8, equal, isBytes } from "./bytes.ts";
import { CborMap, decode, encode, type Value } from "./cbor.ts";
import { CELL_SIZE } from "./cells.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { bundleInvalid, CodedError, malformed, unsupported } from "./errors.ts";
import { hasIntegerKeys } from "./fields.ts";
import { HASH_SIZE } from "./merkle.ts";
import { parseNote } from "./note.ts";

const VERSION = 1;
const MAX_DELTA_SIZE = MAX_BUNDLE_SIZE;
const PARTS = 10;

/** A delta that has the right form. Nothing in it is verified. */
export interface Delta {
  /** Tree sizes that it leads from and to, multiples of 16; equal where only the checkpoint is newer. */
  readonly fromSize: number;
  readonly toSize: number;
  /** Approvals that the bundle at `fromSize` does not have, by rising index. */
  readonly approvals: readonly PlacedEntry[];
  /** Text of the cosigned checkpoint at `toSize`. */
  readonly checkpoint: string;
  /** 32 bytes for each 16 entries from `fromSize` to `toSize`. */
  readonly cells: Uint8Array;
  /** The last entry of the tree at `toSize`. */
  readonly seal: PlacedEntry;
  /** Status lists and bridging checkpoints that the bundle at `fromSize` has not, or has otherwise. */
  readonly lists: readonly PackedList[];
  readonly bridges: readonly string[];
  /** SHA-256 of the bundle at `toSize`. */
  readonly bundleHash: Uint8Array;
}

/**
 * Read the one allowed form of a delta.
 *
 * Throws too_large above the caps of a bundle; unsupported for another version; otherwise malformed.
 */
export function parseDelta(data: Uint8Array): Delta {
  const value = decode(data, MAX_DELTA_SIZE, "delta");
  if (!(value instanceof CborMap) || !hasIntegerKeys(value)) {
    throw malformed("a delta is a map with integer keys", "delta");
  }
  if (value.get(1) !== VERSION) throw unsupported("not a delta of this version", "version");
  if (value.size !== PARTS || value.keys().some((key, place) => key !== place + 1)) {
    throw malformed("a delta has the parts 1 to 10", "delta");
  }
  const [fromSize, toSize] = [parseSize(value.get(2)), parseSize(value.get(3))];
  const [cells, bundleHash] = [value.get(6), value.get(10)];
  if (!isBytes(cells) || cells.length * CELL_SIZE !== (toSize - fromSize) * HASH_SIZE) {
    throw malformed("the cells are not those between the sizes", "cells");
  }
  if (!isBytes(bundleHash) || bundleHash.length !== HASH_SIZE) throw malformed("a hash has 32 bytes", "bundle_hash");
  return {
    fromSize,
    toSize,
    approvals: parseApprovals(value.get(4), toSize - 1),
    checkpoint: parseNoteText(value.get(5)),
    cells,
    seal: parsePlaced(toSize - 1, value.get(7), "seal"),
    lists: parseLists(value.get(8)),
    bridges: parseBridges(value.get(9)),
    bundleHash,
  };
}

/** Return the bytes of a delta; the inverse of `parseDelta`, whose errors it throws where it would not be read back. */
export function formatDelta(delta: Delta): Uint8Array {
  const data = encode(
    CborMap.of(
      [1, VERSION],
      [2, delta.fromSize],
      [3, delta.toSize],
      [4, delta.approvals.map(approvalRow)],
      [5, delta.checkpoint],
      [6, delta.cells],
      [7, [delta.seal.path, delta.seal.entry]],
      [8, delta.lists.map(listRow)],
      [9, [...delta.bridges]],
      [10, delta.bundleHash],
    ),
  );
  if (parseDelta(data).seal.index !== delta.seal.index) throw malformed("the seal is the last entry", "delta");
  return data;
}

/**
 * Return the delta that leads from one bundle to a later one of the same ledger.
 *
 * Throws malformed, too_large or unsupported for what are no bundles; bundle_invalid where the second does not extend
 * the first.
 */
export function makeDelta(old: Uint8Array, next: Uint8Array): Uint8Array {
  const [before, after] = [parseBundle(old), parseBundle(next)];
  const start = after.cells.subarray(0, before.cells.length);
  if (!isSamePlaced(before.charter, after.charter) || !equal(start, before.cells)) {
    throw bundleInvalid(0, "the second bundle does not extend the first", "cells");
  }
  const approvals = new Map(before.approvals.map((approval) => [approval.index, approval]));
  const lists = new Map(before.lists.map((packed) => [packed.uri, packed]));
  const bridges = new Set(before.bridges);
  return formatDelta({
    fromSize: before.treeSize,
    toSize: after.treeSize,
    approvals: after.approvals.filter((approval) => !isSamePlaced(approvals.get(approval.index), approval)),
    checkpoint: after.checkpoint,
    cells: after.cells.subarray(before.cells.length),
    seal: after.seal,
    lists: after.lists.filter((packed) => !isSameList(lists.get(packed.uri), packed)),
    bridges: after.bridges.filter((text) => !bridges.has(text)),
    bundleHash: sha256(next),
  });
}

/**
 * Return the bundle that a delta leads to; it is not verified yet.
 *
 * Throws malformed, too_large or unsupported for what is no bundle, or no delta; bundle_invalid where the delta is of
 * other sizes, or does not lead to the bundle whose hash it names: it is then dropped whole.
 */
export function applyDelta(bundle: Uint8Array, delta: Uint8Array): Uint8Array {
  const old = parseBundle(bundle);
  const change = parseDelta(delta);
  if (old.treeSize < change.fromSize || old.treeSize > change.toSize) {
    throw bundleInvalid(0, "the delta does not begin at the list at hand", "tree_size");
  }
  const have = ((old.treeSize - change.fromSize) / CELL_SIZE) * HASH_SIZE;
  const approvals = new Map([...old.approvals, ...change.approvals].map((approval) => [approval.index, approval]));
  const lists = new Map([...old.lists, ...change.lists].map((packed) => [packed.uri, packed]));
  let data: Uint8Array;
  try {
    data = formatBundle({
      charter: old.charter,
      approvals: [...approvals.values()].sort((one, other) => one.index - other.index),
      checkpoint: change.checkpoint,
      cells: concat(old.cells, change.cells.subarray(have)),
      seal: change.seal,
      lists: [...lists.values()].sort((one, other) => compare(encodeUtf8(one.uri), encodeUtf8(other.uri))),
      bridges: joinBridges(old.bridges, change.bridges),
    });
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw bundleInvalid(0, "the delta does not lead to a bundle", "delta");
  }
  if (!equal(sha256(data), change.bundleHash)) {
    throw bundleInvalid(0, "the delta leads to another bundle than it names", "bundle_hash");
  }
  return data;
}

/** Return the bridging checkpoints of both by tree size; of two of one size it is the newer. */
function joinBridges(old: readonly string[], more: readonly string[]): string[] {
  const bySize = new Map(
    [...old, ...more].map((text) => [BigInt(parseCheckpoint(parseNote(text).text).treeSize), text]),
  );
  return [...bySize].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
}

function parseSize(value: Value | undefined): number {
  if (typeof value !== "number" || value < CELL_SIZE || value % CELL_SIZE) {
    throw malformed("a tree size is a positive multiple of 16", "size");
  }
  return value;
}

function isSamePlaced(one: PlacedEntry | undefined, other: PlacedEntry): boolean {
  return one !== undefined && equal(one.path, other.path) && equal(one.entry, other.entry);
}

function isSameList(one: PackedList | undefined, other: PackedList): boolean {
  return (
    one !== undefined &&
    equal(one.rawDeflated, other.rawDeflated) &&
    equal(one.reasonsDeflated, other.reasonsDeflated)
  );
}
