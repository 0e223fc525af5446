/**
 * A trust bundle that has been verified: from bytes that nobody vouches for to a ledger as of its last seal.
 *
 * docs/protocol.md section 9, steps 1 to 7 in their order. Each failure is `bundle_invalid` with its step.
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { equal, toHex } from "./bytes.ts";
import { Crossing, type LogVerifierKeys, logVerifierKeys, openCosigned } from "./bridges.ts";
import { type Bundle, type PlacedEntry, parseBundle } from "./bundle.ts";
import { decode, encode, type Value } from "./cbor.ts";
import { CELL_SIZE, foldCell, rootFromCells } from "./cells.ts";
import type { LogKeys } from "./charter.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { bundleInvalid, CodedError } from "./errors.ts";
import { PLACES } from "./fields.ts";
import { approvalsComplete, Governance } from "./governance.ts";
import { inflate } from "./inflate.ts";
import type { Issuer } from "./issuers.ts";
import { HASH_SIZE, leafHash } from "./merkle.ts";
import type { Pin } from "./pin.ts";
import type { Seal } from "./seal.ts";
import { checkStatement, parseStatement } from "./statement.ts";
import { parseMonth, REASON_NAMES } from "./status_change.ts";

export const RAW_LIST_BYTES = PLACES / 2;
const REASONS_MAX_BYTES = 5 + PLACES * 12;
/** Reasons of all lists together; what is larger is refused before anything of it is read. */
const REASONS_TOTAL_BYTES = 64 * 1024 * 1024;

/** What an issuer became with the action that took effect at `index`. */
export interface IssuerChange {
  readonly index: number;
  readonly issuer: Issuer;
}

/** Reason and month of the last change of a place whose status is not 0. */
export type Reasons = ReadonlyMap<number, readonly [reason: number, month: number]>;

/** A verified list; `rawDeflated` inflates to 65,536 bytes that the seal commits to. */
export interface OpenedList {
  readonly rawDeflated: Uint8Array;
  readonly reasons: Reasons;
}

/** A verified bundle. */
export interface OpenedBundle {
  readonly governance: Governance;
  /** By issuer id, what it became with each action, oldest first. */
  readonly history: ReadonlyMap<string, readonly IssuerChange[]>;
  readonly checkpoint: Checkpoint;
  readonly note: string;
  /** Every pair of keys that signed heads of the ledger, the newest first. */
  readonly logKeys: readonly LogVerifierKeys[];
  readonly cells: Uint8Array;
  readonly treeSize: number;
  readonly seal: Seal;
  readonly lists: ReadonlyMap<string, OpenedList>;
  /** The time that the witnesses vouch for, seconds; the seal's where the policy asks for none. */
  readonly nowMinS: number;
}

/** Verify a bundle against the pin; throws bundle_invalid with the step that failed. */
export function openBundle(data: Uint8Array, pin: Pin): OpenedBundle {
  let step = 1;
  try {
    const bundle = parseBundle(data);
    step = 2;
    const governance = checkCharter(bundle, pin);
    const firstKeys = governance.terms.logKeys;
    step = 3;
    const history = foldApprovals(bundle, governance);
    step = 4;
    const { checkpoint, timeS } = checkCheckpoint(bundle, governance);
    step = 5;
    checkRoot(bundle, checkpoint, pin);
    step = 6;
    const seal = checkSeal(bundle, governance);
    step = 7;
    const lists = openLists(bundle, seal);
    return {
      governance,
      history,
      checkpoint,
      note: bundle.checkpoint,
      logKeys: allLogKeys(governance, firstKeys),
      cells: bundle.cells,
      treeSize: bundle.treeSize,
      seal,
      lists,
      // A ledger whose policy asks for no witness has nobody but its service key to vouch for the time.
      nowMinS: timeS ?? Math.floor(seal.timeMs / 1000),
    };
  } catch (error) {
    if (!(error instanceof CodedError) || error.code === "bundle_invalid") throw error;
    throw bundleInvalid(step, `${error.detail} (${error.code})`, error.field);
  }
}

