/**
 * Bridging: how a verifier crosses a change of keys, governors or witnesses (docs/protocol.md section 9).
 *
 * An action that changes who is believed takes effect for a verifier only through a checkpoint that contains it
 * and that those vouch for who were believed before. `Crossing` holds the fold of approvals against them.
 */

import { equal } from "./bytes.ts";
import { CELL_SIZE, rootFromCells } from "./cells.ts";
import type { LogKeys } from "./charter.ts";
import { openCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { checkCosignatures } from "./cosignature.ts";
import { bundleInvalid, CodedError } from "./errors.ts";
import type { Effect, Governance } from "./governance.ts";
import { HASH_SIZE } from "./merkle.ts";
import { TYPE_ED25519, TYPE_MLDSA44_COSIGNATURE, VerifierKey } from "./note.ts";
import { parsePolicy } from "./policy.ts";

export type LogVerifierKeys = readonly [VerifierKey, VerifierKey];

/** Return the verifier keys of a log from its raw Ed25519 and ML-DSA-44 public keys. */
export function logVerifierKeys(origin: string, [ed25519, mlDsa44]: LogKeys): LogVerifierKeys {
  return [
    new VerifierKey(origin, TYPE_ED25519, ed25519),
    new VerifierKey(origin, TYPE_MLDSA44_COSIGNATURE, mlDsa44),
  ];
}

/**
 * Check a checkpoint under the log keys and the witness policy that hold now; return it with the time in seconds
 * that its witnesses vouch for, undefined where the policy asks for none.
 *
 * Throws malformed or too_large for what is no checkpoint; bad_checkpoint for signatures that are missing, do
 * not verify, or are not enough.
 */
export function openCosigned(text: string, { terms }: Governance): [SignedCheckpoint, number | undefined] {
  const signed = openCheckpoint(text, logVerifierKeys(terms.origin, terms.logKeys));
  const policy = parsePolicy(terms.witnessPolicy);
  const times = checkCosignatures(signed.note, signed.checkpoint, policy.witnesses);
  if (!policy.satisfied(times.keys())) {
    throw new CodedError("bad_checkpoint", "the cosignatures do not satisfy the witness policy", "checkpoint");
  }
  return [signed, policy.quorumTime(times)];
}

/** Walks with a fold of approvals from bridge to bridge; every failure is one of step 3. */
export class Crossing {
  readonly #governance: Governance;
  readonly #bridges: string[];
  readonly #cells: Uint8Array;
  #size: number | undefined;

  constructor(governance: Governance, bridges: readonly string[], cells: Uint8Array) {
    this.#governance = governance;
    this.#bridges = [...bridges];
    this.#cells = cells;
  }

  /** Cross the bridge under way if the approval at `index` lies beyond it. */
  reach(index: number): void {
    if (this.#size !== undefined && index >= this.#size) {
      this.#governance.openEpoch();
      this.#size = undefined;
    }
  }

  /** Ask for a bridge if this action needs one and none under way contains it. */
  take(effect: Effect): void {
    this.#governance.holdUnbridged();
    if (this.#size !== undefined || !effect.action.isBridged) return;
    const text = this.#bridges.shift();
    if (text === undefined) throw bundleInvalid(3, "an action lacks its bridging checkpoint", "bridges");
    this.#size = this.#open(text, effect.index);
  }

  /** Cross the last bridge, unless it is the head itself, which is made under what held before. */
  finish(): void {
    if (this.#bridges.length) throw bundleInvalid(3, "no action asks for this bridging checkpoint", "bridges");
    this.reach((this.#cells.length / HASH_SIZE) * CELL_SIZE - 1);
  }

  #open(text: string, index: number): number {
    // Until it is crossed the governance holds the keys and the witnesses from before the action.
    const { treeSize, rootHash } = openCosigned(text, this.#governance)[0].checkpoint;
    const isSize = typeof treeSize === "number" && treeSize % CELL_SIZE === 0;
    const count = Number(treeSize) / CELL_SIZE;
    if (!isSize || index >= treeSize || count > this.#cells.length / HASH_SIZE) {
      throw bundleInvalid(3, "a bridging checkpoint does not contain its action", "bridges");
    }
    if (!equal(rootFromCells(this.#cells, count), rootHash)) {
      throw bundleInvalid(3, "a bridging checkpoint is of another tree", "bridges");
    }
    return treeSize;
  }
}
