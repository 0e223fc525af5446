/**
 * The ledgers of a station with their lists, in memory and on the phone: every change of one is verified first, written
 * in one transaction, and decided anew where another open page was faster.
 */

import { CodedError } from "../core/errors.ts";
import { judgeHead, originOf, type OtherHead, parseHeadFile } from "../core/heads.ts";
import type { Pin } from "../core/pin.ts";
import type { Found, Kept } from "./kept.ts";
import { forkFiles, type Ledger, openLedger, takeList } from "./ledger.ts";
import type { ForkOutcome, HeadOutcome, ListOutcome } from "./outcomes.ts";
import type { AppliedDelta, EvidenceFile } from "./store.ts";

/** Files of evidence that are kept of one ledger; the first contradiction proves what a hundredth does not add to. */
const EVIDENCE_MAX = 8;
/** How often a change is tried anew after another page was faster. */
const TRIES = 5;

/** A list, with the deltas that led to it. */
export interface MadeList {
  readonly data: Uint8Array;
  readonly deltas: readonly AppliedDelta[];
}

export class Shelf {
  readonly #kept: Kept;
  readonly #ledgers = new Map<string, Ledger>();
  #evidence: readonly EvidenceFile[];
  #hasBroken: boolean;
  #turn: Promise<unknown> = Promise.resolve();

  /** Verify all that was found. */
  constructor(kept: Kept, { records, brokenRecords, evidence }: Found) {
    this.#kept = kept;
    this.#evidence = evidence;
    this.#hasBroken = brokenRecords > 0;
    for (const record of records) {
      try {
        this.#ledgers.set(record.origin, openLedger(record));
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        this.#hasBroken = true;
      }
    }
  }

  /** By origin. */
  get ledgers(): readonly Ledger[] {
    return [...this.#ledgers.values()].sort((one, other) => (one.record.origin < other.record.origin ? -1 : 1));
  }

  get evidence(): readonly EvidenceFile[] {
    return this.#evidence;
  }

  /** Whether something that was kept is no ledger at all; it is not used, and a new pin takes its place. */
  get hasBroken(): boolean {
    return this.#hasBroken;
  }

  get pins(): Pin[] {
    return this.ledgers.map(({ pin }) => pin);
  }

  ledger(origin: string): Ledger | undefined {
    return this.#ledgers.get(origin);
  }

  /**
   * Use a list from now on. `make` gives it from the ledger at hand, and is asked again where another page was faster.
   *
   * Throws bundle_invalid where the ledger is not believed, or the list does not verify or is older; what `make` throws.
   */
  async take(origin: string, make: (ledger: Ledger) => MadeList): Promise<ListOutcome | ForkOutcome> {
    const before = this.#ledgers.get(origin)?.trusted;
    let tried: Uint8Array | undefined;
    try {
      const now = await this.change(origin, (ledger) => {
        if (!ledger) throw new CodedError("bundle_invalid", "the list is of a ledger that is not pinned", "origin", 2);
        const { data, deltas } = make(ledger);
        tried = data;
        return takeList(ledger, data, deltas);
      });
      const isSame = before?.treeSize === now?.trusted?.treeSize && before?.nowMinS === now?.trusted?.nowMinS;
      return { kind: "list", origin, result: before ? (isSame ? "same" : "newer") : "first" };
    } catch (error) {
      if (!(error instanceof CodedError) || error.code !== "fork" || !tried) throw error;
      await this.#keepFork(origin, parseHeadFile(tried));
      return { kind: "fork", origin };
    }
  }

  /**
   * Compare the head of another station with the list at hand; a fork is kept as evidence.
   *
   * Throws bad_input for a ledger that is not believed, no_bundle where there is no list; else as `judgeHead`.
   */
  async compare(other: OtherHead): Promise<HeadOutcome> {
    const origin = originOf(other);
    const ledger = this.#ledgers.get(origin);
    if (!ledger) throw new CodedError("bad_input", "a head of a ledger that this station does not believe", "origin");
    const { trusted, pin } = ledger;
    if (!trusted) throw new CodedError("no_bundle", "no list is loaded", "bundle");
    const judged = judgeHead(trusted, other, pin);
    if (judged.relation === "fork") await this.#keepFork(origin, other);
    return { kind: "head", origin, judged, own: { treeSize: trusted.treeSize, rootHash: trusted.rootHash } };
  }

  /** Change a ledger and write it, one change after the other; undefined is a ledger that is not believed. */
  async change(origin: string, decide: (ledger: Ledger | undefined) => Ledger | undefined): Promise<Ledger | undefined> {
    const work = this.#turn.then(() => this.#changeNow(origin, decide));
    this.#turn = work.catch(() => {});
    return work;
  }

  /** Forget what is in memory; the store is wiped by its own. */
  clear(): void {
    this.#ledgers.clear();
    this.#evidence = [];
    this.#hasBroken = false;
  }

  async #changeNow(origin: string, decide: (ledger: Ledger | undefined) => Ledger | undefined): Promise<Ledger | undefined> {
    for (let left = TRIES; left > 0; left -= 1) {
      const before = this.#ledgers.get(origin);
      const next = decide(before);
      if (next === before) return next;
      if ((await this.#kept.saveLedger(origin, next?.record)) === "done") {
        this.#set(origin, next);
        return next;
      }
      const record = await this.#kept.reload(origin);
      this.#set(origin, record && openLedger(record));
    }
    throw new CodedError("bad_input", "another page changes this ledger all the time", "pin");
  }

  async #keepFork(origin: string, { note, bundle }: OtherHead): Promise<void> {
    const ledger = this.#ledgers.get(origin);
    const known = new Set(this.#evidence.map(({ name }) => name));
    const files = (ledger ? forkFiles(ledger, note, bundle) : []).filter(({ name }) => !known.has(name));
    if (this.#evidence.filter((file) => file.origin === origin).length >= EVIDENCE_MAX) return;
    this.#evidence = [...this.#evidence, ...files];
    await this.#kept.keepEvidence(files);
  }

  #set(origin: string, ledger: Ledger | undefined): void {
    if (ledger) this.#ledgers.set(origin, ledger);
    else this.#ledgers.delete(origin);
  }
}