/** Return all pairs of log keys, those of the charter last; the newest may not sign yet. */
function allLogKeys(governance: Governance, first: LogKeys): LogVerifierKeys[] {
  const pairs = new Map([[toHex(first[0]) + toHex(first[1]), first]]);
  for (const { action } of governance.effects) {
    for (const verb of action.verbs) {
      if (verb.code === 13) pairs.set(toHex(verb.logKeys[0]) + toHex(verb.logKeys[1]), verb.logKeys);
    }
  }
  return [...pairs.values()].reverse().map((pair) => logVerifierKeys(governance.terms.origin, pair));
}

/** Step 2: leaf hash as pinned, signature, path. */
function checkCharter(bundle: Bundle, pin: Pin): Governance {
  if (!equal(leafHash(bundle.charter.entry), pin.charterHash)) {
    throw bundleInvalid(2, "the charter is not the pinned one", "charter");
  }
  const statement = parseStatement(bundle.charter.entry);
  if (statement.body.kind !== "charter" || statement.body.charter.origin !== pin.origin) {
    throw bundleInvalid(2, "the charter is not of the pinned origin", "origin");
  }
  const { charter } = statement.body;
  if (!equal(statement.kid, charter.serviceKey.kid)) {
    throw bundleInvalid(2, "the charter is not signed by its service key", "charter");
  }
  checkStatement(statement, charter.serviceKey);
  checkInCell(bundle, bundle.charter, 2);
  return new Governance(charter);
}

/** Step 3: fold every approval and cross every bridge; return what each issuer became, oldest first. */
function foldApprovals(bundle: Bundle, governance: Governance): Map<string, IssuerChange[]> {
  const statements = bundle.approvals.map(({ entry }) => parseStatement(entry));
  const rows = statements.map((statement, place) => {
    if (statement.body.kind !== "govern") throw bundleInvalid(3, "an approval is not a govern statement", "approvals");
    return { statement, action: statement.body.action, placed: bundle.approvals[place]! };
  });
  const history = new Map<string, IssuerChange[]>();
  const crossing = new Crossing(governance, bundle.bridges, bundle.cells);
  const complete = approvalsComplete(statements);
  rows.forEach(({ statement, action, placed }, place) => {
    checkInCell(bundle, placed, 3);
    crossing.reach(placed.index);
    checkStatement(statement, governance.governorKey(statement.iss, statement.kid));
    const effect = governance.approve(placed.index, statement, action, complete[place]!);
    if (!effect) return;
    crossing.take(effect);
    const issuer = governance.issuers.get(action.subject);
    if (!issuer) return;
    const changes = history.get(issuer.issuerId) ?? [];
    changes.push({ index: placed.index, issuer });
    history.set(issuer.issuerId, changes);
  });
  crossing.finish();
  return history;
}

/** Step 4: log signatures, witness policy, size; return the head and the time that witnesses vouch for. */
function checkCheckpoint(
  bundle: Bundle,
  governance: Governance,
): { checkpoint: Checkpoint; timeS: number | undefined } {
  const [{ checkpoint }, timeS] = openCosigned(bundle.checkpoint, governance);
  if (checkpoint.treeSize !== bundle.treeSize) {
    throw bundleInvalid(4, "the checkpoint is not of the size of the cells", "tree_size");
  }
  return { checkpoint, timeS };
}

/** Step 5: the cells fold up to the root; the tree is not below the pin's least one, and extends it. */
function checkRoot({ cells, treeSize }: Bundle, checkpoint: Checkpoint, { least }: Pin): void {
  if (!equal(rootFromCells(cells, cells.length / HASH_SIZE), checkpoint.rootHash)) {
    throw bundleInvalid(5, "the cells do not fold up to the root", "cells");
  }
  if (!least) return;
  if (treeSize < least.size) throw bundleInvalid(5, "the list is older than the least that the pin names", "least");
  if (!equal(rootFromCells(cells, least.size / CELL_SIZE), least.root)) {
    throw bundleInvalid(5, "the list does not extend the least tree that the pin names", "least");
  }
}

