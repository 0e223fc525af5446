/**
 * What is kept, with memory in its place for one visit where the phone keeps nothing.
 *
 * A phone without room, a private window and a browser that forbids storage are no reason to judge no cards: what
 * could not be written lives as long as the page, and `problem` says so.
 */

import {
  type EvidenceFile,
  type LedgerRecord,
  parseEvidence,
  parseRecord,
  type Store,
  StoreError,
  type StoreProblem,
} from "./store.ts";

/** What a start finds. */
export interface Found {
  readonly settings: unknown;
  readonly records: readonly LedgerRecord[];
  /** How many records were there that have not the form of one. */
  readonly brokenRecords: number;
  readonly evidence: readonly EvidenceFile[];
  readonly dataUsed: ReadonlyMap<string, number>;
}

const NOTHING: Found = { settings: undefined, records: [], brokenRecords: 0, evidence: [], dataUsed: new Map() };

export class Kept {
  #store: Store | undefined;
  #problem: StoreProblem | undefined;
  /** Revision of each record as this page last saw it in the store. */
  readonly #revisions = new Map<string, number>();

  /** Why this visit leaves nothing; undefined where all is kept. */
  get problem(): StoreProblem | undefined {
    return this.#problem;
  }

  /** Open a store and read it; a store that cannot be opened or read is a visit without one. */
  static async open(openStore: () => Promise<Store>): Promise<{ kept: Kept; found: Found }> {
    const kept = new Kept();
    const found = await kept.#attempt(async () => {
      const store = await openStore();
      const found = await readAll(store);
      kept.#store = store;
      return found;
    });
    for (const { origin, revision } of found?.records ?? []) kept.#revisions.set(origin, revision);
    return { kept, found: found ?? NOTHING };
  }

  async saveSettings(settings: object): Promise<void> {
    await this.#write((store) => store.saveSettings(settings));
  }

  /**
   * Write what a ledger became; undefined removes it. "changed" where another page wrote it first: `reload` it, and
   * decide anew.
   */
  async saveLedger(origin: string, next: LedgerRecord | undefined): Promise<"done" | "changed"> {
    const before = this.#revisions.get(origin);
    const isWritten = await this.#write((store) => store.replaceLedger(origin, before, next));
    if (isWritten === false) return "changed";
    if (isWritten && next) this.#revisions.set(origin, next.revision);
    else if (isWritten) this.#revisions.delete(origin);
    return "done";
  }

  /** Return the record as another page wrote it; undefined where it removed it. */
  async reload(origin: string): Promise<LedgerRecord | undefined> {
    const record = parseRecord(await this.#write((store) => store.ledger(origin)));
    if (record) this.#revisions.set(origin, record.revision);
    else this.#revisions.delete(origin);
    return record;
  }

  async keepEvidence(files: readonly EvidenceFile[]): Promise<void> {
    for (const file of files) await this.#write((store) => store.keepEvidence(file));
  }

  async addDataUsed(month: string, bytes: number): Promise<void> {
    await this.#write((store) => store.addDataUsed(month, bytes));
  }

  /** Remove all of it; nothing is written any more afterwards. */
  async wipe(): Promise<void> {
    const store = this.#store;
    this.#store = undefined;
    this.#problem = "denied";
    this.#revisions.clear();
    await store?.wipe();
  }

  /** Do something with the store, where there is one; what went well says that there is room again. */
  async #write<T>(work: (store: Store) => Promise<T>): Promise<T | undefined> {
    const store = this.#store;
    if (!store) return undefined;
    return this.#attempt(async () => {
      const result = await work(store);
      this.#problem = undefined;
      return result;
    });
  }

  async #attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#problem = error.problem;
      return undefined;
    }
  }
}

async function readAll(store: Store): Promise<Found> {
  const [settings, records, evidence, dataUsed] = [
    await store.settings(),
    await store.ledgers(),
    await store.evidence(),
    await store.dataUsed(),
  ];
  const parsed = records.map(parseRecord);
  return {
    settings,
    records: parsed.filter((record) => record !== undefined),
    brokenRecords: parsed.filter((record) => record === undefined).length,
    evidence: evidence.map(parseEvidence).filter((file) => file !== undefined),
    dataUsed,
  };
}
