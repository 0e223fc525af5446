/**
 * Comparing heads: whether another station was shown the same ledger (docs/protocol.md section 9).
 *
 * Two stations that meet exchange the checkpoint of the list at hand. The one with the larger tree folds as many of its
 * own cells as the other head counts and sees whether the root comes out; a ledger that shows two histories is found
 * without any network. Nothing is believed but the log's signatures.
 */

import { parseBundle } from "./bundle.ts";
import { decodeUtf8, encodeUtf8, equal } from "./bytes.ts";
import { CELL_SIZE, rootFromCells } from "./cells.ts";
import { type Checkpoint, openCheckpoint, type SignedCheckpoint } from "./checkpoint.ts";
import { checkCosignatures } from "./cosignature.ts";
import { CodedError } from "./errors.ts";
import { formatFrames, HEAD_KIND } from "./frames.ts";
import type { Pin } from "./pin.ts";
import { parsePolicy } from "./policy.ts";
import { openTrustedList, type TrustedList } from "./trusted_list.ts";

/** Between the text and the signatures of a C2SP signed note. */
const SIGNATURES = "\n\n\u2014 ";

/** A checkpoint note, and the bytes of the list that it came in, if it came in one; both unverified. */
export interface OtherHead {
  readonly note: string;
  readonly bundle: Uint8Array | undefined;
}

/** What is shown for another head; "unknown" where it is newer and comes without its list, so that ours cannot tell. */
export interface JudgedHead extends Omit<ComparedHead, "relation"> {
  readonly relation: ComparedHead["relation"] | "unknown";
}

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

/** Return the frames of the head of a list, to be shown to another station. */
export function formatHeadFrames({ checkpoint }: TrustedList): string[] {
  return formatFrames(HEAD_KIND, encodeUtf8(checkpoint));
}

/**
 * Return the head in a file or in the message of frames: a note, or a whole list.
 *
 * Throws malformed, too_large or unsupported for neither.
 */
export function parseHeadFile(data: Uint8Array): OtherHead {
  const note = decodeUtf8(data);
  if (note?.includes(SIGNATURES)) return { note, bundle: undefined };
  return { note: parseBundle(data).checkpoint, bundle: data };
}

/** Return the first line of a head: whose it says it is. */
export function originOf({ note }: OtherHead): string {
  return note.split("\n", 1)[0]!;
}

/**
 * Compare the head of another station, perhaps with its list, with the list at hand.
 *
 * Throws as `compareHead`, but bad_input where a head alone is not signed with keys that the list at hand knows: anybody
 * can write a note with its origin. Throws bundle_invalid where the list in which the head came does not verify.
 */
export function judgeHead(mine: TrustedList, other: OtherHead, pin: Pin): JudgedHead {
  const { note, bundle } = other;
  if (bundle !== undefined) return compareList(mine, note, bundle, pin);
  let compared: ComparedHead;
  try {
    compared = compareHead(mine, note);
  } catch (error) {
    if (!isNotSigned(error)) throw error;
    throw new CodedError("bad_input", `not a head that the list here knows the keys of: ${error.detail}`, "head");
  }
  return { ...compared, relation: compared.relation === "newer" ? "unknown" : compared.relation };
}

/**
 * Compare a list in which another head came, and that head, with the list at hand.
 *
 * Throws bundle_invalid where the list does not verify and its head alone is no fork.
 */
export function compareList(mine: TrustedList, note: string, bundle: Uint8Array, pin: Pin): ComparedHead {
  let compared: ComparedHead | undefined;
  try {
    compared = compareHead(mine, note);
  } catch (error) {
    // It shows keys of its own where the log has exchanged them since, or in one history alone.
    if (!isNotSigned(error)) throw error;
  }
  if (compared?.relation === "fork") return compared;
  // Nothing of it is used, so the least tree does not count: it would hide the other history.
  const theirs = openTrustedList(bundle, { ...pin, least: undefined });
  return { ...(compared ?? compareHead(theirs, note)), relation: relateLists(mine, theirs) };
}

/** Return how the other list stands to the list at hand, by their cells alone. */
function relateLists(mine: TrustedList, theirs: TrustedList): ComparedHead["relation"] {
  const [smaller, larger] = mine.treeSize <= theirs.treeSize ? [mine, theirs] : [theirs, mine];
  if (!equal(rootFromCells(larger.cells, smaller.treeSize / CELL_SIZE), smaller.rootHash)) return "fork";
  if (mine.treeSize === theirs.treeSize) return "same";
  return smaller === mine ? "newer" : "older";
}

function isNotSigned(error: unknown): error is CodedError {
  return error instanceof CodedError && error.code === "bad_checkpoint";
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
