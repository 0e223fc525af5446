/**
 * Comparing heads: whether another station was shown the same ledger (docs/protocol.md section 9).
 *
 * Two stations that meet exchange the checkpoint of the list at hand. The one with the larger tree folds as many of its
 * own cells as the other head counts and sees whether the root comes out; a ledger that shows two histories is found
 * without any network. Nothing is believed but the log's signatures.
 */

import { equal } from "./bytes.ts";
import { CELL_SIZE, rootFromCells } from "./cells.ts";
import { type Checkpoint, openCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { checkCosignatures } from "./cosignature.ts";
import { CodedError } from "./errors.ts";
import { parsePolicy } from "./policy.ts";
import type { TrustedList } from "./trusted_list.ts";

/** Kind of the frames that carry a checkpoint note. */
export const HEAD_KIND = "head";

/** Another head beside the list at hand. */
export interface ComparedHead {
  /** The same tree, an older one that ours extends, a newer one of which ours cannot tell, or a fork. */
  readonly relation: "same" | "older" | "newer" | "fork";
  readonly checkpoint: Checkpoint;
  /** Names of the witnesses whose cosignatures it bears, of those that the policy names now. */
  readonly witnesses: readonly string[];
  /** Whether they satisfy the policy. */
  readonly isCosigned: boolean;
}

/**
 * Compare the head of another station with the list at hand; a quorum is not needed, for the log answers for what it
 * signs.
 *
 * Throws malformed or too_large for what is no checkpoint note; bad_checkpoint where it is of another ledger, or no pair
 * of keys that the list knows has signed it. A line of a witness that does not verify counts for nobody.
 */
export function compareHead(trusted: TrustedList, note: string): ComparedHead {
  const signed = open(trusted, note);
  const { checkpoint } = signed;
  const policy = parsePolicy(trusted.witnessPolicy);
  const times = new Map<string, number>();
  for (const [name, key] of policy.witnesses) {
    try {
      const found = checkCosignatures(signed.note, checkpoint, new Map([[name, key]]));
      for (const [witness, timeS] of found) times.set(witness, timeS);
    } catch (error) {
      // Refused, such a line would hide what the log has signed.
      if (!(error instanceof CodedError) || error.code !== "bad_checkpoint") throw error;
    }
  }
  return {
    relation: relate(trusted, checkpoint),
    checkpoint,
    witnesses: [...times.keys()],
    isCosigned: policy.satisfied(times.keys()),
  };
}

function open(trusted: TrustedList, note: string): SignedCheckpoint {
  const [newest, ...older] = trusted.logKeys;
  for (const keys of older) {
    try {
      return openCheckpoint(note, keys);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return openCheckpoint(note, newest ?? []);
}

function relate(trusted: TrustedList, other: Checkpoint): ComparedHead["relation"] {
  const { treeSize, rootHash } = other;
  if (BigInt(treeSize) % BigInt(CELL_SIZE) || BigInt(treeSize) === 0n) {
    throw new CodedError("bad_checkpoint", "not a size at which an epoch ends", "tree_size");
  }
  if (treeSize > trusted.treeSize) return "newer";
  if (!equal(rootFromCells(trusted.cells, Number(treeSize) / CELL_SIZE), rootHash)) return "fork";
  return Number(treeSize) === trusted.treeSize ? "same" : "older";
}
