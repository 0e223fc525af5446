/**
 * Padding of sealed values: the length of a sealed part says nothing about what is in it (docs/protocol.md 6).
 *
 * The value of a disclosure that is printed sealed is `[value, padding]`, or `[value, '', padding]` where one byte
 * string would step over the length that is wanted. Every byte of padding is 0xff.
 */

import { isBytes } from "./bytes.ts";
import type { Value } from "./cbor.ts";
import { malformed } from "./errors.ts";

/** Return the value of a padded claim, null where nothing is attested; throws malformed for another form. */
export function parsePadded(padded: Value, field: string): Value {
  const [value, first, second] = Array.isArray(padded) ? padded : [];
  const size = Array.isArray(padded) ? padded.length : 0;
  const padding = size === 3 && isBytes(first) && first.length === 0 ? second : size === 2 ? first : undefined;
  if (value === undefined || !isBytes(padding)) throw malformed("a sealed value stands with its padding", field);
  if (padding.some((byte) => byte !== 0xff)) throw malformed("every byte of padding is 0xff", field);
  return value;
}
