/** Pins as text, and what a further pin means to a station that has some (verifier/station.py, `set_pin`). */

import { equal, toHex } from "../core/bytes.ts";
import type { Pin } from "../core/pin.ts";

/** Return the text of a pin file, as `format_pin` of the Python station writes it. */
export function formatPin({ origin, charterHash, least }: Pin): string {
  const value: Record<string, unknown> = { origin, charter: toHex(charterHash) };
  if (least) value["least"] = { size: least.size, root: toHex(least.root) };
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Whether two pins believe one ledger. */
export function isSameLedger(one: Pin, other: Pin): boolean {
  return one.origin === other.origin && equal(one.charterHash, other.charterHash);
}

/** Return the pin with the larger of the two least trees of one ledger. */
export function withLargerLeast(one: Pin, other: Pin | undefined): Pin {
  if (!other?.least || !isSameLedger(one, other)) return one;
  return one.least && one.least.size >= other.least.size ? one : other;
}

/**
 * What a pin is to the pins at hand: one that is believed already ("known"), another ledger under a name that is taken
 * ("other"), or a ledger that the station does not know ("new").
 */
export function relatePin(known: readonly Pin[], pin: Pin): "known" | "other" | "new" {
  const sameOrigin = known.find(({ origin }) => origin === pin.origin);
  if (!sameOrigin) return "new";
  return isSameLedger(sameOrigin, pin) ? "known" : "other";
}
