/**
 * What to ask the station that serves this page for: daily deltas first, else the whole list (verifier/sync.py).
 *
 * Pure: it reads `station.json` and counts days. Nothing of the answer is believed; it decides what is asked for, and
 * what comes is verified like a file from a stick.
 */

import { DAY_S, formatDay } from "../core/calendar_days.ts";
import { CodedError, malformed } from "../core/errors.ts";
import { parsePin, type Pin } from "../core/pin.ts";

/** A list that is older than this many days is fetched whole. */
export const MAX_DELTAS = 31;
/** No delta is smaller than its checkpoint with the signatures of a log and of two witnesses. */
const LEAST_DELTA_BYTES = 5 * 1024;
const MAX_LEDGERS = 16;
const MAX_SAFE_DAY_S = 253_402_300_800; // the year 10000

/** One ledger of the serving station; the list's values are undefined where it has none. */
export interface ServedLedger {
  readonly pin: Pin;
  /** Place in the station's answer, by which its files are asked for. */
  readonly number: number;
  readonly list: ServedList | undefined;
}

export interface ServedList {
  readonly timeS: number;
  readonly sizeBytes: number;
  /** SHA-256 of the bundle in hex. */
  readonly sha256: string;
}

/** Read `station.json`; throws malformed, or bad_input for a pin that is none. */
export function parseStationFile(text: string): ServedLedger[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("the station's answer is no JSON", "station");
  }
  const { version, ledgers } = record(value);
  if (version !== 1 || !Array.isArray(ledgers) || ledgers.length > MAX_LEDGERS) {
    throw malformed("not a station's answer of this version", "station");
  }
  const served = ledgers.map(parseLedger);
  if (new Set(served.map(({ pin }) => pin.origin)).size !== served.length) {
    throw malformed("two ledgers of one origin", "station");
  }
  return served;
}

/**
 * Return the days (YYYY-MM-DD, UTC, oldest first) whose deltas lead from a list of one time to the day before another.
 *
 * Empty where that is no day, more days than deltas are worth, or at least as much data as the whole list. The times
 * are those of the witnesses, so that a wrong clock of the phone asks for nothing wrong.
 */
export function missingDays(ownTimeS: number, served: ServedList): string[] {
  const first = Math.floor(ownTimeS / DAY_S);
  const last = Math.floor(served.timeS / DAY_S);
  const count = last - first;
  if (count < 1 || count > MAX_DELTAS || count * LEAST_DELTA_BYTES >= served.sizeBytes) return [];
  return Array.from({ length: count }, (_, place) => formatDay(first + place));
}

/** Whether deltas are still the cheaper way after `done` of `count` of them came as `received` bytes. */
export function isStillWorth(received: number, done: number, count: number, wholeBytes: number): boolean {
  const left = ((count - done) * received) / Math.max(done, 1);
  return left < wholeBytes;
}

function parseLedger(value: unknown, number: number): ServedLedger {
  const { pin, list_time_s: timeS, size_bytes: sizeBytes, sha256 } = record(value);
  const list = sha256 === undefined || sha256 === null ? undefined : parseList(timeS, sizeBytes, sha256);
  return { pin: readPin(pin), number, list };
}

function parseList(timeS: unknown, sizeBytes: unknown, sha256: unknown): ServedList {
  if (!isCount(timeS) || timeS >= MAX_SAFE_DAY_S || !isCount(sizeBytes)) {
    throw malformed("a list has a time and a size", "station");
  }
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw malformed("not a SHA-256", "station");
  return { timeS, sizeBytes, sha256 };
}

function readPin(value: unknown): Pin {
  const text = JSON.stringify(value);
  if (text === undefined) throw new CodedError("bad_input", "a pin has an origin and a charter", "pin");
  return parsePin(text);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw malformed("not an object", "station");
  return value as Record<string, unknown>;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
