/**
 * A code that is made here and whose text is therefore known: readers are warmed up with it and checked against it.
 *
 * It is as large as the front of a card, has every character of our texts, and is not of any system.
 */

import { encodeQR } from "qr";
import type { Size } from "./crop_plan.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const REPEATED = 18;
export const KNOWN_TEXT = `SELF-CHECK:${ALPHABET.repeat(REPEATED)}`;
const MODULE_PIXELS = 4;
const BORDER_MODULES = 4;

/** Return brightness of the known code, row by row, and its size. */
export function knownPicture(): { readonly luma: Uint8Array; readonly size: Size } {
  const modules = encodeQR(KNOWN_TEXT, "raw", { ecc: "medium", encoding: "alphanumeric", border: BORDER_MODULES });
  const side = modules.length * MODULE_PIXELS;
  const luma = new Uint8Array(side * side).fill(0xff);
  for (let y = 0; y < side; y++) {
    const row = modules[Math.floor(y / MODULE_PIXELS)];
    for (let x = 0; x < side; x++) if (row?.[Math.floor(x / MODULE_PIXELS)]) luma[y * side + x] = 0;
  }
  return { luma, size: { width: side, height: side } };
}
