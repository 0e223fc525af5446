/**
 * Status statements: changes of the status of places on one list (docs/protocol.md section 4).
 *
 * A station never applies them: the lists of its bundle are what they led to. It knows their form, because a
 * reader says of each statement what is wrong with it.
 */

import { isBytes } from "./bytes.ts";
import type { Value } from "./cbor.ts";
import { CELL_PATH_SIZE } from "./cells.ts";
import { MAX_CREDENTIAL_BYTES } from "./claims.ts";
import { malformed, tooLarge } from "./errors.ts";
import { parseArray, parseBytes, parseListUri, parseMap, parseUint, PLACES } from "./fields.ts";

export const VALID = 0;
export const WITHDRAWN = 1;
export const SUSPENDED = 2;
export const REPLACED = 3;
export const AFFIRMED = 0x0c;
export const HELD = 0x0d;
export const REASON_NAMES = [
  undefined,
  "replaced",
  "corrected",
  "withdrawn",
  "contested",
  "affirmed",
  "cleared",
] as const;
const MAX_ROWS = 4096;
const HOLDER_SEQ = 0;

export interface StatusRow {
  readonly idx: number;
  readonly old: number;
  readonly new: number;
  readonly reason: number;
  readonly month: number;
}

/** What shows that a holder's credential is on the ledger: its index, its path, its logged bytes. */
export interface HolderProof {
  readonly index: number;
  readonly path: Uint8Array;
  readonly entry: Uint8Array;
}

export interface StatusChange {
  readonly uri: string;
  readonly seq: number;
  readonly rows: readonly StatusRow[];
  readonly proof: HolderProof | undefined;
}

/** Return the change of a decoded body; throws malformed, or too_large for a credential over its cap. */
export function parseStatusChange(value: Value): StatusChange {
  const body = parseMap(value, [1, 2, 3], "status", [4]);
  const uri = parseListUri(body.get(1), "status.uri");
  const rows = parseArray(body.get(3), 1, MAX_ROWS, "status.rows").map(parseRow);
  if (rows.some((row, place) => place > 0 && rows[place - 1]!.idx >= row.idx)) {
    throw malformed("rows are not by rising idx", "status.rows");
  }
  const seq = parseUint(body.get(2), "status.seq");
  const proof = body.has(4) ? parseProof(body.get(4)) : undefined;
  if (proof && (seq !== HOLDER_SEQ || rows.length !== 1)) {
    throw malformed("a holder's own change has the number 0 and one row", "status.proof");
  }
  return { uri, seq, rows, proof };
}

/** Return a month YYYYMM of the years 2000 to 9999. */
export function parseMonth(value: Value | undefined, field: string): number {
  const month = parseUint(value, field, 200001, 999912);
  if (month % 100 < 1 || month % 100 > 12) throw malformed("not a month", field);
  return month;
}

function parseRow(value: Value): StatusRow {
  const item = parseArray(value, 5, 5, "status.row");
  const month = parseMonth(item[4], "status.month");
  return {
    idx: parseUint(item[0], "status.idx", 0, PLACES - 1),
    old: parseUint(item[1], "status.old", 0, 15),
    new: parseUint(item[2], "status.new", 0, 15),
    reason: parseUint(item[3], "status.reason", 1, 6),
    month,
  };
}

function parseProof(value: Value | undefined): HolderProof {
  const [index, path, entry] = parseArray(value, 3, 3, "status.proof");
  if (!isBytes(entry)) throw malformed("not the bytes of a credential", "status.proof");
  if (entry.length > MAX_CREDENTIAL_BYTES) {
    throw tooLarge(`more than ${MAX_CREDENTIAL_BYTES} bytes`, "status.proof");
  }
  return {
    index: parseUint(index, "status.proof"),
    path: parseBytes(path, CELL_PATH_SIZE, "status.proof"),
    entry,
  };
}
