/**
 * The store in IndexedDB: one database, four object stores.
 *
 *     station (version 1)
 *       settings   "settings" -> Settings
 *       ledgers    origin     -> LedgerRecord
 *       evidence   name       -> EvidenceFile
 *       data_used  "2026-11"  -> bytes
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { type EvidenceFile, type LedgerRecord, type Store, StoreError } from "./store.ts";

export const DATABASE = "station";
const VERSION = 1;
const SETTINGS_KEY = "settings";
/** Some browsers neither open a database nor say that they will not. */
const OPEN_TIMEOUT_MS = 8_000;
/** Months whose data used is kept: this one and the one before. */
const MONTHS_KEPT = 2;

const FIRST_STORES = ["settings", "ledgers", "evidence", "data_used"] as const;

interface Schema extends DBSchema {
  settings: { key: string; value: object };
  ledgers: { key: string; value: LedgerRecord };
  evidence: { key: string; value: EvidenceFile };
  data_used: { key: string; value: number };
}

/** Open the phone's store. Throws StoreError where the browser has none for this page. */
export async function openDatabase(): Promise<Store> {
  // Where storage is forbidden, some browsers throw before there is anything to wait for.
  const opening = told(async () => openSchema());
  const late = new Promise<undefined>((done) => setTimeout(done, OPEN_TIMEOUT_MS, undefined));
  const database = await Promise.race([opening, late]);
  if (database) return new DatabaseStore(database);
  void opening.then((opened) => opened.close()).catch(() => {});
  throw new StoreError("denied");
}

function openSchema(): Promise<IDBPDatabase<Schema>> {
  return openDB<Schema>(DATABASE, VERSION, {
    upgrade(database, before) {
      // Each version adds its step; none is ever changed.
      if (before < 1) for (const name of FIRST_STORES) database.createObjectStore(name);
    },
    blocking(_current, _blocked, event) {
      // Another page removes everything, or has a newer version: this one does not stand in its way.
      (event.target as IDBDatabase).close();
    },
  });
}

class DatabaseStore implements Store {
  readonly #database: IDBPDatabase<Schema>;

  constructor(database: IDBPDatabase<Schema>) {
    this.#database = database;
  }

  settings(): Promise<unknown> {
    return told(() => this.#database.get("settings", SETTINGS_KEY));
  }

  saveSettings(settings: object): Promise<void> {
    return told(async () => void (await this.#database.put("settings", settings, SETTINGS_KEY)));
  }

  ledgers(): Promise<unknown[]> {
    return told(() => this.#database.getAll("ledgers"));
  }

  ledger(origin: string): Promise<unknown> {
    return told(() => this.#database.get("ledgers", origin));
  }

  replaceLedger(origin: string, before: number | undefined, next: LedgerRecord | undefined): Promise<boolean> {
    return told(async () => {
      const transaction = this.#database.transaction("ledgers", "readwrite", { durability: "strict" });
      const { store } = transaction;
      const stored = await store.get(origin);
      const isAsBefore = stored?.revision === before;
      if (isAsBefore) {
        // An error of the request is one of the transaction, which is waited for.
        if (next) void store.put(next, origin).catch(() => {});
        else void store.delete(origin).catch(() => {});
      }
      await transaction.done;
      return isAsBefore;
    });
  }

  evidence(): Promise<unknown[]> {
    return told(() => this.#database.getAll("evidence"));
  }

  keepEvidence(file: EvidenceFile): Promise<void> {
    return told(async () => {
      const transaction = this.#database.transaction("evidence", "readwrite", { durability: "strict" });
      const { store } = transaction;
      if ((await store.getKey(file.name)) === undefined) void store.put(file, file.name).catch(() => {});
      await transaction.done;
    });
  }

  dataUsed(): Promise<ReadonlyMap<string, number>> {
    return told(async () => {
      const transaction = this.#database.transaction("data_used");
      const [months, bytes] = await Promise.all([transaction.store.getAllKeys(), transaction.store.getAll()]);
      return new Map(months.map((month, place) => [month, Number(bytes[place])]));
    });
  }

  addDataUsed(month: string, bytes: number): Promise<void> {
    return told(async () => {
      const transaction = this.#database.transaction("data_used", "readwrite");
      const { store } = transaction;
      await store.put(((await store.get(month)) ?? 0) + bytes, month);
      const months = (await store.getAllKeys()).toSorted();
      await Promise.all(months.slice(0, -MONTHS_KEPT).map((old) => store.delete(old)));
      await transaction.done;
    });
  }

  async wipe(): Promise<void> {
    // Emptied first: deleting the database waits for other pages that have it open, emptying does not.
    try {
      const names = [...this.#database.objectStoreNames];
      const transaction = this.#database.transaction(names, "readwrite", { durability: "strict" });
      await Promise.all([...names.map((name) => transaction.objectStore(name).clear()), transaction.done]);
    } catch {
      // A database that cannot be emptied can still be deleted.
    }
    this.#database.close();
    await deleteDatabase();
  }
}

/** Delete the database, also one that could not be opened. Pages that hold it open close it when they are asked. */
export function deleteDatabase(): Promise<void> {
  return new Promise((done) => {
    try {
      const request = indexedDB.deleteDatabase(DATABASE);
      request.onsuccess = request.onerror = () => done();
      setTimeout(done, OPEN_TIMEOUT_MS);
    } catch {
      done();
    }
  });
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeError(error);
  }
}

function storeError(error: unknown): unknown {
  if (error instanceof StoreError) return error;
  if (!(error instanceof DOMException) && !(error instanceof ReferenceError)) return error;
  return new StoreError(error.name === "QuotaExceededError" ? "full" : "denied");
}
