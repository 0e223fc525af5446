/**
 * One ledger that the station believes: its pin and its list, and when another list takes that one's place.
 *
 * The twin of `verifier/station.py`: a list is taken only after it was verified, only if it is not older, never below
 * the largest tree that was ever accepted. Bytes in, values or exceptions out; who writes the record is
 * `phone_station.ts`.
 */

import { parseBundle } from "../core/bundle.ts";
import { toHex } from "../core/bytes.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import { applyDelta, parseDelta } from "../core/delta.ts";
import { bundleInvalid, CodedError } from "../core/errors.ts";
import { parseNote } from "../core/note.ts";
import { parsePin, type Pin } from "../core/pin.ts";
import { parseStatement } from "../core/statement.ts";
import { checkNewer, openTrustedList, type TrustedList } from "../core/trusted_list.ts";
import { formatPin, withLargerLeast } from "./pins.ts";
import type { AppliedDelta, EvidenceFile, LedgerRecord, PinSource } from "./store.ts";

/** Deltas that are kept to be handed on; together they are smaller than most lists. */
const DELTAS_KEPT = 7;
/** The largest delta that is kept: what can be shown as codes. */
const DELTA_KEPT_BYTES = 100 * 1024;

/** A ledger as the station has it. */
export interface Ledger {
  readonly record: LedgerRecord;
  readonly pin: Pin;
  /** The verified list; undefined where there is none. */
  readonly trusted: TrustedList | undefined;
  /** What was wrong with the bytes that the phone kept; they are not used. */
  readonly damage: CodedError | undefined;
}

/** Return a ledger that was not believed before, without a list. */
export function believeLedger(pin: Pin, source: PinSource): Ledger {
  const record: LedgerRecord = {
    origin: pin.origin,
    pin: formatPin(pin),
    source,
    bundle: undefined,
    head: undefined,
    deltas: [],
    revision: 1,
  };
  return { record, pin, trusted: undefined, damage: undefined };
}

/**
 * Verify what was kept of a ledger. A list that does not verify is not used, and said to be damaged.
 *
 * Throws bad_input where the pin is none: nothing can be believed then.
 */
export function openLedger(record: LedgerRecord): Ledger {
  const pin = parsePin(record.pin);
  if (pin.origin !== record.origin) throw new CodedError("bad_input", "a pin of another ledger", "pin");
  if (!record.bundle) return { record, pin, trusted: undefined, damage: undefined };
  try {
    return { record, pin, trusted: openTrustedList(record.bundle, floorOf(record, pin)), damage: undefined };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    // The bytes are dropped; the least tree in `head` stays.
    return { record: { ...record, bundle: undefined, deltas: [] }, pin, trusted: undefined, damage: error };
  }
}

/**
 * Return the ledger with this list.
 *
 * Throws bundle_invalid where it does not verify or is older; fork where it contradicts the list at hand.
 */
export function takeList(ledger: Ledger, data: Uint8Array, deltas: readonly AppliedDelta[] = []): Ledger {
  const { record, pin, trusted: old } = ledger;
  let next: TrustedList;
  try {
    next = openTrustedList(data, pin);
  } catch (error) {
    checkNoFork(ledger, data);
    throw error;
  }
  if (old) checkNewer(old, next);
  // The list is damaged or lost, or there was none; what it was stays the least that is taken.
  else if (record.head !== undefined) next = openTrustedList(data, floorOf(record, pin));
  const head = formatPin({ ...pin, least: { size: next.treeSize, root: next.rootHash } });
  return {
    record: { ...record, bundle: data, head, deltas: keepDeltas(record.deltas, deltas), revision: record.revision + 1 },
    pin,
    trusted: next,
    damage: undefined,
  };
}

/** Return the ledger with this pin of the same ledger; of the two least trees the larger is kept. */
export function takePin(ledger: Ledger, pin: Pin): Ledger {
  const larger = withLargerLeast(ledger.pin, pin);
  if (larger === ledger.pin) return ledger;
  const record = { ...ledger.record, pin: formatPin(larger), revision: ledger.record.revision + 1 };
  return openLedger(record);
}

/** Raise fork where a list is refused for the least tree of the pin alone and contradicts the one at hand. */
function checkNoFork({ pin, trusted }: Ledger, data: Uint8Array): void {
  if (!pin.least || !trusted) return;
  try {
    checkNewer(trusted, openTrustedList(data, { ...pin, least: undefined }));
  } catch (error) {
    if (!(error instanceof CodedError) || error.code === "fork") throw error;
  }
}

/** Return the pin with the largest tree that the station was shipped with or has ever accepted. */
function floorOf({ head }: LedgerRecord, pin: Pin): Pin {
  if (head === undefined) return pin;
  return withLargerLeast(pin, parsePin(head));
}

/**
 * Return the list that a delta leads to from the one at hand, and the delta as it is kept.
 *
 * Throws no_bundle where there is no list; malformed and bundle_invalid as `applyDelta`.
 */
export function followDelta(bundle: Uint8Array | undefined, delta: Uint8Array): { data: Uint8Array; applied: AppliedDelta } {
  if (!bundle) throw new CodedError("no_bundle", "no list is loaded", "bundle");
  const { fromSize, toSize } = parseDelta(delta);
  return { data: applyDelta(bundle, delta), applied: { fromSize, toSize, bytes: delta } };
}

/** Return the origin that a list's charter names; whether it is that ledger's is looked at later. Throws bundle_invalid. */
export function originOfBundle(data: Uint8Array): string {
  try {
    return parseStatement(parseBundle(data).charter.entry).sub;
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw bundleInvalid(1, `${error.detail} (${error.code})`, error.field);
  }
}

/** Return the origin that a delta's checkpoint names. Throws malformed. */
export function originOfDelta(delta: Uint8Array): string {
  return parseCheckpoint(parseNote(parseDelta(delta).checkpoint).text).origin;
}

/**
 * Return both sides of a fork as they are, to be handed on to an auditor: the list at hand, and the head or list that
 * contradicts it. Names are those of the Python station.
 */
export function forkFiles(mine: Ledger, note: string, bundle: Uint8Array | undefined): EvidenceFile[] {
  const { trusted, record } = mine;
  if (!trusted || !record.bundle) return [];
  const { origin } = record;
  const head = parseCheckpoint(parseNote(note).text);
  const other = forkName(head.treeSize, head.rootHash);
  return [
    { origin, name: `${forkName(trusted.treeSize, trusted.rootHash)}.cbor`, bytes: record.bundle },
    bundle
      ? { origin, name: `${other}.cbor`, bytes: bundle }
      : { origin, name: `${other}.note`, bytes: new TextEncoder().encode(note) },
  ];
}

function forkName(treeSize: number | bigint, rootHash: Uint8Array): string {
  return `fork-${treeSize}-${toHex(rootHash.subarray(0, 8))}`;
}

function keepDeltas(old: readonly AppliedDelta[], more: readonly AppliedDelta[]): AppliedDelta[] {
  return [...old, ...more].filter(({ bytes }) => bytes.length <= DELTA_KEPT_BYTES).slice(-DELTAS_KEPT);
}
