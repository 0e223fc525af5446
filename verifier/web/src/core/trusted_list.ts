/**
 * The verified list: what a station knows of its ledger, built once from a verified bundle, fast to ask
 * (docs/protocol.md section 9).
 *
 *     const trusted = openTrustedList(data, pin);
 *     trusted.issuers.get("civil-1");
 */

import { equal, toHex } from "./bytes.ts";
import type { LogVerifierKeys } from "./bridges.ts";
import { CELL_SIZE, foldCell, rootFromCells } from "./cells.ts";
import { bundleInvalid, CodedError } from "./errors.ts";
import type { Issuer, KeyRecord } from "./issuers.ts";
import { HASH_SIZE } from "./merkle.ts";
import {
  inflateList,
  type IssuerChange,
  openBundle,
  type OpenedList,
  RAW_LIST_BYTES,
  type Reasons,
} from "./opened_bundle.ts";
import type { Pin } from "./pin.ts";
import { BITS, StatusList } from "./status_list.ts";

/** What an issuer might sign from after `index` on: credential types, none while it was suspended. */
export interface ScopeRecord {
  readonly index: number;
  readonly vcts: ReadonlySet<string>;
  readonly suspended: boolean;
}

/** What a field worker reads about the signer. */
export interface IssuerName {
  readonly id: string;
  readonly title: string;
  readonly authority: string;
}

/** One admitted issuer, ready to be asked; `scopes` newest first. */
export interface TrustedIssuer {
  readonly name: IssuerName;
  readonly number: number;
  /** By kid in hex. */
  readonly keys: ReadonlyMap<string, KeyRecord>;
  readonly scopes: readonly ScopeRecord[];
  readonly listPrefix: string;
}

/** Status of a place: value of the list, reason code and month YYYYMM of its last change. */
export interface Status {
  readonly value: number;
  readonly reason: number | undefined;
  readonly month: number | undefined;
}

/** One status list; it is inflated when it is first asked. */
export class TrustedStatusList {
  readonly #packed: Uint8Array;
  readonly #reasons: Reasons;
  #places: StatusList | undefined;

  constructor({ rawDeflated, reasons }: OpenedList) {
    this.#packed = rawDeflated;
    this.#reasons = reasons;
  }

  status(idx: number): Status {
    this.#places ??= new StatusList(BITS, inflateList(this.#packed, RAW_LIST_BYTES));
    const [reason, month] = this.#reasons.get(idx) ?? [];
    return { value: this.#places.get(idx), reason, month };
  }
}

/** A verified bundle; only `openTrustedList` makes one. */
export interface TrustedList {
  readonly origin: string;
  readonly treeSize: number;
  readonly rootHash: Uint8Array;
  readonly cells: Uint8Array;
  /** By id. */
  readonly issuers: ReadonlyMap<string, TrustedIssuer>;
  /** By URI. */
  readonly lists: ReadonlyMap<string, TrustedStatusList>;
  /** Text of the cosigned checkpoint. */
  readonly checkpoint: string;
  /** Every pair of keys that the log has signed with, the newest first. */
  readonly logKeys: readonly LogVerifierKeys[];
  readonly witnessPolicy: string;
  /** The time that the witnesses vouch for, seconds. */
  readonly nowMinS: number;
  readonly sizeBytes: number;
}

/** Verify a bundle against the pin and return the list that it is; throws bundle_invalid with its step. */
export function openTrustedList(data: Uint8Array, pin: Pin): TrustedList {
  const opened = openBundle(data, pin);
  const { governance } = opened;
  return {
    origin: governance.terms.origin,
    treeSize: opened.treeSize,
    rootHash: opened.checkpoint.rootHash,
    cells: opened.cells,
    issuers: new Map(
      [...governance.issuers].map(([name, issuer]) => [name, trustIssuer(issuer, opened.history.get(name) ?? [])]),
    ),
    lists: new Map([...opened.lists].map(([uri, list]) => [uri, new TrustedStatusList(list)])),
    checkpoint: opened.note,
    logKeys: opened.logKeys,
    witnessPolicy: governance.terms.witnessPolicy,
    nowMinS: opened.nowMinS,
    sizeBytes: data.length,
  };
}

/** Return what an issuer might sign at a ledger index, or now; undefined before its admission. */
export function scopeAt(issuer: TrustedIssuer, index: number | undefined): ScopeRecord | undefined {
  return issuer.scopes.find((record) => index === undefined || record.index < index);
}

/** Return the hash of the cell that holds the entry at `index`, which must be below the tree size. */
export function cellAt({ cells }: TrustedList, index: number): Uint8Array {
  const start = Math.floor(index / CELL_SIZE) * HASH_SIZE;
  return cells.subarray(start, start + HASH_SIZE);
}

/** Where a card says that it is: index, leaf hash and path. */
export interface Place {
  readonly index: number;
  readonly leaf: Uint8Array;
  readonly path: Uint8Array;
}

/**
 * Return the list that a card of this issuer and key is judged with, undefined where no ledger knows the issuer.
 *
 * Where several ledgers have an issuer of this name, it is one that has its key; of several of these the one that
 * has the card at its place, else one that does not reach so far ("Several ledgers").
 */
export function chooseList(
  lists: readonly TrustedList[],
  iss: string,
  kid: Uint8Array,
  place: Place | undefined,
): TrustedList | undefined {
  const known = lists.filter((trusted) => trusted.issuers.has(iss));
  const havingKey = known.filter((trusted) => trusted.issuers.get(iss)?.keys.has(toHex(kid)));
  if (havingKey.length > 1 && place) {
    const { index } = place;
    const cell = foldCell(place.leaf, index, place.path);
    const listed = havingKey.find((trusted) => index < trusted.treeSize && equal(cellAt(trusted, index), cell));
    return listed ?? havingKey.find((trusted) => index >= trusted.treeSize) ?? havingKey[0];
  }
  return havingKey[0] ?? known[0];
}

/**
 * Return if `next` may take the place of `old`: the same tree or one that extends it.
 *
 * Throws bundle_invalid where it is of another ledger, of a smaller tree or, for the same tree, an earlier witnessed
 * time; fork where both are cosigned and contradict each other.
 */
export function checkNewer(old: TrustedList, next: TrustedList): void {
  if (old.origin !== next.origin) throw bundleInvalid(0, "the list is of another ledger", "origin");
  const [smaller, larger] = old.treeSize <= next.treeSize ? [old, next] : [next, old];
  if (!equal(rootFromCells(larger.cells, smaller.treeSize / CELL_SIZE), smaller.rootHash)) {
    throw new CodedError("fork", "two cosigned lists of one ledger contradict each other", "root_hash");
  }
  if (next.treeSize < old.treeSize) throw bundleInvalid(0, "the list is older than the one at hand", "tree_size");
  if (next.treeSize === old.treeSize && next.nowMinS < old.nowMinS) {
    throw bundleInvalid(0, "the list is older than the one at hand", "time");
  }
}

function trustIssuer(issuer: Issuer, changes: readonly IssuerChange[]): TrustedIssuer {
  return {
    name: { id: issuer.issuerId, title: issuer.title, authority: issuer.authority },
    number: issuer.number,
    keys: issuer.keys,
    scopes: changes
      .map((change) => ({
        index: change.index,
        vcts: new Set(change.issuer.scope.vcts),
        suspended: change.issuer.suspended,
      }))
      .reverse(),
    listPrefix: `sc:${issuer.number}/`,
  };
}
