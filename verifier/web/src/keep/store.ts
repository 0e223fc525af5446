/**
 * What a phone keeps, and the two places where it can be: IndexedDB (`database.ts`), or memory for one visit.
 *
 * There are five kinds of values, all of them public or the station's own: settings, one record per ledger, evidence of
 * a fork, data used by month, and nothing of any scan. What comes out of a store is not trusted more than a stick that
 * somebody found: `parseRecord` looks at its form, `ledger.ts` verifies it.
 */

/** Why nothing can be kept: the phone has no room left, or the browser allows no storage here. */
export type StoreProblem = "full" | "denied";

export class StoreError extends Error {
  readonly problem: StoreProblem;

  constructor(problem: StoreProblem) {
    super(`nothing can be kept: ${problem}`);
    this.name = "StoreError";
    this.problem = problem;
  }
}

/** Where a pin came from: the station that served the page at the first visit, or a file or code that somebody took. */
export type PinSource = "served" | "taken";

/** A daily delta that led to the list at hand, kept to be handed on. */
export interface AppliedDelta {
  readonly fromSize: number;
  readonly toSize: number;
  readonly bytes: Uint8Array;
}

/** All that is kept of one ledger. It is written as a whole, so a list and its least tree never part. */
export interface LedgerRecord {
  readonly origin: string;
  /** Text of the pin, as in a pin file. */
  readonly pin: string;
  readonly source: PinSource;
  /** The newest list that was accepted. */
  readonly bundle: Uint8Array | undefined;
  /** Text of a pin whose least tree is the largest that was ever accepted; it outlives a list that was damaged. */
  readonly head: string | undefined;
  /** Oldest first. */
  readonly deltas: readonly AppliedDelta[];
  /** Counts the changes, so that two open pages never overwrite each other's. */
  readonly revision: number;
}

/** One file that proves or shows a contradiction of a ledger. */
export interface EvidenceFile {
  readonly name: string;
  readonly origin: string;
  readonly bytes: Uint8Array;
}

/** Every method but `wipe` throws StoreError where the store cannot do it. */
export interface Store {
  settings(): Promise<unknown>;
  saveSettings(settings: object): Promise<void>;
  ledgers(): Promise<unknown[]>;
  ledger(origin: string): Promise<unknown>;
  /**
   * Write a record in one transaction, if the stored one still has the revision `before` (undefined: there is none);
   * tell whether it had. `next` undefined removes it.
   */
  replaceLedger(origin: string, before: number | undefined, next: LedgerRecord | undefined): Promise<boolean>;
  evidence(): Promise<unknown[]>;
  /** Keep a file; one of this name that is there stays. */
  keepEvidence(file: EvidenceFile): Promise<void>;
  /** Bytes by month, as "2026-11". */
  dataUsed(): Promise<ReadonlyMap<string, number>>;
  addDataUsed(month: string, bytes: number): Promise<void>;
  /** Remove all of it. */
  wipe(): Promise<void>;
}

/** A store for one visit. */
export class MemoryStore implements Store {
  #settings: object | undefined;
  readonly #ledgers = new Map<string, LedgerRecord>();
  readonly #evidence = new Map<string, EvidenceFile>();
  readonly #dataUsed = new Map<string, number>();

  async settings(): Promise<unknown> {
    return this.#settings;
  }

  async saveSettings(settings: object): Promise<void> {
    this.#settings = settings;
  }

  async ledgers(): Promise<unknown[]> {
    return [...this.#ledgers.values()];
  }

  async ledger(origin: string): Promise<unknown> {
    return this.#ledgers.get(origin);
  }

  async replaceLedger(origin: string, before: number | undefined, next: LedgerRecord | undefined): Promise<boolean> {
    if (this.#ledgers.get(origin)?.revision !== before) return false;
    if (next) this.#ledgers.set(origin, next);
    else this.#ledgers.delete(origin);
    return true;
  }

  async evidence(): Promise<unknown[]> {
    return [...this.#evidence.values()];
  }

  async keepEvidence(file: EvidenceFile): Promise<void> {
    if (!this.#evidence.has(file.name)) this.#evidence.set(file.name, file);
  }

  async dataUsed(): Promise<ReadonlyMap<string, number>> {
    return new Map(this.#dataUsed);
  }

  async addDataUsed(month: string, bytes: number): Promise<void> {
    this.#dataUsed.set(month, (this.#dataUsed.get(month) ?? 0) + bytes);
  }

  async wipe(): Promise<void> {
    this.#settings = undefined;
    for (const kept of [this.#ledgers, this.#evidence, this.#dataUsed]) kept.clear();
  }
}

/** Return a record that has the right form, undefined for anything else. */
export function parseRecord(value: unknown): LedgerRecord | undefined {
  if (!isObject(value)) return undefined;
  const { origin, pin, source, bundle, head, deltas, revision } = value;
  if (typeof origin !== "string" || typeof pin !== "string") return undefined;
  if (typeof revision !== "number" || !Number.isSafeInteger(revision)) return undefined;
  return {
    origin,
    pin,
    source: source === "served" ? "served" : "taken",
    bundle: bundle instanceof Uint8Array ? bundle : undefined,
    head: typeof head === "string" ? head : undefined,
    deltas: Array.isArray(deltas) ? deltas.filter(isDelta) : [],
    revision,
  };
}

/** Return a file of evidence that has the right form, undefined for anything else. */
export function parseEvidence(value: unknown): EvidenceFile | undefined {
  if (!isObject(value)) return undefined;
  const { name, origin, bytes } = value;
  const isForm = typeof name === "string" && typeof origin === "string" && bytes instanceof Uint8Array;
  return isForm ? { name, origin, bytes } : undefined;
}

function isDelta(value: unknown): value is AppliedDelta {
  if (!isObject(value)) return false;
  const { fromSize, toSize, bytes } = value;
  return Number.isSafeInteger(fromSize) && Number.isSafeInteger(toSize) && bytes instanceof Uint8Array;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
