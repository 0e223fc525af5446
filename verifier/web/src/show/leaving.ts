/**
 * When a result goes away by itself, without DOM and with the caller's clock.
 *
 * Nothing of a check is kept, and a result that lies about on a phone is kept. So it goes 120 s after the last touch,
 * with a notice in its last 30 s that any touch or key answers (WCAG 2.2.1: at least 20 s, and as often as one likes).
 * When the page is hidden its picture is taken away at once, because the list of running apps shows pictures; it comes
 * back where the page is seen again within 10 s, which is a notification or a mistaken touch, and is gone after that:
 * another app, a locked screen, another hand. To read the card again takes two seconds.
 */

import type { Timers } from "./hold.ts";

export const QUIET_MS = 90_000;
export const NOTICE_MS = 30_000;
export const AWAY_MS = 10_000;

export class Leaving {
  #timer: number | undefined;
  #isNoticed = false;
  readonly #timers: Timers;
  readonly #noticed: (isNoticed: boolean) => void;
  readonly #gone: () => void;

  constructor(timers: Timers, noticed: (isNoticed: boolean) => void, gone: () => void) {
    this.#timers = timers;
    this.#noticed = noticed;
    this.#gone = gone;
  }

  /** Somebody uses the result, or it has just come. */
  used(): void {
    this.#say(false);
    this.#after(QUIET_MS, () => {
      this.#say(true);
      this.#after(NOTICE_MS, this.#gone);
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#timer = undefined;
  }

  #say(isNoticed: boolean): void {
    if (isNoticed === this.#isNoticed) return;
    this.#isNoticed = isNoticed;
    this.#noticed(isNoticed);
  }

  #after(ms: number, call: () => void): void {
    this.stop();
    this.#timer = this.#timers.set(call, ms);
  }
}

/** Whether a page that was left and is seen again has been away for too long; a clock that went back cannot tell. */
export function isAwayTooLong(leftMs: number, backMs: number, awayMs = AWAY_MS): boolean {
  return !(backMs >= leftMs && backMs - leftMs < awayMs);
}
