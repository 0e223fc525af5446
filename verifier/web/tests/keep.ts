/**
 * Runs the phone's station for another process, without a browser: one JSON object a line in, one a line out, in order.
 *
 *     {"form": "open", "input": {"station": "a", "store": "phone-1"}}
 *     {"form": "receive", "input": {"station": "a", "kind": "bundle", "bytes": "a801..."}}
 *
 * Stores live as long as the process, so a second `open` of one store is a second visit, or another open page. `serve`
 * says what the network answers, by path: bytes in hex, null for 404, "cut" for a line that breaks off.
 */

import { fromHex, toHex } from "../src/core/bytes.ts";
import { CodedError } from "../src/core/errors.ts";
import { parsePin } from "../src/core/pin.ts";
import { FetchError, fetchBytes } from "../src/keep/fetching.ts";
import type { Outcome } from "../src/keep/outcomes.ts";
import { PhoneStation } from "../src/keep/phone_station.ts";
import { formatPin } from "../src/keep/pins.ts";
import { FIRST_SETTINGS, parseSettings } from "../src/keep/settings.ts";
import { type EvidenceFile, type LedgerRecord, MemoryStore, type Store, StoreError } from "../src/keep/store.ts";
import { parseStationFile } from "../src/keep/sync_plan.ts";
import { pathFor } from "../src/worker/files.ts";
import { eachLine } from "./lines.ts";

type Input = any;

/** A store whose room runs out when a test says so. */
class TightStore extends MemoryStore {
  isFull = false;

  override async saveSettings(settings: object): Promise<void> {
    if (this.isFull) throw new StoreError("full");
    return super.saveSettings(settings);
  }

  override async replaceLedger(origin: string, before: number | undefined, next: LedgerRecord | undefined) {
    if (this.isFull) throw new StoreError("full");
    return super.replaceLedger(origin, before, next);
  }

  override async keepEvidence(file: EvidenceFile): Promise<void> {
    if (this.isFull) throw new StoreError("full");
    return super.keepEvidence(file);
  }
}

const stores = new Map<string, TightStore>();
const stations = new Map<string, PhoneStation>();
let answers: Record<string, string | null> = {};
let asked: string[] = [];
let nowS = 1_800_000_000;

async function answer(address: string): Promise<Response> {
  asked.push(address);
  const body = answers[address];
  if (body === undefined) throw new TypeError("no network");
  if (body === null) return new Response(null, { status: 404 });
  if (body === "cut") return new Response(new Uint8Array(10), { headers: { "content-length": "20" } });
  return new Response(fromHex(body) as Uint8Array<ArrayBuffer>);
}

function storeOf(name: string): TightStore {
  const store = stores.get(name) ?? new TightStore();
  stores.set(name, store);
  return store;
}

async function openStore(name: string | null): Promise<Store> {
  if (name === null) throw new StoreError("denied");
  return storeOf(name);
}

async function open({ station, store }: Input): Promise<unknown> {
  const opened = await PhoneStation.open({
    openStore: () => openStore(store),
    fetch: answer,
    nowS: () => nowS,
    pause: async () => {},
    persist: async () => true,
  });
  // The first visit fetches on its own; a test waits for that.
  if (opened.isSyncing) await opened.sync();
  stations.set(station, opened);
  return state(opened);
}

function state(station: PhoneStation): unknown {
  return {
    ledgers: station.ledgers.map(({ record, pin, trusted, damage }) => ({
      origin: record.origin,
      source: record.source,
      pin: formatPin(pin),
      tree_size: trusted?.treeSize ?? null,
      time_s: trusted?.nowMinS ?? null,
      bundle: trusted && record.bundle ? toHex(record.bundle) : null,
      least: record.head === undefined ? null : (parsePin(record.head).least?.size ?? null),
      damage: damage?.code ?? null,
      deltas: record.deltas.length,
    })),
    lists: station.lists.length,
    evidence: station.evidence.map(({ name }) => name).sort(),
    offers: station.offers.map(({ pin }) => formatPin(pin)),
    others: station.others.map(({ origin }) => origin),
    store_problem: station.storeProblem ?? null,
    broken: station.hasBrokenRecords,
    data_used: station.dataUsedBytes,
    post: station.settings.post ?? null,
    news: told(station.news),
  };
}

