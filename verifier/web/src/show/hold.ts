/**
 * What is shown only while somebody holds it: a machine of five states, without DOM and with the caller's clock.
 *
 *     hidden --press--> pressing --a moment--> held --release, limit--> hidden
 *     hidden --step--> armed --step--> opened --step, limit--> hidden
 *
 * A short moment passes before anything shows, so that a touch by mistake or the start of a scroll shows nothing.
 * Whoever cannot hold takes two steps: the first shows nothing either, and lapses. `hide` leads to hidden from anywhere:
 * the page lost the focus, or is no longer seen.
 */

export interface Timers {
  set(call: () => void, ms: number): number;
  clear(id: number): void;
}

export type Showing = "hidden" | "pressing" | "held" | "armed" | "opened";

export const PRESS_MS = 150;
/** How long what the bearer opened is shown at most. */
export const SHOWN_MS = 10_000;
/** How long the second of two steps waits: switches are slow. */
export const ARMED_MS = 30_000;

export class Hold {
  #showing: Showing = "hidden";
  #timer: number | undefined;
  readonly #timers: Timers;
  readonly #shownMs: number;
  readonly #changed: (showing: Showing) => void;

  constructor(timers: Timers, shownMs: number, changed: (showing: Showing) => void) {
    this.#timers = timers;
    this.#shownMs = shownMs;
    this.#changed = changed;
  }

  get showing(): Showing {
    return this.#showing;
  }

  /** Whether what is held is to be seen now. */
  get isShown(): boolean {
    return isShown(this.#showing);
  }

  press(): void {
    if (this.#showing === "held" || this.#showing === "pressing") return;
    this.#go("pressing", PRESS_MS, () => this.#go("held", this.#shownMs, () => this.hide()));
  }

  release(): void {
    if (this.#showing === "held" || this.#showing === "pressing") this.hide();
  }

  /** One step of those who cannot hold. */
  step(): void {
    if (this.#showing === "hidden") this.#go("armed", ARMED_MS, () => this.hide());
    else if (this.#showing === "armed") this.#go("opened", this.#shownMs, () => this.hide());
    else this.hide();
  }

  /** Somebody uses what two steps opened: its time begins anew. */
  extend(): void {
    if (this.#showing === "opened") this.#go("opened", this.#shownMs, () => this.hide());
  }

  hide(): void {
    this.#go("hidden");
  }

  #go(showing: Showing, ms?: number, then?: () => void): void {
    if (this.#timer !== undefined) this.#timers.clear(this.#timer);
    this.#timer = ms === undefined || !then ? undefined : this.#timers.set(then, ms);
    if (showing === this.#showing) return;
    this.#showing = showing;
    this.#changed(showing);
  }
}

export function isShown(showing: Showing): boolean {
  return showing === "held" || showing === "opened";
}
