/**
 * The squares of a QR code for a text, and the size at which they are drawn.
 *
 *     codeOf("SC1:RRQT").side   ->   29   with the white border
 *     pixelsFor(29, 328, 2)     ->   22   device pixels for each square
 */

import { encodeQR, type ErrorCorrection } from "qr";

const BORDER_MODULES = 4;
const ALPHANUMERIC = /^[0-9A-Z $%*+\-./:]+$/;
/** A longer text has no room for more correction: squares on a phone's screen become smaller than a camera sees. */
const MEDIUM_MAX_CHARACTERS = 900;

export interface CodePicture {
  /** Squares on a side, with the border. */
  readonly side: number;
  /** Whether the square is dark, row by row. */
  readonly squares: Uint8Array;
}

/** Return the code of a text; throws what the encoder throws where it is longer than a code holds. */
export function codeOf(text: string): CodePicture {
  const rows = encodeQR(text, "raw", {
    ecc: correctionOf(text),
    encoding: ALPHANUMERIC.test(text) ? "alphanumeric" : "byte",
    border: BORDER_MODULES,
  });
  return { side: rows.length, squares: Uint8Array.from(rows.flat(), Number) };
}

/** Return how much correction a text gets: on a clean screen little is needed, and large squares help more. */
export function correctionOf(text: string): ErrorCorrection {
  return text.length <= MEDIUM_MAX_CHARACTERS ? "medium" : "low";
}

/** Return the device pixels of a square, whole ones, so that all squares are of one size. */
export function pixelsFor(side: number, boxWidth: number, pixelRatio: number): number {
  return Math.max(1, Math.floor((boxWidth * pixelRatio) / side));
}