/** Step 6: the last seal, in its cell, by the service key, with the head of the actions just folded. */
function checkSeal(bundle: Bundle, governance: Governance): Seal {
  checkInCell(bundle, bundle.seal, 6);
  const statement = parseStatement(bundle.seal.entry);
  const { body } = statement;
  const { origin, serviceKey } = governance.terms;
  if (body.kind !== "seal" || statement.iss !== origin || body.seal.index !== bundle.seal.index) {
    throw bundleInvalid(6, "not the last seal of this ledger", "seal");
  }
  if (!equal(statement.kid, serviceKey.kid)) {
    throw bundleInvalid(6, "the seal is not signed by the service key", "seal");
  }
  checkStatement(statement, serviceKey);
  if (!equal(body.seal.governHead, governance.governHead)) {
    throw bundleInvalid(6, "the approvals are not all that the seal commits to", "govern_head");
  }
  return body.seal;
}

/** Step 7: the digest of the lists is the seal's; only then are their reasons read. */
function openLists({ lists }: Bundle, seal: Seal): Map<string, OpenedList> {
  let left = REASONS_TOTAL_BYTES;
  const rows = lists.map(({ uri, rawDeflated, reasonsDeflated }): Value => {
    const raw = inflateList(rawDeflated, RAW_LIST_BYTES);
    const reasons = inflateList(reasonsDeflated, left);
    left -= reasons.length;
    if (raw.length !== RAW_LIST_BYTES) throw bundleInvalid(7, "a status list does not have its size", "lists");
    return [uri, sha256(raw), sha256(reasons)];
  });
  if (!equal(sha256(encode(rows)), seal.statusDigest)) {
    throw bundleInvalid(7, "the status lists are not those that the seal commits to", "lists");
  }
  // The raw lists stay packed: a phone holds few of them inflated at a time (trusted_list.ts).
  return new Map(
    lists.map(({ uri, rawDeflated, reasonsDeflated }) => [
      uri,
      { rawDeflated, reasons: parseReasons(inflateList(reasonsDeflated, REASONS_MAX_BYTES)) },
    ]),
  );
}

/** Inflate one whole zlib stream of at most `maxSize` bytes. */
export function inflateList(data: Uint8Array, maxSize: number): Uint8Array {
  const raw = inflate(data, maxSize);
  if (raw === "broken") throw bundleInvalid(7, "a list does not inflate", "lists");
  if (typeof raw === "string") {
    throw bundleInvalid(7, "a list is too large, cut short or followed by other bytes", "lists");
  }
  return raw;
}

/** Read `reasons` of the CDDL. */
function parseReasons(data: Uint8Array): Reasons {
  const rows = decode(data, REASONS_MAX_BYTES, "reasons");
  const reasons = new Map<number, readonly [number, number]>();
  let before = -1;
  for (const row of Array.isArray(rows) ? rows : [null]) {
    const [idx, reason, month] = Array.isArray(row) && row.length === 3 ? row : [];
    const isRow = typeof idx === "number" && idx > before && idx < PLACES;
    if (!isRow || typeof reason !== "number" || !REASON_NAMES[reason]) {
      throw bundleInvalid(7, "reasons are not of their form", "lists");
    }
    reasons.set(idx, [reason, parseMonth(month, "lists")]);
    before = idx;
  }
  return reasons;
}

function checkInCell({ cells }: Bundle, { entry, index, path }: PlacedEntry, step: number): void {
  const start = Math.floor(index / CELL_SIZE) * HASH_SIZE;
  if (!equal(foldCell(leafHash(entry), index, path), cells.subarray(start, start + HASH_SIZE))) {
    throw bundleInvalid(step, "an entry is not in its cell", "path");
  }
}
