/**
 * Which of the texts that are seen are told to the page, and when.
 *
 * A camera sees the same code thirty times a second. A code of ours is told at once, and not again for three seconds.
 * Any other code, such as the address on a poster behind the card, is told only when it has been in view for a moment
 * with none of ours beside it, and then not again before it has left the view: otherwise "check another card" would
 * lead straight back to it, again and again.
 *
 *     const teller = new Teller();
 *     teller.see(["SC1:RRQT"], 0)      ->   { told: ["SC1:RRQT"], isOurs: true, foreign: undefined }
 *     teller.see(["SC1:RRQT"], 2999)   ->   { told: [], isOurs: true, foreign: undefined }
 *
 * Texts are remembered as a hash under a number that is drawn anew for each page, and not as what they are.
 */

import { type Recognised, recognise } from "../core/qr_text.ts";

export const SAME_TEXT_MS = 3000;
/** How long a code of another kind is in view before it is told. */
export const FOREIGN_DWELL_MS = 800;
/** How long a code of another kind is not seen before it counts as gone. */
export const FOREIGN_GONE_MS = 3000;
/** A code of another kind that was told stays known over a pause of the camera, such as a look at its result. */
export const PAUSE_MAX_MS = 120_000;

/** Kinds that are told at once, in the order in which they are told: a slip opens a card that is there. */
const OURS: readonly Recognised[] = ["credential", "seal_keys", "frame"];

export interface Seen {
  readonly told: readonly string[];
  /** Whether a code of ours is in view, told now or before. */
  readonly isOurs: boolean;
  /** Kind of the code of another kind that is in view and was told before. */
  readonly foreign: Recognised | undefined;
}

interface Foreign {
  readonly firstMs: number;
  readonly seenMs: number;
  readonly sightings: number;
  readonly isTold: boolean;
}

export class Teller {
  readonly #seed: number;
  readonly #toldMs = new Map<string, number>();
  readonly #foreign = new Map<string, Foreign>();

  constructor(seed = 0) {
    this.#seed = seed;
  }

  /** Take the texts that are seen at once; tell which of them go to the page. */
  see(texts: readonly string[], nowMs: number): Seen {
    this.#forget(nowMs);
    const seen = [...new Set(texts)].map((text) => ({ text, kind: recognise(text) }));
    const ours = OURS.flatMap((kind) => seen.filter((code) => code.kind === kind));
    if (ours.length > 0) {
      for (const [key, code] of this.#foreign) if (!code.isTold) this.#foreign.delete(key);
      const told = ours.map(({ text }) => text).filter((text) => this.#isDue(text, nowMs));
      return { told, isOurs: true, foreign: undefined };
    }
    const told = seen.filter(({ text }) => this.#isForeignDue(text, nowMs)).map(({ text }) => text);
    const known = seen.find(({ text }) => !told.includes(text) && this.#foreign.get(this.#key(text))?.isTold);
    return { told, isOurs: false, foreign: known?.kind };
  }

  /** The camera is on again: what was in view when it stopped counts as still in view. */
  resume(nowMs: number): void {
    for (const [key, code] of this.#foreign) {
      if (!code.isTold || nowMs - code.seenMs > PAUSE_MAX_MS) this.#foreign.delete(key);
      else this.#foreign.set(key, { ...code, seenMs: nowMs });
    }
  }

  #isDue(text: string, nowMs: number): boolean {
    const key = this.#key(text);
    if (this.#toldMs.has(key)) return false;
    this.#toldMs.set(key, nowMs);
    return true;
  }

  #isForeignDue(text: string, nowMs: number): boolean {
    const key = this.#key(text);
    const before = this.#foreign.get(key) ?? { firstMs: nowMs, sightings: 0, isTold: false };
    const sightings = before.sightings + 1;
    const isDue = !before.isTold && sightings > 1 && nowMs - before.firstMs >= FOREIGN_DWELL_MS;
    this.#foreign.set(key, { firstMs: before.firstMs, seenMs: nowMs, sightings, isTold: before.isTold || isDue });
    return isDue;
  }

  #forget(nowMs: number): void {
    for (const [key, toldMs] of this.#toldMs) if (nowMs - toldMs >= SAME_TEXT_MS) this.#toldMs.delete(key);
    for (const [key, code] of this.#foreign) if (nowMs - code.seenMs >= FOREIGN_GONE_MS) this.#foreign.delete(key);
  }

  /** FNV-1a twice, from two beginnings, and the length. */
  #key(text: string): string {
    let one = this.#seed ^ 0x811c9dc5;
    let two = ~this.#seed ^ 0x01000193;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      one = Math.imul(one ^ unit, 0x01000193);
      two = Math.imul(two ^ (unit + at), 0x01000193);
    }
    return `${text.length} ${one >>> 0} ${two >>> 0}`;
  }
}
