/**
 * The trust bundle: all that a station needs to judge cards without a network, as one file.
 *
 * docs/protocol.md section 9 and `bundle` in docs/safeconduct.cddl. This module knows the form and nothing more;
 * `opened_bundle.ts` folds it up to the pinned ledger.
 */

import { encodeUtf8, isBytes } from "./bytes.ts";
import { CborMap, decode, encode, type Value } from "./cbor.ts";
import { CELL_PATH_SIZE, CELL_SIZE } from "./cells.ts";
import { malformed, tooLarge, unsupported } from "./errors.ts";
import { hasIntegerKeys, isListUri } from "./fields.ts";
import { HASH_SIZE } from "./merkle.ts";

const VERSION = 1;
export const MAX_BUNDLE_SIZE = 64 * 1024 * 1024;
const MAX_ENTRY_SIZE = 65_535;
const MAX_NOTE_SIZE = 65_536;
const MAX_LISTS = 4_096;
const PARTS = 8;

/** A logged entry with its ledger index and its 128-byte path to its cell. */
export interface PlacedEntry {
  readonly index: number;
  readonly path: Uint8Array;
  readonly entry: Uint8Array;
}

/** One status list as it travels: zlib streams of the raw list and of its reasons, not inflated here. */
export interface PackedList {
  readonly uri: string;
  readonly rawDeflated: Uint8Array;
  readonly reasonsDeflated: Uint8Array;
}

/** A bundle that has the right form. Nothing in it is verified. */
export interface Bundle {
  readonly charter: PlacedEntry;
  /** Approvals of effective actions, by strictly rising index. */
  readonly approvals: readonly PlacedEntry[];
  readonly checkpoint: string;
  /** 32 bytes for each 16 entries; at least one. */
  readonly cells: Uint8Array;
  readonly seal: PlacedEntry;
  /** By URI in bytewise order, each once. */
  readonly lists: readonly PackedList[];
  readonly bridges: readonly string[];
  /** The number of entries that the cells cover. */
  readonly treeSize: number;
}

/**
 * Read the one allowed form of a bundle.
 *
 * Throws too_large above 64 MiB, 4,096 lists, or the size of an entry or of a note; unsupported for another
 * version; malformed for any other form, indexes or list URIs out of order.
 */
export function parseBundle(data: Uint8Array): Bundle {
  const value = decode(data, MAX_BUNDLE_SIZE, "bundle");
  if (!(value instanceof CborMap) || !hasIntegerKeys(value)) {
    throw malformed("a bundle is a map with integer keys", "bundle");
  }
  if (value.get(1) !== VERSION) throw unsupported("not a bundle of this version", "version");
  if (value.size !== PARTS || value.keys().some((key, place) => key !== place + 1)) {
    throw malformed("a bundle has the parts 1 to 8", "bundle");
  }
  const cells = parseCells(value.get(5));
  const treeSize = (cells.length / HASH_SIZE) * CELL_SIZE;
  return {
    charter: parsePlaced(0, value.get(2), "charter"),
    approvals: parseApprovals(value.get(3), treeSize - 1),
    checkpoint: parseNoteText(value.get(4)),
    cells,
    seal: parsePlaced(treeSize - 1, value.get(6), "seal"),
    lists: parseLists(value.get(7)),
    bridges: parseBridges(value.get(8)),
    treeSize,
  };
}

/**
 * Return the bytes of a bundle; the inverse of `parseBundle`.
 *
 * Throws what `parseBundle` throws where the bundle would not be read back.
 */
export function formatBundle(bundle: Omit<Bundle, "treeSize">): Uint8Array {
  const { charter, approvals, checkpoint, cells, seal, lists, bridges } = bundle;
  const data = encode(
    CborMap.of(
      [1, VERSION],
      [2, [charter.path, charter.entry]],
      [3, approvals.map(approvalRow)],
      [4, checkpoint],
      [5, cells],
      [6, [seal.path, seal.entry]],
      [7, lists.map(listRow)],
      [8, [...bridges]],
    ),
  );
  const read = parseBundle(data);
  // Their places are not in the bytes: they follow from the cells.
  if (charter.index !== read.charter.index || seal.index !== read.seal.index) {
    throw malformed("the charter is entry 0 and the seal the last entry", "bundle");
  }
  return data;
}

