/**
 * Checkpoints: the signed heads of the ledger (C2SP tlog-checkpoint, docs/protocol.md section 8).
 *
 * The origin is the key name, there are no extension lines, and the log signs twice, with Ed25519 over the text
 * (0x01) and with a timestamped ML-DSA-44 cosignature under its own name (0x06). A verifier requires both.
 */

import { encodeUtf8, fromBase64 } from "./bytes.ts";
import { checkCosignature, lineOf } from "./cosignature.ts";
import { CodedError, malformed, tooLarge } from "./errors.ts";
import { HASH_SIZE, MAX_TREE_SIZE } from "./merkle.ts";
import { checkRawSignature, type Note, parseNote, TYPE_ED25519, type VerifierKey } from "./note.ts";

/** Largest accepted checkpoint text in bytes, without signatures. */
const MAX_TEXT_SIZE = 4096;
const TREE_SIZE = /^(?:0|[1-9][0-9]{0,18})$/;

/** A tree head: which log, how many leaves (a `bigint` from 2^53 on), and the 32-byte root over them. */
export interface Checkpoint {
  readonly origin: string;
  readonly treeSize: number | bigint;
  readonly rootHash: Uint8Array;
}

/** A checkpoint whose log signatures were checked; the other lines of `note` are still unverified. */
export interface SignedCheckpoint {
  readonly checkpoint: Checkpoint;
  readonly note: Note;
  /** Time of the log's own 0x06 line: its word only, never witnessed time. */
  readonly timestampS: number | undefined;
}

/** Read the text of a checkpoint note; throws too_large above 4,096 bytes, malformed for any other form. */
export function parseCheckpoint(text: string): Checkpoint {
  if (encodeUtf8(text).length > MAX_TEXT_SIZE) throw tooLarge("the checkpoint is too large", "checkpoint");
  const lines = text.split("\n");
  if (lines.pop() !== "" || lines.length < 3 || lines.includes("")) {
    throw malformed("a checkpoint has three lines", "checkpoint");
  }
  if (lines.length > 3) throw malformed("extension lines are not allowed", "checkpoint");
  const [origin, sizeText, rootText] = lines as [string, string, string];
  const size = TREE_SIZE.test(sizeText) ? BigInt(sizeText) : -1n;
  if (size < 0n || size > MAX_TREE_SIZE) throw malformed("the tree size is not a canonical number", "tree_size");
  const rootHash = fromBase64(rootText, "root_hash");
  if (rootHash.length !== HASH_SIZE) throw malformed("the root hash has 32 bytes", "root_hash");
  return { origin, treeSize: size <= Number.MAX_SAFE_INTEGER ? Number(size) : size, rootHash };
}

/**
 * Check a checkpoint note against the log's keys, every one of which must have signed it.
 *
 * Throws malformed or too_large for another form; bad_checkpoint where a key is not named like the origin, or
 * has no line, two lines, or one that does not verify. Lines of other keys are ignored.
 */
export function openCheckpoint(data: string | Uint8Array, logKeys: readonly VerifierKey[]): SignedCheckpoint {
  const note = parseNote(data);
  const checkpoint = parseCheckpoint(note.text);
  if (logKeys.length === 0 || logKeys.some((key) => key.name !== checkpoint.origin)) {
    throw new CodedError("bad_checkpoint", "the checkpoint is not of this log", "origin");
  }
  const times = logKeys.map((key) => checkLine(key, note, checkpoint));
  return { checkpoint, note, timestampS: times.find((time) => time !== undefined) };
}

function checkLine(key: VerifierKey, note: Note, checkpoint: Checkpoint): number | undefined {
  const line = lineOf(note, key);
  if (!line) throw new CodedError("bad_checkpoint", "a signature of the log is missing", "note");
  if (key.signatureType !== TYPE_ED25519) return checkCosignature(key, line, checkpoint, note.text);
  try {
    checkRawSignature(key, encodeUtf8(note.text), line.signature);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    throw new CodedError("bad_checkpoint", error.detail, error.field);
  }
  return undefined;
}
