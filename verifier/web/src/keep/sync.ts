/**
 * Bringing the station up to date from the one that serves this page, with as little data as can be.
 *
 *     GET ./station.json                         pins and newest lists of the serving station
 *     GET ./ledgers/0/deltas/2026-11-21          daily deltas, oldest first, else
 *     GET ./ledgers/0/bundle                     the whole list
 *
 * At the first visit the pins come from here too. Later a pin of the server is compared and never taken on its own.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { MAX_BUNDLE_SIZE } from "../core/bundle.ts";
import { equal, toHex } from "../core/bytes.ts";
import { CodedError } from "../core/errors.ts";
import type { Pin } from "../core/pin.ts";
import { FetchError } from "./fetching.ts";
import { followDelta, type Ledger } from "./ledger.ts";
import type { SyncedLedger, SyncOutcome } from "./outcomes.ts";
import type { MadeList } from "./shelf.ts";
import type { AppliedDelta } from "./store.ts";
import { isStillWorth, missingDays, parseStationFile, type ServedLedger, type ServedList } from "./sync_plan.ts";

const STATION_MAX_BYTES = 256 * 1024;

/** What a synchronisation needs of the station. */
export interface SyncPort {
  ledger(origin: string): Ledger | undefined;
  /** Believe a pin of the server if none is believed yet, else offer or refuse it; throws CodedError where too many wait. */
  meetPin(pin: Pin): Promise<"known" | "taken" | "offered" | "other">;
  /** Verify a list and use it, or keep both sides of a fork; throws CodedError where it is refused. */
  take(origin: string, made: MadeList): Promise<"list" | "fork">;
  /** Bytes of an address below the page's own, undefined for 404; throws FetchError. */
  get(address: string, capBytes: number, origin: string): Promise<Uint8Array | undefined>;
  /** Bytes that came since the synchronisation began. */
  receivedBytes(): number;
}

/** Fetch what the station lacks and use it; `whole` fetches whole lists in any case. */
export async function syncStation(port: SyncPort, whole: boolean): Promise<SyncOutcome> {
  const ledgers: SyncedLedger[] = [];
  const outcome = (problem: SyncOutcome["problem"]): SyncOutcome => ({
    kind: "sync",
    ledgers,
    receivedBytes: port.receivedBytes(),
    problem,
  });
  try {
    const answer = await port.get("./station.json", STATION_MAX_BYTES, "");
    if (!answer) return outcome("not_reachable");
    for (const served of parseStationFile(new TextDecoder().decode(answer))) {
      ledgers.push(await syncLedger(port, served, whole));
    }
  } catch (error) {
    if (error instanceof FetchError) return outcome(error.problem);
    if (error instanceof CodedError) return outcome("bad_answer");
    throw error;
  }
  return outcome(undefined);
}

async function syncLedger(port: SyncPort, served: ServedLedger, whole: boolean): Promise<SyncedLedger> {
  const { origin } = served.pin;
  const said = (result: SyncedLedger["result"], more: Partial<SyncedLedger> = {}): SyncedLedger => ({
    origin,
    result,
    code: undefined,
    deltas: 0,
    leftBytes: 0,
    ...more,
  });
  try {
    const met = await port.meetPin(served.pin);
    if (met === "offered" || met === "other") return said(met);
    if (!served.list) return said("no_list");
    if (isAtHand(port.ledger(origin), served.list)) return said("same");
    const deltas = whole ? 0 : await tryDeltas(port, served, served.list);
    if (deltas === "fork") return said("fork");
    if (deltas) {
      const isAll = isAtHand(port.ledger(origin), served.list);
      return said("newer", { deltas, leftBytes: isAll ? 0 : served.list.sizeBytes });
    }
    const data = await port.get(`./ledgers/${served.number}/bundle`, MAX_BUNDLE_SIZE, origin);
    if (!data) return said("no_list");
    const taken = port.ledger(origin)?.trusted ? "newer" : "first";
    return said((await port.take(origin, { data, deltas: [] })) === "fork" ? "fork" : taken);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return said("refused", { code: error.code });
  }
}

/**
 * Follow the missing deltas and use the list that they lead to; return how many they were, 0 where the whole list is to
 * be fetched: there are none, one is missing, they cost more, or what they lead to is not a list that is taken. The
 * whole list then says what is the matter. A fork is one however it came.
 */
async function tryDeltas(port: SyncPort, served: ServedLedger, list: ServedList): Promise<number | "fork"> {
  const { origin } = served.pin;
  const ledger = port.ledger(origin);
  if (!ledger?.trusted) return 0;
  const days = stillMissing(ledger, missingDays(ledger.trusted.nowMinS, list));
  const applied: AppliedDelta[] = [];
  let data = ledger.record.bundle;
  let received = 0;
  try {
    for (const [done, day] of days.entries()) {
      if (done && !isStillWorth(received, done, days.length, list.sizeBytes)) return 0;
      const delta = await port.get(`./ledgers/${served.number}/deltas/${day}`, MAX_BUNDLE_SIZE, origin);
      if (!delta) return 0;
      received += delta.length;
      const followed = followDelta(data, delta);
      data = followed.data;
      applied.push(followed.applied);
    }
    if (!data || !ledger.record.bundle || equal(data, ledger.record.bundle)) return 0;
    if ((await port.take(origin, { data, deltas: applied })) === "fork") return "fork";
  } catch (error) {
    const isStopped = error instanceof FetchError && error.problem === "stopped";
    if (isStopped || !(error instanceof CodedError || error instanceof FetchError)) throw error;
    return 0;
  }
  return applied.length;
}

/** Leave out the day of the list itself where its delta has led to the list: it would bring nothing. */
function stillMissing({ record, trusted }: Ledger, days: readonly string[]): readonly string[] {
  return record.deltas.at(-1)?.toSize === trusted?.treeSize ? days.slice(1) : days;
}

function isAtHand(ledger: Ledger | undefined, list: ServedList): boolean {
  const bundle = ledger?.trusted && ledger.record.bundle;
  return bundle !== undefined && bundle.length === list.sizeBytes && toHex(sha256(bundle)) === list.sha256;
}
