/**
 * Token Status Lists: one small number for every credential that points to the list (docs/protocol.md section 7).
 *
 * Entry i takes `bits` bits, least significant first, at byte `i * bits / 8`. Ours has 4 bits and 131,072 places,
 * 65,536 bytes; it travels as zlib.
 */

import { isBytes } from "./bytes.ts";
import type { Value } from "./cbor.ts";
import { malformed, tooLarge } from "./errors.ts";
import { PLACES } from "./fields.ts";
import { inflate } from "./inflate.ts";

export const BITS = 4;
export const RAW_BYTES = (PLACES * BITS) / 8;

/** A list of small numbers, packed. */
export class StatusList {
  readonly bits: number;
  readonly raw: Uint8Array;

  constructor(bits: number, raw: Uint8Array) {
    this.bits = bits;
    this.raw = raw;
  }

  get length(): number {
    return (this.raw.length * 8) / this.bits;
  }

  /** Return the entry at `index`; throws malformed where the list has no such place. */
  get(index: number): number {
    const byte = this.raw[Math.floor((index * this.bits) / 8)];
    if (index < 0 || byte === undefined) throw malformed("the list has no such place", "status.idx");
    return (byte >> ((index * this.bits) & 7)) & ((1 << this.bits) - 1);
  }
}

/**
 * Return the list of `bits` and `lst`, of at most 65,536 bytes unpacked.
 *
 * Throws too_large beyond that; malformed for another number of bits, or what is not one whole zlib stream.
 */
export function parseStatusList(bits: Value | undefined, lst: Value | undefined): StatusList {
  if (bits !== 1 && bits !== 2 && bits !== 4 && bits !== 8) {
    throw malformed("an entry has 1, 2, 4 or 8 bits", "status_list.bits");
  }
  if (!isBytes(lst)) throw malformed("a part of the status list has the wrong type", "status_list");
  const raw = inflate(lst, RAW_BYTES);
  if (raw === "too_large") throw tooLarge("the list is too long", "status_list.lst");
  if (raw === "broken") throw malformed("not a zlib stream", "status_list.lst");
  if (typeof raw === "string") throw malformed("a zlib stream is cut or followed by bytes", "status_list.lst");
  return new StatusList(bits, raw);
}
