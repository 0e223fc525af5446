/** Sizes and hashes as people read them. */

import type { Words } from "../words/words.ts";

/** Return a size in bytes, kB or MB, rounded up: what it costs, not less. */
export function sizeText(words: Words, bytes: number): string {
  if (bytes < 1000) return words.text("phone.keep.size.bytes", { count: bytes });
  if (bytes < 1_000_000) return words.text("phone.keep.size.kb", { number: words.number(Math.ceil(bytes / 1000)) });
  return words.text("phone.keep.size.mb", { number: words.number(Math.ceil(bytes / 100_000) / 10) });
}

/** Return hex in groups of four, which two people can read to each other. */
export function inGroups(hex: string): string {
  return (hex.match(/.{1,4}/g) ?? []).join(" ");
}
