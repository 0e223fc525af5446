/**
 * Field grammars that several statements share: names, numbers, hashes.
 *
 * Each `parse` function takes a decoded CBOR value and returns it typed, or throws malformed with the field.
 * Source: docs/safeconduct.cddl, section "names".
 */

import { encodeUtf8, isBytes } from "./bytes.ts";
import { CborMap, type Value } from "./cbor.ts";
import { malformed } from "./errors.ts";

export const UINT53_MAX = Number.MAX_SAFE_INTEGER;
/** Places of one status list. */
export const PLACES = 131_072;
const MAX_TITLE_CHARS = 80;

const PARTY = /^[a-z0-9](?:[a-z0-9.-]{0,30}[a-z0-9])?$/;
const ORIGIN = /^[A-Za-z0-9._~:/-]{1,200}$/;
const SUBJECT = /^[A-Za-z0-9_-]{16}$/;
const LIST_URI = /^sc:([1-9][0-9]{0,6})\/(0|[1-9][0-9]{0,6})$/;
/**
 * C0 and C1 controls, marks and overrides of direction, separators of lines, and characters of no width but
 * U+200C and U+200D, which Persian and the scripts of India spell with (docs/protocol.md, section 3).
 */
export const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/u;

/** Return an issuer id, authority or governor name: 1 to 32 of a-z, 0-9, dot, hyphen. */
export function parseParty(value: Value | undefined, field: string): string {
  return matching(value, PARTY, "not a name of 1 to 32 characters of a-z, 0-9, dot and hyphen", field);
}

/** Return a ledger origin: a schema-less URL of 1 to 200 characters (C2SP tlog-checkpoint). */
export function parseOrigin(value: Value | undefined, field: string): string {
  return matching(value, ORIGIN, "not a schema-less URL of 1 to 200 characters", field);
}

/** Return the `sub` of a credential: base64url of 12 random bytes, 16 characters. */
export function parseSubject(value: Value | undefined, field: string): string {
  return matching(value, SUBJECT, "not 16 characters of base64url", field);
}

/** Return a title for people: 1 to 80 code points, none of those that cannot be seen. */
export function parseTitle(value: Value | undefined, field: string): string {
  const size = typeof value === "string" ? [...value].length : 0;
  if (typeof value !== "string" || size < 1 || size > MAX_TITLE_CHARS || UNSEEN.test(value)) {
    throw malformed("not 1 to 80 characters that can be seen", field);
  }
  return value;
}

/** Return an integer from `low` to `high`. */
export function parseUint(value: Value | undefined, field: string, low = 0, high = UINT53_MAX): number {
  if (typeof value !== "number" || value < low || value > high) {
    throw malformed(`not an integer from ${low} to ${high}`, field);
  }
  return value;
}

/** Return a byte string of exactly `size` bytes. */
export function parseBytes(value: Value | undefined, size: number, field: string): Uint8Array {
  if (!isBytes(value) || value.length !== size) throw malformed(`not ${size} bytes`, field);
  return value;
}

/** Return a text of 1 to `maxBytes` bytes of UTF-8, as `tstr .size` counts. */
export function parseText(value: Value | undefined, maxBytes: number, field: string): string {
  const size = typeof value === "string" ? encodeUtf8(value).length : 0;
  if (typeof value !== "string" || size < 1 || size > maxBytes) {
    throw malformed(`not a text of 1 to ${maxBytes} bytes`, field);
  }
  return value;
}

/** Return the URI of a status list, `sc:<issuer number>/<list number>`. */
export function parseListUri(value: Value | undefined, field: string): string {
  return matching(value, LIST_URI, "not a status list URI", field);
}

export function isListUri(value: Value | undefined): value is string {
  return typeof value === "string" && LIST_URI.test(value);
}

/** Return a map with integer keys that are all of `required`, any of `optional` and no other. */
export function parseMap(
  value: Value | undefined,
  required: readonly number[],
  field: string,
  optional: readonly number[] = [],
): CborMap {
  if (!(value instanceof CborMap) || !hasIntegerKeys(value)) throw malformed("not a map with integer keys", field);
  const known = new Set<unknown>([...required, ...optional]);
  if (!required.every((key) => value.has(key)) || !value.keys().every((key) => known.has(key))) {
    throw malformed("keys missing or unknown", field);
  }
  return value;
}

/** Return an array of `low` to `high` items. */
export function parseArray(value: Value | undefined, low: number, high: number, field: string): Value[] {
  if (!Array.isArray(value) || value.length < low || value.length > high) {
    throw malformed(`not an array of ${low} to ${high} items`, field);
  }
  return value;
}

export function hasIntegerKeys(map: CborMap): boolean {
  return map.keys().every((key) => typeof key === "number" || typeof key === "bigint");
}

function matching(value: Value | undefined, form: RegExp, detail: string, field: string): string {
  if (typeof value !== "string" || !form.test(value)) throw malformed(detail, field);
  return value;
}
