/**
 * Codes that were typed or pasted as text: one to a line, as in the station's plain page.
 *
 *     linesOf("SC1:AB \r\n\r\nSCK1:CD")   ->   ["SC1:AB ", "SCK1:CD"]
 *
 * Spaces stay: Base45 has them, and a code may end in one.
 */

import { TEXT_MAX_CHARACTERS } from "../core/qr_text.ts";

export const LINES_MAX = 16;

/** Return the lines that hold more than spaces, at most 16; each is cut one character above what any code holds. */
export function linesOf(text: string): string[] {
  return text
    .slice(0, LINES_MAX * 2 * TEXT_MAX_CHARACTERS)
    .split("\n")
    .map((line) => line.replace(/^\r+|\r+$/g, ""))
    .filter((line) => line.trim() !== "")
    .slice(0, LINES_MAX)
    .map((line) => line.slice(0, TEXT_MAX_CHARACTERS + 1));
}