/** Return an approval as a bundle and a delta hold it. */
export function approvalRow({ index, path, entry }: PlacedEntry): Value {
  return [index, path, entry];
}

/** Return a status list as a bundle and a delta hold it. */
export function listRow({ uri, rawDeflated, reasonsDeflated }: PackedList): Value {
  return [uri, rawDeflated, reasonsDeflated];
}

/** Read `[path, entry]` of the entry at `index`. */
export function parsePlaced(index: number, value: Value | undefined, field: string): PlacedEntry {
  if (!Array.isArray(value) || value.length !== 2) throw malformed("a placed entry has a path and its bytes", field);
  const [path, entry] = value;
  if (!isBytes(path) || path.length !== CELL_PATH_SIZE) throw malformed("a path has 128 bytes", field);
  if (!isBytes(entry) || entry.length === 0) throw malformed("an entry is a byte string", field);
  if (entry.length > MAX_ENTRY_SIZE) throw tooLarge("an entry is too large", field);
  return { index, path, entry };
}

/** Read `[[index, path, entry], ...]`, indexes rising between 0 and `last`. */
export function parseApprovals(value: Value | undefined, last: number): PlacedEntry[] {
  if (!Array.isArray(value)) throw malformed("approvals are a list", "approvals");
  let before = 0; // entry 0 is the charter
  return value.map((row) => {
    const index = Array.isArray(row) && row.length === 3 ? row[0] : undefined;
    if (!Array.isArray(row) || (typeof index !== "number" && typeof index !== "bigint")) {
      throw malformed("an approval has an index, a path and its bytes", "approvals");
    }
    if (typeof index === "bigint" || index <= before || index >= last) {
      throw malformed("indexes of approvals rise and lie inside the tree", "approvals");
    }
    before = index;
    return parsePlaced(index, row.slice(1), "approvals");
  });
}

/** Read the text of a cosigned checkpoint; its lines are not looked at. */
export function parseNoteText(value: Value | undefined): string {
  if (typeof value !== "string") throw malformed("the checkpoint is a text", "checkpoint");
  if (encodeUtf8(value).length > MAX_NOTE_SIZE) throw tooLarge("the checkpoint is too large", "checkpoint");
  return value;
}

function parseCells(value: Value | undefined): Uint8Array {
  if (!isBytes(value) || value.length === 0 || value.length % HASH_SIZE) {
    throw malformed("the cells are a whole number of hashes, at least one", "cells");
  }
  return value;
}

/** Read `[[uri, raw, reasons], ...]`, URIs rising. */
export function parseLists(value: Value | undefined): PackedList[] {
  if (!Array.isArray(value)) throw malformed("the lists are a list", "lists");
  if (value.length > MAX_LISTS) throw tooLarge("more status lists than a station takes", "lists");
  let before = "";
  return value.map((row) => {
    const [uri, raw, reasons] = Array.isArray(row) && row.length === 3 ? row : [];
    if (typeof uri !== "string") throw malformed("a list has a URI and two byte strings", "lists");
    if (!isListUri(uri) || uri <= before) {
      throw malformed("URIs of lists are of the ledger's form and rise", "lists");
    }
    if (!isBytes(raw) || !isBytes(reasons)) throw malformed("a list has a URI and two byte strings", "lists");
    before = uri;
    return { uri, rawDeflated: raw, reasonsDeflated: reasons };
  });
}

/** Read the texts of bridging checkpoints. */
export function parseBridges(value: Value | undefined): string[] {
  if (!Array.isArray(value)) throw malformed("bridging checkpoints are a list", "bridges");
  return value.map(parseNoteText);
}