function told(outcome: Outcome | undefined): unknown {
  if (!outcome) return null;
  if (outcome.kind === "head") return { kind: "head", relation: outcome.judged.relation };
  if (outcome.kind === "sync") {
    const ledgers = outcome.ledgers.map(({ leftBytes, ...rest }) => ({ ...rest, left: leftBytes }));
    return { kind: "sync", problem: outcome.problem ?? null, ledgers, received: outcome.receivedBytes };
  }
  return outcome;
}

async function tamper({ store, origin, place }: Input): Promise<unknown> {
  const record = (await storeOf(store).ledger(origin)) as LedgerRecord;
  const bundle = record.bundle!.slice();
  bundle[place % bundle.length]! ^= 1;
  return storeOf(store).replaceLedger(origin, record.revision, { ...record, bundle });
}

async function fetchAll({ size, cap, announced, stall_ms, stop }: Input): Promise<unknown> {
  const pieces: number[] = [];
  const controller = new AbortController();
  if (stop) setTimeout(() => controller.abort(), 20);
  const fetch = async (_address: string, { signal }: RequestInit) => {
    const body = new ReadableStream<Uint8Array>({
      async pull(stream) {
        if (pieces.reduce((sum, piece) => sum + piece, 0) < size) stream.enqueue(new Uint8Array(1000));
        else if (stall_ms) await new Promise((_, fail) => signal!.addEventListener("abort", () => fail(signal!.reason)));
        else stream.close();
      },
    });
    return new Response(body, announced === null ? {} : { headers: { "content-length": String(announced) } });
  };
  try {
    const data = await fetchBytes(fetch, "./x", {
      capBytes: cap,
      signal: controller.signal,
      onBytes: (piece) => pieces.push(piece),
      stallTimeoutMs: stall_ms || 5000,
    });
    return { bytes: data?.length ?? null };
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    return { problem: error.problem };
  }
}

const FORMS: Record<string, (input: Input) => unknown> = {
  open,
  tamper,
  fetch: fetchAll,
  serve: (input) => {
    answers = input;
    asked = [];
    return null;
  },
  asked: () => asked,
  clock: (input) => {
    nowS = input;
    return null;
  },
  fill: ({ store, full }) => {
    storeOf(store).isFull = full;
    return null;
  },
  state: ({ station }) => state(stations.get(station)!),
  receive: async ({ station, kind, bytes }) => told(await stations.get(station)!.receive(kind, fromHex(bytes))),
  receive_shared: async ({ station, size, is_gone }) => {
    let reads = 0;
    const arrayBuffer = async () => {
      reads += 1;
      if (is_gone) throw new DOMException("the file is gone", "NotFoundError");
      return new ArrayBuffer(4);
    };
    const outcome = await stations.get(station)!.receiveShared({ size, arrayBuffer } as unknown as Blob);
    return { outcome: told(outcome), reads };
  },
  believe: async ({ station, pin }) => {
    await stations.get(station)!.believe(parsePin(pin));
    return null;
  },
  decline: async ({ station, pin }) => stations.get(station)!.decline(parsePin(pin)) ?? null,
  forget: async ({ station, origin }) => {
    await stations.get(station)!.forget(origin);
    return null;
  },
  sync: async ({ station, whole }) => told(await stations.get(station)!.sync({ whole: whole ?? false })),
  save: async ({ station, post }) => {
    await stations.get(station)!.save({ ...FIRST_SETTINGS, post });
    return null;
  },
  remove: async ({ station }) => {
    await stations.get(station)!.removeEverything();
    return null;
  },
  settings: (value) => parseSettings(value),
  station_file: (text) => parseStationFile(text).map(({ pin, list }) => [pin.origin, list?.sizeBytes ?? null]),
  path: ({ url, method, mode }) =>
    pathFor({ url, method, mode }, "https://station.example/phone/", new Set(["index.html", "assets/a.js"])) ?? null,
};

async function run(form: string, input: Input): Promise<unknown> {
  try {
    const ask = FORMS[form];
    if (!ask) return { outcome: "defect", result: `unknown form ${form}` };
    return { outcome: "ok", result: (await ask(input)) ?? null };
  } catch (error) {
    if (error instanceof CodedError) return { outcome: error.code, field: error.field, result: {} };
    return { outcome: "defect", result: error instanceof Error ? String(error.stack) : String(error) };
  }
}

await eachLine(({ form, input }) => run(form, input));
